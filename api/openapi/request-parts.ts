import { Priority } from '../../core/schemas/priority.ts';

const text = { type: 'string' } as const;
const whole = { type: 'integer', minimum: 0 } as const;

const header = (name: string, description: string, schema: object) => ({
  name,
  in: 'header',
  required: false,
  description,
  schema,
});

/** Headers that requests may bring. */
export const PARAMETERS = {
  Priority: header('x-citadel-priority', 'How urgent it is; normal unless told.', {
    type: 'string',
    enum: Priority.options,
  }),
  MaxWait: header(
    'x-citadel-max-wait-ms',
    'The longest that it may wait for its turn; beyond that it is refused at once.',
    { type: 'integer', minimum: 0, maximum: 86_400_000 },
  ),
  OnDisconnect: header('x-citadel-on-disconnect', 'What becomes of the call when its caller leaves.', {
    type: 'string',
    enum: ['cancel', 'finish'],
  }),
  IdempotencyKey: header(
    'Idempotency-Key',
    'The same key and body join what runs, or get its answer again, for 24 hours.',
    { type: 'string', minLength: 1, maxLength: 255 },
  ),
  LastEventId: header('Last-Event-ID', 'The stream goes on after this event.', whole),
};

const answerHeader = (description: string, schema: object) => ({ description, schema });

/** Headers that answers bring. */
export const HEADERS = {
  'x-request-id': answerHeader('Names the request in the log.', text),
  'retry-after': answerHeader('Seconds, of a 429 or 503.', { type: 'integer', minimum: 1, maximum: 60 }),
  'x-citadel-job-id': answerHeader('Its job.', text),
  'x-citadel-model': answerHeader('The model that answered.', text),
  'x-citadel-server': answerHeader('The server that answered.', text),
  'x-citadel-attempts': answerHeader('Servers that were tried.', whole),
  'x-citadel-queue-ms': answerHeader('How long it waited for its turn.', whole),
  'x-ratelimit-limit-requests': answerHeader(
    "Of the key's limits, where it has any: requests a minute.",
    whole,
  ),
  'x-ratelimit-remaining-requests': answerHeader('How many are left.', whole),
  'x-ratelimit-reset-requests': answerHeader('When all are there again, such as `6s`.', text),
  'x-ratelimit-limit-tokens': answerHeader('Tokens a minute.', whole),
  'x-ratelimit-remaining-tokens': answerHeader('How many are left.', whole),
  'x-ratelimit-reset-tokens': answerHeader('When all are there again, such as `6s`.', text),
};

/** Of these, those that model calls alone bring. */
export const FACT_HEADERS: ReadonlySet<string> = new Set(
  Object.keys(HEADERS).filter((name) => /^x-(citadel|ratelimit)-/.test(name)),
);
