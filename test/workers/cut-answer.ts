import { createRandom } from '../support/random-json.ts';

type Json = Record<string, unknown>;
type Random = () => number;

const WORDS = ['', 'Hello', ' 😀', '\n\n', '{"a":', '"b\\"}', 'é', '<think>', '0'];

const below = (random: Random, bound: number) => Math.floor(random() * bound);

function someText(random: Random): string {
  return Array.from({ length: below(random, 6) }, () => WORDS[below(random, WORDS.length)]).join('');
}

/** `text` in pieces that may be empty; at least one. */
function cutText(random: Random, text: string): string[] {
  const pieces = [];
  let rest = text;
  while (rest !== '' && random() < 0.8) {
    const size = below(random, rest.length + 1);
    pieces.push(rest.slice(0, size));
    rest = rest.slice(size);
  }
  return [...pieces, rest];
}

function cutList<T>(random: Random, list: readonly T[]): T[][] {
  const at = below(random, list.length + 1);
  return [list.slice(0, at), list.slice(at)].filter((part) => part.length > 0);
}

interface CutAnswer {
  whole: Json;
  /** Its stream, as a server might send it. */
  chunks: Json[];
}

/** A chat completion and one of the many streams that say the same. */
export function cutChat(seed: number): CutAnswer {
  const random = createRandom(seed);
  const head = { id: `chatcmpl-${seed}`, created: 1_700_000_000, model: 'm', system_fingerprint: 'fp' };
  const choices = Array.from({ length: 1 + below(random, 3) }, (_, index) => chatChoice(random, index));
  return assemble(random, head, { whole: 'chat.completion', chunk: 'chat.completion.chunk' }, choices);
}

/** A legacy completion and one of its streams. */
export function cutCompletion(seed: number): CutAnswer {
  const random = createRandom(seed);
  const head = { id: `cmpl-${seed}`, created: 1_700_000_000, model: 'm' };
  const choices = Array.from({ length: 1 + below(random, 3) }, (_, index) => textChoice(random, index));
  return assemble(random, head, { whole: 'text_completion', chunk: 'text_completion' }, choices);
}

interface CutChoice {
  whole: Json;
  pieces: Json[];
}

function assemble(
  random: Random,
  head: Json,
  object: { whole: string; chunk: string },
  choices: CutChoice[],
): CutAnswer {
  const usage = { prompt_tokens: 3, completion_tokens: below(random, 100) };
  const queues = choices.map(({ pieces }) => [...pieces]);
  const chunks: Json[] = [];
  while (queues.some((queue) => queue.length > 0)) {
    const piece = queues[below(random, queues.length)]?.shift();
    if (piece) chunks.push({ ...head, object: object.chunk, choices: [piece], usage: null });
  }
  chunks.push({ ...head, object: object.chunk, choices: [], usage });
  return {
    whole: { ...head, object: object.whole, choices: choices.map(({ whole }) => whole), usage },
    chunks,
  };
}

function chatChoice(random: Random, index: number): CutChoice {
  const texts: Record<string, string> = {};
  for (const field of ['content', 'refusal', 'reasoning_content']) {
    if (random() < 0.6) texts[field] = someText(random);
  }
  const calls = Array.from({ length: below(random, 3) }, (_, at) => ({
    id: `call_${index}_${at}`,
    type: 'function',
    function: { name: 'look_up', arguments: someText(random) },
  }));
  const logprobs = { content: [{ token: 'a', logprob: -1 }, { token: 'b' }, { token: 'c' }], refusal: null };
  const end = { finish_reason: calls.length > 0 ? 'tool_calls' : 'stop', stop_reason: 128_009 };

  const deltas: Json[] = [{ role: 'assistant', content: null }];
  for (const [field, text] of Object.entries(texts)) {
    for (const piece of cutText(random, text)) deltas.push({ [field]: piece });
  }
  for (const [at, call] of calls.entries()) deltas.push(...cutCall(random, at, call));
  const pieces: Json[] = deltas.map((delta) => ({ index, delta, logprobs: null, finish_reason: null }));
  for (const content of cutList(random, logprobs.content)) {
    pieces.push({ index, delta: {}, logprobs: { content, refusal: null }, finish_reason: null });
  }
  pieces.push({ index, delta: {}, logprobs: null, ...end });

  const message = { role: 'assistant', content: null, refusal: null, ...texts };
  const whole = {
    index,
    message: calls.length > 0 ? { ...message, tool_calls: calls } : message,
    logprobs,
    ...end,
  };
  return { whole, pieces };
}

function cutCall(
  random: Random,
  index: number,
  call: { id: string; type: string; function: { name: string; arguments: string } },
): Json[] {
  const { name, arguments: text } = call.function;
  const [first = '', ...others] = cutText(random, text);
  return [
    { tool_calls: [{ index, ...call, function: { name, arguments: first } }] },
    ...others.map((piece) => ({ tool_calls: [{ index, function: { arguments: piece } }] })),
  ];
}

function textChoice(random: Random, index: number): CutChoice {
  const text = someText(random);
  const logprobs = { tokens: ['a', 'b'], token_logprobs: [-1, -2] };
  const pieces: Json[] = cutText(random, text).map((piece) => ({ index, text: piece, finish_reason: null }));
  pieces.push({ index, text: '', logprobs: { tokens: ['a'], token_logprobs: [-1] } });
  pieces.push({
    index,
    text: '',
    logprobs: { tokens: ['b'], token_logprobs: [-2] },
    finish_reason: 'length',
  });
  return { whole: { index, text, logprobs, finish_reason: 'length' }, pieces };
}
