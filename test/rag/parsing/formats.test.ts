import { expect, test } from '@jest/globals';
import { pdfFile } from '../../support/pdf-file.ts';
import { docxFile, docxParagraph } from '../../support/zip-file.ts';
import { setup } from './setup.ts';

const { parts, text } = setup();

test('plain text is taken as it was sent', async () => {
  const sent = '  Some text,\r\n\r\n# not a heading\nand more.';

  expect(await text(sent, { fileName: 'a.txt' })).toBe(sent.trim());
});

test('Markdown has its first heading as its title', async () => {
  const [part] = await parts('# Guide\n\nRead me.', { fileName: 'a.md' });

  expect(part?.facts).toEqual({ format: 'md', title: 'Guide', pagesTotal: null });
  expect(part?.chunks).toMatchObject([{ text: '# Guide\n\nRead me.', headingPath: ['Guide'], page: null }]);
  expect(part?.position).toEqual({ pagesDone: 1, chunks: 1, charEnd: 17 });
});

test('a web page is read as its text, with headings, tables and lists, and without menus and scripts', async () => {
  const html = `<!doctype html><html><head><title>Rivers &amp; seas</title><script>evil()</script></head><body>
    <nav><a href="/">Home</a></nav><h1>Rivers</h1><p>A <b>long</b> <a href="/x">river</a>.</p>
    <table><tr><th>Name</th><th>km</th></tr><tr><td>Elbe</td><td>1|094</td></tr></table>
    <ul><li>one</li><li>two</li></ul><pre><code>a = 1</code></pre></body></html>`;

  const [part] = await parts(html);

  expect(part?.facts).toEqual({ format: 'html', title: 'Rivers & seas', pagesTotal: null });
  const [chunk] = part?.chunks ?? [];
  expect(chunk?.text).toContain('A **long** river.');
  expect(chunk?.text).toContain('| Name | km |\n| --- | --- |\n| Elbe | 1\\|094 |');
  expect(chunk?.text).toMatch(/-\s+one\n-\s+two/);
  expect(chunk?.text).toContain('```\na = 1\n```');
  expect(chunk?.text).not.toMatch(/Home|evil/);
});

test('a Word document is read with its headings and tables', async () => {
  const table =
    '<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Name</w:t></w:r></w:p></w:tc></w:tr>' +
    '<w:tr><w:tc><w:p><w:r><w:t>Elbe</w:t></w:r></w:p></w:tc></w:tr></w:tbl>';
  const body = docxParagraph('Rivers', 'Heading1') + docxParagraph('They run to the sea.') + table;

  const [part] = await parts(docxFile(body), { fileName: 'rivers.docx' });

  expect(part?.facts.format).toBe('docx');
  expect(part?.chunks.map(({ text }) => text).join('\n')).toContain('They run to the sea.');
  expect(part?.chunks.map(({ text }) => text).join('\n')).toContain('| Name |\n| --- |\n| Elbe |');
});

test('a PDF is read page by page, its lines joined to paragraphs and broken words made whole', async () => {
  const file = pdfFile(
    [['Rivers run to the', 'sea and are won-', 'derful.', '', '', 'Second part.'], ['Page two.']],
    {
      title: 'Rivers',
    },
  );

  const found = await parts(file, { fileName: 'rivers.txt' });

  expect(found[0]?.facts).toEqual({ format: 'pdf', title: 'Rivers', pagesTotal: 2 });
  expect(found.flatMap(({ chunks }) => chunks)).toMatchObject([
    { page: 1, charStart: 0, text: 'Rivers run to the sea and are wonderful.\n\nSecond part.' },
    { page: 2, charStart: 56, text: 'Page two.' },
  ]);
});

test('a CSV file becomes a table, whatever its delimiter', async () => {
  expect(await text('name;note\nElbe;"long,\n""wide"""\nOder;a|b', { fileName: 'a.csv' })).toBe(
    '| name | note |\n| --- | --- |\n| Elbe | long, "wide" |\n| Oder | a\\|b |',
  );
});

test('JSON in one line is laid out, and a number in it stays as it is', async () => {
  expect(await text('{"a":[1,2]}', { fileName: 'a.json' })).toBe('{\n  "a": [\n    1,\n    2\n  ]\n}');
  expect(await text('{"a":12345678901234567890}', { fileName: 'a.json' })).toBe('{"a":12345678901234567890}');
});

test('source code keeps its indents', async () => {
  const code = '  if a:\n    b()\n\n\ndef f():\n  return 1';

  expect(await text(code, { fileName: 'a.py' })).toBe(code);
});

test('the content says what a file is, and its name only where the content does not', async () => {
  const formatOf = async (...file: Parameters<typeof parts>) => (await parts(...file))[0]?.facts.format;

  expect(await formatOf(pdfFile([['Text']]), { fileName: 'photo.jpg', mediaType: 'image/jpeg' })).toBe('pdf');
  expect(await formatOf(docxFile(docxParagraph('Text')), { fileName: 'a.txt' })).toBe('docx');
  expect(await formatOf('<html><body><p>Text</p></body></html>', { fileName: 'a.md' })).toBe('html');
  expect(await formatOf('# Text', { fileName: 'A.MD' })).toBe('md');
  expect(await formatOf('# Text', { mediaType: 'text/markdown; charset=utf-8' })).toBe('md');
  expect(await formatOf('Text', { fileName: '../../etc/passwd' })).toBe('txt');
});

test.each([
  ['UTF-8', Buffer.from('Grüße, 漢字 🙂')],
  ['UTF-8 with a mark', Buffer.from('\uFEFFGrüße, 漢字 🙂')],
  ['UTF-16LE with a mark', Buffer.from('\uFEFFGrüße, 漢字 🙂', 'utf16le')],
  ['UTF-16BE with a mark', Buffer.from('\uFEFFGrüße, 漢字 🙂', 'utf16le').swap16()],
])('%s is read as what it says', async (_, bytes) => {
  expect(await text(bytes)).toBe('Grüße, 漢字 🙂');
});

test.each([
  ['UTF-16LE without a mark', Buffer.from('Grüße aus Köln', 'utf16le')],
  ['UTF-16BE without a mark', Buffer.from('Grüße aus Köln', 'utf16le').swap16()],
  ['Latin-1', Buffer.from('Grüße aus Köln', 'latin1')],
])('%s is told by its bytes', async (_, bytes) => {
  expect(await text(bytes)).toBe('Grüße aus Köln');
});

test('what no store takes is replaced, without a change of length', async () => {
  const found = await text(`${'word '.repeat(1_000)}\0d`, { tokens: 4_000 });

  expect(found).toBe(`${'word '.repeat(1_000)}\uFFFDd`);
});
