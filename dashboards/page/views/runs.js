import { count, time } from '../format.js';
import { html } from '../html.js';
import { FilterField } from '../parts/filter-field.js';
import { Badge, Failure } from '../parts/marks.js';
import { usePages } from '../parts/pages.js';
import { VirtualList } from '../parts/virtual-list.js';
import { useState } from '../vendor/preact-hooks.js';

/** @import { FieldEvent, RunSummary } from '../answers.ts' */

const STATUSES = ['queued', 'running', 'waiting', 'paused', 'succeeded', 'failed', 'cancelled'];

/** Runs of workflows, the newest first. */
export function Runs() {
  const [filters, setFilters] = useState({ status: '', workflow: '', tag: '' });
  const { items, hasMore, error, isReading, more } = usePages('/api/v1/workflows', filters);
  /** @param {FieldEvent} event */
  const change = ({ currentTarget: { name, value } }) => setFilters({ ...filters, [name]: value });
  return html`
    <h1>Runs <small>${count(items.length)}${hasMore ? '+' : ''}</small></h1>
    <form class="filters" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      <label>status
        <select name="status" value=${filters.status} onChange=${change}>
          <option value="">any</option>
          ${STATUSES.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
        </select>
      </label>
      <${FilterField} label="workflow" name="workflow" value=${filters.workflow} onChange=${change} />
      <${FilterField} label="tag" name="tag" value=${filters.tag} onChange=${change} />
    </form>
    <${Failure} error=${error} />
    <${VirtualList} items=${items} hasMore=${hasMore} onNearEnd=${more} label="Runs" head=${HEAD} row=${toRow} />
    ${items.length === 0 && !isReading && html`<p class="hint">No run is like this.</p>`}
  `;
}

const HEAD = html`<div class="list-row is-run list-head" role="row">
  ${['Run', 'Status', 'Workflow', 'Tags', 'Started'].map((name) => html`<span role="columnheader">${name}</span>`)}
</div>`;

/** @param {RunSummary} run @param {number} index */
const toRow = (
  run,
  index,
) => html`<div class="list-row is-run" role="row" key=${run.id} aria-rowindex=${index}>
  <span role="cell"><a href=${`#/runs/${run.id}`}><code>${run.id}</code></a></span>
  <span role="cell"><${Badge} status=${run.status} /></span>
  <span role="cell" class="model">${run.workflow}</span>
  <span role="cell">${run.tags.join(', ')}</span>
  <span role="cell">${time(run.created_at)}</span>
</div>`;
