import type { RequestHandler } from 'express';
import { z } from 'zod';
import { AppError } from '../../core/errors.ts';
import { parseRequest } from '../../core/parse-request.ts';
import type { Ledger } from '../../jobs/ledger.ts';
import { type Prices, sumByName, sumUp, type UsageSum } from '../../jobs/usage-report.ts';
import { USAGE_GROUPS, type UsageStore } from '../../jobs/usage-store.ts';
import { sendJson } from '../replies/json-reply.ts';
import { contextOf } from '../request-context.ts';
import { scopeOf } from '../run-access.ts';

export interface UsageRouteDeps {
  usageStore: UsageStore;
  prices(): Prices;
  ledger: Pick<Ledger, 'flush'>;
}

const DAY_MS = 86_400_000;
const DAYS = 30;
const DAYS_MAX = 366;

const Time = z.iso.datetime({ offset: true, error: 'takes a time such as 2027-01-31T12:00:00Z' });
export const UsageParams = z.object({
  by: z.enum(USAGE_GROUPS, `takes ${USAGE_GROUPS.join(', ')}`).default('model'),
  since: Time.optional(),
  until: Time.optional(),
});

/** GET /api/v1/usage: calls, tokens and cost by model, key or tag; of the last 30 days unless told. Who is no admin sees the calls of
 *  the own key. */
export function usage({ usageStore, prices, ledger }: UsageRouteDeps): RequestHandler {
  return async (req, res) => {
    const { by, ...times } = parseRequest(UsageParams, req.query);
    const until = times.until === undefined ? new Date() : new Date(times.until);
    const since =
      times.since === undefined ? new Date(until.getTime() - DAYS * DAY_MS) : new Date(times.since);
    requireSpan(since, until);
    // What has just ended is in it, unless the store is away: then that is the answer.
    await ledger.flush().catch(() => {});
    const query = { since, until, keyName: scopeOf(contextOf(res).principal) };
    const groups = await usageStore.sums({ ...query, by });
    // A call counts once in the total, however many tags it has.
    const all = by === 'tag' ? await usageStore.sums({ ...query, by: 'model' }) : groups;
    const report = {
      object: 'usage',
      by,
      since: since.toISOString(),
      until: until.toISOString(),
      data: sumByName(groups, prices()).map(({ name, ...sum }) => ({ [by]: name, ...toView(sum) })),
      total: toView(sumUp(all, prices())),
    };
    res.setHeader('cache-control', 'no-store');
    sendJson(res, 200, JSON.stringify(report));
  };
}

function requireSpan(since: Date, until: Date): void {
  const spanMs = until.getTime() - since.getTime();
  if (spanMs > 0 && spanMs <= DAYS_MAX * DAY_MS) return;
  throw new AppError('invalid_request', `'since' must lie before 'until', by ${DAYS_MAX} days at most.`, {
    param: 'since',
  });
}

const MICROS = 1_000_000;

function toView({ requests, failed, inputTokens, outputTokens, cost, unpricedTokens }: UsageSum) {
  return {
    requests,
    failed_requests: failed,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    cost: Math.round(cost * MICROS) / MICROS,
    unpriced_tokens: unpricedTokens,
  };
}
