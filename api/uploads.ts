import { createRequire } from 'node:module';
import type { BusboyFileStream } from '@fastify/busboy';
import type { Request } from 'express';
import { AppError } from '../core/errors.ts';
import { loadOnce } from '../core/load-once.ts';
import type { Blob, BlobStore } from '../rag/blob-store.ts';

export interface Upload {
  fields: Record<string, string>;
  /** In the order in which they came. */
  files: UploadedFile[];
}

interface UploadedFile {
  /** Without directories and control characters. */
  fileName: string;
  mediaType: string;
  blob: Blob;
}

const LIMITS = { files: 1_000, fields: 50, fieldSize: 65_536, fieldNameSize: 100, headerPairs: 50 };
const NAME_LENGTH_MAX = 255;
// Loaded for the first upload.
const busboy = loadOnce(
  () => createRequire(import.meta.url)('@fastify/busboy') as typeof import('@fastify/busboy'),
);
const MULTIPART = /^multipart\/form-data\s*;.*boundary=/i;

/**
 * Reads a multipart body: each file goes to `blobs` as it comes. Throws `unsupported_media_type`, `invalid_request`,
 * `payload_too_large` for one file of more than `fileBytesMax` and for too many parts, `client_closed`, and what `blobs`
 * throws. Nothing is left then of the file that was being read; those before it are blobs that no row names.
 */
export async function readUpload(req: Request, blobs: BlobStore, fileBytesMax: number): Promise<Upload> {
  const type = req.headers['content-type'] ?? '';
  if (!MULTIPART.test(type)) {
    throw new AppError('unsupported_media_type', 'Send the files as multipart/form-data.');
  }
  const parser = createParser(type);
  const fields: Record<string, string> = Object.create(null);
  const streams: BusboyFileStream[] = [];
  const writes: Promise<UploadedFile>[] = [];

  parser.on('field', (name, value, isNameCut, isValueCut) => {
    if (isNameCut || isValueCut) return parser.destroy(tooMuch(`The field \`${name}\` is too long.`));
    fields[name] = value;
  });
  parser.on('file', (_field, stream, name, _encoding, mediaType) => {
    // The store hears of it when it reads; until then nobody does.
    stream.on('error', () => {});
    streams.push(stream);
    const write = writeFile({ stream, name, mediaType }, blobs, fileBytesMax);
    // It is awaited at the end; the upload ends with the first that fails.
    write.catch((error) => parser.destroy(error));
    writes.push(write);
  });
  parser.on('filesLimit', () => parser.destroy(tooMuch(`An upload has at most ${LIMITS.files} files.`)));
  parser.on('fieldsLimit', () => parser.destroy(tooMuch(`An upload has at most ${LIMITS.fields} fields.`)));

  try {
    await pass(req, parser);
    return { fields, files: await Promise.all(writes) };
  } catch (error) {
    // The parser leaves its files open when it fails.
    for (const stream of streams) stream.destroy(error as Error);
    await Promise.allSettled(writes);
    throw error instanceof AppError ? error : malformed(error);
  }
}

/** A name without anything that would lead elsewhere, or hide what it is. */
export function toFileName(name: string): string {
  const base = name.split(/[/\\]/).at(-1) ?? '';
  const plain = base.replace(/[\p{Cc}\p{Cf}]/gu, '').trim();
  return plain === '' || /^\.+$/.test(plain) ? 'unnamed' : plain.slice(-NAME_LENGTH_MAX);
}

function createParser(type: string) {
  try {
    const { Busboy } = busboy();
    return new Busboy({ headers: { 'content-type': type }, limits: LIMITS });
  } catch (error) {
    throw malformed(error);
  }
}

interface FilePart {
  stream: BusboyFileStream;
  name: string;
  mediaType: string;
}

async function writeFile({ stream, name, mediaType }: FilePart, blobs: BlobStore, bytesMax: number) {
  const blob = await blobs.write(stream, bytesMax);
  return { fileName: toFileName(name), mediaType, blob };
}

/** Resolves when the parser has taken all. */
function pass(req: Request, parser: ReturnType<typeof createParser>): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      req.unpipe(parser);
      // The rest of the body is read and dropped, so that the answer arrives.
      req.resume();
      reject(error);
    };
    parser.once('finish', resolve);
    // More than one may come.
    parser.on('error', fail);
    req.once('close', () => {
      if (req.complete) return;
      const left = new AppError('client_closed', 'The client closed the request.');
      parser.destroy(left);
      fail(left);
    });
    req.pipe(parser);
  });
}

const tooMuch = (message: string) => new AppError('payload_too_large', message);

function malformed(cause: unknown): AppError {
  return new AppError('invalid_request', 'The body is not valid multipart/form-data.', { cause });
}
