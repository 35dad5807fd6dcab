import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

type Json = Record<string, unknown>;

/** /openapi.json, as far as tests look at it. */
export interface ApiDescription {
  openapi: string;
  paths: Record<string, Record<string, DescribedOperation>>;
  components: { schemas: Record<string, Json> };
}

interface DescribedOperation {
  operationId: string;
  tags: string[];
  security?: object[];
  requestBody?: { content: Record<string, { schema: Json }> };
  responses: Record<string, { content?: Record<string, { schema: Json }> }>;
}

/** `GET /v1/models/{}` for each operation that the description has. */
export function describedRoutes({ paths }: ApiDescription): string[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => toRoute(method, path)),
  );
}

export const toRoute = (method: string, path: string) =>
  `${method.toUpperCase()} ${path.replace(/\{\w+\}|[:*]\w+/g, '{}')}`;

/** Says what an answer has that the description lacks, and the reverse. */
export function createAnswerCheck(description: ApiDescription) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  // As written, an object may have fields that are not described; here none may.
  ajv.addSchema(JSON.parse(JSON.stringify(description), closeObjects), 'api');
  return (method: string, path: string, status: number, answer: unknown): string[] => {
    const response = `api#/paths/${pointer(path)}/${method}/responses/${status}`;
    const validate = ajv.compile({ $ref: `${response}/content/${pointer('application/json')}/schema` });
    validate(answer);
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  };
}

const pointer = (name: string) => encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'));

function closeObjects(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('properties' in value)) return value;
  if ('type' in value && value.type === 'object' && !('additionalProperties' in value)) {
    return { ...value, additionalProperties: false };
  }
  return value;
}
