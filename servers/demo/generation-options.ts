import { type Fields, isFields, isStrings, parseFlag, parseInteger, wrongField } from './body-fields.ts';

/** What chat and completions have in common. */
export interface GenerationOptions {
  isStream: boolean;
  includeUsage: boolean;
  n: number;
  stop: string[];
  /** The most tokens that a choice may have. */
  tokensMax: number | undefined;
}

const CHOICES_MAX = 128;

/** Throws AppError `invalid_request`. */
export function parseGenerationOptions(body: Fields): GenerationOptions {
  const isStream = parseFlag(body, 'stream');
  return {
    isStream,
    includeUsage: parseIncludeUsage(body, isStream),
    n: parseInteger(body, 'n', [1, CHOICES_MAX]) ?? 1,
    stop: parseStop(body.stop ?? []),
    tokensMax: parseTokensMax(body, 'max_completion_tokens') ?? parseTokensMax(body, 'max_tokens'),
  };
}

function parseIncludeUsage(body: Fields, isStream: boolean): boolean {
  const options = body.stream_options ?? undefined;
  if (options === undefined) return false;
  if (!isFields(options)) throw wrongField('stream_options', 'an object');
  if (!isStream) throw wrongField('stream_options', 'left out when stream is not true');
  return parseFlag(options, 'include_usage');
}

function parseStop(value: unknown): string[] {
  const stop = typeof value === 'string' ? [value] : value;
  if (isStrings(stop) && stop.length <= 4) return stop.filter((text) => text !== '');
  throw wrongField('stop', 'a string or up to 4 strings');
}

// 0 is valid for completions, which then only echo; chat refuses nothing more than OpenAI's servers do.
function parseTokensMax(body: Fields, name: string): number | undefined {
  return parseInteger(body, name, [0, Number.MAX_SAFE_INTEGER]);
}
