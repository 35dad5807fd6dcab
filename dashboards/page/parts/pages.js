import { call } from '../api.js';
import { useEffect, useRef, useState } from '../vendor/preact-hooks.js';

/** @import { ListPage } from '../answers.ts' */

const PAGE = 100;
const EVERY_MS = 2_000;
/** More than anybody scrolls through: whoever wants older ones says from when. */
const ITEMS_MAX = 20_000;

/**
 * A long list of the API: its newest entries read again and again, older ones when they are asked for.
 * @template {{ id: string }} T
 * @param {string} path
 * @param {Record<string, string>} filters
 * @returns {List<T> & { more: () => void, reload: () => void }}
 */
export function usePages(path, filters) {
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value !== '')).toString();
  const [list, setList] = useState(/** @type {() => List<T>} */ (emptyList));
  const reading = useRef(false);
  const newest = useRef(() => {});

  useEffect(() => {
    let isOver = false;
    let failures = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    setList(emptyList());
    const look = async () => {
      clearTimeout(timer);
      try {
        const page = document.hidden && failures === 0 ? null : await readPage(path, query, null);
        failures = 0;
        if (!isOver && page) setList((known) => withNewest(known, page));
      } catch (error) {
        failures = Math.min(failures + 1, 3);
        if (!isOver)
          setList((known) => ({ ...known, error: /** @type {Error} */ (error), isReading: false }));
      }
      if (!isOver) timer = setTimeout(look, EVERY_MS * 2 ** failures);
    };
    newest.current = look;
    look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [path, query]);

  async function more() {
    const last = list.items.at(-1);
    if (reading.current || !last || list.items.length >= ITEMS_MAX) return;
    reading.current = true;
    try {
      const page = await readPage(path, query, last.id);
      setList((known) => (known.items.at(-1)?.id === last.id ? withOlder(known, page) : known));
    } catch (error) {
      setList((known) => ({ ...known, error: /** @type {Error} */ (error) }));
    } finally {
      reading.current = false;
    }
  }

  return { ...list, more, reload: () => newest.current() };
}

/**
 * @template T
 * @typedef {{ items: T[], hasMore: boolean, error: Error | null, isReading: boolean }} List
 */

const emptyList = () => ({ items: [], hasMore: false, error: null, isReading: true });

/**
 * @template T
 * @param {string} path
 * @param {string} query
 * @param {string | null} after
 * @returns {Promise<ListPage<T>>}
 */
function readPage(path, query, after) {
  const from = after === null ? '' : `&after=${encodeURIComponent(after)}`;
  return call(`${path}?limit=${PAGE}${from}&${query}`);
}

/**
 * What the newest page says, before the older ones that are known. Where more has come than fits into a page, what was
 * known is given up: there would be a gap.
 * @template {{ id: string }} T
 * @param {List<T>} known
 * @param {ListPage<T>} page
 * @returns {List<T>}
 */
function withNewest(known, page) {
  const ids = new Set(page.data.map(({ id }) => id));
  const isJoined = known.items.some(({ id }) => ids.has(id));
  if (!isJoined) return { items: page.data, hasMore: page.has_more, error: null, isReading: false };
  const last = page.data.at(-1)?.id;
  const at = known.items.findIndex(({ id }) => id === last);
  const older = at === -1 ? [] : known.items.slice(at + 1);
  const hasMore = older.length > 0 ? known.hasMore : page.has_more;
  return { items: [...page.data, ...older], hasMore, error: null, isReading: false };
}

/**
 * @template T
 * @param {List<T>} known
 * @param {ListPage<T>} page
 * @returns {List<T>}
 */
function withOlder(known, page) {
  return { items: [...known.items, ...page.data], hasMore: page.has_more, error: null, isReading: false };
}
