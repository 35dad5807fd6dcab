import { createHash } from 'node:crypto';
import {
  type Span as ApiSpan,
  type Context,
  createTraceState,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  type IdGenerator,
  ParentBasedSampler,
  RandomIdGenerator,
  type Sampler,
  SamplingDecision,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Config } from './config.ts';
import type { Logger } from './logger.ts';
import { endsWithin } from './time-limit.ts';
import type { TraceContext } from './trace-context.ts';
import type { Span, Tracing } from './tracing.ts';

interface OtlpTracingOptions {
  /** Where spans are sent to: OTLP over HTTP, as JSON. */
  url: string;
  sampler: Config['tracing']['sampler'];
  /** 0 to 1. */
  sampledShare: number;
  version: string;
  logger: Logger;
}

const KINDS = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
} as const;

const TRACE_ID_CHARS = 32;
const SPAN_ID_CHARS = 16;
const SEND_EVERY_MS = 1_000;
const SEND_LIMIT_MS = 5_000;
const LAST_SEND_LIMIT_MS = 2_000;
/** While the collector is away, what comes beyond is dropped. */
const SPANS_MAX = 8_192;

/** Traces for a collector of OpenTelemetry. Other `OTEL_…` variables hold as its SDK reads them. */
export function createOtlpTracing(options: OtlpTracingOptions): Tracing & { close(): Promise<void> } {
  const exporter = new OTLPTraceExporter({ url: options.url });
  const sampler = samplerOf(options);
  const ids = createIds();
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'citadel', 'service.version': options.version }))
      .merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] })),
    sampler,
    idGenerator: ids,
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: withNews(exporter, options.logger),
        maxQueueSize: SPANS_MAX,
        scheduledDelayMillis: SEND_EVERY_MS,
        exportTimeoutMillis: SEND_LIMIT_MS,
      }),
    ],
  });
  const tracer = provider.getTracer('citadel', options.version);

  return {
    isOn: true,
    start(name, { kind, parent, attributes = {} }) {
      const span = tracer.startSpan(name, { kind: KINDS[kind], attributes }, toContext(parent));
      return {
        context: toTraceContext(span.spanContext()),
        event: (event) => void span.addEvent(event),
        end: (end = {}) => endSpan(span, end),
      } satisfies Span;
    },
    rootOf(id) {
      const root = rootIdsOf(id);
      const { decision } = sampler.shouldSample(ROOT_CONTEXT, root.traceId, '', SpanKind.INTERNAL, {}, []);
      const traceFlags =
        decision === SamplingDecision.RECORD_AND_SAMPLED ? TraceFlags.SAMPLED : TraceFlags.NONE;
      return toTraceContext({ ...root, traceFlags });
    },
    recordRoot(id, { name, startedAt, attributes = {}, error }) {
      const start = { kind: SpanKind.INTERNAL, attributes, startTime: startedAt };
      const span = ids.within(rootIdsOf(id), () => tracer.startSpan(name, start, ROOT_CONTEXT));
      endSpan(span, { error });
    },
    async close() {
      await endsWithin(
        provider.shutdown().catch(() => {}),
        LAST_SEND_LIMIT_MS,
      );
    },
  };
}

function endSpan(
  span: ApiSpan,
  { name, attributes = {}, error, link }: Parameters<Span['end']>[0] & object,
): void {
  const linked = link && trace.getSpanContext(toContext(link));
  if (linked) span.addLink({ context: linked });
  if (name !== undefined) span.updateName(name);
  span.setAttributes(attributes);
  if (error !== undefined) {
    span.setAttribute('error.type', error);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}

type SpanIds = Pick<SpanContext, 'traceId' | 'spanId'>;

function rootIdsOf(id: string): SpanIds {
  const digest = createHash('sha256').update(id).digest('hex');
  return { traceId: digest.slice(0, TRACE_ID_CHARS), spanId: digest.slice(-SPAN_ID_CHARS) };
}

/** Random ids, but for the one span that is begun `within` ids of ours. */
function createIds(): IdGenerator & { within<T>(ids: SpanIds, begin: () => T): T } {
  const random = new RandomIdGenerator();
  let given: SpanIds | undefined;
  return {
    generateTraceId: () => given?.traceId ?? random.generateTraceId(),
    generateSpanId: () => given?.spanId ?? random.generateSpanId(),
    within(ids, begin) {
      given = ids;
      try {
        return begin();
      } finally {
        given = undefined;
      }
    },
  };
}

function samplerOf({ sampler, sampledShare }: OtlpTracingOptions): Sampler {
  const ofRoots = {
    always_on: new AlwaysOnSampler(),
    always_off: new AlwaysOffSampler(),
    traceidratio: new TraceIdRatioBasedSampler(sampledShare),
  } as const;
  if (sampler === 'always_on' || sampler === 'always_off' || sampler === 'traceidratio')
    return ofRoots[sampler];
  return new ParentBasedSampler({ root: ofRoots[WITHOUT_PARENT[sampler]] });
}

const WITHOUT_PARENT = {
  parentbased_always_on: 'always_on',
  parentbased_always_off: 'always_off',
  parentbased_traceidratio: 'traceidratio',
} as const;

/** The log hears of a collector that is away once, and once when it is back. */
function withNews(exporter: OTLPTraceExporter, logger: Logger): SpanExporter {
  let isAway = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.error !== undefined;
        if (failed && !isAway) logger.warn('traces cannot be sent', { error: result.error });
        if (!failed && isAway) logger.info('traces are sent again');
        isAway = failed;
        done(result);
      });
    },
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  };
}

function toContext(parent: TraceContext | undefined): Context {
  const [, traceId, spanId, flags] = parent?.traceparent.split('-') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT;
  const { tracestate } = parent ?? {};
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
    isRemote: true,
  });
}

function toTraceContext({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext {
  const traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
  const tracestate = traceState?.serialize() ?? '';
  return tracestate === '' ? { traceparent } : { traceparent, tracestate };
}
