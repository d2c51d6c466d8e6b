/** Something that happened to an agent. `id` counts from 1; `data` is JSON. */
export interface AgentEvent {
  readonly id: number;
  readonly name: 'output' | 'instruction.started' | 'instruction.finished' | 'agent.started' | 'agent.stopped' | 'agent.ended' | 'missed';
  readonly data: string;
}

const MOST_EVENTS = 1_000;
const MOST_CHARACTERS = 256 * 1024;

/** The last events of an agent, for any number of readers at their own pace: one that is too slow is told how many it missed. */
export class AgentFeed {
  private readonly events: AgentEvent[] = [];
  private characters = 0;
  private lastId = 0;
  private isClosed = false;
  private waiters: (() => void)[] = [];

  publish(name: AgentEvent['name'], data: unknown): void {
    const event = { id: ++this.lastId, name, data: JSON.stringify(data) };
    this.events.push(event);
    this.characters += event.data.length;
    while (this.events.length > 1 && (this.events.length > MOST_EVENTS || this.characters > MOST_CHARACTERS))
      this.characters -= this.events.shift()?.data.length ?? 0;
    this.wake();
  }

  /** Nothing more will happen. */
  close(): void {
    this.isClosed = true;
    this.wake();
  }

  /** What is kept of the events after this one, then those to come; ends with the agent. */
  async *follow(afterId: number): AsyncGenerator<AgentEvent, void, undefined> {
    let last = Math.min(afterId, this.lastId);
    for (;;) {
      const first = this.events[0]?.id ?? this.lastId + 1;
      if (last + 1 < first) {
        yield { id: first - 1, name: 'missed', data: JSON.stringify({ events: first - 1 - last }) };
        last = first - 1;
      }
      const next = this.events[last + 1 - (this.events[0]?.id ?? 0)];
      if (next && next.id === last + 1) {
        last = next.id;
        yield next;
      } else if (last < this.lastId) continue;
      else if (this.isClosed) return;
      else await new Promise<void>((resolve) => this.waiters.push(resolve));
    }
  }

  private wake(): void {
    for (const resolve of this.waiters.splice(0)) resolve();
  }
}

/** As a frame of Server-Sent Events. */
export function frameOf({ id, name, data }: AgentEvent): string {
  return `event: ${name}\nid: ${id}\ndata: ${data}\n\n`;
}
