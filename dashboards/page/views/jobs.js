import { count, time } from '../format.js';
import { html } from '../html.js';
import { FilterField } from '../parts/filter-field.js';
import { Badge, Failure } from '../parts/marks.js';
import { ModelOptions, useModels } from '../parts/models.js';
import { usePages } from '../parts/pages.js';
import { VirtualList } from '../parts/virtual-list.js';
import { useState } from '../vendor/preact-hooks.js';

/** @import { FieldEvent, JobSummary } from '../answers.ts' */

const STATUSES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'];
const KINDS = ['chat', 'completion', 'embedding', 'rag_query', 'workflow'];
const MODES = ['accepted', 'interactive'];
const NO_FILTERS = { status: '', kind: '', mode: '', model: '', key: '', since: '', until: '' };

/** Accepted jobs, and calls that have ended, the newest first. */
export function Jobs() {
  const [filters, setFilters] = useState(NO_FILTERS);
  const { items, hasMore, error, isReading, more } = usePages('/api/v1/orchestrate', toQuery(filters));
  return html`
    <h1>Jobs <small>${count(items.length)}${hasMore ? '+' : ''}</small></h1>
    <${Filters} filters=${filters} onChange=${setFilters} />
    <${Failure} error=${error} />
    <${VirtualList} items=${items} hasMore=${hasMore} onNearEnd=${more} label="Jobs" head=${HEAD} row=${toRow} />
    ${items.length === 0 && !isReading && html`<p class="hint">No job is like this.</p>`}
  `;
}

const HEAD = html`<div class="list-row list-head" role="row">
  ${['Job', 'Status', 'Kind', 'Model', 'Key', 'Accepted'].map((name) => html`<span role="columnheader">${name}</span>`)}
</div>`;

/** @param {JobSummary} job @param {number} index */
const toRow = (job, index) => html`<div class="list-row" role="row" key=${job.id} aria-rowindex=${index}>
  <span role="cell"><a href=${`#/jobs/${job.id}`}><code>${job.id}</code></a></span>
  <span role="cell"><${Badge} status=${job.status} /></span>
  <span role="cell">${job.kind}</span>
  <span role="cell" class="model">${job.model ?? '–'}</span>
  <span role="cell">${job.key_name ?? '–'}</span>
  <span role="cell">${time(job.created_at)}</span>
</div>`;

/** @param {{ filters: typeof NO_FILTERS, onChange: (filters: typeof NO_FILTERS) => void }} props */
function Filters({ filters, onChange }) {
  const { models } = useModels();
  /** @param {FieldEvent} event */
  const change = ({ currentTarget: { name, value } }) => onChange({ ...filters, [name]: value });
  return html`<form class="filters" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
    <${Choice} name="status" all=${STATUSES} filters=${filters} onChange=${change} />
    <${Choice} name="kind" all=${KINDS} filters=${filters} onChange=${change} />
    <${Choice} name="mode" all=${MODES} filters=${filters} onChange=${change} />
    <${FilterField} label="model" name="model" list="models" value=${filters.model} onChange=${change} />
    <datalist id="models"><${ModelOptions} models=${models} /></datalist>
    <${FilterField} label="key" name="key" value=${filters.key} onChange=${change} />
    <${FilterField} label="from" name="since" type="datetime-local" class="time" value=${filters.since} onChange=${change} />
    <${FilterField} label="to" name="until" type="datetime-local" class="time" value=${filters.until} onChange=${change} />
    <button type="button" class="plain" onClick=${() => onChange(NO_FILTERS)}>Clear</button>
  </form>`;
}

/** @param {{ name: keyof typeof NO_FILTERS, all: string[], filters: typeof NO_FILTERS, onChange: unknown }} props */
function Choice({ name, all, filters, onChange }) {
  return html`<label>
    ${name}
    <select name=${name} value=${filters[name]} onChange=${onChange}>
      <option value="">any</option>
      ${all.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
    </select>
  </label>`;
}

/** @param {typeof NO_FILTERS} filters */
function toQuery({ since, until, ...rest }) {
  /** @param {string} local */
  const toTime = (local) => (local === '' ? '' : new Date(local).toISOString());
  return { ...rest, since: toTime(since), until: toTime(until) };
}
