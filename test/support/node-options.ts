/** For programs that tests start. PGlite's WebAssembly is compiled once and not again for speed, as in `npm test` itself:
 *  that halves what a short life costs. Threads that collect garbage beside it gain nothing on a machine that is busy. */
export const NODE_OPTIONS = ['--liftoff-only', '--single-threaded-gc'] as const;
