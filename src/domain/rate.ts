/** A rate: at most `count` per `windowMs`. Written `30/min`. */
export interface Rate {
  readonly count: number;
  readonly windowMs: number;
}
