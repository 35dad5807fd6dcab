const PLAIN_KEY = /^[A-Za-z_][\w-]*$/;

/** The JSON path of a member: `$.steps` and 2 → `$.steps[2]`; a key that is no plain name in brackets and quotes. */
export function memberPath(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  return PLAIN_KEY.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}
