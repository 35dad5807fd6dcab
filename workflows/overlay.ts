/**
 * A map laid over another one, which stays as it is: what is set here covers what is below. Without one below it is a
 * plain map.
 */
export class Overlay<V> {
  readonly #own = new Map<string, V>();
  readonly #below: Overlay<V> | null;

  constructor(below: Overlay<V> | null = null) {
    this.#below = below;
  }

  get(key: string): V | undefined {
    return this.#own.get(key) ?? this.#below?.get(key);
  }

  set(key: string, value: V): void {
    this.#own.set(key, value);
  }

  /** The value to be changed in place: this map's own, which is first made from the one below. */
  edit(key: string, make: (below: V | undefined) => V): V {
    const own = this.#own.get(key);
    if (own !== undefined) return own;
    const made = make(this.#below?.get(key));
    this.#own.set(key, made);
    return made;
  }

  /** Whether the key was set here and not below. */
  covers(key: string): boolean {
    return this.#own.has(key);
  }

  /** First those below, in the order in which they first came. */
  *keys(): Generator<string> {
    if (this.#below) yield* this.#below.keys();
    for (const key of this.#own.keys()) {
      if (this.#below?.get(key) === undefined) yield key;
    }
  }
}

/** A set laid over another one, which stays as it is. */
export class KeySet {
  readonly #own = new Set<string>();
  readonly #gone = new Set<string>();
  readonly #below: KeySet | null;

  constructor(below: KeySet | null = null) {
    this.#below = below;
  }

  has(key: string): boolean {
    return this.#own.has(key) || (this.#below?.has(key) === true && !this.#gone.has(key));
  }

  add(key: string): void {
    if (!this.has(key)) this.#own.add(key);
  }

  delete(key: string): void {
    this.#own.delete(key);
    if (this.#below?.has(key)) this.#gone.add(key);
  }

  /** In the order in which they came. */
  *[Symbol.iterator](): Generator<string> {
    for (const key of this.#below ?? []) {
      if (!this.#gone.has(key)) yield key;
    }
    yield* this.#own;
  }
}
