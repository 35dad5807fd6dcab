/** For programs that tests start. PGlite's WebAssembly is compiled once and not again for speed, as in `npm test` itself:
 *  that halves what a short life costs. */
export const NODE_OPTIONS = ['--liftoff-only'] as const;
