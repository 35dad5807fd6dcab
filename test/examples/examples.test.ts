import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { agentLoop } from '../../examples/agent-loop.ts';
import { classifyAndRoute } from '../../examples/classify-and-route.ts';
import { draftApproveSend } from '../../examples/draft-approve-send.ts';
import { summariseDocuments } from '../../examples/summarise-documents.ts';
import { createClient } from '../../sdk/client.ts';
import { demoText } from '../../servers/demo/demo-text.ts';
import { startTestCitadel, type TestCitadel } from '../support/citadel.ts';

const MODEL = 'sim-chat';
let citadel: TestCitadel;

beforeAll(async () => {
  citadel = await startTestCitadel({
    models: [MODEL],
    env: { CITADEL_OUTBOUND_ALLOW: '127.0.0.0/8' },
  });
});

afterAll(() => citadel.stop());

function setup() {
  const lines: string[] = [];
  const client = createClient({ baseUrl: citadel.url });
  return { lines, surroundings: { client, model: MODEL, say: (line: string) => void lines.push(line) } };
}

describe('the examples', () => {
  test('many documents are summarised, in order, and put together', async () => {
    const { lines, surroundings } = setup();

    const { summaries, overview } = await summariseDocuments(surroundings);

    const texts = ['sea', 'mountains', 'desert', 'forest', 'steppe', 'ice'].map((place) =>
      demoText(`A day in the ${place}: There is much to be said of the ${place}, and here is some of it.`),
    );
    expect(summaries).toEqual(texts);
    expect(overview).toBe(demoText(`The summaries: ${JSON.stringify(texts)}`));
    expect(lines.at(-1)).toContain('All in all');
  });

  test('a message is classified and goes where it belongs', async () => {
    const { surroundings } = setup();

    const { kind, answer } = await classifyAndRoute(surroundings);

    expect(kind).toBe('bug');
    expect(answer).toBe(`For the developers: ${demoText('When I press the button, nothing happens.')}`);
  });

  test('a letter is sent once it is approved, once', async () => {
    const { lines, surroundings } = setup();

    const letters = await draftApproveSend(surroundings);

    expect(letters).toEqual([
      {
        idempotencyKey: expect.stringMatching(/^run_[^/]+\/outcome\/0\/send$/),
        text: demoText('Write a short letter about the weather.'),
        approved_by: 'the example',
      },
    ]);
    expect(lines.at(-1)).toBe('The letter was sent, approved by the example.');
  });

  test('an agent that never finishes ends at its limit', async () => {
    const { lines, surroundings } = setup();

    const last = await agentLoop(surroundings);

    expect(last).toEqual({ turn: 4, action: 'note', text: 'demo' });
    expect(lines.at(-1)).toBe('Not done within 5 turns: demo');
  });
});
