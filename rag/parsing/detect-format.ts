import { extname } from 'node:path';
import { DocumentRefused } from '../document-refused.ts';
import { isText } from './decode-text.ts';
import type { DocumentBytes } from './open-document.ts';
import { zipNames } from './zip-directory.ts';

export type Format = 'txt' | 'md' | 'html' | 'pdf' | 'docx' | 'csv' | 'json' | 'code';

const HEAD_LENGTH = 1_024;

const BY_EXTENSION: Record<string, Format> = {
  ...named('md', '.md .markdown .mdown .mkd .mdx'),
  ...named('html', '.html .htm .xhtml'),
  ...named('csv', '.csv .tsv'),
  ...named('json', '.json'),
  ...named(
    'code',
    '.js .mjs .cjs .jsx .ts .mts .cts .tsx .py .pyi .rb .php .java .kt .kts .scala .go .rs .c .h .cc .cpp .cxx .hpp .cs .m ' +
      '.mm .swift .sh .bash .zsh .fish .ps1 .bat .sql .lua .pl .pm .r .jl .hs .ml .mli .clj .cljs .ex .exs .erl .dart .vue ' +
      '.svelte .css .scss .less .yaml .yml .toml .ini .cfg .conf .xml .proto .graphql .tf .gradle .cmake .jsonl .ndjson',
  ),
};

const BY_MEDIA_TYPE: Record<string, Format> = {
  'text/markdown': 'md',
  'text/html': 'html',
  'application/xhtml+xml': 'html',
  'text/csv': 'csv',
  'text/tab-separated-values': 'csv',
  'application/json': 'json',
};

/** What the bytes are, by their content first: a wrong name does not matter. Throws DocumentRefused for what cannot be read. */
export function detectFormat({ bytes, fileName, mediaType }: DocumentBytes): Format {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEAD_LENGTH)).toString(
    'latin1',
  );
  const extension = extname(fileName ?? '').toLowerCase();
  // Readers take some bytes before it.
  if (/^\s*%PDF-\d/.test(head) || (extension === '.pdf' && head.includes('%PDF-'))) return 'pdf';
  if (head.startsWith('PK\x03\x04') || head.startsWith('PK\x05\x06')) return zipFormat(bytes);
  if (head.startsWith('\xd0\xcf\x11\xe0')) throw oldOffice(bytes);
  if (!isText(bytes)) throw new DocumentRefused('unsupported_format');
  if (/^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html)[\s>]/i.test(head)) return 'html';
  const type = mediaType?.split(';')[0]?.trim().toLowerCase() ?? '';
  return BY_EXTENSION[extension] ?? BY_MEDIA_TYPE[type] ?? 'txt';
}

function named(format: Format, extensions: string): Record<string, Format> {
  return Object.fromEntries(extensions.split(' ').map((extension) => [extension, format]));
}

function zipFormat(bytes: Uint8Array): Format {
  if (zipNames(bytes).includes('word/document.xml')) return 'docx';
  throw new DocumentRefused('unsupported_format');
}

/** Office's older files, and newer ones with a password: these are such a file with the real one inside. */
function oldOffice(bytes: Uint8Array): DocumentRefused {
  const isProtected = Buffer.from(bytes).includes(Buffer.from('EncryptedPackage', 'utf16le'));
  return new DocumentRefused(isProtected ? 'encrypted' : 'unsupported_format');
}
