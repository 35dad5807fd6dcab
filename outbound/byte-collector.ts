export interface ByteCollector {
  readonly sizeBytes: number;
  append(chunk: Buffer): void;
  /** Everything so far, read as UTF-8. */
  text(): string;
}

// Pieces are copied together as they come: a list of them would cost a hundred times a body sent byte by byte.
export function createByteCollector(): ByteCollector {
  let buffer: Buffer = Buffer.alloc(0);
  let used = 0;

  function grow(neededBytes: number): void {
    const larger = Buffer.allocUnsafe(Math.max(neededBytes, buffer.length * 2));
    buffer.copy(larger, 0, 0, used);
    buffer = larger;
  }

  return {
    get sizeBytes() {
      return used;
    },
    append(chunk) {
      // The usual answer is one piece, which needs no copy.
      if (used === 0) {
        buffer = chunk;
        used = chunk.length;
        return;
      }
      if (used + chunk.length > buffer.length) grow(used + chunk.length);
      chunk.copy(buffer, used);
      used += chunk.length;
    },
    text: () => buffer.toString('utf8', 0, used),
  };
}
