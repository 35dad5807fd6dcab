import { AppError } from '../../core/errors.ts';
import { type Behaviour, parseSimName } from './sim-name.ts';

export interface DemoModel {
  id: string;
  /** Number of parameters that the server reports for it. */
  parameters?: number;
  /** Whether Ollama's `/api/ps` lists it (default true). */
  isLoaded?: boolean;
}

export const DEMO_MODELS: readonly DemoModel[] = [
  { id: 'citadel-demo' },
  { id: 'citadel-demo-large', parameters: 70e9 },
  { id: 'citadel-demo-embed' },
];

const NAMES_CACHED_MAX = 1_000;
/** 1 January 2025: a model's age must not change with the server's. */
const CREATED = 1_735_689_600;

export interface ModelCatalogue {
  /** How `name` behaves. Throws AppError `model_not_found`. */
  require(name: string): Behaviour;
  /** `name` as an entry of `/v1/models`. Throws AppError `model_not_found`. */
  entry(name: string): object;
  /** `/v1/models`. */
  entries(): object;
  /** Ollama's `/api/tags`. */
  tags(): object;
  /** Ollama's `/api/ps`. */
  loaded(): object;
}

/** `models` by name; with `isSimOpen` also each name that describes a simulated model. */
export function createModelCatalogue(models: readonly DemoModel[], isSimOpen: boolean): ModelCatalogue {
  const listed = new Map(models.map((model) => [model.id, model]));
  const behaviours = new Map<string, Behaviour>();

  function requireBehaviour(name: string): Behaviour {
    const known = behaviours.get(name);
    if (known !== undefined) return known;
    const simulated = listed.has(name) || isSimOpen ? parseSimName(name) : undefined;
    const behaviour = simulated ?? (listed.has(name) ? {} : undefined);
    if (behaviour === undefined) throw unknownModel(name);
    if (behaviours.size >= NAMES_CACHED_MAX) behaviours.clear();
    behaviours.set(name, behaviour);
    return behaviour;
  }

  return {
    require: requireBehaviour,
    entry(name) {
      requireBehaviour(name);
      return toEntry(listed.get(name) ?? { id: name });
    },
    entries: () => ({ object: 'list', data: models.map(toEntry) }),
    tags: () => ({ models: models.map(toTag) }),
    loaded: () => ({ models: models.filter(({ isLoaded }) => isLoaded !== false).map(toTag) }),
  };
}

function unknownModel(name: string): AppError {
  return new AppError('model_not_found', `The model '${name.slice(0, 200)}' does not exist.`, {
    param: 'model',
  });
}

function toEntry({ id, parameters }: DemoModel): object {
  const entry = { id, object: 'model', created: CREATED, owned_by: 'citadel-demo' };
  return parameters === undefined ? entry : { ...entry, meta: { n_params: parameters } };
}

function toTag({ id, parameters }: DemoModel): object {
  return {
    name: id,
    model: id,
    details: { family: 'citadel-demo', parameter_size: parameters === undefined ? '' : toSize(parameters) },
  };
}

/** As Ollama writes it: `3.8B`, `137M`. */
function toSize(parameters: number): string {
  const [unit, letter] = parameters >= 1e9 ? [1e9, 'B'] : [1e6, 'M'];
  return `${Number((parameters / unit).toFixed(1))}${letter}`;
}
