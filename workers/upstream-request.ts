import { memberText, withMembers } from '../core/json-text.ts';
import type { ModelJob } from '../jobs/model-job.ts';

/** Whether the server is asked for a stream: always where it can, for a hang then shows as a missing token. */
export function streamsUpstream({ endpoint, wholeOnly }: ModelJob): boolean {
  return endpoint !== 'embeddings' && !wholeOnly;
}

/** The caller's body as the server gets it: byte for byte, but for the members that make it stream its usage, and for
 *  the model where the caller named an alias. */
export function toUpstreamBody(job: ModelJob): string {
  const members = { ...modelMember(job), ...streamMembers(job) };
  return Object.keys(members).length > 0 ? withMembers(job.body, members) : job.body;
}

function modelMember({ model, alias }: ModelJob): Record<string, string> {
  return alias === undefined ? {} : { model: JSON.stringify(model) };
}

function streamMembers(job: ModelJob): Record<string, string> {
  if (!streamsUpstream(job) || (job.stream && job.includeUsage)) return {};
  const wanted = { ...readStreamOptions(job.body), include_usage: true };
  return { stream: 'true', stream_options: JSON.stringify(wanted) };
}

function readStreamOptions(body: string): object {
  const text = memberText(body, 'stream_options');
  if (text === undefined) return {};
  const options: unknown = JSON.parse(text);
  return typeof options === 'object' && options !== null ? options : {};
}
