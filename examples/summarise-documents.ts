// Map and reduce: many documents are summarised, four at a time, and the summaries are put together into one. Kill
// Citadel in the middle and start it again: what has been summarised is not asked for a second time.
//
//   node examples/summarise-documents.ts
import { workflow } from '../sdk/workflow.ts';
import { runExample, type Surroundings } from './environment.ts';

interface Input {
  model: string;
  documents: { title: string; text: string }[];
}

interface Output {
  summaries: string[];
  overview: string;
}

const summarise = workflow<Input, Output>(
  'summarise-documents',
  {
    description: 'Summarises documents one by one, and all of them together.',
    input: {
      type: 'object',
      required: ['model', 'documents'],
      properties: { model: { type: 'string' }, documents: { type: 'array', minItems: 1, maxItems: 1_000 } },
    },
  },
  (w) => {
    const each = w.map('each', {
      over: w.input.documents,
      concurrency: 4,
      steps: (s, document) => {
        const summary = s.chat('summary', {
          model: w.input.model,
          retry: { max: 3, delay: '1s' },
          messages: [
            { role: 'system', content: 'Summarise in one sentence.' },
            { role: 'user', content: `${document.title}: ${document.text}` },
          ],
        });
        return s.transform<string>('text', { value: summary.output.text });
      },
    });
    const overview = w.chat('overview', {
      model: w.input.model,
      messages: [
        { role: 'system', content: 'Say in one paragraph what these have in common.' },
        { role: 'user', content: `The summaries: ${each.output}` },
      ],
    });
    return { summaries: each.output, overview: overview.output.text };
  },
);

const DOCUMENTS = ['sea', 'mountains', 'desert', 'forest', 'steppe', 'ice'].map((place) => ({
  title: `A day in the ${place}`,
  text: `There is much to be said of the ${place}, and here is some of it.`,
}));

export async function summariseDocuments({ client, model, say }: Surroundings): Promise<Output> {
  const run = await client.runs.start(summarise, { model, documents: DOCUMENTS });
  say(`${run.id}: summarising ${DOCUMENTS.length} documents`);
  for await (const event of run.events()) {
    if (event.id !== null) say(`${event.id} ${event.type} ${event.data.step ?? ''}`);
  }
  const output = await run.result();
  for (const summary of output.summaries) say(`- ${summary}`);
  say(`All in all: ${output.overview}`);
  return output;
}

if (import.meta.main) await runExample(summariseDocuments);
