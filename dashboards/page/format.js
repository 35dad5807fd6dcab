const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'medium' });
const COUNT = new Intl.NumberFormat('en');
const DECIMAL = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

/** @param {string | null | undefined} at RFC 3339 */
export const time = (at) => (at ? TIME.format(new Date(at)) : '–');

/** @param {number | null | undefined} value */
export const count = (value) => (value === null || value === undefined ? '–' : COUNT.format(value));

/** @param {number | null | undefined} value */
export const decimal = (value) => (value === null || value === undefined ? '–' : DECIMAL.format(value));

/** @param {number | null | undefined} value */
export function milliseconds(value) {
  if (value === null || value === undefined) return '–';
  if (value < 1_000) return `${Math.round(value)} ms`;
  if (value < 120_000) return `${DECIMAL.format(value / 1_000)} s`;
  return `${Math.round(value / 60_000)} min`;
}

/**
 * @param {number} part
 * @param {number} whole
 */
export const percent = (part, whole) => (whole === 0 ? '0 %' : `${DECIMAL.format((100 * part) / whole)} %`);

/** @param {unknown} value */
export const pretty = (value) => (typeof value === 'string' ? value : JSON.stringify(value, null, 2));
