import { call, newIdempotencyKey } from '../api.js';
import { count } from '../format.js';
import { html } from '../html.js';
import { usePoll } from '../poll.js';
import { useEffect, useState } from '../vendor/preact-hooks.js';
import { Badge, Failure } from './marks.js';

/** @import { FormEvent, IngestJob } from '../answers.ts' */

const ITEMS_MAX = 100;

/** Takes in files or a text, and shows how far each document has come. @param {{ collection: string, onDone: () => void }} props */
export function Ingest({ collection, onDone }) {
  const [jobId, setJobId] = useState(/** @type {string | null} */ (null));
  const [error, setError] = useState(/** @type {Error | null} */ (null));

  /** @param {FormEvent} event */
  async function submit(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const fields = new FormData(form);
    try {
      setJobId((await send(fields, collection)).id);
      setError(null);
      form.reset();
    } catch (failure) {
      setError(/** @type {Error} */ (failure));
    }
  }

  return html`
    <form class="filters" onSubmit=${submit}>
      <label>Files <input name="files" type="file" multiple /></label>
      <label>or a text’s title <input name="title" maxlength="2048" /></label>
      <label class="wide">Text <textarea name="text" rows="2"></textarea></label>
      <button>Take in</button>
      <${Failure} error=${error} />
    </form>
    ${jobId !== null && html`<${Progress} key=${jobId} id=${jobId} onDone=${onDone} />`}
  `;
}

/**
 * @param {FormData} fields
 * @param {string} collection
 * @returns {Promise<IngestJob>}
 */
async function send(fields, collection) {
  const files = fields.getAll('files').filter((file) => file instanceof File && file.size > 0);
  const headers = { 'idempotency-key': newIdempotencyKey() };
  if (files.length > 0) {
    const body = new FormData();
    body.append('collection', collection);
    for (const file of files) body.append('files', file);
    return await call('/api/v1/rag/ingest/files', { method: 'POST', body, headers });
  }
  const title = String(fields.get('title'));
  const about = title === '' ? {} : { title, external_id: title };
  const body = { collection, text: fields.get('text'), ...about };
  return await call('/api/v1/rag/ingest/text', { method: 'POST', body, headers });
}

/** @param {{ id: string, onDone: () => void }} props */
function Progress({ id, onDone }) {
  const [everyMs, setEveryMs] = useState(/** @type {number | null} */ (400));
  const { data: job, error } = usePoll(
    async () => {
      const found = /** @type {IngestJob} */ (await call(`/api/v1/rag/ingest/jobs/${id}`));
      if (found.status !== 'in_progress') setEveryMs(null);
      return found;
    },
    everyMs,
    [id],
  );
  const isOver = everyMs === null;
  useEffect(() => {
    if (isOver) onDone();
  }, [isOver]);
  if (!job) return html`<${Failure} error=${error} />`;
  const { total, completed, failed, unchanged } = job.file_counts;
  return html`<section id="ingest" aria-label="Progress">
    <p>
      <${Badge} status=${job.status} />
      ${` ${count(completed + unchanged)} of ${count(total)} taken in${failed > 0 ? `, ${count(failed)} failed` : ''}`}
    </p>
    <progress max=${total} value=${total - job.file_counts.in_progress}></progress>
    <ul class="items">
      ${job.items.slice(0, ITEMS_MAX).map(
        (item) => html`<li key=${item.document_id}>
          <span class="model">${item.external_id}</span> <${Badge} status=${item.status} />
          <small>${[item.stage, item.waiting_on && `waits for ${item.waiting_on}`, item.reason_code, item.error].filter(Boolean).join(' · ')}</small>
          ${item.chunks_total > 0 && html`<small>${count(item.chunks_indexed)} / ${count(item.chunks_total)} chunks</small>`}
        </li>`,
      )}
    </ul>
    <${Failure} error=${error} />
  </section>`;
}
