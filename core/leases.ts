/**
 * Units of bounded things, shared by all processes: a server's slots, a key's requests at once. A process holds a block
 * of units ahead of need, so that taking one does not leave the process; the block of a process that died lapses.
 */
export interface Leases {
  /** One unit of `name`, of which all processes together may hold `limit`, from what this process holds; false when it
   *  holds none that is free: then more is asked for, and `onFree` tells when there is. */
  tryTake(name: string, limit: number): boolean;
  /** The same, but asks the other processes before it says no; true at once where this process holds one that is free.
   *  Throws AppError `store_unavailable`, `overloaded`. */
  take(name: string, limit: number): boolean | Promise<boolean>;
  /** Gives one unit back. */
  giveBack(name: string): void;
  /** How many units of `name` this process uses now. */
  inUse(name: string): number;
  /** Calls `listener` with a name of which a unit may be free again after tryTake said no. Returns the function that
   *  ends it. */
  onFree(listener: (name: string) => void): () => void;
  /** Gives everything back. */
  close(): Promise<void>;
}
