// npm run eval: how well searches find what is relevant, on a collection with judgements.
import { parseArgs } from 'node:util';
import { startFleet } from '../../test/support/citadel-fleet.ts';
import { readQuestions } from './collection-files.ts';
import { type CallApi, evaluate, takeIn } from './evaluation.ts';

const USAGE =
  'npm run eval -- --corpus corpus.jsonl --queries queries.jsonl --qrels qrels.tsv [--collection eval] ' +
  '[--modes lexical,dense,hybrid] [--embedding-model NAME] [--url http://… (else it starts a Citadel of its own)]';

const { values } = parseArgs({
  options: {
    corpus: { type: 'string' },
    queries: { type: 'string' },
    qrels: { type: 'string' },
    collection: { type: 'string', default: 'eval' },
    modes: { type: 'string', default: 'lexical' },
    'embedding-model': { type: 'string' },
    url: { type: 'string' },
  },
});
const { corpus, queries, qrels, collection, url } = values;
if (!corpus || !queries || !qrels) {
  console.error(USAGE);
  process.exit(2);
}

const questions = await readQuestions(queries, qrels);
const fleet = url ? null : await startFleet({ withRedis: false });
try {
  const call = createCall(url ?? (await fleet?.start('up'))?.url ?? '');
  const model = values['embedding-model'] ?? null;
  await call('POST', '/api/v1/rag/collections', { name: collection, embedding_model: model });
  const startedMs = performance.now();
  const count = await takeIn(call, collection, corpus);
  const seconds = (performance.now() - startedMs) / 1_000;
  console.log(`${count} documents taken in, in ${seconds.toFixed(1)} s (${(count / seconds).toFixed(0)}/s)`);
  for (const mode of values.modes.split(',')) {
    const result = await evaluate(call, { collection, mode }, questions);
    console.log(
      `${mode}: nDCG@10 ${result.ndcg10.toFixed(4)}, recall@100 ${result.recall100.toFixed(4)}, ` +
        `${result.msPerQuery.toFixed(1)} ms per query, ${result.questions} queries`,
    );
  }
} finally {
  await fleet?.stop();
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
