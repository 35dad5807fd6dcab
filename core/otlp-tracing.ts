import {
  type Context,
  createTraceState,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
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
  ParentBasedSampler,
  type Sampler,
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

const SEND_EVERY_MS = 1_000;
const SEND_LIMIT_MS = 5_000;
const LAST_SEND_LIMIT_MS = 2_000;
/** While the collector is away, what comes beyond is dropped. */
const SPANS_MAX = 8_192;

/** Traces for a collector of OpenTelemetry. Other `OTEL_…` variables hold as its SDK reads them. */
export function createOtlpTracing(options: OtlpTracingOptions): Tracing & { close(): Promise<void> } {
  const exporter = new OTLPTraceExporter({ url: options.url });
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'citadel', 'service.version': options.version }))
      .merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] })),
    sampler: samplerOf(options),
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
        end({ name: newName, attributes: more = {}, error } = {}) {
          if (newName !== undefined) span.updateName(newName);
          span.setAttributes(more);
          if (error !== undefined) {
            span.setAttribute('error.type', error);
            span.setStatus({ code: SpanStatusCode.ERROR });
          }
          span.end();
        },
      } satisfies Span;
    },
    async close() {
      await endsWithin(
        provider.shutdown().catch(() => {}),
        LAST_SEND_LIMIT_MS,
      );
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
