import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decide } from '../../workflows/decide.ts';
import { createRunModel, type RunModel } from '../../workflows/run-model.ts';
import type { EngineEvent, StepError } from '../../workflows/run-state.ts';
import { bodyOf, containerOf } from '../../workflows/step-key.ts';
import { isEnded } from '../../workflows/step-table.ts';
import { flow, planOf } from './definitions.ts';
import { expectRun, outcomeOf, RandomNodes, type RandomStep, toSteps, WELL } from './random-runs.ts';
import { play, type RunPlayer } from './run-player.ts';

const TURNS_MAX = 20_000;
const FINAL = ['succeeded', 'failed', 'cancelled'];

/** Of the order in which things happen, and of what attempts come to. */
interface Seeds {
  order: number;
  outcomes: number;
}

/** Acts on the run at random until it has ended, or `isOver`. */
function playAtRandom(
  steps: RandomStep[],
  { order, outcomes }: Seeds,
  isOver: (turn: number) => boolean = () => false,
): RunPlayer {
  const player = play(flow(steps));
  const dice = createDice(order);
  const sent: EngineEvent[] = [];
  for (let turn = 0; !FINAL.includes(player.run.facts.status); turn += 1) {
    if (turn > TURNS_MAX) throw new Error(`Stuck: ${JSON.stringify(player.run.facts)}`);
    if (isOver(turn)) break;
    act(player, dice, { seed: outcomes, sent });
    checkConcurrency(player.run, steps);
  }
  return player;
}

function act(player: RunPlayer, dice: Dice, { seed, sent }: { seed: number; sent: EngineEvent[] }): void {
  const running = keysOf(player, 'running');
  const roll = dice(100);
  if (roll < 3) player.send({ type: player.run.facts.status === 'paused' ? 'resume' : 'pause' });
  else if (roll < 8 && sent.length > 0) repeat(player, sent[dice(sent.length)] as EngineEvent);
  else if (roll < 45) claim(player, 1 + dice(3));
  else if (roll < 85 && running.length > 0) end(player, running[dice(running.length)] as string, seed, sent);
  else if (roll >= 85 && player.wakeNext() === null && player.run.facts.status === 'paused') {
    player.send({ type: 'resume' });
  }
}

const keysOf = ({ run }: RunPlayer, status: string) =>
  [...run.table.keys()].filter((key) => run.step(key)?.status === status);

/** A step begins only when all that it waits for has ended. */
function claim(player: RunPlayer, max: number): void {
  for (const key of player.claim(max)) {
    const after = player.run.graph.steps.get(player.step(key).path)?.after ?? [];
    for (const id of after) expect(isEnded(player.step(bodyOf(key) + id).status)).toBe(true);
  }
}

function end(player: RunPlayer, key: string, seed: number, sent: EngineEvent[]): void {
  const { attempt } = player.step(key);
  const outcome = outcomeOf(seed, key, attempt);
  const failed = (failure: StepError['class']): EngineEvent => ({
    type: 'attempt_failed',
    key,
    attempt,
    error: { code: 'bad_backend', message: 'no', class: failure },
    tokens: 1,
    random: 0,
  });
  const event: EngineEvent =
    outcome === 'ok'
      ? { type: 'attempt_succeeded', key, attempt, output: key, tokens: 1 }
      : outcome === 'lost'
        ? { type: 'lease_lapsed', key, attempt, random: 0 }
        : failed(outcome);
  player.send(event);
  sent.push(event);
}

/** What has been said once changes nothing the second time. */
function repeat(player: RunPlayer, event: EngineEvent): void {
  const before = { ...player.run.facts };
  const { steps, events, run, fenced } = player.send(event);
  expect({ steps, events, run, fenced }).toEqual({ steps: [], events: [], run: before, fenced: [event] });
}

function checkConcurrency(run: RunModel, steps: RandomStep[]): void {
  for (const key of run.table.keys()) {
    const planned = run.plan.steps.get(run.step(key)?.path ?? '');
    if (planned?.step.type !== 'map') continue;
    expect(run.table.container(key).open).toBeLessThanOrEqual(planned.step.concurrency ?? steps.length);
  }
}

type Dice = (sides: number) => number;

function createDice(seed: number): Dice {
  let state = seed >>> 0;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

const Run = fc.record({ steps: RandomNodes.map(toSteps), seed: fc.nat() });

describe('random runs', () => {
  test('every run ends, as a model of it says that it must, however its steps are taken', () => {
    fc.assert(
      fc.property(Run, ({ steps, seed }) => {
        const { facts } = playAtRandom(steps, { order: seed, outcomes: seed }).run;
        const expected = expectRun(steps, seed);
        expect(facts.status).toBe(expected.failed ? 'failed' : 'succeeded');
        if (!expected.failed) expect(facts.output).toEqual(expected.output);
      }),
      { numRuns: 300 },
    );
  });

  test('no step of an ended run is at work, and none has failed more often than it may', () => {
    fc.assert(
      fc.property(Run, ({ steps, seed }) => {
        const { run } = playAtRandom(steps, { order: seed, outcomes: seed });
        for (const key of run.table.keys()) {
          const step = run.step(key);
          const retry = run.plan.steps.get(step?.path ?? '')?.step.retry;
          expect(step?.failures).toBeLessThanOrEqual((retry?.max ?? 0) + 1);
          if (run.facts.status === 'failed') expect(isEnded(step?.status ?? 'ready')).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('after a cancel no step starts, and what comes in late is fenced', () => {
    fc.assert(
      fc.property(Run, fc.nat(60), ({ steps, seed }, turns) => {
        const player = playAtRandom(steps, { order: seed, outcomes: seed }, (turn) => turn >= turns);
        if (FINAL.includes(player.run.facts.status)) return;
        const running = keysOf(player, 'running').map((key) => player.step(key));
        const hasFailed = player.run.facts.error !== null;
        player.send({ type: 'cancel' });
        expect(player.run.facts.status).toBe(hasFailed ? 'failed' : 'cancelled');
        for (const { key, attempt } of running) {
          const late = { type: 'attempt_succeeded', key, attempt, output: 1, tokens: 0 } as const;
          expect(player.send(late).fenced).toEqual([late]);
        }
        expect([player.claim(), player.sleepers()]).toEqual([[], []]);
        for (const key of player.run.table.keys()) expect(isEnded(player.step(key).status)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test('a run that is cancelled anywhere and retried comes to what it would have come to', () => {
    fc.assert(
      fc.property(Run, fc.nat(40), ({ steps, seed }, turns) => {
        const player = playAtRandom(steps, { order: seed, outcomes: WELL }, (turn) => turn >= turns);
        player.send({ type: 'cancel' });
        player.send({ type: 'retry' });
        do player.work();
        while (player.wakeNext() !== null);
        const { status, output } = player.run.facts;
        expect({ status, failed: false, output }).toEqual({ status: 'succeeded', ...expectRun(steps, WELL) });
      }),
      { numRuns: 100 },
    );
  });

  test('a model that took each decision over is the one built from the rows', () => {
    fc.assert(
      fc.property(Run, ({ steps, seed }) => {
        const { history } = playAtRandom(steps, { order: seed, outcomes: seed });
        const plan = planOf(flow(steps));
        const live = createRunModel(plan, { id: 'run_1', input: {} });
        for (const { decision } of history) live.apply(decision);
        const rows = [...live.table.keys()].flatMap((key) => live.step(key) ?? []);
        const fresh = createRunModel(plan, { id: 'run_1', input: {}, ...live.facts }, rows);
        expect(fresh.table.run).toEqual(live.table.run);
        for (const { key } of rows) {
          const container = containerOf(bodyOf(key));
          expect(fresh.table.body(bodyOf(key))).toEqual(live.table.body(bodyOf(key)));
          if (container !== null)
            expect(fresh.table.container(container)).toEqual(live.table.container(container));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('a decision changes nothing of the run that it is made on', () => {
    fc.assert(
      fc.property(Run, ({ steps, seed }) => {
        const { history } = playAtRandom(steps, { order: seed, outcomes: seed });
        const run = createRunModel(planOf(flow(steps)), { id: 'run_1', input: {} });
        for (const { events, decision } of history) {
          for (const event of events) expect(decide(run, event)).toEqual(decide(run, event));
          run.apply(decision);
        }
      }),
      { numRuns: 50 },
    );
  });
});
