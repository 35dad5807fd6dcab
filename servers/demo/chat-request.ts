import { AppError } from '../../core/errors.ts';
import { type Fields, isFields, parseFlag, parseInteger, wrongField } from './body-fields.ts';
import { countTokens } from './demo-text.ts';
import { type GenerationOptions, parseGenerationOptions } from './generation-options.ts';

export interface ChatRequest {
  options: GenerationOptions;
  promptTokens: number;
  /** The last user message. */
  prompt: string;
  /** Image parts of that message. */
  images: number;
  /** The tool that must be called. */
  tool: { name: string; parameters: unknown } | undefined;
  /** The answer must be JSON, of `schema` when there is one. */
  json: { schema: unknown } | undefined;
  /** How many alternatives each token's logprobs list; undefined: no logprobs. */
  topLogprobs: number | undefined;
}

/** Throws AppError `invalid_request`. */
export function parseChatRequest(body: Fields): ChatRequest {
  const messages = parseMessages(body.messages);
  const last = messages.findLast(({ role }) => role === 'user') ?? { text: '', images: 0 };
  return {
    options: parseGenerationOptions(body),
    promptTokens: messages.reduce((sum, { text }) => sum + countTokens(text), 0),
    prompt: last.text,
    images: last.images,
    tool: parseTool(body),
    json: parseFormat(body.response_format ?? undefined),
    topLogprobs: parseFlag(body, 'logprobs') ? (parseInteger(body, 'top_logprobs', [0, 20]) ?? 0) : undefined,
  };
}

interface Message {
  role: string;
  text: string;
  images: number;
}

function parseMessages(value: unknown): Message[] {
  if (!Array.isArray(value) || value.length === 0)
    throw wrongField('messages', 'a list of at least one message');
  return value.map((message: unknown, at) => {
    if (!isFields(message) || typeof message.role !== 'string') {
      throw wrongField(`messages[${at}].role`, 'a string');
    }
    return { role: message.role, ...parseContent(message.content ?? '', `messages[${at}].content`) };
  });
}

function parseContent(content: unknown, param: string): Omit<Message, 'role'> {
  if (typeof content === 'string') return { text: content, images: 0 };
  if (!Array.isArray(content)) throw wrongField(param, 'a string or a list of parts');
  const parts = content.map((part: unknown) => {
    if (!isFields(part) || typeof part.type !== 'string')
      throw wrongField(param, 'a list of parts with a type');
    return part;
  });
  return {
    text: parts
      .map(({ text }) => text)
      .filter((text) => typeof text === 'string')
      .join(' '),
    images: parts.filter(({ type }) => type === 'image_url').length,
  };
}

function parseTool(body: Fields): ChatRequest['tool'] {
  const choice = body.tool_choice ?? 'auto';
  if (choice === 'auto' || choice === 'none') return undefined;
  const tools = (Array.isArray(body.tools) ? body.tools : []).map(toFunction);
  if (choice === 'required' && tools[0] !== undefined) return tools[0];
  const wanted = isFields(choice) && isFields(choice.function) ? choice.function.name : undefined;
  const tool = tools.find(({ name }) => name === wanted);
  if (tool !== undefined) return tool;
  throw wrongField('tool_choice', "'none', 'auto', 'required' or one of the tools");
}

function toFunction(tool: unknown, at: number): { name: string; parameters: unknown } {
  const declared = isFields(tool) ? tool.function : undefined;
  if (isFields(declared) && typeof declared.name === 'string') {
    return { name: declared.name, parameters: declared.parameters ?? { type: 'object' } };
  }
  throw wrongField(`tools[${at}].function.name`, 'a string');
}

function parseFormat(format: unknown): ChatRequest['json'] {
  if (format === undefined) return undefined;
  if (!isFields(format)) throw wrongField('response_format', 'an object');
  if (format.type === 'text') return undefined;
  if (format.type === 'json_object') return { schema: undefined };
  if (format.type === 'json_schema' && isFields(format.json_schema))
    return { schema: format.json_schema.schema };
  throw new AppError(
    'invalid_request',
    "'response_format' must be text, json_object or json_schema with a schema.",
    {
      param: 'response_format',
    },
  );
}
