/** Steps by id, each with the siblings that it waits for. */
export type WaitGraph = ReadonlyMap<string, ReadonlySet<string>>;

/** The ids of a list in layers: each waits only for ids of layers before its own. Ids in cycles are left out. */
export function layersOf(graph: WaitGraph): string[][] {
  const waiting = new Map(Array.from(graph, ([id, after]) => [id, countKnown(graph, after)]));
  const dependents = new Map<string, string[]>();
  for (const [id, after] of graph) {
    for (const other of after) dependents.set(other, [...(dependents.get(other) ?? []), id]);
  }
  const layers: string[][] = [];
  let layer = [...graph.keys()].filter((id) => waiting.get(id) === 0);
  while (layer.length > 0) {
    layers.push(layer);
    const next: string[] = [];
    for (const id of layer.flatMap((done) => dependents.get(done) ?? [])) {
      const left = (waiting.get(id) ?? 0) - 1;
      waiting.set(id, left);
      if (left === 0) next.push(id);
    }
    layer = next;
  }
  return layers;
}

/** Cycles that share no step, each as the ids on it: `['a', 'b']` when a waits for b and b for a. */
export function cyclesOf(graph: WaitGraph): string[][] {
  const ordered = new Set(layersOf(graph).flat());
  const left = new Set([...graph.keys()].filter((id) => !ordered.has(id)));
  const cycles: string[][] = [];
  for (;;) {
    const cycle = findCycle(graph, left);
    if (cycle === null) return cycles;
    cycles.push(cycle);
    for (const id of cycle) left.delete(id);
  }
}

const countKnown = (graph: WaitGraph, after: ReadonlySet<string>) => {
  let count = 0;
  for (const id of after) if (graph.has(id)) count += 1;
  return count;
};

/** Follows what steps wait for until it comes back to where it has been, trying each step once. */
function findCycle(graph: WaitGraph, within: ReadonlySet<string>): string[] | null {
  const done = new Set<string>();
  for (const start of within) {
    const trail: string[] = [];
    const open = [start];
    for (let id = open.at(-1); id !== undefined; id = open.at(-1)) {
      if (trail.at(-1) === id) {
        trail.pop();
        open.pop();
        done.add(id);
        continue;
      }
      if (done.has(id)) {
        open.pop();
        continue;
      }
      const begin = trail.indexOf(id);
      if (begin !== -1) return trail.slice(begin);
      trail.push(id);
      if (graph.get(id)?.has(id)) return [id];
      for (const next of graph.get(id) ?? []) if (within.has(next) && !done.has(next)) open.push(next);
    }
  }
  return null;
}
