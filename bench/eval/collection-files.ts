import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Judgements } from './metrics.ts';

export interface CorpusDocument {
  _id: string;
  title?: string;
  text: string;
}

/** A question of which it is known what answers it. */
interface JudgedQuestion {
  text: string;
  judged: Judgements;
}

/** Documents of a corpus in BEIR's form: a JSON object a line. */
export async function* readCorpus(path: string): AsyncIterable<CorpusDocument> {
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line.trim() !== '') yield JSON.parse(line);
  }
}

/** The questions for which there are judgements. */
export async function readQuestions(path: string, qrelsPath: string): Promise<JudgedQuestion[]> {
  const byQuestion = parseQrels(await readFile(qrelsPath, 'utf8'));
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line.trim() !== '');
  return lines.flatMap((line) => {
    const { _id, text } = JSON.parse(line) as { _id: string; text: string };
    const judged = byQuestion.get(_id);
    return judged ? [{ text, judged }] : [];
  });
}

/** Judgements by question, in TREC's form (`question 0 document relevance`) or BEIR's (three columns under a header). */
export function parseQrels(text: string): Map<string, Judgements> {
  const byQuestion = new Map<string, Map<string, number>>();
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/);
    const [question, document, relevance] = fields.length >= 4 ? [fields[0], fields[2], fields[3]] : fields;
    if (!question || !document || !/^-?\d+$/.test(relevance ?? '')) continue;
    const judged = byQuestion.get(question) ?? new Map<string, number>();
    byQuestion.set(question, judged.set(document, Number(relevance)));
  }
  return byQuestion;
}
