import type { Registry } from './registry.ts';

/** For whatever has no name of its own here. */
const OTHER_MODEL = 'other';

const NAMES_MAX = 500;
const NAME_CHARS_MAX = 256;

/**
 * The name by which metrics know a model: its id, while a server has it. Servers come and go, and so do their models: of
 * those that were ever named, the first 500 keep their names.
 */
export function createModelLabel(registry: Pick<Registry, 'findModel'>): (name: string) => string {
  const named = new Set<string>();
  return (name) => {
    if (named.has(name)) return name;
    const id = registry.findModel(name)?.id ?? OTHER_MODEL;
    if (named.has(id)) return id;
    if (id.length > NAME_CHARS_MAX || named.size >= NAMES_MAX) return OTHER_MODEL;
    named.add(id);
    return id;
  };
}
