import type { FaultName } from '../../servers/demo/faults.ts';
import type { SoakServer } from './soak-servers.ts';

/** Something that happens to one server, and ends. */
interface SoakFault {
  name: string;
  begin(server: SoakServer): Promise<void> | void;
  end(server: SoakServer): Promise<void> | void;
}

/** What happened when, in ms since the start. */
export interface FaultRecord {
  name: string;
  serverId: string;
  fromMs: number;
  untilMs: number;
}

const FAULT_EVERY_MS = 10_000;
/** The rest of the time the server is well again. */
const FAULT_MS = 6_000;

/** In this order, on one server after the other. */
const FAULTS: readonly SoakFault[] = [
  { name: 'killed and restarted', begin: (server) => server.kill(), end: (server) => server.restart() },
  answering('error-500'),
  answering('rate-limit'),
  answering('cut-stream'),
  { name: 'frozen', begin: (server) => server.freeze(), end: (server) => server.thaw() },
  answering('hang'),
  answering('rate-limit-retry-after'),
  answering('malformed-json'),
  answering('refuse'),
  answering('stall'),
  answering('error-event'),
  answering('no-finish'),
];

/** Makes one server fail every 10 s until `signal` aborts; then all are well. Resolves with what happened. */
export async function playFaults(
  servers: readonly SoakServer[],
  { signal, say }: { signal: AbortSignal; say: (line: string) => void },
): Promise<FaultRecord[]> {
  const records: FaultRecord[] = [];
  const startedMs = performance.now();
  for (let turn = 0; !signal.aborted; turn += 1) {
    const fault = FAULTS[turn % FAULTS.length];
    // Not the same server for the same fault each time round.
    const server = servers[(turn + Math.floor(turn / FAULTS.length)) % servers.length];
    if (!fault || !server) throw new Error('A soak needs faults and servers.');
    const fromMs = performance.now() - startedMs;
    say(`${Math.round(fromMs / 1_000)} s: ${server.id} ${fault.name}`);
    await fault.begin(server);
    await pause(FAULT_MS, signal);
    await fault.end(server);
    records.push({ name: fault.name, serverId: server.id, fromMs, untilMs: performance.now() - startedMs });
    await pause(FAULT_EVERY_MS * (turn + 1) - (performance.now() - startedMs), signal);
  }
  return records;
}

function answering(fault: FaultName): SoakFault {
  return {
    name: fault,
    begin: (server) => server.setFault(fault),
    end: (server) => server.setFault(undefined),
  };
}

/** Ends early when `signal` aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, Math.max(0, ms));
    signal.addEventListener('abort', end);
  });
}
