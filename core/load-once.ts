/** Gives what `load` gives, called at the first use: a module that many processes never need costs them no memory. */
export function loadOnce<T>(load: () => T): () => T {
  let loaded: { value: T } | null = null;
  return () => {
    loaded ??= { value: load() };
    return loaded.value;
  };
}
