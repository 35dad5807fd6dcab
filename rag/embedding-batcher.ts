// Vectors for the chunks of all documents of this process, one line per model.
// B1: a text is on its way once, whoever asks for it, and is never paid for again once a call for it has answered: its
//     vector is in the cache before anybody is told.
// B2: a call that a model rejects is halved until the text it rejects is alone; the others get their vectors.
// B3: a server that is away or full stops the line for a while, and fails nobody.

import { failPoint } from '../core/fail-point.ts';
import type { EmbedCache } from './embed-cache.ts';
import type { Embedder } from './embedder.ts';
import { IngestWait, judgeEmbedding } from './ingest-wait.ts';

export interface EmbeddingBatcher {
  /** Vectors by the hash of the text; `rejected`: why the model takes a text in no case. Throws IngestWait; and
   *  `signal.reason` when that aborts. */
  embed(request: TextsToEmbed, signal: AbortSignal): Promise<EmbeddedTexts>;
  stop(): void;
}

interface TextsToEmbed {
  model: string;
  keyName: string | null;
  weight: number;
  /** By their hash. */
  texts: ReadonlyMap<string, string>;
}

interface EmbeddedTexts {
  vectors: Map<string, Float32Array>;
  rejected: Map<string, string>;
}

interface BatcherOptions {
  embedder: Embedder;
  cache: EmbedCache;
  /** Of one call. */
  textsMax: number;
  tokensMax: number;
  /** Calls at once, per model. */
  callsMax: number;
}

/** One text on its way. */
interface Entry {
  hash: string;
  text: string;
  keyName: string | null;
  weight: number;
  settle(outcome: Outcome): void;
  outcome: Promise<Outcome>;
}

type Outcome = { vector: Float32Array } | { rejected: string } | { wait: IngestWait };

interface Line {
  model: string;
  waiting: Entry[];
  /** Waiting ones and those in a call. */
  known: Map<string, Entry>;
  calls: number;
  failures: number;
  pausedUntilMs: number;
  pause: IngestWait | null;
}

const LINGER_MS = 5;
const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 8_000;
// Plain English has four characters to the token; what is counted too high only makes calls smaller.
const TOKEN_CHARS = 3;

export function createEmbeddingBatcher(options: BatcherOptions): EmbeddingBatcher {
  const { embedder, cache, textsMax, tokensMax, callsMax } = options;
  const lines = new Map<string, Line>();
  const stopping = new AbortController();

  return {
    async embed({ model, texts, ...payer }, signal) {
      signal.throwIfAborted();
      const vectors = await cache.read(model, [...texts.keys()]);
      const missing = [...texts].filter(([hash]) => !vectors.has(hash));
      if (missing.length === 0) return { vectors, rejected: new Map() };
      const line = lineOf(model);
      if (line.pause && performance.now() < line.pausedUntilMs) throw stillPaused(line);
      const entries = missing.map(([hash, text]) => join(line, { hash, text, ...payer }));
      const outcomes = await orAborted(Promise.all(entries.map(({ outcome }) => outcome)), signal);
      return collect(entries, outcomes, vectors);
    },
    stop() {
      stopping.abort(new Error('Citadel is shutting down.'));
    },
  };

  function lineOf(model: string): Line {
    const known = lines.get(model);
    if (known) return known;
    const line: Line = {
      model,
      waiting: [],
      known: new Map(),
      calls: 0,
      failures: 0,
      pausedUntilMs: 0,
      pause: null,
    };
    lines.set(model, line);
    return line;
  }

  function join(line: Line, text: Pick<Entry, 'hash' | 'text' | 'keyName' | 'weight'>): Entry {
    const known = line.known.get(text.hash);
    if (known) return known;
    const { promise: outcome, resolve: settle } = Promise.withResolvers<Outcome>();
    const entry = { ...text, settle, outcome };
    line.known.set(text.hash, entry);
    // Others may come that fill the call.
    if (line.waiting.push(entry) === 1) setTimeout(() => fill(line), LINGER_MS);
    return entry;
  }

  function fill(line: Line): void {
    while (line.waiting.length > 0 && line.calls < callsMax) {
      line.calls++;
      call(line, takeBatch(line.waiting, { textsMax, tokensMax })).finally(() => {
        line.calls--;
        fill(line);
      });
    }
  }

  /** Never throws: what happens is told to those who wait. */
  async function call(line: Line, batch: readonly Entry[]): Promise<void> {
    const [first] = batch;
    if (!first) return;
    try {
      const texts = batch.map(({ text }) => text);
      const payer = { keyName: first.keyName, weight: first.weight };
      const found = await embedder.embed(
        { model: line.model, texts, ...payer, isBackground: true },
        stopping.signal,
      );
      line.failures = 0;
      line.pause = null;
      await cache.write(line.model, new Map(zip(batch, found)));
      failPoint('ingest.embedded');
      for (const [entry, vector] of zipEntries(batch, found)) settle(line, entry, { vector });
    } catch (thrown) {
      await failed(line, batch, thrown);
    }
  }

  async function failed(line: Line, batch: readonly Entry[], thrown: unknown): Promise<void> {
    const { verdict, error } = judgeEmbedding(thrown);
    if (verdict === 'rejected' && batch.length > 1) {
      const middle = Math.ceil(batch.length / 2);
      await call(line, batch.slice(0, middle));
      await call(line, batch.slice(middle));
      return;
    }
    if (verdict === 'rejected') {
      for (const entry of batch) settle(line, entry, { rejected: error.message });
      return;
    }
    line.failures++;
    const backoffMs = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (line.failures - 1));
    const afterMs = Math.max(backoffMs, (error.retryAfterSeconds ?? 0) * 1_000);
    line.pause = new IngestWait(verdict, afterMs, error);
    line.pausedUntilMs = performance.now() + afterMs;
    // Who waits behind it would fare no better.
    for (const entry of [...batch, ...line.waiting.splice(0)]) settle(line, entry, { wait: line.pause });
  }
}

function settle(line: Line, entry: Entry, outcome: Outcome): void {
  line.known.delete(entry.hash);
  entry.settle(outcome);
}

/** The first ones, of one payer, that fit into a call; at least one. */
function takeBatch(
  waiting: Entry[],
  { textsMax, tokensMax }: Pick<BatcherOptions, 'textsMax' | 'tokensMax'>,
): Entry[] {
  let tokens = 0;
  let count = 0;
  for (const entry of waiting) {
    tokens += entry.text.length / TOKEN_CHARS;
    const isOther = entry.keyName !== waiting[0]?.keyName;
    if (count > 0 && (count >= textsMax || tokens > tokensMax || isOther)) break;
    count++;
  }
  return waiting.splice(0, count);
}

function collect(
  entries: readonly Entry[],
  outcomes: readonly Outcome[],
  vectors: Map<string, Float32Array>,
): EmbeddedTexts {
  const rejected = new Map<string, string>();
  let wait: IngestWait | null = null;
  for (const [index, entry] of entries.entries()) {
    const outcome = outcomes[index];
    if (!outcome) continue;
    if ('vector' in outcome) vectors.set(entry.hash, outcome.vector);
    else if ('rejected' in outcome) rejected.set(entry.hash, outcome.rejected);
    else wait = outcome.wait;
  }
  // What has come is in the cache; a document that must fail need not wait.
  if (wait && rejected.size === 0) throw wait;
  return { vectors, rejected };
}

const stillPaused = ({ pause, pausedUntilMs }: Line): IngestWait =>
  new IngestWait(pause?.on ?? 'embedder_down', Math.max(1, pausedUntilMs - performance.now()), pause?.cause);

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

const zip = (batch: readonly Entry[], vectors: readonly Float32Array[]): [string, Float32Array][] =>
  zipEntries(batch, vectors).map(([{ hash }, vector]) => [hash, vector]);

function zipEntries(batch: readonly Entry[], vectors: readonly Float32Array[]): [Entry, Float32Array][] {
  return batch.flatMap((entry, index) => {
    const vector = vectors[index];
    return vector ? [[entry, vector] as [Entry, Float32Array]] : [];
  });
}
