import { z } from 'zod';

export const ServerProtocol = z.enum(['openai', 'ollama']);
export type ServerProtocol = z.infer<typeof ServerProtocol>;

/** What names a model server: the body of a registration, an entry of CITADEL_SERVERS or of citadel.yaml. */
export const ServerRegistration = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'takes letters, digits, ".", "_" and "-", at most 64'),
  hostname: z.string().min(1).max(253),
  port: z.int().min(1).max(65_535),
  role: z.string().max(64).optional(),
  capabilities: z.array(z.string().max(64)).max(64).optional(),
  protocol: ServerProtocol.default('openai'),
  /** Where the OpenAI routes begin; `/v1` unless told. */
  base_path: z
    .string()
    .regex(/^\/[^?#\s]*$/, 'starts with "/"')
    .default('/v1'),
  weight: z.number().positive().max(1000).default(1),
  /** Calls at once that the server may be given; without it the class's concurrency is the only bound. */
  max_concurrency: z.int().min(1).max(10_000).optional(),
  /** Models it is known to have before it was asked, or that it does not list itself. */
  models: z.array(z.string().min(1)).max(1000).default([]),
  /** The environment variable that holds the server's own API key. */
  api_key_env: z
    .string()
    .regex(/^[A-Z_][A-Z0-9_]*$/, 'is the name of an environment variable')
    .optional(),
});
export type ServerRegistration = z.infer<typeof ServerRegistration>;
