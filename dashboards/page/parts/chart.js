import { html } from '../html.js';
import { useEffect, useRef } from '../vendor/preact-hooks.js';
import UPlot from '../vendor/uplot.js';

const HEIGHT = 120;

/**
 * A line over time.
 * @param {{ title: string, times: number[], values: number[], max?: number }} props
 */
export function Chart({ title, times, values, max }) {
  const place = useRef(/** @type {HTMLDivElement | null} */ (null));
  const plot = useRef(/** @type {UPlot | null} */ (null));

  useEffect(() => {
    const parent = place.current;
    if (!parent) return;
    const made = new UPlot(optionsOf(parent, max), [times, values], parent);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: parent.clientWidth, height: HEIGHT }));
    observer.observe(parent);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, []);
  const newest = `${times.at(-1)}/${values.join()}`;
  useEffect(() => plot.current?.setData([times, values]), [newest]);

  return html`<figure class="chart">
    <figcaption>${title}</figcaption>
    <div ref=${place} role="img" aria-label=${`${title}: ${Math.round((values.at(-1) ?? 0) * 10) / 10} now`}></div>
  </figure>`;
}

/**
 * @param {HTMLElement} parent
 * @param {number | undefined} max
 * @returns {import('uplot').Options}
 */
function optionsOf(parent, max) {
  /** @param {string} name */
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = {
    stroke: () => color('--faint'),
    grid: { stroke: () => color('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: parent.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_plot, _low, high) => [0, max ?? Math.max(1, high * 1.1)] } },
    axes: [
      { ...axis, space: 42, size: 24, values: (_plot, splits) => splits.map(toClock) },
      { ...axis, size: 44, space: 30 },
    ],
    series: [{}, { stroke: () => color('--accent'), width: 1.5, points: { show: false } }],
  };
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

/** @param {number} seconds */
const toClock = (seconds) => CLOCK.format(seconds * 1_000);
