import { withMembers } from '../core/json-text.ts';

/** The fields that name an answer; OpenAI's clients rely on each. `created` is in whole unix seconds. */
interface AnswerHead {
  id: string;
  created: number;
  model: string;
}

/** For an answer that does not name itself. */
export interface HeadFallback {
  id: string;
  model: string;
  createdSeconds: number;
}

/** The head of `answer`, with the fallback for a field that is missing, empty or of another type. */
export function headOf(
  answer: { id?: unknown; created?: unknown; model?: unknown },
  fallback: HeadFallback,
): AnswerHead {
  const { id, created, model } = answer;
  return {
    id: isName(id) ? id : fallback.id,
    created: typeof created === 'number' ? Math.trunc(created) : fallback.createdSeconds,
    model: isName(model) ? model : fallback.model,
  };
}

const isName = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** `text`, which parses to `answer`, with `object` and its head set right, and everything else byte for byte as it was. */
export function withHead(text: string, answer: object, object: string, fallback: HeadFallback): string {
  const known = answer as Record<string, unknown>;
  const wrong = Object.entries({ ...headOf(known, fallback), object }).filter(
    ([name, value]) => known[name] !== value,
  );
  if (wrong.length === 0) return text;
  return withMembers(text, Object.fromEntries(wrong.map(([name, value]) => [name, JSON.stringify(value)])));
}
