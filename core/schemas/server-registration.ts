import { isIP } from 'node:net';
import { z } from 'zod';
import { ServerProtocol } from './server-protocol.ts';

const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*$/;
// A URL parser reads `2130706433`, `0x7f.1` and `10.1` as IPv4 addresses; here an address is written in full.
const ENDS_IN_NUMBER = /(^|\.)(\d+|0[xX][0-9a-fA-F]*)$/;

function isHost(text: string): boolean {
  const bare = /^\[(.*)\]$/.exec(text)?.[1];
  if (bare !== undefined) return isIP(bare) === 6 && !bare.includes('%');
  if (isIP(text) > 0) return !text.includes('%');
  return HOST_NAME.test(text) && !ENDS_IN_NUMBER.test(text);
}

/** What names a model server: the body of a registration, an entry of CITADEL_SERVERS or of citadel.yaml. */
export const ServerRegistration = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'takes letters, digits, ".", "_" and "-", at most 64'),
  hostname: z.string().refine(isHost, 'takes a host name, or an IP address written in full'),
  port: z.int().min(1).max(65_535),
  role: z.string().max(64).optional(),
  capabilities: z.array(z.string().max(64)).max(64).optional(),
  protocol: ServerProtocol.default('openai'),
  /** Where the OpenAI routes begin; `/v1` unless told. */
  base_path: z
    .string()
    .max(256)
    .regex(/^\/(?!\/)[!"$->@-~]*$/, 'starts with "/" and has no blanks, "?" or "#"')
    .default('/v1'),
  weight: z.number().positive().max(1000).default(1),
  /** Calls at once that the server may be given; without it the class's concurrency is the only bound. */
  max_concurrency: z.int().min(1).max(10_000).optional(),
  /** Models it is known to have before it was asked, or that it does not list itself. */
  models: z.array(z.string().min(1).max(512)).max(1000).default([]),
  /** The environment variable that holds the server's own API key. */
  api_key_env: z
    .string()
    .regex(/^[A-Z_][A-Z0-9_]*$/, 'is the name of an environment variable')
    .optional(),
});
export type ServerRegistration = z.infer<typeof ServerRegistration>;
