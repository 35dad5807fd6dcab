import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';

/** Removes what `global-setup` made, with all that the tests left in it. */
export default function globalTeardown(): void {
  rmSync(tmpdir(), { recursive: true, force: true });
}
