import { createHash } from 'node:crypto';

const BODIES_MAX = 10_000;

/** Answers of each body whether it came before, as far back as the last 10 000. */
export function createBodyMemory(): (body: string) => boolean {
  const digests = new Set<string>();
  return (body) => {
    const digest = createHash('sha256').update(body).digest('base64');
    if (digests.has(digest)) return true;
    digests.add(digest);
    const [oldest] = digests.size > BODIES_MAX ? digests : [];
    if (oldest !== undefined) digests.delete(oldest);
    return false;
  };
}
