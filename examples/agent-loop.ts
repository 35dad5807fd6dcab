// A loop with a limit: a model plans one step after the other, sees what came of the last one, and says when it is done.
// However it answers, there are no more than five turns, and no more than 20 000 tokens.
//
//   node examples/agent-loop.ts
import { cel } from '../sdk/reference.ts';
import { workflow } from '../sdk/workflow.ts';
import { runExample, type Surroundings } from './environment.ts';

const TURNS_MAX = 5;

interface Input {
  model: string;
  goal: string;
}

interface Turn {
  turn: number;
  action: 'note' | 'finish';
  text: string;
}

const TURN_SCHEMA = {
  type: 'object',
  required: ['action', 'text'],
  properties: { action: { enum: ['note', 'finish'] }, text: { type: 'string' } },
};

const agent = workflow<Input, Turn>('agent-loop', { budget: { tokens: 20_000, on_exceed: 'fail' } }, (w) => {
  const work = w.loop<Turn>('work', {
    max_iterations: TURNS_MAX,
    until: ({ output }) => cel`${output.action} == ${'finish'}`,
    steps: (s, { index, output }) => {
      const plan = s.chat<{ action: string; text: string }>('plan', {
        model: w.input.model,
        messages: [
          { role: 'system', content: 'Do one thing towards the goal. Note what you found, or finish.' },
          { role: 'user', content: `The goal: ${w.input.goal}` },
          // Before the first turn there is no output.
          {
            role: 'user',
            content: `Turn ${index}. The last one: ${cel`${index} == 0 ? "none" : ${output.text}`}`,
          },
        ],
        output: { schema: TURN_SCHEMA },
      });
      const { action, text } = plan.output.json;
      return s.transform<Turn>('turn', { value: { turn: index, action, text } });
    },
  });
  return work.output;
});

export async function agentLoop({ client, model, say }: Surroundings): Promise<Turn> {
  const run = await client.runs.start(agent, { model, goal: 'Find out what the sea is like.' });
  for await (const event of run.events()) {
    if (event.id !== null) say(`${event.id} ${event.type} ${event.data.step ?? ''}`);
  }
  const last = await run.result();
  const isDone = last.action === 'finish';
  say(`${isDone ? 'Done' : `Not done within ${TURNS_MAX} turns`}: ${last.text}`);
  return last;
}

if (import.meta.main) await runExample(agentLoop);
