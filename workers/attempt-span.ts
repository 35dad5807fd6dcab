import { BackendFailure } from '../core/backend-failure.ts';
import type { TraceContext } from '../core/trace-context.ts';
import { NO_TRACING, type Span, type Tracing } from '../core/tracing.ts';
import type { ModelJob } from '../jobs/model-job.ts';
import type { Slot } from '../servers/slot.ts';
import type { CallResult } from './model-call.ts';
import { readUsage } from './token-usage.ts';

interface Attempt {
  job: ModelJob;
  slot: Slot;
  /** From 1. */
  attempt: number;
}

/** A call to a model server, by OpenTelemetry's conventions for generative AI: never what is asked or answered. */
interface AttemptSpan {
  /** For the server. */
  readonly context: TraceContext | undefined;
  firstToken(): void;
  answered(result: CallResult): void;
  failed(why: unknown): void;
}

const OPERATIONS = {
  'chat/completions': 'chat',
  completions: 'text_completion',
  embeddings: 'embeddings',
} as const satisfies Record<ModelJob['endpoint'], string>;

export function startAttemptSpan(tracing: Tracing, { job, slot, attempt }: Attempt): AttemptSpan {
  if (!tracing.isOn) return toAttemptSpan(NO_TRACING.start('', { kind: 'client', parent: job.trace }));
  const operation = OPERATIONS[job.endpoint];
  const { id, origin, protocol } = slot.server.address;
  const { hostname, port } = new URL(origin);
  const span = tracing.start(`${operation} ${job.model}`, {
    kind: 'client',
    parent: job.trace,
    attributes: {
      'gen_ai.operation.name': operation,
      'gen_ai.provider.name': protocol,
      'gen_ai.request.model': job.model,
      'server.address': hostname,
      ...(port === '' ? {} : { 'server.port': Number(port) }),
      'citadel.server': id,
      'citadel.attempt': attempt,
    },
  });
  return toAttemptSpan(span);
}

function toAttemptSpan(span: Span): AttemptSpan {
  return {
    context: span.context,
    firstToken: () => span.event('first token'),
    answered({ usage, model }) {
      const { promptTokens, completionTokens } = readUsage(usage);
      span.end({
        attributes: {
          'gen_ai.response.model': model,
          'gen_ai.usage.input_tokens': promptTokens ?? undefined,
          'gen_ai.usage.output_tokens': completionTokens ?? undefined,
        },
      });
    },
    failed: (why) => span.end({ error: errorOf(why) }),
  };
}

function errorOf(why: unknown): string {
  if (typeof why === 'string') return why;
  if (!(why instanceof BackendFailure)) return 'internal';
  return why.status === undefined ? why.kind : String(why.status);
}
