import { AppError } from '../core/errors.ts';
import type { Collection, CollectionStore } from './collection.ts';

/** Who asks: the key's name, null without one; `all` for admins. */
export interface RagCaller {
  keyName: string | null;
  /** The key's share against others'. */
  weight: number;
  seesAll: boolean;
}

/** The collection of that name, if the caller may see it. Throws AppError `not_found`: for others it is not there. */
export async function requireCollection(
  collections: Pick<CollectionStore, 'byName'>,
  name: string,
  caller: Pick<RagCaller, 'keyName' | 'seesAll'>,
): Promise<Collection> {
  const collection = await collections.byName(name);
  if (collection && isVisible(collection, caller)) return collection;
  throw new AppError('not_found', `There is no collection \`${name.slice(0, 64)}\`.`, {
    param: 'collection',
  });
}

function isVisible(
  { owner, isShared }: Collection,
  { keyName, seesAll }: Pick<RagCaller, 'keyName' | 'seesAll'>,
): boolean {
  return seesAll || isShared || owner === (keyName ?? '');
}
