import { request } from 'node:http';
import {
  createDemoServer,
  type DemoServer,
  type DemoServerOptions,
} from '../../../servers/demo/demo-server.ts';

/** A started server that stops at the end of its `await using` block. */
export async function setup(options: DemoServerOptions = {}): Promise<DemoServer & AsyncDisposable> {
  const server = createDemoServer(options);
  await server.start();
  return Object.defineProperties({} as DemoServer & AsyncDisposable, {
    ...Object.getOwnPropertyDescriptors(server),
    [Symbol.asyncDispose]: { value: () => server.stop() },
  });
}

export interface WireAnswer {
  status: number | undefined;
  headers: Record<string, string | string[] | undefined>;
  chunks: Buffer[];
  text: string;
  /** `end`, the error's code, or `silence` when `limitMs` passed. */
  ending: string;
}

/** Posts `body` and takes what comes for at most `limitMs`, or until there are `chunksMax` reads of it. */
export function post(
  url: string,
  body: unknown,
  { limitMs = 20_000, chunksMax = Number.POSITIVE_INFINITY } = {},
): Promise<WireAnswer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const answer: Pick<WireAnswer, 'status' | 'headers'> = { status: undefined, headers: {} };
    const req = request(url, { method: 'POST', agent: false });
    const settle = (ending: string) => {
      clearTimeout(timer);
      req.destroy();
      resolve({ ...answer, chunks, text: Buffer.concat(chunks).toString(), ending });
    };
    const timer = setTimeout(() => settle('silence'), limitMs);
    req.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
    req.on('response', (res) => {
      answer.status = res.statusCode;
      answer.headers = res.headers;
      res.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
      res.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        if (chunks.length >= chunksMax) settle('enough');
      });
      res.on('end', () => settle('end'));
    });
    req.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}

/** The `data:` texts of a stream. */
export function eventsOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice('data: '.length));
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

export async function until(isTrue: () => boolean, limitMs = 20_000): Promise<void> {
  const giveUpAt = Date.now() + limitMs;
  while (!isTrue()) {
    if (Date.now() > giveUpAt) throw new Error(`Not true within ${limitMs} ms: ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export const HELLO = { model: 'citadel-demo', messages: [{ role: 'user', content: 'Hello' }] };
