import type { Response } from 'express';
import { contextOf } from '../request-context.ts';

/** Answers with JSON that is text already. */
export function sendJson(res: Response, status: number, body: string): void {
  setProcessingTime(res);
  res.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  });
  res.end(body);
}

/** OpenAI's header for the time a request took, on the routes that are OpenAI's. */
export function setProcessingTime(res: Response): void {
  const { originalUrl } = res.req;
  if (!originalUrl.startsWith('/v1/')) return;
  res.setHeader('openai-processing-ms', Math.round(performance.now() - contextOf(res).arrivedMs));
}
