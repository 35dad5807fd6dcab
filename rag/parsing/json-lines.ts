const LENGTH_MAX = 10_000_000;
// JSON.parse would round it.
const LONG_NUMBER = /\d{16}/;

/** JSON in one line as indented lines, so that it can be cut between its members; other text as it is. */
export function jsonLines(text: string): string {
  if (text.length > LENGTH_MAX || text.trim().includes('\n') || LONG_NUMBER.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
