import mammoth from 'mammoth';
import { DocumentRefused } from '../document-refused.ts';
import { fragmentToMarkdown } from './html-markdown.ts';
import type { ParseLimits } from './open-document.ts';
import { checkZip } from './zip-directory.ts';

// All that is read of it; pictures are not.
const IS_READ = /^(?:word\/|docProps\/|customXml\/)?[^/]*\.(?:xml|rels)$|^(?:word\/)?_rels\//;

/** Throws DocumentRefused. */
export async function docxToMarkdown(bytes: Uint8Array, limits: ParseLimits) {
  checkZip(bytes, limits.unpackedBytesMax, (name) => IS_READ.test(name) || name.endsWith('.xml'));
  const html = await toHtml(bytes);
  return { markdown: fragmentToMarkdown(html), title: null };
}

async function toHtml(bytes: Uint8Array): Promise<string> {
  try {
    const { value } = await mammoth.convertToHtml(
      { buffer: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) },
      { convertImage: mammoth.images.imgElement(async () => ({ src: '' })), externalFileAccess: false },
    );
    return value;
  } catch (error) {
    throw new DocumentRefused('malformed', undefined, error);
  }
}
