/** Controls that a log or a terminal would obey, line ends among them. */
const CONTROLS = /[\0-\x1f\x7f-\x9f]/g;

/** A key or token as people may see it: enough to tell it from others, too little to use it. Short ones show nothing. */
export function maskKey(text: string): string {
  return text.length < 20 ? '…' : `${text.slice(0, 8)}…${text.slice(-2)}`;
}

/** Text of a stranger for one line of a log: cut, and with `?` in place of what could begin another line or steer a terminal. */
export function sanitiseLogText(text: string, longest: number): string {
  return text.slice(0, longest).replace(CONTROLS, '?');
}
