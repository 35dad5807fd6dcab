// How a step is named within its run, and the one place that takes such names apart.
// A *body* is one list of steps at work: the top of the run (''), 'fan[17]/', 'loop#3/', 'pick/0/', 'par/left/',
// 'on_failure/'; a compensation has a body of its own ('pay~compensate/' with nothing else in it). Ids hold none of
// the marks / [ ] # ~.

/** The top list of a run. */
export const ROOT_BODY = '';

export const ON_FAILURE_BODY = 'on_failure/';

const COMPENSATION_MARK = '~compensate';

/** The body that the step stands in. */
export function bodyOf(key: string): string {
  if (isCompensation(key)) return `${key}/`;
  return key.slice(0, key.lastIndexOf('/') + 1);
}

/** The step whose body this is; null for those that stand by themselves. */
export function containerOf(body: string): string | null {
  if (body === ROOT_BODY || body === ON_FAILURE_BODY || body.endsWith(`${COMPENSATION_MARK}/`)) return null;
  if (body.endsWith(']/')) return body.slice(0, body.lastIndexOf('['));
  const turnMark = body.lastIndexOf('#');
  if (turnMark > body.lastIndexOf('/', body.length - 2)) return body.slice(0, turnMark);
  return body.slice(0, body.lastIndexOf('/', body.length - 2));
}

/** Which item of a map, or which turn of a loop, counted from 0; null for any other body. */
export function indexOf(body: string): number | null {
  const mark = Math.max(body.lastIndexOf('['), body.lastIndexOf('#'));
  if (mark <= body.lastIndexOf('/', body.length - 2)) return null;
  return Number.parseInt(body.slice(mark + 1), 10);
}

export const itemBody = (map: string, index: number) => `${map}[${index}]/`;
export const turnBody = (loop: string, index: number) => `${loop}#${index}/`;
export const namedBody = (container: string, name: string) => `${container}/${name}/`;
export const compensationOf = (key: string) => `${key}${COMPENSATION_MARK}`;
export const compensatedBy = (key: string) => key.slice(0, -COMPENSATION_MARK.length);
export const isCompensation = (key: string) => key.endsWith(COMPENSATION_MARK);

/** The same place in the definition: 'fan[17]/sum' → 'fan/sum', and for a body 'fan[17]/' → 'fan/'. */
export const withoutIndexes = (keyOrBody: string) => keyOrBody.replace(/\[\d+\]|#\d+/g, '');

export const idOf = (key: string) => key.slice(key.lastIndexOf('/') + 1);
