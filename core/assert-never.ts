/** Marks a branch that the types rule out, so that a new variant of a union fails to compile. */
export function assertNever(value: never): never {
  throw new Error(`Unexpected variant: ${JSON.stringify(value)}`);
}
