import type TurndownService from 'turndown';

/** Has tables written as Markdown's, of which the library knows nothing. A table within a cell is that cell's text. */
export function addTableRule(turndown: TurndownService): void {
  turndown.addRule('cell', {
    filter: ['th', 'td'],
    replacement: (content) => ` ${content.replace(/\s+/g, ' ').replaceAll('|', '\\|').trim()} |`,
  });
  turndown.addRule('row', {
    filter: 'tr',
    replacement: (content) => (content.trim() === '' ? '' : `\n|${content.replace(/\n/g, '')}`),
  });
  turndown.addRule('section', {
    filter: ['thead', 'tbody', 'tfoot'],
    replacement: (content) => content,
  });
  turndown.addRule('table', {
    filter: 'table',
    replacement: (content) => {
      const [header, ...rows] = content.split('\n').filter((line) => line.startsWith('|'));
      if (header === undefined) return content;
      const columns = header.replaceAll('\\|', '').split('|').length - 2;
      return `\n\n${[header, `|${' --- |'.repeat(columns)}`, ...rows].join('\n')}\n\n`;
    },
  });
}
