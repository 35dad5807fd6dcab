import type { Json } from '../../core/json-value.ts';
import type { StepError } from '../../workflows/run-state.ts';
import { call, flow, give } from './definitions.ts';
import type { RunPlayer } from './run-player.ts';

interface Scenario {
  name: string;
  definition: unknown;
  input: Json;
  act(player: RunPlayer): void;
}

const chat = (id: string, content: string, fields = {}) => ({
  id,
  type: 'chat',
  model: 'phi3',
  messages: [{ role: 'user', content }],
  ...fields,
});
const undo = { id: 'undo', type: 'http', method: 'DELETE', url: 'https://example.com/' };
const TRANSIENT: StepError = { code: 'bad_backend', message: 'It broke.', class: 'transient' };

/** Small runs that between them come to everything the engine does. */
export const SCENARIOS: Scenario[] = [
  {
    name: 'chat-transform-chat',
    definition: flow(
      [
        chat('draft', 'On ${{ input.topic }}'),
        give('short', '${{ steps.draft.output.text.size() < 20 }}'),
        chat('polish', '${{ steps.draft.output.text }}', { when: 'steps.short.output' }),
      ],
      { output: { text: '${{ steps.polish.output.text }}' } },
    ),
    input: { topic: 'rain' },
    act(player) {
      player.claim();
      player.succeed('draft', { text: 'It rains.' });
      player.claim();
      player.succeed('polish', { text: 'It is raining.' });
    },
  },
  {
    name: 'map-tolerates',
    definition: flow([
      {
        id: 'fan',
        type: 'map',
        over: '${{ input.items }}',
        concurrency: 2,
        tolerate: 1,
        steps: [
          call('one', { body: '${{ item }}', retry: { max: 1, delay: '1s' } }),
          give('two', '${{ [index, item] }}'),
        ],
      },
    ]),
    input: { items: ['a', 'b', 'c'] },
    act(player) {
      player.claim();
      player.fail('fan[1]/one', TRANSIENT);
      player.succeed('fan[0]/one');
      player.claim(1);
      player.wakeNext();
      player.claim();
      player.fail('fan[1]/one', TRANSIENT);
      player.succeed('fan[2]/one');
    },
  },
  {
    name: 'loop-branch-parallel',
    definition: flow([
      {
        id: 'loop',
        type: 'loop',
        until: 'loop.output == "end"',
        max_iterations: 4,
        steps: [
          {
            id: 'pick',
            type: 'branch',
            cases: [{ when: 'loop.index == 0', steps: [call('ask')] }],
            else: [give('last', 'end')],
          },
        ],
      },
      {
        id: 'par',
        type: 'parallel',
        branches: { left: [call('x')], right: [give('skipped', 1, { when: 'false' }), give('y', 2)] },
        after: ['loop'],
      },
    ]),
    input: {},
    act(player) {
      player.claim();
      player.succeed('loop#0/pick/0/ask', 'more');
      player.claim();
      player.succeed('par/left/x');
    },
  },
  {
    name: 'waits',
    definition: flow([
      { id: 'nap', type: 'sleep', for: '2s' },
      { id: 'mail', type: 'wait_event', name: 'mail-${{ input.who }}', after: ['nap'] },
      { id: 'ok', type: 'approve', timeout: '1h', after: ['mail'] },
      { id: 'say', type: 'emit', event: 'approved', data: '${{ steps.ok.output }}' },
      {
        id: 'sub',
        type: 'workflow',
        workflow: 'other',
        input: { by: '${{ steps.mail.output }}' },
        after: ['say'],
      },
    ]),
    input: { who: 'me' },
    act(player) {
      player.signal('mail-me', 'early');
      player.wakeNext();
      player.signal('ok', { by: 'you' });
      player.send({
        type: 'child_ended',
        key: 'sub',
        attempt: 1,
        status: 'succeeded',
        output: 'child',
        error: null,
        random: 0,
      });
    },
  },
  {
    name: 'failure-compensation-retry',
    definition: flow(
      [
        call('pay', { compensate: undo }),
        call('book', { compensate: undo }),
        call('ship', { after: ['pay', 'book'] }),
      ],
      {
        on_failure: [
          give('why', '${{ steps.ship.error.message }}'),
          call('tell', { body: '${{ steps.why.output }}' }),
        ],
      },
    ),
    input: {},
    act(player) {
      player.claim();
      player.succeed('book');
      player.succeed('pay');
      player.claim();
      player.fail('ship');
      player.work();
      player.send({ type: 'retry' });
      player.work();
    },
  },
  {
    name: 'cancel-with-compensation',
    definition: flow([call('a', { compensate: undo }), call('b'), { id: 'nap', type: 'sleep', for: '1d' }]),
    input: {},
    act(player) {
      player.claim();
      player.succeed('a');
      player.send({ type: 'cancel' });
      player.succeed('b', 'late');
      player.work();
    },
  },
  {
    name: 'pause-budget-deadline',
    definition: flow([call('a'), call('b', { after: ['a'] }), call('c', { after: ['b'] })], {
      budget: { tokens: 10, on_exceed: 'pause' },
    }),
    input: {},
    act(player) {
      player.send({ type: 'pause' });
      player.send({ type: 'resume' });
      player.claim();
      player.send({ type: 'attempt_succeeded', key: 'a', attempt: 1, output: 1, tokens: 12 });
      player.send({ type: 'resume' });
      player.claim();
      player.send({ type: 'deadline' });
    },
  },
  {
    name: 'lost-workers-and-zombies',
    definition: flow([call('a'), call('b')]),
    input: {},
    act(player) {
      player.claim();
      player.send({ type: 'lease_lapsed', key: 'a', attempt: 1, random: 0.5 });
      player.claim();
      player.send({ type: 'attempt_succeeded', key: 'a', attempt: 1, output: 'zombie', tokens: 3 });
      player.fail('b', { class: 'rate_limited', retryAfterMs: 5_000 });
      player.succeed('a', 'right');
      player.wakeNext();
      player.claim();
      player.send(
        { type: 'attempt_succeeded', key: 'b', attempt: 2, output: 1, tokens: 1 },
        { type: 'attempt_succeeded', key: 'b', attempt: 2, output: 2, tokens: 1 },
      );
    },
  },
];
