/** What JSON lets through although terminals and readers of lines obey it: DEL and C1, line and paragraph separators, marks that turn the direction of writing. */
const OBEYED = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** JSON with what a terminal or a reader of lines would obey as escapes: the same value, one harmless line. */
export function tameJson(json: string): string {
  return json.replace(OBEYED, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
