import { createHash } from 'node:crypto';

// Of our own: a name space for UUIDs that mean something here alone.
const NAMESPACE = Buffer.from('6f1f3a52c7f54a5e9d0be4b0a2c51d77', 'hex');

/** What of a chunk is embedded: its text, under the document's title and its headings. */
export function embeddedText(title: string | null, headingPath: readonly string[], text: string): string {
  const headings = headingPath.join(' > ');
  return [title ?? '', headings, text].filter((part) => part !== '').join('\n');
}

export function hashText(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * The same for the same text in the same document and index, however often it is ingested. `occurrence` counts the equal
 * ones before it, from 0.
 */
export function pointId(versionId: string, documentId: string, textHash: string, occurrence: number): string {
  const name = `${versionId}|${documentId}|${textHash}|${occurrence}`;
  const bytes = createHash('sha1').update(NAMESPACE).update(name).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
