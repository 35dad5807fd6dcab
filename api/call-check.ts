import type { z } from 'zod';
import { estimateTokens, type SizedRequest, type TokenEstimate } from '../access/token-estimate.ts';
import { parseRequest } from '../core/parse-request.ts';
import type { ModelClass } from '../core/schemas/model-class.ts';
import type { Admission } from '../jobs/admission.ts';
import { CHAT, COMPLETIONS, EMBEDDINGS, type ModelEndpoint } from '../jobs/model-endpoints.ts';
import { toChatParameters } from '../rag/chat-parameters.ts';
import { parseFilter } from '../rag/metadata-filter.ts';
import { QueryRequest } from '../rag/query-request.ts';
import type { ModelAliases } from '../servers/model-aliases.ts';
import type { Registry } from '../servers/registry.ts';
import { requireModel } from '../servers/require-model.ts';
import type { CallRequest } from '../workflows/runs.ts';

export interface CallCheckDeps {
  registry: Registry;
  aliases: ModelAliases;
  admission: Pick<Admission, 'line'>;
}

interface CheckedCall {
  model: string;
  modelClass: ModelClass;
  /** As the caller wrote it, and as it is known here. */
  names: string[];
  /** How many wait for a model of its class in this process, itself counted. */
  position: number;
  /** That it asks; null for a call that asks a model alone. */
  collection: string | null;
  estimate(): TokenEstimate;
}

type CallSchema = z.ZodType<SizedRequest & { model: string }>;

/** Checks the body of a model call as its endpoint does, before it is accepted. Throws AppError `invalid_request`,
 *  `model_not_found`. */
export function checkCall(deps: CallCheckDeps, kind: CallRequest['kind'], request: object): CheckedCall {
  if (kind === 'embedding') return check(deps, EMBEDDINGS, request);
  if (kind === 'rag_query') {
    const query = parseRequest(QueryRequest, request);
    parseFilter(query.filter);
    return { ...check(deps, CHAT, toChatParameters(query)), collection: query.collection };
  }
  return kind === 'chat' ? check(deps, CHAT, request) : check(deps, COMPLETIONS, request);
}

function check<Schema extends CallSchema>(
  { registry, aliases, admission }: CallCheckDeps,
  { schema, traits }: ModelEndpoint<Schema>,
  request: object,
): CheckedCall {
  const parsed = parseRequest(schema, request);
  traits(parsed);
  const { name, model } = requireModel(registry, aliases, parsed.model);
  return {
    model: name,
    modelClass: model.modelClass,
    names: [parsed.model, name, model.id],
    position: admission.line(model.modelClass).size + 1,
    collection: null,
    estimate: () => estimateTokens(parsed),
  };
}
