import { count, milliseconds, time } from '../format.js';
import { html } from '../html.js';
import { Badge } from './marks.js';

/** @import { Activity, Server } from '../answers.ts' */

/** A model server: how it does, what it has loaded, and what went wrong last. @param {{ server: Server, loaded: string[], activity?: Activity }} props */
export function ServerCard({ server, loaded, activity }) {
  const slots = server.max_concurrency ? ` / ${server.max_concurrency}` : '';
  return html`<article class="card" data-server=${server.id}>
    <h3>${server.id} <${Badge} status=${server.health_status} /></h3>
    <p class="hint">${server.hostname}:${server.port} · ${server.protocol}</p>
    <dl class="facts">
      <div><dt>In use</dt><dd>${server.in_flight}${slots}</dd></div>
      <div><dt>p50</dt><dd>${milliseconds(activity?.p50_ms)}</dd></div>
      <div><dt>p99</dt><dd>${milliseconds(activity?.p99_ms)}</dd></div>
      <div><dt>10 min</dt><dd>${count(activity?.requests ?? 0)} <small>${count(activity?.failed ?? 0)} failed</small></dd></div>
    </dl>
    <ul class="models" aria-label="Models">
      ${server.models.map(
        (id) =>
          html`<li key=${id} class=${loaded.includes(id) ? 'is-loaded' : ''}>${id}${loaded.includes(id) && html` <small>loaded</small>`}</li>`,
      )}
    </ul>
    ${(activity?.last_failures ?? []).map(
      (one) =>
        html`<p class="last-failure" key=${one.at}>${time(one.at)} · ${one.code ?? 'failed'} · ${one.model}</p>`,
    )}
  </article>`;
}
