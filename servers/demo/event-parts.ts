import { DONE_EVENT, type EventParts } from './answer-scripts.ts';
import type { Choice } from './demo-text.ts';

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

/** How one protocol writes a choice inside a chunk; each answers JSON text. */
export interface ChunkForm {
  /** undefined: this protocol has no opening chunk. */
  opening: ((choice: Choice) => string) | undefined;
  token(choice: Choice, at: number): string;
  finish(choice: Choice): string;
  /** A token of the first choice that is `text`. */
  tokenOf(text: string): string;
}

/** The events of a stream whose chunks share `chunk`'s fields; `usage` is undefined when it was not asked for. */
export function toEventParts(
  chunk: object,
  choices: Choice[],
  form: ChunkForm,
  usage: Usage | undefined,
): EventParts {
  const head = `data: ${JSON.stringify(chunk).slice(0, -1)},"choices":[`;
  const tail = usage === undefined ? ']}\n\n' : '],"usage":null}\n\n';
  const eventOf = (choice: string) => head + choice + tail;
  const { opening } = form;
  return {
    opening: opening === undefined ? '' : choices.map((choice) => eventOf(opening(choice))).join(''),
    tokens: toTokenEvents(choices, (choice, at) => eventOf(form.token(choice, at))),
    finish: choices.map((choice) => eventOf(form.finish(choice))).join(''),
    usage: usage === undefined ? '' : `${head}],"usage":${JSON.stringify(usage)}}\n\n`,
    done: DONE_EVENT,
    eventOf: (text) => eventOf(form.tokenOf(text)),
    hollow: eventOf(''),
  };
}

export function countUsage(promptTokens: number, choices: Choice[]): Usage {
  const completionTokens = choices.reduce((sum, { tokens }) => sum + tokens.length, 0);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

export function longestChoice(choices: Choice[]): number {
  return choices.reduce((longest, { tokens }) => Math.max(longest, tokens.length), 0);
}

function toTokenEvents(choices: Choice[], eventAt: (choice: Choice, at: number) => string): string[] {
  return Array.from({ length: longestChoice(choices) }, (_, at) => {
    let events = '';
    for (const choice of choices) if (at < choice.tokens.length) events += eventAt(choice, at);
    return events;
  });
}
