import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Json } from '../sdk/records.ts';
import { pauseMs } from './pause-ms.ts';

/** Where http steps and webhooks of the trial arrive. It never fails, and remembers everything. */
export interface Receiver {
  doubleUrl: string;
  webhookUrl: string;
  /** Calls of http steps, in order. */
  effects: { effect: string; idempotencyKey: string }[];
  /** Ids of webhooks by the run that they tell of. */
  webhooks: Map<string, string[]>;
  close(): Promise<void>;
}

/** `slowMs`: how long it takes over one call of five. */
export async function startReceiver(slowMs: number): Promise<Receiver> {
  const effects: Receiver['effects'] = [];
  const webhooks: Receiver['webhooks'] = new Map();
  const server = createServer(async (req, res) => {
    const body = await readJson(req).catch(() => null);
    const answer = req.url === '/double' ? double(req, body) : noteWebhook(req, body);
    if (isSlow(answer)) await pauseMs(slowMs);
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });

  function double({ headers }: IncomingMessage, body: Json): Json {
    const { effect, n } = body as { effect: string; n: number };
    effects.push({ effect, idempotencyKey: String(headers['idempotency-key']) });
    return { doubled: n * 2 };
  }

  function noteWebhook({ headers }: IncomingMessage, body: Json): Json {
    const { data } = body as { data: { id: string } };
    webhooks.set(data.id, [...(webhooks.get(data.id) ?? []), String(headers['webhook-id'])]);
    return {};
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    doubleUrl: `${origin}/double`,
    webhookUrl: `${origin}/webhook`,
    effects,
    webhooks,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One call of five takes so long that it is still open when its process is frozen. */
function isSlow(answer: Json): boolean {
  return (
    typeof answer === 'object' && answer !== null && 'doubled' in answer && Number(answer.doubled) % 10 < 2
  );
}

async function readJson(req: IncomingMessage): Promise<Json> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}
