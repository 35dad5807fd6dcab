// A branch: a model says what a message is about, in JSON of a given schema, and the answer decides who answers it.
//
//   node examples/classify-and-route.ts
import { cel } from '../sdk/reference.ts';
import { workflow } from '../sdk/workflow.ts';
import { runExample, type Surroundings } from './environment.ts';

const KINDS = ['bug', 'question', 'other'] as const;
const KIND_SCHEMA = {
  type: 'object',
  required: ['kind'],
  properties: { kind: { enum: KINDS } },
  additionalProperties: false,
};

interface Input {
  model: string;
  message: string;
}

interface Output {
  kind: (typeof KINDS)[number];
  answer: string;
}

const route = workflow<Input, Output>('classify-and-route', {}, (w) => {
  const { model, message } = w.input;
  const answered = (role: string) => [
    { role: 'system', content: role },
    { role: 'user', content: message },
  ];
  const classified = w.chat<{ kind: string }>('classified', {
    model,
    temperature: 0,
    messages: answered('Say whether this is a bug report, a question, or something else.'),
    // Servers that can are held to the schema; an answer that does not fit is asked for again, with what is wrong.
    output: { schema: KIND_SCHEMA },
  });
  const { kind } = classified.output.json;
  const answer = w.branch<string>('answer', {
    cases: [
      {
        when: cel`${kind} == ${'bug'}`,
        steps: (s) => {
          const report = s.chat('report', { model, messages: answered('Write a bug report of this.') });
          return s.transform('reported', { value: `For the developers: ${report.output.text}` });
        },
      },
      {
        when: cel`${kind} == ${'question'}`,
        steps: (s) => {
          const reply = s.chat('reply', { model, messages: answered('Answer this question.') });
          return s.transform('replied', { value: reply.output.text });
        },
      },
    ],
    else: (s) => s.transform('passed_on', { value: `For a human: ${message}` }),
  });
  return { kind, answer: answer.output };
});

export async function classifyAndRoute({ client, model, say }: Surroundings): Promise<Output> {
  const message = 'When I press the button, nothing happens.';
  const run = await client.runs.start(route, { model, message });
  say(`${run.id}: "${message}"`);
  const output = await run.result();
  say(`It is of the kind "${output.kind}". ${output.answer}`);
  return output;
}

if (import.meta.main) await runExample(classifyAndRoute);
