import { inflateRawSync } from 'node:zlib';
import { DocumentRefused } from '../document-refused.ts';

interface ZipEntry {
  name: string;
  method: number;
  isEncrypted: boolean;
  packedBytes: number;
  unpackedBytes: number;
  headerAt: number;
}

const END_LENGTH = 22;
const END_SIGNATURE = 0x06054b50;
const ENTRY_LENGTH = 46;
const ENTRY_SIGNATURE = 0x02014b50;
const HEADER_LENGTH = 30;
const COMMENT_LENGTH_MAX = 65_535;
const DEFLATED = 8;
const ENTRIES_MAX = 10_000;

/** Names of the files in a ZIP archive. Throws DocumentRefused. */
export function zipNames(bytes: Uint8Array): string[] {
  return readDirectory(toBuffer(bytes)).map(({ name }) => name);
}

/**
 * Throws DocumentRefused where an archive says that it unpacks to more than `bytesMax`, or where a file for which `matters`
 * unpacks to more than it says.
 */
export function checkZip(bytes: Uint8Array, bytesMax: number, matters: (name: string) => boolean): void {
  const archive = toBuffer(bytes);
  const entries = readDirectory(archive).filter(({ name }) => matters(name));
  if (entries.some(({ isEncrypted }) => isEncrypted)) throw new DocumentRefused('encrypted');
  const saidBytes = entries.reduce((sum, { unpackedBytes }) => sum + unpackedBytes, 0);
  if (saidBytes > bytesMax) throw new DocumentRefused('too_large');
  for (const entry of entries) requireTrueSize(archive, entry);
}

function readDirectory(archive: Buffer): ZipEntry[] {
  const endAt = archive.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
  const isFound = endAt >= Math.max(0, archive.length - END_LENGTH - COMMENT_LENGTH_MAX);
  if (!isFound || endAt + END_LENGTH > archive.length || archive.readUInt32LE(endAt) !== END_SIGNATURE) {
    throw new DocumentRefused('malformed');
  }
  const count = archive.readUInt16LE(endAt + 10);
  if (count > ENTRIES_MAX) throw new DocumentRefused('too_large');
  const entries: ZipEntry[] = [];
  let at = archive.readUInt32LE(endAt + 16);
  for (let index = 0; index < count; index++) {
    if (at + ENTRY_LENGTH > archive.length || archive.readUInt32LE(at) !== ENTRY_SIGNATURE) {
      throw new DocumentRefused('malformed');
    }
    const nameLength = archive.readUInt16LE(at + 28);
    entries.push({
      name: archive.toString('utf8', at + ENTRY_LENGTH, at + ENTRY_LENGTH + nameLength),
      isEncrypted: (archive.readUInt16LE(at + 8) & 1) === 1,
      method: archive.readUInt16LE(at + 10),
      packedBytes: archive.readUInt32LE(at + 20),
      unpackedBytes: archive.readUInt32LE(at + 24),
      headerAt: archive.readUInt32LE(at + 42),
    });
    at += ENTRY_LENGTH + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return entries;
}

function requireTrueSize(archive: Buffer, entry: ZipEntry): void {
  if (entry.method !== DEFLATED) return;
  if (entry.headerAt + HEADER_LENGTH > archive.length) throw new DocumentRefused('malformed');
  const nameLength = archive.readUInt16LE(entry.headerAt + 26);
  const extraLength = archive.readUInt16LE(entry.headerAt + 28);
  const dataAt = entry.headerAt + HEADER_LENGTH + nameLength + extraLength;
  const packed = archive.subarray(dataAt, dataAt + entry.packedBytes);
  try {
    inflateRawSync(packed, { maxOutputLength: Math.max(1, entry.unpackedBytes) });
  } catch (error) {
    throw new DocumentRefused('malformed', undefined, error);
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
