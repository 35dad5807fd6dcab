import { expect, test } from '@jest/globals';
import { pdfFile } from '../../support/pdf-file.ts';
import { docxFile, zipFile } from '../../support/zip-file.ts';
import { setup } from './setup.ts';

const { parts, text } = setup({ limits: { pagesMax: 400, unpackedBytesMax: 2_000_000 } });

const refusal = (reasonCode: string) => ({ name: 'DocumentRefused', reasonCode });

test.each([
  ['an empty file', Buffer.alloc(0), 'empty_file'],
  ['blanks', Buffer.from(' \n\t\n '), 'no_extractable_text'],
  ['a scanned PDF without text', pdfFile([[], []]), 'no_extractable_text'],
  ['an encrypted PDF', pdfFile([['Secret']], { isEncrypted: true }), 'encrypted'],
  ['a broken PDF', Buffer.from('%PDF-1.4\nnothing of it'), 'malformed'],
  ['a PDF of too many pages', pdfFile(Array.from({ length: 401 }, () => ['x'])), 'too_many_pages'],
  ['a picture', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), 'unsupported_format'],
  ['another archive', zipFile([{ name: 'a.txt', content: 'Text' }]), 'unsupported_format'],
  ['a broken archive', Buffer.from('PK\x03\x04 and no more'), 'malformed'],
  ['an old Office file', Buffer.from('d0cf11e0a1b11ae100000000', 'hex'), 'unsupported_format'],
  [
    'a protected Office file',
    Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.from('EncryptedPackage', 'utf16le')]),
    'encrypted',
  ],
  [
    'a Word document that says it unpacks to much',
    docxFile('', [{ name: 'word/bomb.xml', content: Buffer.alloc(3_000_000) }]),
    'too_large',
  ],
  [
    'a Word document that unpacks to more than it says',
    docxFile('', [{ name: 'word/bomb.xml', content: Buffer.alloc(1_900_000), saidBytes: 100 }]),
    'malformed',
  ],
  ['a Word document without one', zipFile([{ name: 'word/document.xml', content: '<no' }]), 'malformed'],
])('%s is refused with a reason that helps', async (_, bytes, reasonCode) => {
  await expect(parts(bytes)).rejects.toMatchObject({
    ...refusal(reasonCode),
    message: expect.stringMatching(/^[A-Z].+\.$/),
  });
});

test('a web page that is nested too deeply is refused, and one that is nested deeply is read', async () => {
  const page = (depth: number) => `<html><body>${'<div>'.repeat(depth)}deep</body></html>`;

  await expect(parts(page(3_000))).rejects.toMatchObject(refusal('malformed'));

  expect(await text(page(900))).toBe('deep');
  expect(await text('Next.')).toBe('Next.');
});

test('a CSV line of fifty megabytes is read as text, in bounded pieces', async () => {
  const line = `name,${'x'.repeat(50_000_000)}`;

  const found = await parts(line, { fileName: 'a.csv' });

  const chunks = found.flatMap(({ chunks }) => chunks);
  expect(chunks.at(-1)?.charEnd).toBe(line.length);
  expect(Math.max(...chunks.map(({ text }) => text.length))).toBeLessThanOrEqual(1_600);
  expect(found.every(({ chunks }) => chunks.length <= 256)).toBe(true);
});

test('three hundred pages are read one by one, and a read that stopped goes on where it was', async () => {
  const pages = Array.from({ length: 300 }, (_, index) =>
    index % 7 === 3 ? [] : [`This is page ${index + 1}.`],
  );
  const file = pdfFile(pages);
  const all = await parts(file);

  expect(all).toHaveLength(300);
  expect(all.flatMap(({ chunks }) => chunks)).toHaveLength(257);
  for (const done of [4, 150]) {
    expect(await parts(file, { position: all[done - 1]?.position ?? undefined })).toEqual(all.slice(done));
  }
});
