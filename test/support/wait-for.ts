const NAP_MIN_MS = 10;
const NAP_MAX_MS = 200;
/** Of the time waited so far: what is asked costs a process something, and a long wait needs no finer answer. */
const NAP_SHARE = 0.1;

/** Resolves with what `condition` gives soon after that is truthy; throws after `limitMs`, naming `what`. */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  what: string,
  limitMs = 20_000,
): Promise<NonNullable<T>> {
  const startedMs = Date.now();
  for (;;) {
    const value = await condition();
    if (value) return value;
    const waitedMs = Date.now() - startedMs;
    if (waitedMs > limitMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    const napMs = Math.min(NAP_MAX_MS, Math.max(NAP_MIN_MS, waitedMs * NAP_SHARE));
    await new Promise((resolve) => setTimeout(resolve, napMs));
  }
}
