/** A repeatable source of numbers from 0 up to but not including 1 (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const KEYS = ['stream', 'model', 'a"b', 'back\\slash', 'é\n', '', 'seed', '{', ']', 'stream_options', ',:'];
const SCALARS = [
  'x',
  '',
  '"',
  '\\',
  '\\"',
  '{"stream":1}',
  '\u2028',
  '\ud800',
  0,
  -1.5e-7,
  1e21,
  true,
  false,
  null,
];

type Random = () => number;
const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;

/** Any JSON value of at most `depth` levels. */
export function randomValue(random: Random, depth: number): unknown {
  const kind = depth === 0 ? 0 : random();
  if (kind < 0.4) return pick(random, SCALARS);
  if (kind < 0.7)
    return Array.from({ length: Math.floor(random() * 4) }, () => randomValue(random, depth - 1));
  return Object.fromEntries(randomEntries(random, depth));
}

/** Members of an object; a key may come twice. */
export function randomEntries(random: Random, depth: number): [string, unknown][] {
  return Array.from({ length: Math.floor(random() * 5) }, () => [
    pick(random, KEYS),
    randomValue(random, depth - 1),
  ]);
}

/** The members as the text of one object, with blanks and escapes strewn in. */
export function toUntidyText(random: Random, entries: [string, unknown][]): string {
  const blank = () => pick(random, ['', '', ' ', '\n\t', '\r\n  ']);
  const key = (name: string) => (random() < 0.3 ? escapeAll(name) : JSON.stringify(name));
  const members = entries.map(
    ([name, value]) =>
      `${blank()}${key(name)}${blank()}:${blank()}${JSON.stringify(value, null, pick(random, [0, 1]))}${blank()}`,
  );
  return `${blank()}{${members.join(',')}${blank()}}${blank()}`;
}

function escapeAll(text: string): string {
  const units = Array.from({ length: text.length }, (_, at) =>
    text.charCodeAt(at).toString(16).padStart(4, '0'),
  );
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`;
}
