import { Client } from 'undici';
import { z } from 'zod';
import type { ServerProtocol } from '../core/schemas/server-protocol.ts';
import type { AddressGuard } from './address-guard.ts';
import { requestJson, withTimeout } from './json-request.ts';
import { createServerConnector } from './server-connector.ts';

const BODY_BYTES_MAX = 1024 * 1024;

/** What answers at an address; `product` is a guess, such as `vLLM`. */
export interface ServerIdentity {
  protocol: ServerProtocol;
  product: string;
}

/**
 * Finds out whether a model server answers at `origin`, by GET of `/v1/models` and `/api/version` alone; null when none
 * does within `timeoutMs`, or `guard` does not allow it. Throws only `signal.reason`.
 */
export async function identifyServer(
  guard: AddressGuard,
  origin: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ServerIdentity | null> {
  signal.throwIfAborted();
  const client = new Client(origin, {
    connect: createServerConnector(() => timeoutMs, guard),
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  try {
    return await withTimeout(timeoutMs, (limit) => identify(client, AbortSignal.any([signal, limit])));
  } catch {
    signal.throwIfAborted();
    return null;
  } finally {
    await client.destroy();
  }
}

const ModelList = z.object({
  object: z.literal('list'),
  // Ollama without models sends null.
  data: z.array(z.object({ id: z.string(), owned_by: z.string().optional().catch(undefined) })).nullable(),
});
const Version = z.object({ version: z.string().min(1) });

const PRODUCT_BY_OWNER = new Map([
  ['vllm', 'vLLM'],
  ['llamacpp', 'llama.cpp'],
  ['sglang', 'SGLang'],
  ['organization_owner', 'LM Studio'],
  ['organization-owner', 'LM Studio'],
]);

async function identify(client: Client, signal: AbortSignal): Promise<ServerIdentity | null> {
  const get = (path: string) =>
    requestJson({ request: (options) => client.request(options), path, bytesMax: BODY_BYTES_MAX, signal });

  const { json, headers } = await get('/v1/models');
  const list = ModelList.safeParse(json);
  if (!list.success) return null;

  const product = guessProduct(String(headers.server), list.data.data ?? []);
  if (product !== undefined) return { protocol: 'openai', product };

  const version = await get('/api/version').catch(() => undefined);
  signal.throwIfAborted();
  if (Version.safeParse(version?.json).success) return { protocol: 'ollama', product: 'Ollama' };
  return list.data.data === null ? null : { protocol: 'openai', product: 'OpenAI-compatible' };
}

function guessProduct(serverHeader: string, models: { owned_by?: string }[]): string | undefined {
  if (serverHeader.startsWith('llama.cpp')) return 'llama.cpp';
  return models
    .map(({ owned_by }) => PRODUCT_BY_OWNER.get(owned_by ?? ''))
    .find((known) => known !== undefined);
}
