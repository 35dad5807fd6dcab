import { toAppError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { VectorStore } from './vector-store.ts';

interface ActiveIndexDeps {
  vectors: Pick<VectorStore, 'activate'>;
  logger: Logger;
}

/** Tells the vector store which index is searched now. Not more than a courtesy: what the rows say holds without it, and the
 *  next verification sets it right. */
export async function activateIndex(
  { vectors, logger }: ActiveIndexDeps,
  { id, collectionId }: { id: string; collectionId: string },
): Promise<void> {
  try {
    await vectors.activate?.({ id }, collectionId);
  } catch (error) {
    logger.warn('the name of a collection does not lead to its index now', {
      collection: collectionId,
      index: id,
      error: toAppError(error),
    });
  }
}
