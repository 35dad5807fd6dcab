const LATE = Symbol('late');

/**
 * What `work` gives, or throws. Throws an Error "<failure> within <limitMs> ms" when it takes longer; `work` then goes on
 * unheard.
 */
export async function withinLimit<T>(work: Promise<T>, limitMs: number, failure: string): Promise<T> {
  const result = await raceWithLimit(work, limitMs);
  if (result === LATE) throw new Error(`${failure} within ${limitMs} ms`);
  return result;
}

/** Whether `work` ended within `limitMs`; else it goes on unheard. Throws what it throws in that time. */
export async function endsWithin(work: Promise<unknown>, limitMs: number): Promise<boolean> {
  return (await raceWithLimit(work, limitMs)) !== LATE;
}

async function raceWithLimit<T>(work: Promise<T>, limitMs: number): Promise<T | typeof LATE> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<typeof LATE>((resolve) => {
    timer = setTimeout(resolve, limitMs, LATE);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
