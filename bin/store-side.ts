import { type CallSide, openCallSide } from './call-side.ts';
import { type KeySide, openKeySide } from './key-side.ts';
import type { Store } from './stores.ts';
import { openWorkSide, type WorkSide } from './work-side.ts';

/** What every process does that has a store. */
export interface StoreSide {
  store: Store;
  calls: CallSide;
  keys: KeySide;
  work: WorkSide;
}

type StoreSideDeps = Parameters<typeof openCallSide>[0] & Pick<Parameters<typeof openWorkSide>[0], 'waitFor'>;

export async function openStoreSide(deps: StoreSideDeps): Promise<StoreSide> {
  const calls = openCallSide(deps);
  const keys = await openKeySide({ ...deps, ledger: calls.ledger });
  const work = await openWorkSide({ ...deps, calls, keys });
  return { store: deps.store, calls, keys, work };
}
