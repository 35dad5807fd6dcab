import type { Request, Response } from 'express';
import { AppError } from '../core/errors.ts';
import type { Collection, CollectionStore } from '../rag/collection.ts';
import type { IngestJob, IngestStore } from '../rag/ingest-job.ts';
import { requireCollection } from '../rag/require-collection.ts';
import { ragCallerOf } from './rag-caller.ts';

/** The collection of that name, if the caller may change it. Throws AppError `not_found`, `forbidden`. */
export async function requireOwnCollection(
  collections: Pick<CollectionStore, 'byName'>,
  name: string,
  res: Response,
): Promise<Collection> {
  const caller = ragCallerOf(res);
  const collection = await requireCollection(collections, name, caller);
  if (caller.seesAll || collection.owner === (caller.keyName ?? '')) return collection;
  throw new AppError(
    'forbidden',
    `The collection \`${name}\` is another key's: this one may search it only.`,
    {
      param: 'collection',
    },
  );
}

/** The job that the path names, if it is the caller's. Throws AppError `not_found`. */
export async function requireIngestJob(
  ingests: Pick<IngestStore, 'job'>,
  { req, res }: { req: Request; res: Response },
): Promise<IngestJob> {
  const id = String(req.params.id);
  const job = await ingests.job(id);
  const { keyName, seesAll } = ragCallerOf(res);
  if (job && (seesAll || job.owner === (keyName ?? ''))) return job;
  throw new AppError('not_found', `There is no ingest job \`${id.slice(0, 64)}\`.`);
}
