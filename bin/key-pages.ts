import type { KeyView } from '../access/key-view.ts';

export const PAGE = 100;
const PAGES_MAX = 1_000;

export async function readPages(read: (after: string | null) => Promise<KeyView[]>): Promise<KeyView[]> {
  const keys: KeyView[] = [];
  for (let page = 0; page < PAGES_MAX; page++) {
    const next = await read(keys.at(-1)?.id ?? null);
    keys.push(...next);
    if (next.length < PAGE) break;
  }
  return keys;
}
