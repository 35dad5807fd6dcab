import type { Answer } from './answer-scripts.ts';
import type { Fields } from './body-fields.ts';
import { type ChatRequest, parseChatRequest } from './chat-request.ts';
import { type Choice, demoText, limitTokens, repeatTokens } from './demo-text.ts';
import { type ChunkForm, countUsage, longestChoice, toEventParts } from './event-parts.ts';
import { sampleJson } from './json-sample.ts';
import { logprobOf, topLogprobs } from './token-logprobs.ts';

/** What an answer is stamped with. */
export interface AnswerStamp {
  /** Unique in this server; becomes part of the answer's id. */
  serial: number;
  /** Unix seconds. */
  created: number;
  model: string;
  /** The exact length of a text answer, where it is to order. */
  tokens: number | undefined;
}

/** The answer to a chat completion's body. Throws AppError `invalid_request`. */
export function answerChat(body: Fields, stamp: AnswerStamp): Answer {
  const request = parseChatRequest(body);
  const { options, tool } = request;
  const first = compose(request, stamp.tokens);
  const choices = Array.from({ length: options.n }, (_, index) => ({ index, ...first }));
  const usage = countUsage(request.promptTokens, choices);
  const envelope = (object: string) => ({
    id: `chatcmpl-demo${stamp.serial}`,
    object,
    created: stamp.created,
    model: stamp.model,
    system_fingerprint: 'citadel-demo',
  });
  const call = tool && { id: `call_demo${stamp.serial}`, name: tool.name };
  const form = call === undefined ? textForm(request.topLogprobs) : toolForm(call);
  const documentOf = (list: Choice[]) =>
    JSON.stringify({
      ...envelope('chat.completion'),
      choices: list.map((choice) => toDocumentChoice(choice, call, request.topLogprobs)),
      usage,
    });
  return {
    tokenCount: longestChoice(choices),
    document: () => documentOf(choices),
    hollowDocument: () => documentOf([]),
    stream: options.isStream
      ? () =>
          toEventParts(
            envelope('chat.completion.chunk'),
            choices,
            form,
            options.includeUsage ? usage : undefined,
          )
      : undefined,
  };
}

interface ToolCall {
  id: string;
  name: string;
}

function compose(request: ChatRequest, tokens: number | undefined): Omit<Choice, 'index'> {
  const { tool, json, options } = request;
  if (tool !== undefined) {
    const limited = limitTokens(JSON.stringify(sampleJson(tool.parameters)), { ...options, stop: [] });
    return limited.finishReason === 'stop' ? { ...limited, finishReason: 'tool_calls' } : limited;
  }
  const text = demoText(request.prompt, request.images);
  if (json !== undefined) {
    const value = json.schema === undefined ? { answer: text } : sampleJson(json.schema);
    return limitTokens(JSON.stringify(value), options);
  }
  return limitTokens(tokens === undefined ? text : repeatTokens(text, tokens), options);
}

function toDocumentChoice(choice: Choice, call: ToolCall | undefined, top: number | undefined): object {
  const text = choice.tokens.join('');
  const message =
    call === undefined
      ? { role: 'assistant', content: text, refusal: null }
      : {
          role: 'assistant',
          content: null,
          refusal: null,
          tool_calls: [
            { id: callId(call, choice), type: 'function', function: { name: call.name, arguments: text } },
          ],
        };
  const logprobs = call === undefined ? logprobsOf(choice.tokens, 0, top) : null;
  return { index: choice.index, message, logprobs, finish_reason: choice.finishReason };
}

function textForm(top: number | undefined): ChunkForm {
  const logprobsText = (token: string, at: number) =>
    top === undefined ? 'null' : JSON.stringify(logprobsOf([token], at, top));
  const chunkOf = (index: number, token: string, at: number) =>
    `{"index":${index},"delta":{"content":${JSON.stringify(token)}},"logprobs":${logprobsText(token, at)},"finish_reason":null}`;
  return {
    opening: ({ index }) =>
      `{"index":${index},"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}`,
    token: ({ index, tokens }, at) => chunkOf(index, tokens[at] ?? '', at),
    finish: finishChunk,
    tokenOf: (text) => chunkOf(0, text, 0),
  };
}

function toolForm(call: ToolCall): ChunkForm {
  const deltaOf = (index: number, delta: object) =>
    JSON.stringify({ index, delta, logprobs: null, finish_reason: null });
  const argumentsOf = (index: number, piece: string) =>
    deltaOf(index, { tool_calls: [{ index: 0, function: { arguments: piece } }] });
  return {
    opening: (choice) =>
      deltaOf(choice.index, {
        role: 'assistant',
        content: null,
        tool_calls: [
          {
            index: 0,
            id: callId(call, choice),
            type: 'function',
            function: { name: call.name, arguments: '' },
          },
        ],
      }),
    token: ({ index, tokens }, at) => argumentsOf(index, tokens[at] ?? ''),
    finish: finishChunk,
    tokenOf: (text) => argumentsOf(0, text),
  };
}

function finishChunk({ index, finishReason }: Choice): string {
  return `{"index":${index},"delta":{},"logprobs":null,"finish_reason":"${finishReason}"}`;
}

function callId(call: ToolCall, choice: Choice): string {
  return choice.index === 0 ? call.id : `${call.id}_${choice.index}`;
}

function logprobsOf(tokens: string[], from: number, top: number | undefined): object | null {
  if (top === undefined) return null;
  const content = tokens.map((token, at) => ({
    token,
    logprob: logprobOf(token, from + at),
    bytes: [...Buffer.from(token)],
    top_logprobs: top === 0 ? [] : topLogprobs(token, from + at, top),
  }));
  return { content, refusal: null };
}
