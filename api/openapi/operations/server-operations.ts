import { ServerRegistration } from '../../../core/schemas/server-registration.ts';
import { PageQuery } from '../../list-page.ts';
import { DistributeRequest } from '../../routes/orchestration.ts';
import {
  FailedOver,
  OneServerHealth,
  Recovered,
  Registered,
  RoutingDecision,
  Server,
  ServerDeleted,
  ServerDetailsList,
} from '../answers/server-answers.ts';
import { listOf } from '../answers/shared-answers.ts';
import { answers, type Operation, under } from '../operation.ts';

const ADMIN = { tag: 'Servers', caller: 'admin' } as const;

const REGISTER = {
  ...ADMIN,
  method: 'post',
  body: ServerRegistration,
  answers: {
    200: { description: 'A server of this id was there: it is as the request says.', schema: Registered },
    201: { description: 'The server is registered, and can be called.', schema: Registered },
  },
  errors: ['store_unavailable'],
} as const satisfies Partial<Operation>;

const ServerChange = ServerRegistration.partial();

const REGISTRY: Operation[] = [
  {
    ...ADMIN,
    method: 'get',
    path: '/v1/servers',
    id: 'listServers',
    summary: 'The model servers, by id',
    query: PageQuery,
    answers: answers('A page of them.', listOf(Server)),
  },
  { ...REGISTER, path: '/v1/servers', id: 'registerServer', summary: 'Registers a model server' },
  {
    ...ADMIN,
    method: 'get',
    path: '/v1/servers/{id}',
    id: 'getServer',
    summary: 'One model server',
    answers: answers('The server.', Server),
  },
  {
    ...ADMIN,
    method: 'patch',
    path: '/v1/servers/{id}',
    id: 'changeServer',
    summary: 'Changes the fields that are sent',
    description: 'null takes a field back to its default; the id stays.',
    body: ServerChange,
    answers: answers('The server as it is now.', Server),
    errors: ['store_unavailable'],
  },
  {
    ...ADMIN,
    method: 'delete',
    path: '/v1/servers/{id}',
    id: 'removeServer',
    summary: 'Takes a model server out',
    answers: answers('It is gone.', ServerDeleted),
    errors: ['store_unavailable'],
  },
];

const ORCHESTRATION: Operation[] = [
  {
    ...REGISTER,
    path: '/orchestration/servers/register',
    id: 'registerServerForWork',
    summary: 'Registers a model server',
  },
  {
    ...ADMIN,
    method: 'get',
    path: '/orchestration/servers/list',
    id: 'listServerDetails',
    summary: 'All model servers by id, and how they do',
    answers: answers('All of them.', ServerDetailsList),
  },
  {
    ...ADMIN,
    method: 'get',
    path: '/orchestration/servers/{id}/health',
    id: 'getServerHealth',
    summary: 'How one server does',
    answers: answers('The server.', OneServerHealth),
  },
  {
    ...ADMIN,
    method: 'delete',
    path: '/orchestration/servers/{id}',
    id: 'removeServerFromWork',
    summary: 'Takes a model server out',
    answers: answers('It is gone.', ServerDeleted),
    errors: ['store_unavailable'],
  },
  {
    ...ADMIN,
    method: 'post',
    path: '/orchestration/failover/{id}',
    id: 'failOver',
    summary: 'Gives a server no new work',
    description: 'What has sent nothing yet moves to other servers; the rest ends where it is.',
    answers: answers('It takes no new work.', FailedOver),
    errors: ['store_unavailable'],
  },
  {
    ...ADMIN,
    method: 'post',
    path: '/orchestration/recover/{id}',
    id: 'recoverServer',
    summary: 'Gives a server work again',
    answers: answers('It takes work once its checks pass.', Recovered),
    errors: ['store_unavailable'],
  },
  {
    tag: 'Servers',
    caller: 'user',
    method: 'post',
    path: '/orchestration/workload/distribute',
    id: 'explainRouting',
    summary: 'Where a call would go now, and why; moves nothing',
    body: DistributeRequest,
    answers: answers('The decision.', RoutingDecision),
    errors: ['model_not_found'],
  },
];

export const SERVER_OPERATIONS: Operation[] = [
  ...REGISTRY,
  ...under(REGISTRY, '/v1', '/api/v1'),
  ...ORCHESTRATION,
  ...under(ORCHESTRATION, '/orchestration', '/api/v1/orchestration'),
];
