import { withinLimit } from './time-limit.ts';

/** What was started, so that it can be stopped in reverse order. */
export interface Lifecycle {
  /** Registers the stop of what was just started. */
  defer(name: string, stop: () => unknown): void;
  /** Stops everything, last started first. A stop that throws does not keep the others from running; the first
   *  failure is thrown at the end. A second call waits for the first. */
  close(): Promise<void>;
}

/** A lifecycle whose stops are each given up after `stopLimitMs`. */
export function createLifecycle(stopLimitMs = 5_000): Lifecycle {
  const stops: { name: string; stop: () => unknown }[] = [];
  let closing: Promise<void> | undefined;

  async function closeAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let entry = stops.pop(); entry; entry = stops.pop()) {
      try {
        await withinLimit(Promise.resolve(entry.stop()), stopLimitMs, `${entry.name} did not stop`);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  return {
    defer(name, stop) {
      stops.push({ name, stop });
    },
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}
