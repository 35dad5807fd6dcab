import { nearestName } from '../core/nearest-name.ts';

/** A list whose steps can be seen from a place inside it, or inside one of its steps. */
interface VisibleList {
  ids: ReadonlySet<string>;
  /** The step of the list that the place is, or is inside of; null for what comes when the list has ended. */
  from: string | null;
  /** That step's waits, to which what is read is added; null where reading does not make it wait. */
  waits: Set<string> | null;
}

/** What can be seen from a place: its own list first. */
export type View = readonly VisibleList[];

const ID_CHARS_MAX = 64;
const CANDIDATES_MAX = 100;

/** Notes that the place reads the step `id`, and says what is wrong with that, if anything. */
export function readStep(view: View, id: string, containers: ReadonlyMap<string, string>): string | null {
  for (const [level, list] of view.entries()) {
    if (!list.ids.has(id)) continue;
    if (list.from === id && list.waits !== null) {
      return level === 0
        ? `the step refers to itself`
        : `"${id}" contains this step, so it has not ended yet`;
    }
    list.waits?.add(id);
    return null;
  }
  const container = containers.get(id);
  if (container !== undefined) {
    return `"${id}" stands inside "${container}" and cannot be seen from here; the output of "${container}" can`;
  }
  const named = id.slice(0, ID_CHARS_MAX);
  const nearest = nearestName(named, view.flatMap((list) => [...list.ids]).slice(0, CANDIDATES_MAX));
  return `there is no step "${named}"${nearest === null ? '' : `; did you mean "${nearest}"?`}`;
}
