import type { ModelClass } from '../core/schemas/model-class.ts';
import type { ModelInfo } from './model-server.ts';

export interface ClassRules {
  /** Model names listed for each class; a name counts without its `:tag` too. */
  models: Record<ModelClass, readonly string[]>;
}

const EMBEDDING_NAME = /embed|(^|[-_/])(bge|gte|e5|minilm)([-_.:]|$)/i;
/** From this many parameters on a model is heavyweight, where nobody said otherwise. */
const HEAVYWEIGHT_PARAMETERS = 13e9;

/**
 * The class whose queue serves `model`: the configured lists first, then the one class that its server declares, then
 * the name's pattern, then its size as the server reports it, else lightweight.
 */
export function classifyModel(
  model: Pick<ModelInfo, 'id' | 'parameters'>,
  declared: readonly ModelClass[],
  rules: ClassRules,
): ModelClass {
  const listed = findListed(model.id, rules);
  if (listed) return listed;
  const [only, ...others] = declared;
  if (only && others.length === 0) return only;
  if (EMBEDDING_NAME.test(model.id)) return 'embedding';
  return (model.parameters ?? 0) >= HEAVYWEIGHT_PARAMETERS ? 'heavyweight' : 'lightweight';
}

function findListed(id: string, { models }: ClassRules): ModelClass | undefined {
  const names = new Set([id, withoutTag(id)]);
  for (const [modelClass, listed] of Object.entries(models) as [ModelClass, readonly string[]][]) {
    if (listed.some((name) => names.has(name))) return modelClass;
  }
  return undefined;
}

/** `phi3:3.8b` → `phi3`. */
function withoutTag(id: string): string {
  const colon = id.lastIndexOf(':');
  return colon > 0 ? id.slice(0, colon) : id;
}
