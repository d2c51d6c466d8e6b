/** English text has about four bytes to a token, other scripts fewer characters and about as many bytes. */
const BYTES_PER_TOKEN = 4;

/** About how many tokens these texts are, for providers that do not say. */
export function estimatedTokens(texts: readonly string[]): number {
  return Math.ceil(texts.reduce((bytes, text) => bytes + Buffer.byteLength(text), 0) / BYTES_PER_TOKEN);
}
