import { useOverview } from '../feed.js';
import { count, decimal, percent } from '../format.js';
import { html } from '../html.js';
import { Chart } from '../parts/chart.js';
import { Badge } from '../parts/marks.js';
import { Queues } from '../parts/queues.js';
import { ServerCard } from '../parts/server-card.js';

/** @import { Health, Rates, Stretch } from '../answers.ts' */

const STRETCH_SECONDS = 5;
const STRETCHES = 60;

/** What goes on now. */
export function Overview() {
  const { health, rates, history, servers } = useOverview();
  if (!health) return html`<p class="notice" role="status">Reading …</p>`;
  const activity = new Map(servers.map((one) => [one.server, one]));
  return html`
    <h1>Overview <${Badge} status=${health.cluster_status} /></h1>
    <${Totals} health=${health} rates=${rates} />
    <${Charts} history=${history} now=${health.last_updated} />
    <h2>Queues</h2>
    <${Queues} health=${health} rates=${rates} />
    <h2>Servers</h2>
    <div class="cards" id="servers">
      ${Object.values(health.server_details).map(
        (server) =>
          html`<${ServerCard} key=${server.id} server=${server} loaded=${health.loaded[server.id] ?? []} activity=${activity.get(server.id)} />`,
      )}
      ${health.total_servers === 0 && html`<p class="hint">No model server is known.</p>`}
    </div>
  `;
}

/** @param {{ health: Health, rates: Rates | null }} props */
function Totals({ health, rates }) {
  const total = sumOf(rates);
  const minute = 'of the last minute';
  return html`<div class="tiles" id="totals">
    <${Tile} id="requests-per-second" name="Requests/s" value=${decimal(total.requests / total.seconds)} hint=${minute} />
    <${Tile} id="tokens-per-second" name="Tokens/s" value=${decimal(total.tokens / total.seconds)} hint=${minute} />
    <${Tile} id="error-rate" name="Errors" value=${percent(total.failed, total.requests)} hint=${minute} />
    <${Tile} id="healthy-servers" name="Servers healthy" value=${`${health.healthy_servers} / ${health.total_servers}`} hint="" />
    <${Tile} id="models" name="Models" value=${count(health.models)} hint="" />
    ${Object.entries(health.stores).map(
      ([name, { kind, status }]) =>
        html`<${Tile} key=${name} id=${`store-${name}`} name=${name === 'queue' ? 'Queue' : 'Database'} value=${html`<${Badge} status=${status} />`} hint=${kind} />`,
    )}
  </div>`;
}

/** @param {{ id: string, name: string, value: unknown, hint: string }} props */
function Tile({ id, name, value, hint }) {
  return html`<div class="tile"><span>${name}</span><strong id=${id}>${value}</strong><small>${hint}</small></div>`;
}

/** @param {{ history: Stretch[], now: string }} props */
function Charts({ history, now }) {
  const points = fillIn(history, Date.parse(now) / 1_000);
  const times = points.map(({ at }) => at);
  /** @param {(point: Stretch) => number} pick */
  const series = (pick) => points.map(pick);
  return html`<div class="charts">
    <${Chart} title="Requests per second" times=${times} values=${series((one) => one.requests / STRETCH_SECONDS)} />
    <${Chart} title="Tokens per second" times=${times} values=${series((one) => one.tokens / STRETCH_SECONDS)} />
    <${Chart} title="Errors, %" times=${times} values=${series((one) => (one.requests === 0 ? 0 : (100 * one.failed) / one.requests))} max=${100} />
  </div>`;
}

/** @param {Rates | null} rates */
function sumOf(rates) {
  const sum = { seconds: rates?.seconds ?? 60, requests: 0, failed: 0, tokens: 0 };
  for (const { requests, failed, tokens } of rates?.classes ?? []) {
    sum.requests += requests;
    sum.failed += failed;
    sum.tokens += tokens;
  }
  return sum;
}

/**
 * The last five minutes without gaps, up to the last stretch that is over.
 * @param {Stretch[]} history
 * @param {number} nowSeconds
 */
function fillIn(history, nowSeconds) {
  const known = new Map(history.map((one) => [one.at, one]));
  const last = (Math.floor(nowSeconds / STRETCH_SECONDS) - 1) * STRETCH_SECONDS;
  return Array.from({ length: STRETCHES }, (_, index) => {
    const at = last - (STRETCHES - 1 - index) * STRETCH_SECONDS;
    return known.get(at) ?? { at, requests: 0, failed: 0, tokens: 0 };
  });
}
