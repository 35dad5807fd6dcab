// A human in between: a model drafts a letter, somebody approves it, and only then it is sent. Here the human is this
// program, and so is the receiver, on this machine: Citadel needs CITADEL_OUTBOUND_ALLOW=127.0.0.0/8 to call it.
//
//   CITADEL_OUTBOUND_ALLOW=127.0.0.0/8 npm start
//   node examples/draft-approve-send.ts
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cel } from '../sdk/reference.ts';
import { workflow } from '../sdk/workflow.ts';
import { runExample, type Surroundings } from './environment.ts';

interface Input {
  model: string;
  topic: string;
  /** Where letters are sent to. */
  url: string;
}

const letter = workflow<Input, string>('draft-approve-send', { deadline: '2d' }, (w) => {
  const draft = w.chat('draft', {
    model: w.input.model,
    messages: [{ role: 'user', content: `Write a short letter about ${w.input.topic}.` }],
  });
  const approval = w.approve<{ approved: boolean; by: string }>('approval', {
    after: [draft],
    timeout: '1d',
  });
  const outcome = w.branch<string>('outcome', {
    cases: [
      {
        when: cel`${approval.output.approved}`,
        steps: (s) => {
          // It may be sent twice after a crash, with the same Idempotency-Key: the receiver can tell.
          s.http('send', {
            method: 'POST',
            url: w.input.url,
            body: { text: draft.output.text, approved_by: approval.output.by },
            retry: { max: 5, delay: '1s', on: ['transient', 'timeout'] },
          });
          return s.transform('sent', { value: `sent, approved by ${approval.output.by}` });
        },
      },
    ],
    else: (s) => s.transform('dropped', { value: 'dropped' }),
  });
  return outcome.output;
});

export async function draftApproveSend({ client, model, say }: Surroundings): Promise<Letter[]> {
  const receiver = await startReceiver();
  try {
    const run = await client.runs.start(letter, { model, topic: 'the weather', url: receiver.url });
    say(`${run.id}: drafting`);
    for await (const event of run.events()) {
      if (event.id === null || event.type !== 'step.waiting' || event.data.step !== 'approval') continue;
      const draft = (await run.get()).steps.find(({ id }) => id === 'draft');
      say(`The draft: ${JSON.stringify(draft?.output)}`);
      await run.signal('approval', { approved: true, by: 'the example' });
      say('Approved.');
    }
    say(`The letter was ${await run.result()}.`);
    return receiver.letters;
  } finally {
    receiver.stop();
  }
}

interface Letter {
  idempotencyKey: string;
  text: string;
  approved_by: string;
}

/** Where letters arrive. */
async function startReceiver(): Promise<{ url: string; letters: Letter[]; stop(): void }> {
  const letters: Letter[] = [];
  const server: Server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    const idempotencyKey = String(req.headers['idempotency-key']);
    letters.push({ idempotencyKey, ...JSON.parse(Buffer.concat(chunks).toString()) });
    res.writeHead(200, { 'content-type': 'application/json' }).end('{"received":true}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}/letters`, letters, stop };
}

if (import.meta.main) await runExample(draftApproveSend);
