import type { ServerRegistration } from '../core/schemas/server-registration.ts';

/** Where the usual model servers listen by default. */
const USUAL_PORTS = [
  { id: 'ollama', port: 11_434 },
  { id: 'vllm', port: 8_000 },
  { id: 'llama-cpp', port: 8_080 },
  { id: 'lm-studio', port: 1_234 },
] as const;

const PROBE_LIMIT_MS = 1_000;
const LOOPBACK = '127.0.0.1';

/** Tells what answers at an origin, or null when it is no model server. */
export type IdentifyServer = (
  origin: string,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<{ protocol: ServerRegistration['protocol']; product: string } | null>;

export interface FoundServer {
  registration: ServerRegistration;
  /** `Ollama`, `vLLM`, …, for people. */
  product: string;
}

/** Looks for model servers on loopback, leaving out `portsTaken`: Citadel's own, and those of known servers. */
export async function discoverServers(
  identify: IdentifyServer,
  portsTaken: ReadonlySet<number>,
  signal: AbortSignal,
): Promise<FoundServer[]> {
  const found = await Promise.all(
    USUAL_PORTS.filter(({ port }) => !portsTaken.has(port)).map(async ({ id, port }) => {
      const identity = await identify(`http://${LOOPBACK}:${port}`, PROBE_LIMIT_MS, signal).catch(() => null);
      if (!identity) return null;
      const { protocol, product } = identity;
      const registration = {
        id,
        hostname: LOOPBACK,
        port,
        protocol,
        base_path: '/v1',
        weight: 1,
        models: [],
      };
      return { registration, product };
    }),
  );
  return found.filter((server) => server !== null);
}
