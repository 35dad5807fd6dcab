import { html } from '../html.js';
import { useEffect, useLayoutEffect, useRef, useState } from '../vendor/preact-hooks.js';

const ROW_PX = 44;
/** Rows beyond the edge that are there, so that fast scrolling shows no gap. */
const MARGIN_ROWS = 12;
/** So far from the end more is asked for. */
const NEAR_PX = 2_000;

/**
 * A long list of which only what is seen is in the document.
 * @template T
 * @param {{ items: T[], row: (item: T, index: number) => unknown, head: unknown, hasMore: boolean, onNearEnd: () => void, label: string }} props
 */
export function VirtualList({ items, row, head, hasMore, onNearEnd, label }) {
  const place = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [view, setView] = useState({ top: 0, height: 600 });

  const look = () => {
    const at = place.current;
    if (at) setView({ top: at.scrollTop, height: at.clientHeight });
  };
  useLayoutEffect(look, []);
  useEffect(() => {
    addEventListener('resize', look);
    return () => removeEventListener('resize', look);
  }, []);
  const isNearEnd = hasMore && items.length * ROW_PX - view.top - view.height < NEAR_PX;
  useEffect(() => {
    if (isNearEnd) onNearEnd();
  }, [isNearEnd, items.length]);

  const first = Math.max(0, Math.floor(view.top / ROW_PX) - MARGIN_ROWS);
  const shown = items.slice(first, first + Math.ceil(view.height / ROW_PX) + 2 * MARGIN_ROWS);
  return html`<div class="list" role="table" aria-label=${label} aria-rowcount=${hasMore ? -1 : items.length}>
    ${head}
    <div class="list-body" role="rowgroup" ref=${place} onScroll=${look} tabindex="0" aria-label=${`${label}, rows`}>
      <div class="list-all" role="presentation" style=${{ height: `${items.length * ROW_PX}px` }}>
        <div class="list-shown" role="presentation" style=${{ transform: `translateY(${first * ROW_PX}px)` }}>
          ${shown.map((item, index) => row(item, first + index + 1))}
        </div>
      </div>
    </div>
  </div>`;
}
