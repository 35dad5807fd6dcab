const EVERY_MS = 10;

/** Resolves with what `condition` gives as soon as that is truthy; throws after `limitMs`, naming `what`. */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  what: string,
  limitMs = 20_000,
): Promise<NonNullable<T>> {
  const untilMs = Date.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > untilMs) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
