import type htm from 'htm';

declare const bound: typeof htm.default;
export default bound;
