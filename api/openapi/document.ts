import { ERRORS, type ErrorCode } from '../../core/errors.ts';
import { createJsonSchemas } from './json-schemas.ts';
import { NAMED_SCHEMAS } from './named-schemas.ts';
import type { Answer, Operation, Tag } from './operation.ts';
import { OPERATIONS } from './operations.ts';
import { FACT_HEADERS, HEADERS, PARAMETERS } from './request-parts.ts';

type Json = Record<string, unknown>;

const TAGS: Record<Tag, string> = {
  Models: "Chats and completions, in OpenAI's form",
  Embeddings: 'Embeddings, at once or as a job',
  Jobs: 'Any request to a model, or a workflow, as a job with an id',
  Workflows: 'Runs of workflows, and their definitions',
  Schedules: 'Workflows by cron, or every so often',
  Documents: 'Collections of documents: taken in, searched, and asked with citations',
  Servers: 'The model servers behind this address',
  Keys: 'API keys and their limits',
  Health: 'How it does',
  Operators: 'For those who run it',
};

const DESCRIPTION =
  'An AI gateway and workflow engine in which every request is a durable job. Errors have one shape everywhere; ' +
  'a 429 and a 503 say in `Retry-After` when to try again. Where no API key is configured, calls from this machine need none.';

/** The API as OpenAPI 3.1 describes it, made of the schemas that its routes parse with. */
export function openApiDocument(version: string): Json {
  const schemas = createJsonSchemas(NAMED_SCHEMAS, OPERATIONS.flatMap(schemasOf));
  const paths: Record<string, Json> = {};
  for (const operation of OPERATIONS) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: describe(operation, schemas) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Citadel',
      version,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    security: [{ apiKey: [] }],
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'http', scheme: 'bearer', description: 'A key of role user or admin.' },
      },
      parameters: PARAMETERS,
      headers: HEADERS,
      schemas: schemas.components,
    },
  };
}

type Schemas = ReturnType<typeof createJsonSchemas>;

function schemasOf({ query, body, otherBodies = {}, answers }: Operation) {
  const found = [
    query,
    body,
    ...Object.values(otherBodies),
    ...Object.values(answers).map(({ schema }) => schema),
  ];
  return found.filter((schema) => schema !== undefined && schema !== null);
}

function describe(operation: Operation, schemas: Schemas): Json {
  const { id, tag, summary, description, caller } = operation;
  const body = bodyOf(operation, schemas);
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description ? { description } : {}),
    ...(caller === 'anyone' ? { security: [] } : {}),
    ...(caller === 'admin' ? { 'x-citadel-role': 'admin' } : {}),
    parameters: parametersOf(operation, schemas),
    ...(body ? { requestBody: body } : {}),
    responses: responsesOf(operation, schemas),
  };
}

function parametersOf(operation: Operation, schemas: Schemas): Json[] {
  const inPath = Array.from(operation.path.matchAll(/\{(\w+)\}/g), ([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const names: (keyof typeof PARAMETERS)[] = [];
  if (operation.isModelCall) names.push('Priority', 'MaxWait', 'OnDisconnect');
  if (operation.isIdempotent) names.push('IdempotencyKey');
  if (operation.isEventStream) names.push('LastEventId');
  const inHeaders = names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
  return [...inPath, ...queryOf(operation, schemas), ...inHeaders];
}

function queryOf({ query }: Operation, { schemaOf }: Schemas): Json[] {
  if (!query) return [];
  const { properties = {}, required = [] } = schemaOf(query) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: 'query',
    ...(description ? { description } : {}),
    required: required.includes(name),
    schema,
  }));
}

function bodyOf({ body, otherBodies = {}, hasOptionalBody }: Operation, { schemaOf }: Schemas): Json | null {
  const json = body ? { 'application/json': { schema: schemaOf(body) } } : {};
  const others = Object.entries(otherBodies).map(([media, schema]) => [
    media,
    { schema: schema ? schemaOf(schema) : { type: 'string' } },
  ]);
  const content = { ...json, ...Object.fromEntries(others) };
  return Object.keys(content).length === 0 ? null : { required: !hasOptionalBody, content };
}

function responsesOf(operation: Operation, schemas: Schemas): Json {
  const good = Object.entries(operation.answers).map(([status, answer]) => [
    status,
    {
      description: answer.description,
      headers: headersOf(operation),
      content: contentOf(answer, schemas),
    },
  ]);
  return { ...errorsOf(operation), ...Object.fromEntries(good) };
}

function headersOf({ isModelCall }: Operation): Json {
  const names = isModelCall
    ? Object.keys(HEADERS)
    : Object.keys(HEADERS).filter((name) => !FACT_HEADERS.has(name));
  const shown = names.filter((name) => name !== 'retry-after');
  return Object.fromEntries(shown.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

function contentOf({ schema, media, isStreamToo }: Answer, { schemaOf }: Schemas): Json {
  const text = { schema: { type: 'string' } };
  if (media) return { [media]: text };
  const json = { 'application/json': { schema: schema ? schemaOf(schema) : {} } };
  return isStreamToo ? { ...json, 'text/event-stream': text } : json;
}

/** By status: the codes that the operation may answer with, and the one shape. */
function errorsOf(operation: Operation): Json {
  const codes = new Set<ErrorCode>(operation.errors);
  if (operation.body || operation.otherBodies) {
    for (const code of ['invalid_request', 'payload_too_large', 'unsupported_media_type'] as const)
      codes.add(code);
  }
  if (operation.query) codes.add('invalid_request');
  if (operation.path.includes('{')) codes.add('not_found');
  if (operation.caller !== 'anyone') codes.add('invalid_api_key').add('forbidden');
  const byStatus = Map.groupBy(codes, (code) => ERRORS[code].status);
  const responses = [...byStatus]
    .sort(([a], [b]) => a - b)
    .map(([status, of]) => [status, failureOf(status, of)]);
  return { ...Object.fromEntries(responses), default: failureOf(0, ['internal']) };
}

function failureOf(status: number, codes: readonly ErrorCode[]): Json {
  const waits = status === 429 || status === 503;
  return {
    description: codes.join(', '),
    ...(waits ? { headers: { 'retry-after': { $ref: '#/components/headers/retry-after' } } } : {}),
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  };
}
