import { useOverview } from '../feed.js';
import { count, decimal, milliseconds, percent, time } from '../format.js';
import { html } from '../html.js';
import { Chart } from '../parts/chart.js';
import { Badge } from '../parts/marks.js';

const CLASSES = ['lightweight', 'heavyweight', 'embedding'];

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
          html`<${Server} key=${server.id} server=${server} loaded=${health.loaded[server.id]} activity=${activity.get(server.id)} />`,
      )}
      ${health.total_servers === 0 && html`<p class="hint">No model server is known.</p>`}
    </div>
  `;
}

/** @param {{ health: any, rates: any }} props */
function Totals({ health, rates }) {
  const total = sumOf(rates);
  return html`<div class="tiles" id="totals">
    <${Tile} id="requests-per-second" name="Requests/s" value=${decimal(total.requests / total.seconds)} />
    <${Tile} id="tokens-per-second" name="Tokens/s" value=${decimal(total.tokens / total.seconds)} />
    <${Tile} id="error-rate" name="Errors" value=${percent(total.failed, total.requests)} hint="of the last minute" />
    <${Tile} id="healthy-servers" name="Servers healthy" value=${`${health.healthy_servers} / ${health.total_servers}`} />
    <${Tile} id="models" name="Models" value=${count(health.models)} />
    ${Object.entries(health.stores).map(
      ([name, { kind, status }]) =>
        html`<${Tile} key=${name} id=${`store-${name}`} name=${name === 'queue' ? 'Queue' : 'Database'} value=${html`<${Badge} status=${status} />`} hint=${kind} />`,
    )}
  </div>`;
}

/** @param {{ id: string, name: string, value: unknown, hint?: string }} props */
function Tile({ id, name, value, hint }) {
  return html`<div class="tile"><span>${name}</span><strong id=${id}>${value}</strong><small>${hint}</small></div>`;
}

/** @param {{ history: any[], now: string }} props */
function Charts({ history, now }) {
  const points = fillIn(history, Date.parse(now) / 1_000);
  const times = points.map(({ at }) => at);
  /** @param {(point: any) => number} pick */
  const series = (pick) => points.map(pick);
  return html`<div class="charts">
    <${Chart} title="Requests per second" times=${times} values=${series((one) => one.requests / 5)} />
    <${Chart} title="Tokens per second" times=${times} values=${series((one) => one.tokens / 5)} />
    <${Chart} title="Errors, %" times=${times} max=${100} values=${series((one) => (one.requests === 0 ? 0 : (100 * one.failed) / one.requests))} />
  </div>`;
}

/** @param {{ health: any, rates: any }} props */
function Queues({ health, rates }) {
  return html`<div class="scroll"><table id="queues">
    <thead>
      <tr><th>Class</th><th>Waiting</th><th>Running</th><th>Delayed</th><th>Dead</th><th>Longest wait</th><th>Per second</th></tr>
    </thead>
    <tbody>
      ${CLASSES.map((name) => {
        const { waiting, active, delayed, dead } = health.queues[name];
        const rate = rates?.classes.find((/** @type {any} */ one) => one.name === name);
        return html`<tr key=${name} data-class=${name}>
          <th>${name}</th>
          ${[waiting, active, delayed, dead].map((value) => html`<td>${count(value)}</td>`)}
          <td>${milliseconds(health.oldest_wait_ms[name])}</td>
          <td>${rates ? decimal((rate?.requests ?? 0) / rates.seconds) : '–'}</td>
        </tr>`;
      })}
    </tbody>
  </table></div>`;
}

/** @param {{ server: any, loaded: string[], activity: any }} props */
function Server({ server, loaded, activity }) {
  return html`<article class="card" data-server=${server.id}>
    <h3>${server.id} <${Badge} status=${server.health_status} /></h3>
    <p class="hint">${server.hostname}:${server.port} · ${server.protocol}</p>
    <dl class="facts">
      <div><dt>In use</dt><dd>${server.in_flight}${server.max_concurrency ? ` / ${server.max_concurrency}` : ''}</dd></div>
      <div><dt>p50</dt><dd>${milliseconds(activity?.p50_ms)}</dd></div>
      <div><dt>p99</dt><dd>${milliseconds(activity?.p99_ms)}</dd></div>
      <div><dt>10 min</dt><dd>${count(activity?.requests ?? 0)} <small>${count(activity?.failed ?? 0)} failed</small></dd></div>
    </dl>
    <ul class="models">
      ${server.models.map(
        (/** @type {string} */ id) =>
          html`<li key=${id} class=${loaded?.includes(id) ? 'is-loaded' : ''} title=${loaded?.includes(id) ? 'loaded' : ''}>${id}</li>`,
      )}
    </ul>
    ${(activity?.last_failures ?? []).map(
      (/** @type {any} */ one) =>
        html`<p class="last-failure" key=${one.at}>${time(one.at)} · ${one.code ?? 'failed'} · ${one.model}</p>`,
    )}
  </article>`;
}

/** @param {any} rates */
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
 * @param {any[]} history
 * @param {number} nowSeconds
 */
function fillIn(history, nowSeconds) {
  const known = new Map(history.map((one) => [one.at, one]));
  const last = Math.floor(nowSeconds / 5) * 5 - 5;
  return Array.from({ length: 60 }, (_, index) => {
    const at = last - (59 - index) * 5;
    return known.get(at) ?? { at, requests: 0, failed: 0, tokens: 0 };
  });
}
