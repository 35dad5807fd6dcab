import { workflow } from '../../sdk/workflow.ts';

/** How much of what to measure. */
export interface Plan {
  chain: { warmUpMs: number; windowMs: number; runsAtOnce: number };
  alone: { runs: number };
  starts: { windowMs: number; callers: number };
  maps: { widths: readonly number[]; rounds: number };
}

export const FULL_PLAN: Plan = {
  chain: { warmUpMs: 4_000, windowMs: 12_000, runsAtOnce: 64 },
  alone: { runs: 40 },
  starts: { windowMs: 6_000, callers: 32 },
  maps: { widths: [1_000, 10_000], rounds: 1 },
};

export const QUICK_PLAN: Plan = {
  chain: { warmUpMs: 2_000, windowMs: 4_000, runsAtOnce: 64 },
  alone: { runs: 10 },
  starts: { windowMs: 2_000, callers: 32 },
  maps: { widths: [1_000], rounds: 1 },
};

/** The simulated server answers at once, with one token. */
export const MODEL = 'sim:tokens=1';
export const CHAIN_STEPS = 10;

const MESSAGES = [{ role: 'user', content: 'Go on.' }];

/** Chats, each after the one before it. */
export const CHAIN = workflow('bench-chain', {}, (w) => {
  for (let at = 1; at <= CHAIN_STEPS; at += 1) {
    w.chat(`s${at}`, { model: MODEL, messages: MESSAGES, after: at === 1 ? [] : [`s${at - 1}`] });
  }
});

export const SINGLE = workflow('bench-single', {}, (w) => {
  w.transform('one', { value: 1 });
});

/** One chat for each item. */
export const MAP = workflow<{ items: number[] }, unknown[]>('bench-map', {}, (w) => {
  w.map('fan', {
    over: w.input.items,
    concurrency: 64,
    steps: (s, item) => {
      s.chat('ask', { model: MODEL, messages: [{ role: 'user', content: `Number ${item}` }] });
      return s.transform('length', { value: item });
    },
  });
});
