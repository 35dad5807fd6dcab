import { getDocumentProxy } from 'unpdf';
import type { PDFDocumentProxy } from 'unpdf/pdfjs';
import { DocumentRefused } from '../document-refused.ts';
import type { OpenDocument, ParseLimits } from './open-document.ts';
import { pdfPageText } from './pdf-page-text.ts';
import { plainBlocks } from './plain-blocks.ts';

const QUIET = 0;
/** Between the texts of two pages: an empty line. */
const SEPARATOR_LENGTH = 2;

/** Throws DocumentRefused. A page that cannot be read has no text; the others do. */
export async function openPdf(bytes: Uint8Array, limits: ParseLimits): Promise<OpenDocument> {
  const pdf = await open(bytes);
  if (pdf.numPages > limits.pagesMax) {
    await pdf.loadingTask.destroy();
    throw new DocumentRefused('too_many_pages');
  }
  return {
    facts: { format: 'pdf', title: await titleOf(pdf), pagesTotal: pdf.numPages },
    async *pages(from) {
      let end = from?.charEnd ?? 0;
      for (let number = (from?.pagesDone ?? 0) + 1; number <= pdf.numPages; number++) {
        const text = await textOf(pdf, number);
        const start = text !== '' && end > 0 ? end + SEPARATOR_LENGTH : end;
        end = start + text.length;
        if (end > limits.textLengthMax) throw new DocumentRefused('too_large');
        yield { page: number, start, text, blocks: plainBlocks(text) };
      }
    },
    close: () => pdf.loadingTask.destroy(),
  };
}

async function open(bytes: Uint8Array): Promise<PDFDocumentProxy> {
  try {
    return await getDocumentProxy(bytes, { disableFontFace: true, verbosity: QUIET });
  } catch (error) {
    const isProtected = (error as Error).name === 'PasswordException';
    throw new DocumentRefused(isProtected ? 'encrypted' : 'malformed', undefined, error);
  }
}

async function titleOf(pdf: PDFDocumentProxy): Promise<string | null> {
  const metadata = await pdf.getMetadata().catch(() => null);
  const { Title: title } = (metadata?.info ?? {}) as { Title?: unknown };
  return typeof title === 'string' && title.trim() !== '' ? title.trim().slice(0, 500) : null;
}

async function textOf(pdf: PDFDocumentProxy, number: number): Promise<string> {
  try {
    const page = await pdf.getPage(number);
    const { items } = await page.getTextContent();
    page.cleanup();
    return pdfPageText(items);
  } catch {
    return '';
  }
}
