import { createHash } from 'node:crypto';
import type { ModelJob } from '../jobs/model-job.ts';

/** Who is behind a job, so that failures can be told apart by caller: the key's name, or the body where there is none. */
export function callerOf({ keyName, body }: Pick<ModelJob, 'keyName' | 'body'>): string {
  return keyName === null ? `body:${createHash('sha1').update(body).digest('base64')}` : `key:${keyName}`;
}
