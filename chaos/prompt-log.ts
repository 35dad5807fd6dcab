import { createDemoServer } from '../servers/demo/demo-server.ts';
import type { SeenRequest } from '../servers/demo/seen-requests.ts';
import { CHAOS_MODEL } from './leaf-steps.ts';

/** The simulated model server, which never fails, and what it was asked. */
export interface PromptLog {
  port: number;
  /** How often each prompt came. */
  counts(): ReadonlyMap<string, number>;
  close(): Promise<void>;
}

// The server remembers a thousand requests; this many come in many seconds.
const LOOK_EVERY_MS = 50;

export async function startPromptLog(): Promise<PromptLog> {
  const server = createDemoServer({ simModels: true, models: [{ id: CHAOS_MODEL }] });
  await server.start();
  const counts = new Map<string, number>();
  let last: SeenRequest | undefined;

  function look(): void {
    const { requests } = server;
    const fresh = requests.slice(last === undefined ? 0 : requests.lastIndexOf(last) + 1);
    // The body of the newest ones may not be there yet.
    const known = fresh.slice(0, fresh.findIndex(isOpen) < 0 ? fresh.length : fresh.findIndex(isOpen));
    for (const request of known) {
      const prompt = promptOf(request);
      if (prompt !== null) counts.set(prompt, (counts.get(prompt) ?? 0) + 1);
    }
    last = known.at(-1) ?? last;
  }

  const timer = setInterval(look, LOOK_EVERY_MS);
  return {
    port: server.port,
    counts() {
      look();
      return counts;
    },
    async close() {
      clearInterval(timer);
      await server.stop();
    },
  };
}

const isOpen = ({ method, body, aborted }: SeenRequest) => method === 'POST' && body === '' && !aborted;

function promptOf({ path, body }: SeenRequest): string | null {
  if (path !== '/v1/chat/completions' || body === '') return null;
  return JSON.parse(body).messages.at(-1).content;
}
