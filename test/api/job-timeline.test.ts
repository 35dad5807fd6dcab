import { describe, expect, test } from '@jest/globals';
import { toRunTimeline, toTimeline } from '../../api/job-timeline.ts';
import type { RunId } from '../../core/ids.ts';
import type { Json } from '../../core/json-value.ts';
import type { AttemptRecord, RunSummary } from '../../workflows/run-record.ts';

const at = (seconds: number) => new Date(Date.UTC(2027, 0, 1, 0, 0, seconds));
const text = (seconds: number) => at(seconds).toISOString();

function jobOf(changes: Partial<RunSummary> = {}): RunSummary {
  return {
    id: 'job_1' as RunId,
    kind: 'job',
    workflow: 'chat',
    definitionHash: 'job:call',
    status: 'succeeded',
    keyName: null,
    priority: 'normal',
    tags: [],
    metadata: null,
    lastSeq: 3,
    tokens: 5,
    error: null,
    parent: null,
    forkedFrom: null,
    createdAt: at(0),
    startedAt: at(0),
    endedAt: at(9),
    deadlineAt: null,
    ...changes,
  };
}

function attemptOf(changes: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    key: 'call',
    attempt: 1,
    startedAt: at(1),
    endedAt: at(8),
    outcome: 'succeeded',
    error: null,
    tokens: 5,
    facts: null,
    ...changes,
  };
}

const ERROR = { code: 'bad_backend', message: 'It answered nonsense.', class: 'transient' } as const;

describe('the timeline of a job', () => {
  test('that waits tells no more than that it was queued', () => {
    expect(toTimeline(jobOf({ status: 'queued', endedAt: null }), [])).toEqual([
      { at: text(0), event: 'queued' },
    ]);
  });

  test('holds what the worker told, in its order, without the worker’s own end', () => {
    const timeline: Json[] = [
      { at_ms: at(2).getTime(), event: 'taken' },
      { at_ms: at(3).getTime(), event: 'attempt', server: 'a', attempt: 1, reason: 'least load 0.00 of 2' },
      { at_ms: at(4).getTime(), event: 'failed', server: 'a', attempt: 1, reason: 'status 500' },
      { at_ms: at(5).getTime(), event: 'done' },
    ];

    expect(toTimeline(jobOf(), [attemptOf({ facts: { server: 'a', queuedMs: 1, timeline } })])).toEqual([
      { at: text(0), event: 'queued' },
      { at: text(1), event: 'started', attempt: 1 },
      { at: text(2), event: 'taken' },
      { at: text(3), event: 'attempt', server: 'a', attempt: 1, reason: 'least load 0.00 of 2' },
      { at: text(4), event: 'failed', server: 'a', attempt: 1, reason: 'status 500' },
      { at: text(9), event: 'done' },
    ]);
  });

  test('names the last server of an attempt whose worker told nothing, and why it failed', () => {
    const failed = attemptOf({ facts: { server: 'a', queuedMs: 1_000 }, outcome: 'failed', error: ERROR });

    expect(toTimeline(jobOf({ status: 'failed' }), [failed])).toEqual([
      { at: text(0), event: 'queued' },
      { at: text(1), event: 'started', attempt: 1 },
      { at: text(2), event: 'attempt', server: 'a', attempt: 1 },
      {
        at: text(8),
        event: 'failed',
        server: 'a',
        attempt: 1,
        reason: 'bad_backend: It answered nonsense.',
      },
      { at: text(9), event: 'failed' },
    ]);
  });

  test.each<[Json]>([[null], ['text'], [{ server: 7, timeline: 'none' }], [[1, 2]]])(
    'bears facts of another version: %j',
    (facts) => {
      expect(toTimeline(jobOf({ status: 'running', endedAt: null }), [attemptOf({ facts })])).toEqual([
        { at: text(0), event: 'queued' },
        { at: text(1), event: 'started', attempt: 1 },
      ]);
    },
  );
});

test('a run’s timeline names the step of each attempt', () => {
  const attempts = [attemptOf({ key: 'a' }), attemptOf({ key: 'fan[1]/b', attempt: 2, startedAt: at(2) })];

  expect(toRunTimeline(jobOf({ kind: 'workflow' }), attempts)).toEqual([
    { at: text(0), event: 'queued' },
    { at: text(1), step: 'a', event: 'started', attempt: 1 },
    { at: text(2), step: 'fan[1]/b', event: 'started', attempt: 2 },
    { at: text(9), event: 'done' },
  ]);
});
