/** What a terminal shows of a text with control sequences. */
const ESCAPE = String.fromCharCode(27);
const SEQUENCE = new RegExp(`${ESCAPE}\\[[0-9;?]*[A-Za-z]`, "g");

export function withoutSequences(text: string): string {
  return text.replaceAll(SEQUENCE, "");
}
