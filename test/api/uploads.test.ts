import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import express, { type ErrorRequestHandler } from 'express';
import { readUpload, toFileName, type Upload } from '../../api/uploads.ts';
import { toAppError } from '../../core/errors.ts';
import type { BlobStore } from '../../rag/blob-store.ts';
import { createDiskBlobStore } from '../../storage/disk-blob-store.ts';
import { waitFor } from '../support/wait-for.ts';

const FILE_BYTES_MAX = 1_000_000;

let directory: string;
let blobs: BlobStore;
let url: string;
let port: number;
let stop: () => void;
const outcomes: string[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'citadel-uploads-'));
  blobs = await createDiskBlobStore(directory);
  const app = express();
  app.post('/', async (req, res) => {
    res.json(await readUpload(req, blobs, FILE_BYTES_MAX));
  });
  const report: ErrorRequestHandler = (error, _req, res, _next) => {
    const { status, code } = toAppError(error);
    outcomes.push(code);
    res.status(status).json({ code });
  };
  app.use(report);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
  url = `http://127.0.0.1:${port}/`;
  stop = () => {
    server.closeAllConnections();
    server.close();
  };
});

afterAll(async () => {
  stop();
  await rm(directory, { recursive: true });
});

async function send(parts: [string, string | Blob, string?][]) {
  const form = new FormData();
  for (const [name, value, fileName] of parts) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, value, fileName);
  }
  const response = await fetch(url, { method: 'POST', body: form });
  return { status: response.status, body: (await response.json()) as Upload };
}

const unfinished = () => readdir(join(directory, 'unfinished'));

test('fields and many files are read, each file to the store', async () => {
  const texts = Array.from({ length: 30 }, (_, index) => `File ${index} ${'x'.repeat(index * 10_000)}`);

  const { status, body } = await send([
    ['collection', 'notes'],
    ...texts.map((text, index): [string, Blob, string] => ['files', new Blob([text]), `${index}.txt`]),
  ]);

  expect(status).toBe(200);
  expect(body.fields).toEqual({ collection: 'notes' });
  expect(body.files).toHaveLength(30);
  for (const [index, { fileName, blob }] of body.files.entries()) {
    expect(fileName).toBe(`${index}.txt`);
    const stream = await blobs.read(blob.sha256);
    expect(stream && (await buffer(stream)).toString()).toBe(texts[index]);
  }
});

test.each([
  ['../../etc/passwd', 'passwd'],
  ['C:\\Users\\me\\a.txt', 'a.txt'],
  ['/a/b/', 'unnamed'],
  ['..', 'unnamed'],
  ['a\u0000b\r\n.txt', 'ab.txt'],
  ['gnp\u202e.txt', 'gnp.txt'],
  ['Übersicht 漢字.md', 'Übersicht 漢字.md'],
  [`${'x'.repeat(300)}.pdf`, `${'x'.repeat(251)}.pdf`],
])('the name %j becomes %j', (sent, name) => {
  expect(toFileName(sent)).toBe(name);
});

test('a file that is too large ends the upload, and leaves nothing of it', async () => {
  const large = new Blob([Buffer.alloc(FILE_BYTES_MAX + 1)]);

  expect(await send([['files', large, 'a.txt']])).toEqual({
    status: 413,
    body: { code: 'payload_too_large' },
  });
  expect(await unfinished()).toEqual([]);
});

test('too many files, too many fields, and too long a field are refused', async () => {
  const many = (count: number, value: string | Blob): [string, string | Blob, string][] =>
    Array.from({ length: count }, (_, index) => [`name${index}`, value, 'a.txt']);

  for (const parts of [many(1_001, new Blob(['x'])), many(51, 'x'), many(1, 'x'.repeat(70_000))]) {
    expect(await send(parts)).toEqual({ status: 413, body: { code: 'payload_too_large' } });
  }
});

test.each([
  ['application/json', '{}', 415],
  ['multipart/form-data', 'x', 415],
  ['multipart/form-data; boundary=x', 'no part', 400],
  [
    'multipart/form-data; boundary=x',
    '--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\nhalf',
    400,
  ],
])('a body of %s that says %j is answered with %d', async (type, body, status) => {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': type }, body });

  expect(response.status).toBe(status);
  expect(await unfinished()).toEqual([]);
});

test('a client that leaves midway leaves nothing', async () => {
  const before = outcomes.length;
  const socket = connect(port, '127.0.0.1');
  socket.write(
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 500000\r\n\r\n' +
      `--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n${'y'.repeat(100_000)}`,
  );
  await waitFor(async () => (await unfinished()).length === 1, 'the file has begun');

  socket.destroy();

  await waitFor(() => outcomes.length > before, 'the upload has ended');
  expect(outcomes.at(-1)).toBe('client_closed');
  expect(await unfinished()).toEqual([]);
});
