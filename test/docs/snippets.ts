import { readFileSync } from 'node:fs';

/** A fenced block of a page. */
export interface Snippet {
  /** `README.md:17`, the line where it begins. */
  place: string;
  /** The heading that it stands under. */
  heading: string;
  language: string;
  /** Whether it says of itself that it cannot be run by a test. */
  isTagged: boolean;
  text: string;
}

const ROOT = new URL('../../', import.meta.url);
const FENCE = /^```(\w*) ?(.*)$/;

/** The blocks of a page, from the first to the last. */
export function snippetsOf(page: string): Snippet[] {
  const snippets: Snippet[] = [];
  let heading = '';
  let open: Snippet | null = null;
  for (const [index, line] of readFileSync(new URL(page, ROOT), 'utf8').split('\n').entries()) {
    const [fence, language = '', tag = ''] = FENCE.exec(line) ?? [];
    if (fence !== undefined && open === null) {
      open = { place: `${page}:${index + 1}`, heading, language, isTagged: tag === 'no-run', text: '' };
    } else if (fence !== undefined && open !== null) {
      snippets.push(open);
      open = null;
    } else if (open !== null) open.text += `${line}\n`;
    else if (line.startsWith('#')) heading = line.replace(/^#+ /, '');
  }
  return snippets;
}
