import type { Dispatcher } from 'undici';
import { z } from 'zod';
import { BackendFailure } from '../core/backend-failure.ts';
import type { ServerAddress } from '../servers/model-client.ts';
import type { ModelInfo, ServerReport } from '../servers/model-server.ts';
import { requestJson, withTimeout } from './json-request.ts';

const BODY_BYTES_MAX = 4 * 1024 * 1024;
const MODELS_MAX = 1_000;

interface ReportRequest {
  request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData>;
  server: ServerAddress;
  headers: string[];
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/** Asks `server`, by its own protocol, for its models (1000 at most). Throws BackendFailure, or the
 *  signal's reason. */
export function requestReport(options: ReportRequest): Promise<ServerReport> {
  const { request, server, headers, timeoutMs } = options;
  return withTimeout(timeoutMs, async (limit) => {
    const signal = options.signal ? AbortSignal.any([options.signal, limit]) : limit;
    const get = async (path: string): Promise<unknown> =>
      (await requestJson({ request, path, headers, bytesMax: BODY_BYTES_MAX, signal })).json;

    return { models: await READERS[server.protocol](get, server.basePath.replace(/\/$/, '')) };
  });
}

type Get = (path: string) => Promise<unknown>;

const READERS = { openai: readOpenAiModels, ollama: readOllamaModels } as const satisfies Record<
  ServerAddress['protocol'],
  (get: Get, basePath: string) => Promise<ModelInfo[]>
>;

const Id = z.string().min(1).max(512);

const OpenAiModel = z
  .object({
    id: Id,
    created: z.int().nonnegative().optional().catch(undefined),
    owned_by: z.string().optional().catch(undefined),
    meta: z.object({ n_params: z.number().positive() }).optional().catch(undefined),
    // LM Studio
    state: z.enum(['loaded', 'not-loaded']).optional().catch(undefined),
    // llama.cpp with several models
    status: z.object({ value: z.string() }).optional().catch(undefined),
  })
  .transform(
    ({ id, created, owned_by, meta, state, status }): ModelInfo => ({
      id,
      created,
      ownedBy: owned_by,
      parameters: meta?.n_params,
      loaded: isLoaded(owned_by, state ?? status?.value),
    }),
  );

// These serve what they have in memory and list nothing else.
const OWNERS_THAT_LIST_LOADED = new Set(['vllm', 'llamacpp', 'sglang']);

function isLoaded(owner: string | undefined, state: string | undefined): boolean | null {
  if (state !== undefined) return state === 'loaded';
  return owner !== undefined && OWNERS_THAT_LIST_LOADED.has(owner) ? true : null;
}

async function readOpenAiModels(get: Get, basePath: string): Promise<ModelInfo[]> {
  const list = z.object({ data: z.array(z.unknown()).nullable() }).safeParse(await get(`${basePath}/models`));
  if (!list.success) throw malformed();
  return readEach(OpenAiModel, list.data.data ?? []);
}

const OllamaModel = z.object({
  name: Id,
  details: z.object({ parameter_size: z.string() }).optional().catch(undefined),
});
const OllamaList = z.object({ models: z.array(z.unknown()).nullable() });

async function readOllamaModels(get: Get, basePath: string): Promise<ModelInfo[]> {
  // Ollama's own routes stand beside its OpenAI ones.
  const root = basePath.replace(/\/v1$/, '');
  const [tags, ps] = await Promise.all([get(`${root}/api/tags`), get(`${root}/api/ps`).catch(absentOn404)]);
  const listed = OllamaList.safeParse(tags);
  if (!listed.success) throw malformed();

  const running = OllamaList.safeParse(ps);
  const loaded = running.success
    ? new Set(readEach(OllamaModel, running.data.models ?? []).map(({ name }) => name))
    : null;
  return readEach(OllamaModel, listed.data.models ?? []).map(({ name, details }) => ({
    id: name,
    parameters: parseParameterSize(details?.parameter_size),
    loaded: loaded?.has(name) ?? null,
  }));
}

// Older versions do not know /api/ps.
function absentOn404(error: unknown): null {
  if (error instanceof BackendFailure && error.status === 404) return null;
  throw error;
}

/** What fits, in its order: one odd entry does not hide the others. */
function readEach<T>(schema: z.ZodType<T>, entries: unknown[]): T[] {
  return entries.slice(0, MODELS_MAX).flatMap((entry) => {
    const parsed = schema.safeParse(entry);
    return parsed.success ? [parsed.data] : [];
  });
}

const SCALE = { '': 1, K: 1e3, M: 1e6, B: 1e9, T: 1e12 } as const;

/** Ollama writes `8.0B` or `137M`. */
function parseParameterSize(text: string | undefined): number | undefined {
  const parts = /^(\d+(?:\.\d+)?)\s*([KMBT]?)$/i.exec(text?.trim() ?? '');
  if (parts === null) return undefined;
  const scale = SCALE[(parts[2] ?? '').toUpperCase() as keyof typeof SCALE];
  return Math.round(Number(parts[1]) * scale) || undefined;
}

function malformed(): BackendFailure {
  return new BackendFailure('malformed', 'The model server did not answer with a list of models.');
}
