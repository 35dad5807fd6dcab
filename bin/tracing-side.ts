import type { Config } from '../core/config.ts';
import type { Lifecycle } from '../core/lifecycle.ts';
import type { Logger } from '../core/logger.ts';
import { NO_TRACING, type Tracing } from '../core/tracing.ts';
import { VERSION } from './version.ts';

interface TracingDeps {
  config: Pick<Config, 'tracing'>;
  life: Lifecycle;
  logger: Logger;
}

/** Traces, where the configuration names a collector for them. */
export async function openTracing({ config, life, logger }: TracingDeps): Promise<Tracing> {
  const url = collectorUrl(config.tracing);
  if (url === null) return NO_TRACING;
  const { createOtlpTracing } = await import('../core/otlp-tracing.ts');
  const { sampler, sampledShare } = config.tracing;
  const tracing = createOtlpTracing({ url, sampler, sampledShare, version: VERSION, logger });
  life.defer('traces', () => tracing.close());
  return tracing;
}

function collectorUrl({ endpoint, otlpEndpoint, otlpTracesEndpoint, ...off }: Config['tracing']) {
  if (off.isDisabled || off.exporter === 'none') return null;
  const base = endpoint ?? (otlpTracesEndpoint === undefined ? otlpEndpoint : undefined);
  if (base !== undefined) return `${base.replace(/\/+$/, '')}/v1/traces`;
  return otlpTracesEndpoint ?? null;
}
