import { Readability } from '@mozilla/readability';
import { parseHTML } from 'linkedom';
import TurndownService from 'turndown';
import { DocumentRefused } from '../document-refused.ts';
import { addTableRule } from './table-rule.ts';

interface MarkdownDocument {
  markdown: string;
  title: string | null;
}

// What a page's article must have of its text, or it was not the article.
const ARTICLE_SHARE_MIN = 0.4;
// Looking for the article takes 5 s a megabyte, and more than quadratic time in the depth: 3 s for 500.
const ARTICLE_PAGE_LENGTH_MAX = 1_000_000;
const ARTICLE_DEPTH_MAX = 100;
const DEPTH_MAX = 1_000;
const NOT_READ = 'script, style, noscript, template, svg, iframe, object, canvas, nav, [hidden]';

/** The article of a web page, or all of it where there is none. Throws DocumentRefused. */
export function htmlToMarkdown(html: string): MarkdownDocument {
  return guarded(() => {
    const { document } = parseHTML(isWhole(html) ? html : `<html><body>${html}</body></html>`);
    for (const element of document.querySelectorAll(NOT_READ)) element.remove();
    const title = document.title.replace(/\s+/g, ' ').trim() || null;
    const whole = document.body?.textContent ?? '';
    const depth = depthOf(document);
    if (depth > DEPTH_MAX) throw new DocumentRefused('malformed', 'The page is nested too deeply.');
    const hasArticle = depth <= ARTICLE_DEPTH_MAX && html.length <= ARTICLE_PAGE_LENGTH_MAX;
    const article = hasArticle ? new Readability(document.cloneNode(true)).parse() : null;
    if (article?.content && lengthOf(article.textContent ?? '') >= lengthOf(whole) * ARTICLE_SHARE_MIN) {
      return { markdown: fragmentToMarkdown(article.content), title: title ?? article.title ?? null };
    }
    return { markdown: fragmentToMarkdown(document.body?.innerHTML ?? ''), title };
  });
}

/** All of a piece of HTML that is known to be a document. Throws DocumentRefused. */
export function fragmentToMarkdown(html: string): string {
  return guarded(() => {
    const { document } = parseHTML(`<html><body>${html}</body></html>`);
    return turndown.turndown(document.body).trim();
  });
}

const turndown = new TurndownService({
  headingStyle: 'atx',
  codeBlockStyle: 'fenced',
  bulletListMarker: '-',
  emDelimiter: '*',
});
// A picture has no text, and a link's address is none.
turndown.remove(['script', 'style', 'noscript', 'template']);
turndown.addRule('picture', { filter: ['img', 'picture'], replacement: () => '' });
turndown.addRule('link', { filter: 'a', replacement: (content) => content });
// Nothing is marked: it is read, not shown.
turndown.escape = (text) => text;
addTableRule(turndown);

interface HtmlNode {
  firstChild: HtmlNode | null;
  nextSibling: HtmlNode | null;
  parentNode: HtmlNode | null;
}

function depthOf(root: HtmlNode): number {
  let depth = 0;
  let deepest = 0;
  for (let node: HtmlNode | null = root; node; ) {
    deepest = Math.max(deepest, depth);
    if (node.firstChild) {
      node = node.firstChild;
      depth++;
      continue;
    }
    while (node && node !== root && !node.nextSibling) {
      node = node.parentNode;
      depth--;
    }
    node = node && node !== root ? node.nextSibling : null;
  }
  return deepest;
}

const isWhole = (html: string) => /<(?:html|body|head)[\s>]/i.test(html.slice(0, 100_000));
const lengthOf = (text: string) => text.replace(/\s+/g, '').length;

/** Deeper nesting than the stack is refused, not thrown. */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof DocumentRefused) throw error;
    throw new DocumentRefused('malformed', undefined, error);
  }
}
