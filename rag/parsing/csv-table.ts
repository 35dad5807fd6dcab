import { CsvError } from 'csv-parse';
import { parse } from 'csv-parse/sync';

// A longer one is not a record for a reader.
const RECORD_BYTES_MAX = 1_000_000;
const HEAD_LENGTH = 4_096;
const DELIMITERS = [',', ';', '\t', '|'];

/** The table as Markdown, its first record as the header. Null where it is no table: then it is some text. */
export function csvTable(text: string): string | null {
  const rows: string[] = [];
  try {
    parse(text, {
      delimiter: delimiterOf(text),
      relaxColumnCount: true,
      relaxQuotes: true,
      skipEmptyLines: true,
      maxRecordSize: RECORD_BYTES_MAX,
      // Given back null, so that it does not keep them.
      onRecord: (record: string[]) => {
        if (rows.length === 1) rows.push(`|${' --- |'.repeat(columnsOf(rows[0] ?? ''))}`);
        rows.push(toRow(record));
        return null;
      },
    });
  } catch (error) {
    if (error instanceof CsvError) return null;
    throw error;
  }
  return rows.length < 2 ? null : rows.join('\n');
}

function delimiterOf(text: string): string {
  const end = text.indexOf('\n');
  const line = text.slice(0, Math.min(end === -1 ? HEAD_LENGTH : end, HEAD_LENGTH));
  const counts = DELIMITERS.map((delimiter) => line.split(delimiter).length);
  return DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ',';
}

function toRow(record: readonly string[]): string {
  return `| ${record.map((field) => field.replace(/\s+/g, ' ').replaceAll('|', '\\|').trim()).join(' | ')} |`;
}

const columnsOf = (row: string) => row.replaceAll('\\|', '').split('|').length - 2;
