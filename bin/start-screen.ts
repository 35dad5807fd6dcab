import type { Config } from '../core/config.ts';
import type { KnownServer } from '../servers/registry.ts';
import { addressUrl } from './address-url.ts';
import type { CitadelProcess } from './citadel-process.ts';
import { VERSION } from './version.ts';

const MODELS_SHOWN = 8;

/** What a person sees when Citadel is ready: where it is, what it runs on, what it found, and what to try. */
export function startScreen(citadel: CitadelProcess, config: Config): string {
  const url = addressUrl(citadel.address ?? config);
  const model = pickChatModel(citadel);
  const key = citadel.keyCount > 0 ? ' -H "Authorization: Bearer $API_KEY"' : '';
  const curl = `curl ${url}/v1/chat/completions${key} -H 'Content-Type: application/json'`;
  const chat = `"model":"${model}","messages":[{"role":"user","content":"Hello!"}]`;
  return [
    '',
    `  Citadel ${VERSION} is ready at ${url}   ${accessLine(citadel)}`,
    '',
    `  queue    ${QUEUES[citadel.queueKind]}`,
    `  store    ${citadel.storeKind === 'postgres' ? 'Postgres' : `PGlite in ${config.dataDir}`}`,
    `  vectors  ${vectorLine(citadel)}`,
    ...serverLines(citadel),
    '',
    '  Try it:',
    `    ${curl} -d '{${chat}}'`,
    `    ${curl} -N -d '{"stream":true,${chat}}'`,
    `    ${url}/dashboard`,
    ...embeddedWarning(citadel),
    '',
  ].join('\n');
}

function vectorLine({ work, storeKind }: CitadelProcess): string {
  if (work?.rag.vectors.kind === 'qdrant') return 'Qdrant';
  if (!work?.rag.vectors.hasVectors) return 'none, words only: install pgvector, or set QDRANT_URL';
  return storeKind === 'postgres' ? 'pgvector' : 'pgvector in PGlite';
}

const QUEUES = {
  redis: 'BullMQ on Redis',
  postgres: 'BullMQ on Postgres',
  pglite: 'BullMQ on PGlite, in this process',
} as const;

function accessLine({ keyCount }: CitadelProcess): string {
  if (keyCount === 0) return '(no API keys: it answers this machine only)';
  return `(${keyCount} API key${keyCount === 1 ? '' : 's'})`;
}

function serverLines({ registry }: CitadelProcess): string[] {
  const servers = registry.servers();
  if (servers.length === 0)
    return ['  servers  none: set CITADEL_SERVERS, or start Ollama, vLLM or llama.cpp here'];
  const lines = servers.map(
    (server, index) => `  ${index === 0 ? 'servers ' : '        '} ${describe(server)}`,
  );
  const models = registry.models().map(({ id }) => id);
  const more = models.length > MODELS_SHOWN ? `, and ${models.length - MODELS_SHOWN} more` : '';
  return [...lines, `  models   ${models.slice(0, MODELS_SHOWN).join(', ') || 'none'}${more}`];
}

function describe({ address, registration, state }: KnownServer): string {
  if (address.id === 'demo')
    return 'demo: no model server was found, so a demo answers; start one and it is found';
  const where = `${registration.protocol} at ${registration.hostname}:${registration.port}`;
  return `${address.id}: ${where}${state === 'unhealthy' ? ' (does not answer)' : ''}`;
}

function pickChatModel({ registry }: CitadelProcess): string {
  const models = registry.models();
  const chat = models.find(({ modelClass }) => modelClass !== 'embedding') ?? models[0];
  return chat?.id ?? 'your-model';
}

function embeddedWarning({ storeKind }: CitadelProcess): string[] {
  if (storeKind !== 'pglite') return [];
  return [
    '',
    '  PGlite survives a crash of this process, not a power cut: for that, set DATABASE_URL to a Postgres.',
  ];
}
