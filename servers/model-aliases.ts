import { type KnownModel, type Registry, takesWork } from './registry.ts';

/** What a caller's model name stands for now. */
export interface ResolvedModel {
  /** The name under which its servers know it. */
  name: string;
  model: KnownModel;
}

export interface ModelAliases {
  /** The first model of the name's chain that has a server that takes work. Where none has: the first that there is;
   *  null when there is none. */
  resolve(name: string): ResolvedModel | null;
  /** The names that have a chain, each with it. */
  chains(): ReadonlyMap<string, readonly string[]>;
  /** Has names stand for these from now on. */
  setChains(aliases: Readonly<Record<string, readonly string[]>>): void;
}

const MODELS_TRIED_MAX = 100;

/** A name's chain begins with the model of that name, if there is one; an alias in a chain stands for its own. */
export function createModelAliases(
  registry: Pick<Registry, 'findModel'>,
  aliases: Readonly<Record<string, readonly string[]>>,
): ModelAliases {
  let chains = new Map(Object.entries(aliases));

  return {
    resolve(name) {
      if (!chains.has(name)) return find(name);
      let first: ResolvedModel | null = null;
      for (const candidate of expand(name)) {
        const found = find(candidate);
        if (found?.model.servers.some(takesWork)) return found;
        first ??= found;
      }
      return first;
    },
    chains: () => chains,
    setChains(next) {
      chains = new Map(Object.entries(next));
    },
  };

  function find(name: string): ResolvedModel | null {
    const model = registry.findModel(name);
    return model && { name, model };
  }

  // Depth first, each name once: chains may name each other.
  function expand(name: string): Set<string> {
    const names = new Set<string>();
    const open = [name];
    for (let next = open.pop(); next !== undefined && names.size < MODELS_TRIED_MAX; next = open.pop()) {
      if (names.has(next)) continue;
      names.add(next);
      open.push(...(chains.get(next) ?? []).toReversed());
    }
    return names;
  }
}
