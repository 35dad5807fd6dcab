import type { RequestHandler, Response } from 'express';
import { estimateTokens } from '../../access/token-estimate.ts';
import { newJobId } from '../../core/ids.ts';
import { parseJsonObject } from '../../core/json-depth.ts';
import { parseRequest } from '../../core/parse-request.ts';
import { CHAT } from '../../jobs/model-endpoints.ts';
import type { ModelJob } from '../../jobs/model-job.ts';
import { toChatParameters } from '../../rag/chat-parameters.ts';
import { QueryRequest } from '../../rag/query-request.ts';
import { nothingFoundAnswer, type QueryService } from '../../rag/query-service.ts';
import { readIdempotency } from '../idempotency.ts';
import { answerKeyed } from '../keyed-call.ts';
import { findModel, type ModelCallDeps, startLater } from '../model-call.ts';
import { ragCallerOf, untilClientLeaves } from '../rag-caller.ts';
import { createCitingReply } from '../replies/citing-reply.ts';
import { createModelReply } from '../replies/model-reply.ts';
import { contextOf } from '../request-context.ts';
import { readRequestOptions } from '../request-options.ts';
import { requireStaying } from '../require-staying.ts';
import { citationsChunkOf, createSentParts } from '../stored-answer.ts';

export interface RagQueryDeps extends ModelCallDeps {
  query: QueryService;
}

/** POST /api/v1/rag/query: finds sources, and has the model answer from them as an ordinary chat. */
export function ragQuery(deps: RagQueryDeps): RequestHandler {
  return async (req, res) => {
    const { requestId, principal } = contextOf(res);
    requireStaying(deps, principal);
    const request = parseRequest(QueryRequest, parseJsonObject(req.body, { depthMax: deps.jsonDepthMax }));
    const chat = parseRequest(CHAT.schema, toChatParameters(request));
    const traits = CHAT.traits(chat);
    const { priority, maxWaitMs, onDisconnect } = readRequestOptions(req, chat.metadata);
    const find = () => findModel(deps, request.model, { needsServer: maxWaitMs === null });
    const idempotency = readIdempotency(req);
    if (idempotency) {
      const cancelOnDisconnect = onDisconnect === 'cancel';
      const call = { req, res, idempotency, kind: 'rag_query' as const, ...traits, priority, find };
      return await answerKeyed(deps, { ...call, estimate: () => estimateTokens(chat), cancelOnDisconnect });
    }
    const { name, modelClass, names } = find();
    const signal = untilClientLeaves(res);
    const pass = await deps.keyGate.enter(principal, {
      models: names,
      estimate: () => estimateTokens(chat),
      setHeader: (header, value) => res.setHeader(header, value),
    });
    try {
      const { chatBody, cite } = await deps.query.prepare(request, ragCallerOf(res), signal);
      if (chatBody === null) {
        pass?.settle(0);
        answerNothing(res, name, traits);
        return;
      }
      const job: ModelJob = {
        requestId,
        keyName: principal.keyName,
        endpoint: 'chat/completions',
        model: name,
        ...(name === request.model ? {} : { alias: request.model }),
        ...{ modelClass, priority, maxWaitMs, ...traits },
        replyTo: deps.bus.inbox,
        body: chatBody,
      };
      const call = {
        ...{ id: newJobId(), job, res, finishes: onDisconnect === 'finish' },
        estimate: () => estimateTokens(JSON.parse(chatBody)),
        decorate: (reply: ReturnType<typeof createModelReply>) => createCitingReply(reply, cite),
      };
      startLater(deps, call, pass);
    } catch (error) {
      pass?.cancel();
      if (!signal.aborted) throw error;
    }
  };
}

function answerNothing(res: Response, model: string, { stream }: { stream: boolean }): void {
  const id = newJobId();
  const reply = createModelReply(res, id, model);
  const facts = { server: null, attempts: 0, queuedMs: null };
  const answer = nothingFoundAnswer({
    ...{ id: `chatcmpl-${id}`, model },
    createdSeconds: Math.floor(Date.now() / 1_000),
  });
  if (!stream) {
    reply.done(JSON.stringify(answer), facts);
    return;
  }
  reply.begin(facts);
  const chunks = [...(createSentParts().restOf(answer) ?? []), citationsChunkOf(answer)];
  reply.chunks(chunks.filter((chunk) => chunk !== null));
  reply.done(null, facts);
}
