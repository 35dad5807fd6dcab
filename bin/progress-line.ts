interface Counts {
  completed: number;
  unchanged: number;
  failed: number;
}

interface Terminal {
  isTTY?: boolean;
  write(text: string): unknown;
}

const BAR_LENGTH = 30;
const LINE_INTERVAL_MS = 5_000;

/** A bar that is drawn over itself on a terminal; elsewhere a line now and then, and one at the end. */
export function createProgressLine(out: Terminal, total: number) {
  let shownMs = performance.now();

  function text({ completed, unchanged, failed }: Counts): string {
    const done = completed + unchanged + failed;
    const parts = [`${done}/${total}`, `${completed} completed`];
    if (unchanged > 0) parts.push(`${unchanged} unchanged`);
    if (failed > 0) parts.push(`${failed} failed`);
    if (!out.isTTY) return parts.join(', ');
    const length = Math.round((BAR_LENGTH * done) / Math.max(1, total));
    return `[${'#'.repeat(length)}${'.'.repeat(BAR_LENGTH - length)}] ${parts.join(', ')}`;
  }

  return {
    show(counts: Counts): void {
      if (out.isTTY) out.write(`\r\u001b[K${text(counts)}`);
      else if (performance.now() - shownMs >= LINE_INTERVAL_MS) {
        shownMs = performance.now();
        out.write(`${text(counts)}\n`);
      }
    },
    end(counts: Counts): void {
      out.write(`${out.isTTY ? '\r\u001b[K' : ''}${text(counts)}\n`);
    },
  };
}
