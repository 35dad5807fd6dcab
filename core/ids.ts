import { randomBytes } from 'node:crypto';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type JobId = Branded<'JobId'>;
/** Names accepted work: a workflow's run, or a job. */
export type RunId = Branded<'RunId'>;
export type ScheduleId = Branded<'ScheduleId'>;
/** Names an API key of the store. */
export type KeyId = Branded<'KeyId'>;
export type RequestId = Branded<'RequestId'>;
/** Names one process for one boot; the address of its inbox on the reply bus. */
export type InboxId = Branded<'InboxId'>;

// BullMQ takes no job id with a colon, nor one that is an integer: hence a prefix and hex.
export const newJobId = (): JobId => `job_${randomHex()}` as JobId;
export const newRunId = (kind: 'run' | 'job'): RunId => `${kind}_${randomHex()}` as RunId;
export const newScheduleId = (): ScheduleId => `sched_${randomHex()}` as ScheduleId;
export const newCollectionId = (): string => `col_${randomHex()}`;
export const newIndexVersionId = (): string => `ver_${randomHex()}`;
export const newDocumentId = (): string => `doc_${randomHex()}`;
export const newIngestId = (): string => `ing_${randomHex()}`;
export const newMessageId = (): string => `msg_${randomHex()}`;
export const newRequestId = (): RequestId => `req_${randomHex()}` as RequestId;
export const newKeyId = (): KeyId => `key_${randomHex()}` as KeyId;
export const newInboxId = (): InboxId => `inbox_${randomHex()}` as InboxId;

const ID_BYTES = 12;
const POOL_BYTES = ID_BYTES * 256;
let pool = Buffer.alloc(0);
let used = 0;

// One call to the system's generator serves 256 ids: it costs more than the rest of making one.
function randomHex(): string {
  if (used >= pool.length) {
    pool = randomBytes(POOL_BYTES);
    used = 0;
  }
  used += ID_BYTES;
  return pool.toString('hex', used - ID_BYTES, used);
}
