import type { Json } from '../../core/json-value.ts';
import { decideAll } from '../../workflows/decide.ts';
import type { Plan } from '../../workflows/plan.ts';
import { createRunModel, type RunModel } from '../../workflows/run-model.ts';
import type { Decision, EngineEvent, StepError, StepState } from '../../workflows/run-state.ts';
import { planOf } from './definitions.ts';

/** What a step that a worker runs comes to. */
type Answer = { output: Json; tokens?: number } | { error: StepError; tokens?: number };

export interface RunPlayer {
  /** While it is small, fresh from its rows after each event, so that nothing is known that the rows do not hold. */
  readonly run: RunModel;
  /** All that was sent, and what was decided. */
  readonly history: { events: EngineEvent[]; decision: Decision }[];
  /** Durable events, in order: 'step.succeeded a'. */
  readonly log: string[];
  /** The time that has passed, in ms, by what was waited for. */
  readonly nowMs: number;
  send(...events: EngineEvent[]): Decision;
  /** Takes up to `max` ready steps into `running`; their keys. */
  claim(max?: number): string[];
  succeed(key: string, output?: Json): Decision;
  fail(key: string, error?: Partial<StepError>): Decision;
  signal(name: string, payload?: Json): Decision;
  /** The keys that wait to be woken, the next one first. */
  sleepers(): string[];
  /** Lets time pass until the next step is to be woken, and wakes it. */
  wakeNext(): string | null;
  /** Claims and answers until nothing is ready. Without `answer`, each step gives its key. */
  work(answer?: (step: StepState, fields: Json) => Answer): void;
  status(key: string): string | undefined;
  step(key: string): StepState;
}

const REBUILT_STEPS_MAX = 1_000;

/** A run of the definition that has begun, in memory, with a clock that only waits move. */
export function play(definition: unknown, input: Json = {}): RunPlayer {
  const player = createPlayer(planOf(definition), input);
  player.send({ type: 'start' });
  return player;
}

export function createPlayer(plan: Plan, input: Json, rows: StepState[] = []): RunPlayer {
  const kept = new Map(rows.map((row) => [row.key, row]));
  const wakes = new Map<string, number>();
  const log: string[] = [];
  const history: RunPlayer['history'] = [];
  let run = createRunModel(plan, { id: 'run_1', input }, kept.values());
  let nowMs = 0;
  let signals = 0;

  const player: RunPlayer = {
    get run() {
      return run;
    },
    log,
    history,
    get nowMs() {
      return nowMs;
    },
    send(...events) {
      const decision = decideAll(run, events);
      history.push({ events, decision });
      for (const { step, wake } of decision.steps) {
        kept.set(step.key, step);
        wakes.delete(step.key);
        if (wake) wakes.set(step.key, 'at' in wake ? Date.parse(wake.at) : nowMs + wake.afterMs);
      }
      log.push(...decision.events.map(({ type, key }) => (key === null ? type : `${type} ${key}`)));
      run.apply(decision);
      if (kept.size > REBUILT_STEPS_MAX) return decision;
      const { facts, kept: signals } = run;
      run = createRunModel(plan, { id: 'run_1', input, ...facts, signals }, kept.values());
      return decision;
    },
    claim(max = 100_000) {
      const { steps } = player.send({ type: 'claim', keys: null, max });
      return steps.filter(({ step }) => step.status === 'running').map(({ step }) => step.key);
    },
    succeed: (key, output = key) =>
      player.send({
        type: 'attempt_succeeded',
        key,
        attempt: player.step(key).attempt,
        output,
        tokens: 0,
      }),
    fail: (key, error = {}) =>
      player.send({
        type: 'attempt_failed',
        key,
        attempt: player.step(key).attempt,
        error: { ...BROKEN, ...error },
        tokens: 0,
        random: 0,
      }),
    signal(name, payload = null) {
      signals += 1;
      return player.send({ type: 'signal', id: `signal_${signals}`, name, payload });
    },
    sleepers: () => [...wakes].sort(([, one], [, other]) => one - other).map(([key]) => key),
    wakeNext() {
      const [key] = player.sleepers();
      if (key === undefined) return null;
      nowMs = Math.max(nowMs, wakes.get(key) ?? 0);
      wakes.delete(key);
      player.send({ type: 'woken', key });
      return key;
    },
    work(answer = ({ key }) => ({ output: key })) {
      for (let keys = player.claim(); keys.length > 0; keys = player.claim()) {
        for (const key of keys) end(player, key, answer);
      }
    },
    status: (key) => run.step(key)?.status,
    step(key) {
      const step = run.step(key);
      if (!step) throw new Error(`There is no step ${key}.`);
      return step;
    },
  };
  return player;
}

const BROKEN: StepError = { code: 'bad_backend', message: 'It broke.', class: 'fatal' };

function end(player: RunPlayer, key: string, answer: (step: StepState, fields: Json) => Answer): void {
  const step = player.step(key);
  if (step.status !== 'running') return;
  const { attempt } = step;
  const given = answer(step, player.run.fieldsOf(key));
  const tokens = given.tokens ?? 0;
  if ('error' in given) {
    player.send({ type: 'attempt_failed', key, attempt, error: given.error, tokens, random: 0 });
  } else player.send({ type: 'attempt_succeeded', key, attempt, output: given.output, tokens });
}
