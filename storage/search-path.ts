/** `searchPath` (schemas separated by commas) quoted for SQL. Throws on what is not a plain identifier. */
export function quoteSearchPath(searchPath: string): string {
  return searchPath.split(',').map(quoteSchema).join(', ');
}

function quoteSchema(part: string): string {
  const name = part.trim();
  if (!/^[a-z_][a-z0-9_$]{0,62}$/i.test(name)) throw new Error(`Not a schema name: ${JSON.stringify(part)}`);
  return `"${name}"`;
}
