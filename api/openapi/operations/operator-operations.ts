import { z } from 'zod';
import { ApiKeyPatch, NewApiKey } from '../../../core/schemas/api-key.ts';
import { PageQuery } from '../../list-page.ts';
import { UsageParams } from '../../routes/usage.ts';
import { ApiKey, IssuedApiKey } from '../answers/key-answers.ts';
import { ConfigReload, PausedQueue, Usage } from '../answers/operator-answers.ts';
import {
  Alive,
  EnterpriseHealth,
  Health,
  QueuesHealth,
  Ready,
  ServersHealth,
  ShortHealth,
} from '../answers/server-answers.ts';
import { Deleted, listOf } from '../answers/shared-answers.ts';
import { answers, type Operation } from '../operation.ts';

const KEYS = { tag: 'Keys', caller: 'admin' } as const;
const NO_STORE = ['store_unavailable'] as const;

const KEY_OPERATIONS: Operation[] = [
  {
    ...KEYS,
    method: 'post',
    path: '/api/v1/keys',
    id: 'createKey',
    summary: 'Makes an API key',
    body: NewApiKey,
    answers: { 201: { description: 'The key, shown this once.', schema: IssuedApiKey } },
    errors: ['conflict', 'store_unavailable'],
  },
  {
    ...KEYS,
    method: 'get',
    path: '/api/v1/keys',
    id: 'listKeys',
    summary: 'API keys, newest first, the revoked too',
    query: PageQuery,
    answers: answers('A page of them.', listOf(ApiKey)),
    errors: NO_STORE,
  },
  {
    ...KEYS,
    method: 'get',
    path: '/api/v1/keys/{id}',
    id: 'getKey',
    summary: 'One API key',
    answers: answers('What it may do; not the key.', ApiKey),
    errors: NO_STORE,
  },
  {
    ...KEYS,
    method: 'patch',
    path: '/api/v1/keys/{id}',
    id: 'changeKey',
    summary: "Changes a key's role and limits; null lifts a limit",
    body: ApiKeyPatch,
    answers: answers('The key as it is now.', ApiKey),
    errors: ['conflict', 'store_unavailable'],
  },
  {
    ...KEYS,
    method: 'delete',
    path: '/api/v1/keys/{id}',
    id: 'revokeKey',
    summary: 'Revokes an API key',
    answers: answers('It is revoked.', Deleted),
    errors: NO_STORE,
  },
];

const OPEN = { method: 'get', tag: 'Health', caller: 'anyone' } as const;
const KNOWN = { method: 'get', tag: 'Health', caller: 'user' } as const;

const HEALTH_OPERATIONS: Operation[] = [
  {
    ...OPEN,
    path: '/health',
    id: 'isAlive',
    summary: 'The process answers',
    answers: answers('It does.', Alive),
  },
  {
    ...OPEN,
    path: '/api/v1/health/live',
    id: 'isLive',
    summary: 'The process answers; touches no store',
    answers: answers('It does.', Alive),
  },
  {
    ...OPEN,
    path: '/api/v1/health/ready',
    id: 'isReady',
    summary: 'Requests can be taken now',
    answers: answers('They can.', Ready),
    errors: ['overloaded', 'store_unavailable'],
  },
  {
    ...KNOWN,
    path: '/v1/health',
    id: 'getShortHealth',
    summary: 'How the servers do, in short',
    answers: answers('The counts.', ShortHealth),
  },
  {
    ...KNOWN,
    path: '/api/v1/health',
    id: 'getHealth',
    summary: 'How servers, queues and stores do',
    answers: answers('All of it.', Health),
  },
  {
    ...KNOWN,
    path: '/api/v1/health/servers',
    id: 'getServersHealth',
    summary: 'How each server does, without where it is',
    answers: answers('Each of them.', ServersHealth),
  },
  {
    ...KNOWN,
    path: '/api/v1/health/queues',
    id: 'getQueuesHealth',
    summary: 'How the queues do',
    answers: answers('Each of them.', QueuesHealth),
  },
  {
    method: 'get',
    tag: 'Health',
    caller: 'admin',
    path: '/health/enterprise',
    id: 'getEnterpriseHealth',
    summary: 'How servers, queues and stores do, with addresses',
    answers: answers('All of it.', EnterpriseHealth),
  },
];

const RUNNING = { tag: 'Operators', caller: 'admin' } as const;

const RUNNING_OPERATIONS: Operation[] = [
  {
    ...RUNNING,
    method: 'get',
    caller: 'user',
    path: '/api/v1/usage',
    id: 'getUsage',
    summary: 'Calls, tokens and cost by model, key or tag; of the last 30 days unless told',
    query: UsageParams,
    answers: answers("All keys' for an admin, else the caller's own.", Usage),
    errors: NO_STORE,
  },
  {
    ...RUNNING,
    method: 'post',
    path: '/api/v1/queues/{class}/pause',
    id: 'pauseQueue',
    summary: 'Has what is queued for a class wait, in every process, until it is resumed',
    answers: answers('It is paused.', PausedQueue),
    errors: NO_STORE,
  },
  {
    ...RUNNING,
    method: 'post',
    path: '/api/v1/queues/{class}/resume',
    id: 'resumeQueue',
    summary: 'Lets a class go on',
    answers: answers('It goes on.', PausedQueue),
    errors: NO_STORE,
  },
  {
    ...RUNNING,
    method: 'post',
    path: '/api/v1/config/reload',
    id: 'reloadConfig',
    summary: 'Has every process read its own configuration again; a wrong one changes nothing',
    answers: answers('What changed.', ConfigReload),
    errors: ['invalid_request', ...NO_STORE],
  },
];

const PAGE = { description: 'A page for browsers.', media: 'text/html' } as const;

const PAGE_OPERATIONS: Operation[] = [
  {
    method: 'get',
    tag: 'Operators',
    caller: 'anyone',
    path: '/openapi.json',
    id: 'getDescription',
    summary: 'This description',
    answers: answers('OpenAPI 3.1.', z.looseObject({ openapi: z.string() })),
  },
  {
    method: 'get',
    tag: 'Operators',
    caller: 'anyone',
    path: '/docs',
    id: 'openDocs',
    summary: 'The API to browse and try',
    answers: { 200: PAGE },
  },
  {
    method: 'get',
    tag: 'Operators',
    caller: 'anyone',
    path: '/docs/{file}',
    id: 'getDocsFile',
    summary: 'What the page at /docs loads',
    answers: { 200: { description: 'A script or a style sheet.', media: 'text/plain' } },
  },
  {
    method: 'get',
    tag: 'Operators',
    // A program elsewhere needs an admin's key.
    caller: 'anyone',
    path: '/metrics',
    id: 'getMetrics',
    summary:
      "What this process measures, in Prometheus's format; for an admin, and for programs on its machine",
    answers: { 200: { description: 'Series.', media: 'text/plain' } },
  },
  {
    method: 'get',
    tag: 'Operators',
    caller: 'anyone',
    path: '/dashboard',
    id: 'openDashboard',
    summary: "The operator page, which asks for an admin's key",
    answers: { 200: PAGE },
  },
  {
    method: 'get',
    tag: 'Operators',
    caller: 'admin',
    path: '/dashboard/queues',
    id: 'openQueueBoard',
    summary: 'bull-board: the queues, without prompts and answers',
    answers: { 200: PAGE },
  },
];

export const OPERATOR_OPERATIONS: Operation[] = [
  ...KEY_OPERATIONS,
  ...HEALTH_OPERATIONS,
  ...RUNNING_OPERATIONS,
  ...PAGE_OPERATIONS,
];
