import { z } from 'zod';
import { parseRequest } from '../core/parse-request.ts';

const LIMIT_MAX = 100;
const LIMIT = 20;

/** The query of every list. */
export const PageQuery = z.object({
  limit: z
    .string()
    .regex(/^\d{1,3}$/, `takes a whole number from 1 to ${LIMIT_MAX}`)
    .transform(Number)
    .pipe(z.int().min(1, 'takes at least 1').max(LIMIT_MAX, `takes at most ${LIMIT_MAX}`))
    .default(LIMIT)
    .meta({ type: 'integer', minimum: 1, maximum: LIMIT_MAX, description: `${LIMIT} unless told` }),
  after: z.string().min(1).max(256).optional(),
});

interface ListPage<T> {
  object: 'list';
  data: T[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

/** `?limit=&after=` of a list: 1 to 100 entries, 20 unless told, that come after the id `after`. */
export function parsePage(query: unknown): { limit: number; after: string | null } {
  const { limit, after = null } = parseRequest(PageQuery, query);
  return { limit, after };
}

/** A list as every route answers it. `entries` holds more than the `limit` where there are more. */
export function toListPage<T extends { id: string }>(entries: readonly T[], limit: number): ListPage<T> {
  const data = entries.slice(0, limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: entries.length > limit,
  };
}

/** The page of `entries`, all there are, that the query asks for, by id. */
export function pageById<T extends { id: string }>(entries: readonly T[], query: unknown): ListPage<T> {
  const { limit, after } = parsePage(query);
  const rest = entries
    .filter(({ id }) => after === null || id > after)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  return toListPage(rest, limit);
}
