import { AppError } from '../../core/errors.ts';
import type { Json } from '../../core/json-value.ts';
import { toStepError } from '../failure-class.ts';
import type { CallInput, ModelCallEnd, ModelCalls, ModelEndpointName } from '../model-calls.ts';
import { checkOutput } from '../output-schema.ts';
import type { StepError } from '../run-state.ts';
import type { JsonSchema } from '../step.ts';
import type { AttemptEnd, StepAttempt, StepExecutor } from '../step-executor.ts';

type JsonObject = { [name: string]: Json };

/** How often a chat is asked again within one attempt when its answer does not fit the step's schema. */
const REASKS_MAX = 2;
const SAID_OF_PROBLEMS_MAX = 2_000;

/** Steps of type `chat`. */
export function createChatStep(models: ModelCalls): StepExecutor {
  return async (attempt, signal) => {
    const schema = attempt.step.output?.schema;
    // First, so that the step's own stands over it.
    const format = schema ? { response_format: formatOf(attempt.step.id, schema) } : {};
    let messages: Json = attempt.fields.messages ?? [];
    let tokens = 0;
    const timeline: Json[] = [];
    for (let asked = 0; ; asked++) {
      const body = JSON.stringify({ ...format, ...attempt.fields, messages, stream: false });
      const end = await call(
        models,
        attempt,
        { endpoint: 'chat/completions', body, part: asked, pieces: 'text' },
        signal,
      );
      tokens += end.tokens;
      if (Array.isArray(end.facts.timeline)) timeline.push(...end.facts.timeline);
      const facts = { ...end.facts, asked: asked + 1, timeline: timeline.length > 0 ? [...timeline] : null };
      if (end.status === 'failed') return { status: 'failed', error: toError(end), tokens, facts };
      const answer = readChat(JSON.parse(end.body));
      if (!schema) return { status: 'succeeded', output: { ...answer, json: null }, tokens, facts };
      const checked = checkOutput(schema, answer.text);
      if (checked.ok)
        return { status: 'succeeded', output: { ...answer, json: checked.json }, tokens, facts };
      if (asked >= REASKS_MAX) return { status: 'failed', error: toMisfit(checked.problems), tokens, facts };
      messages = askAgain(messages, answer.text, checked.problems);
    }
  };
}

/** Servers that can are held to the schema. Others may ignore it: what comes is checked in any case. */
function formatOf(name: string, schema: JsonSchema): Json {
  return { type: 'json_schema', json_schema: { name, schema } };
}

/** Steps of type `embed`. */
export function createEmbedStep(models: ModelCalls): StepExecutor {
  return async (attempt, signal) => {
    const { model = null, input = null } = attempt.fields;
    const body = JSON.stringify({ model, input });
    const end = await call(models, attempt, { endpoint: 'embeddings', body, part: 0, pieces: null }, signal);
    const { tokens, facts } = end;
    if (end.status === 'failed')
      return { status: 'failed', error: toError(end), tokens, facts: { ...facts } };
    const answer: { data?: { embedding?: Json }[]; usage?: Json } = JSON.parse(end.body);
    const embeddings = (answer.data ?? []).map(({ embedding = null }) => embedding);
    return {
      status: 'succeeded',
      output: { embeddings, usage: answer.usage ?? null },
      tokens,
      facts: { ...facts },
    };
  };
}

/** The one step of a job: the caller's own request, whose output is the answer as its endpoint would give it. */
export function createCallStep(models: ModelCalls, answering?: Answering): StepExecutor {
  return async (attempt, signal): Promise<AttemptEnd> => {
    const input: CallInput = JSON.parse(attempt.inputText);
    if (input.endpoint === 'rag/query') {
      if (!answering) throw new AppError('invalid_request', 'This Citadel has no collections of documents.');
      return await answerQuery({ models, answering, attempt, input }, signal);
    }
    return await callOnce(models, attempt, { ...input, endpoint: input.endpoint }, signal);
  };
}

/** A question to documents: found are the sources, and then it is a chat. */
export interface Answering {
  prepare(
    input: Pick<CallInput, 'body' | 'seesAll'>,
    asked: Pick<StepAttempt, 'keyName' | 'weight'>,
    signal: AbortSignal,
  ): Promise<{
    /** Null where there is no source: no model is asked then. */
    chatBody: string | null;
    /** What the caller is answered, of what the model has; of null where none was asked. */
    finish(answer: Json): Json;
  }>;
}

interface QueryCall {
  models: ModelCalls;
  answering: Answering;
  attempt: StepAttempt;
  input: CallInput;
}

async function answerQuery(
  { models, answering, attempt, input }: QueryCall,
  signal: AbortSignal,
): Promise<AttemptEnd> {
  const { chatBody, finish } = await answering.prepare(input, attempt, signal);
  if (chatBody === null) return { status: 'succeeded', output: finish(null), tokens: 0, facts: {} };
  const asked = { endpoint: 'chat/completions', body: chatBody, hasPlace: input.hasPlace } as const;
  const end = await callOnce(models, attempt, asked, signal);
  return end.status === 'failed' ? end : { ...end, output: finish(end.output) };
}

async function callOnce(
  models: ModelCalls,
  attempt: StepAttempt,
  { endpoint, body, hasPlace = false }: Pick<Call, 'endpoint' | 'body'> & Pick<CallInput, 'hasPlace'>,
  signal: AbortSignal,
): Promise<AttemptEnd> {
  // Who asked for a stream may follow it, chunk by chunk.
  const pieces = JSON.parse(body).stream === true ? 'chunks' : null;
  // Its key was held to its limits when the job was accepted.
  const asked = { endpoint, body, part: 0, pieces, isCharged: true, takesPlace: !hasPlace } as const;
  const end = await call(models, attempt, asked, signal);
  const { tokens, facts } = end;
  if (end.status === 'failed') return { status: 'failed', error: toError(end), tokens, facts: { ...facts } };
  return { status: 'succeeded', output: JSON.parse(end.body), tokens, facts: { ...facts } };
}

interface Call {
  endpoint: ModelEndpointName;
  body: string;
  /** Which call of this attempt it is, from 0. */
  part: number;
  /** What those who watch hear of it. */
  pieces: 'text' | 'chunks' | null;
  isCharged?: boolean;
  takesPlace?: boolean;
}

/** Servers asked within one call at most; parts of a later call come after those of an earlier one. */
const PARTS_PER_CALL = 100;

function call(
  models: ModelCalls,
  attempt: StepAttempt,
  { endpoint, body, part, pieces, isCharged = false, takesPlace = true }: Call,
  signal: AbortSignal,
): Promise<ModelCallEnd> {
  const { keyName, weight, priority, tags, idempotencyKey, trace } = attempt;
  return models.call(
    {
      endpoint,
      body,
      keyName,
      isCharged,
      takesPlace,
      weight,
      priority,
      tags,
      // Another question is other work.
      idempotencyKey: part === 0 ? idempotencyKey : `${idempotencyKey}/${part}`,
      trace,
      pieces,
      onPieces(server, said) {
        const lines = pieces === 'chunks' ? said.map((piece) => `${piece}\n`) : said;
        attempt.say(part * PARTS_PER_CALL + server, lines.join(''));
      },
    },
    signal,
  );
}

interface Answer extends JsonObject {
  text: string;
  message: Json;
  finish_reason: Json;
  usage: Json;
  model: Json;
}

function readChat(answer: { choices?: JsonObject[]; usage?: Json; model?: Json }): Answer {
  const [choice = {}] = answer.choices ?? [];
  const message = (choice.message ?? {}) as JsonObject;
  return {
    text: typeof message.content === 'string' ? message.content : '',
    message,
    finish_reason: choice.finish_reason ?? null,
    usage: answer.usage ?? null,
    model: answer.model ?? null,
  };
}

function askAgain(messages: Json, text: string, problems: string): Json {
  const correction = `Your answer does not fit what was asked for. ${problems.slice(0, SAID_OF_PROBLEMS_MAX)}`;
  return [
    ...(Array.isArray(messages) ? messages : []),
    { role: 'assistant', content: text },
    { role: 'user', content: correction },
  ];
}

function toMisfit(problems: string): StepError {
  const message = `The model's answer does not fit the schema: ${problems.slice(0, SAID_OF_PROBLEMS_MAX)}`;
  return { code: 'invalid_output', message, class: 'invalid_output' };
}

function toError({ error, facts }: Extract<ModelCallEnd, { status: 'failed' }>): StepError {
  const failure = toStepError(error);
  // It waited in the queue until its time was up: no server has failed.
  if (error.code === 'deadline_exceeded' && facts.calls === 0) return { ...failure, class: 'rate_limited' };
  return failure;
}
