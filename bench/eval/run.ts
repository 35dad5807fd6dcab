// npm run eval: how well searches find what is relevant, on a collection with judgements.
import { parseArgs } from 'node:util';
import { startFleet } from '../../test/support/citadel-fleet.ts';
import { runTrialCommand } from '../trial-command.ts';
import { readQuestions } from './collection-files.ts';
import { type CallApi, evaluate, takeIn } from './evaluation.ts';

const HELP = `npm run eval -- --corpus corpus.jsonl --queries queries.jsonl --qrels qrels.tsv [options]

Takes a collection with judgements in (BEIR's jsonl; qrels as BEIR's or TREC's) and prints nDCG@10, recall@100 and milliseconds
per query for each mode.

  --url URL                a Citadel that runs (its key in CITADEL_API_KEY); else one is started, with simulated models
  --collection NAME        of the collection that is made (default: eval)
  --embedding-model NAME   default: none, words only; a Citadel that is started here has sim-embed
  --modes A,B              of lexical, dense, hybrid (default: all that the collection has)
  --help                   this text`;

const MODES = ['lexical', 'dense', 'hybrid'];

interface Options {
  isHelp: boolean;
  corpus: string;
  queries: string;
  qrels: string;
  collection: string;
  model: string | null;
  modes: readonly string[];
  url: string | null;
}

process.exitCode = await runTrialCommand(
  { name: 'eval', help: HELP, parse: parseOptions, run },
  process.argv.slice(2),
);

function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      corpus: { type: 'string', default: '' },
      queries: { type: 'string', default: '' },
      qrels: { type: 'string', default: '' },
      collection: { type: 'string', default: 'eval' },
      'embedding-model': { type: 'string' },
      modes: { type: 'string' },
      url: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const { help: isHelp, corpus, queries, qrels, collection, url = null } = values;
  const model = values['embedding-model'] ?? null;
  const modes = values.modes?.split(',') ?? (model === null ? ['lexical'] : MODES);
  const unknown = modes.find((mode) => !MODES.includes(mode));
  if (unknown !== undefined) throw new Error(`There is no mode '${unknown}': ${MODES.join(', ')}.`);
  if (!isHelp && [corpus, queries, qrels].includes('')) {
    throw new Error('It needs --corpus, --queries and --qrels.');
  }
  return { isHelp, corpus, queries, qrels, collection, model, modes, url };
}

async function run({ corpus, queries, qrels, collection, model, modes, url }: Options): Promise<boolean> {
  const questions = await readQuestions(queries, qrels);
  const fleet = url ? null : await startFleet({ withRedis: false, models: ['sim-chat', 'sim-embed'] });
  try {
    const call = createCall(url ?? (await fleet?.start('up'))?.url ?? '');
    await call('POST', '/api/v1/rag/collections', { name: collection, embedding_model: model });
    const startedMs = performance.now();
    const count = await takeIn(call, collection, corpus);
    const seconds = (performance.now() - startedMs) / 1_000;
    console.log(
      `${count} documents taken in, in ${seconds.toFixed(1)} s (${(count / seconds).toFixed(0)}/s)`,
    );
    for (const mode of modes) {
      const result = await evaluate(call, { collection, mode }, questions);
      console.log(
        `${mode}: nDCG@10 ${result.ndcg10.toFixed(4)}, recall@100 ${result.recall100.toFixed(4)}, ` +
          `${result.msPerQuery.toFixed(1)} ms per query, ${result.questions} queries`,
      );
    }
    return true;
  } finally {
    await fleet?.stop();
  }
}

function createCall(base: string): CallApi {
  const key = process.env.CITADEL_API_KEY;
  return async (method, path, body) => {
    const response = await fetch(base + path, {
      method,
      headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
      body: body === undefined ? null : JSON.stringify(body),
    });
    if (!response.ok)
      throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
    return JSON.parse(await response.text());
  };
}
