import { type Answer, type Pace, rightScript } from './answer-scripts.ts';
import { type Fields, parseBody, requireModelName } from './body-fields.ts';
import { createBodyMemory } from './body-memory.ts';
import { type AnswerStamp, answerChat } from './chat-answer.ts';
import { answerCompletion } from './completion-answer.ts';
import { answerEmbedding } from './embedding-answer.ts';
import { FAULTS, type FaultName } from './faults.ts';
import type { ModelCatalogue } from './model-catalogue.ts';
import type { SeenRequest } from './seen-requests.ts';
import type { WireScript } from './wire-script.ts';

const ANSWERS: Record<string, (body: Fields, stamp: AnswerStamp) => Answer> = {
  '/v1/chat/completions': answerChat,
  '/v1/completions': answerCompletion,
  '/v1/embeddings': answerEmbedding,
};

interface CallPlannerOptions {
  catalogue: ModelCatalogue;
  pace: Pace;
  /** The exact length of text answers whose model asks for none. */
  tokens: number | undefined;
  /** What goes wrong now where the model names no fault. */
  getFault: () => FaultName | undefined;
}

export function isGeneratingPath(path: string): boolean {
  return Object.hasOwn(ANSWERS, path);
}

/** Decides what the generating call `seen` with body `text` gets, and notes its model. The function throws AppError. */
export function createCallPlanner({
  catalogue,
  pace,
  tokens,
  getFault,
}: CallPlannerOptions): (seen: SeenRequest, text: string) => WireScript {
  const isRepeat = createBodyMemory();
  let serial = 0;

  return (seen, text) => {
    const body = parseBody(text);
    const model = requireModelName(body);
    seen.model = model;
    const behaviour = catalogue.require(model);
    serial += 1;
    const answer = answerOf(seen.path)(body, {
      serial,
      model,
      created: Math.floor(seen.at / 1_000),
      tokens: behaviour.tokens ?? tokens,
    });
    const ownPace = {
      firstTokenMs: behaviour.firstTokenMs ?? pace.firstTokenMs,
      tokenMs: behaviour.tokenMs ?? pace.tokenMs,
    };
    const fault = behaviour.fault ?? getFault();
    if (fault === undefined) return rightScript(answer, ownPace);
    return FAULTS[fault].play({ answer, pace: ownPace, isRepeat: () => isRepeat(text) });
  };
}

function answerOf(path: string): (body: Fields, stamp: AnswerStamp) => Answer {
  const answer = ANSWERS[path];
  if (answer === undefined) throw new Error(`Not a generating path: ${path}`);
  return answer;
}
