import { isIP } from 'node:net';
import { z } from 'zod';
import { readServerList } from './config-sources.ts';
import { ServerRegistration } from './schemas/server-registration.ts';
import { WebhookSecret } from './schemas/webhook.ts';

/** A kind of value: what is right, and how the text of an environment variable becomes what the schema checks. */
export interface Kind<T> {
  schema: z.ZodType<T>;
  fromText: (text: string, cwd: string) => unknown;
  /** The part of a wrong value that may be shown, for kinds that hold secrets. */
  show?: (value: unknown) => string;
  /** The keys that its entries may have. */
  keys?: string[];
}

export function wholeNumber(min: number, max: number): Kind<number> {
  const takes = `takes a whole number from ${min} to ${max}`;
  return {
    schema: z.int(takes).min(min, takes).max(max, takes),
    fromText: (text) => (/^-?\d+$/.test(text) ? Number(text) : text),
  };
}

export function fraction(min: number, max: number): Kind<number> {
  const takes = `takes a number from ${min} to ${max}`;
  return {
    schema: z.number(takes).min(min, takes).max(max, takes),
    fromText: (text) => (/^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text),
  };
}

const DAY_MS = 86_400_000;
export const milliseconds = wholeNumber(1, DAY_MS);

/** 0 is for good. */
export const days = wholeNumber(0, 36_500);

export function oneOf<const T extends string>(words: readonly T[]): Kind<T> {
  return {
    schema: z.enum(words, `takes ${words.slice(0, -1).join(', ')} or ${words.at(-1)}`),
    fromText: (text) => text,
  };
}

export const onOff: Kind<boolean> = {
  schema: z.boolean('takes on or off'),
  fromText: (text) => ({ on: true, off: false, '1': true, '0': false })[text] ?? text,
};

/** As OpenTelemetry writes it. */
export const trueOrFalse: Kind<boolean> = {
  schema: z.boolean('takes true or false'),
  fromText: (text) => ({ true: true, false: false })[text.toLowerCase()] ?? text,
};

export const filePath: Kind<string> = {
  schema: z.string().regex(/^[^\0]+$/, 'takes a path'),
  fromText: (text) => text,
};

const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9.-]{0,252})$/;

export const hostName: Kind<string> = {
  schema: z
    .string()
    .refine(
      (text) => isIP(text) > 0 || HOST_NAME.test(text),
      'takes an address such as 127.0.0.1, or a host name',
    ),
  fromText: (text) => text,
};

/** A URL with one of these schemes; only its scheme is ever shown, since the rest may hold a password. */
export function urlOf(...schemes: string[]): Kind<string> {
  return {
    schema: z
      .string()
      .refine(
        (text) => schemes.some((scheme) => text.startsWith(`${scheme}://`)) && URL.canParse(text),
        `takes a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
      ),
    fromText: (text) => text,
    show: (value) => String(value).replace(/^([a-z]{1,16}:\/\/)?.*$/s, '$1'),
  };
}

const NETWORK_WORDS = new Set(['loopback', 'private']);

/** `loopback`, `private` or CIDRs. */
/** Which names there are, only those who make trials need to know. */
export const failPointList: Kind<string> = {
  schema: z.string().regex(/^([a-z.]+:\d+(:stop)?(,|$))*$/, 'takes name:n,… such as commit.after:3'),
  fromText: (text) => text,
};

export const networkList: Kind<string[]> = {
  schema: z
    .array(z.string().refine(isNetwork, 'takes loopback, private, or a CIDR such as 203.0.113.0/24'))
    .max(256),
  fromText: splitList,
};

function isNetwork(text: string): boolean {
  return NETWORK_WORDS.has(text) || isCidr(text);
}

function isCidr(text: string): boolean {
  const [, address = '', prefix = ''] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(text) ?? [];
  const family = isIP(address);
  return family > 0 && Number(prefix) <= (family === 6 ? 128 : 32);
}

export const webhookSecret: Kind<string> = {
  schema: WebhookSecret,
  fromText: (text) => text,
  show: () => '',
};

/** A text that is never shown. */
export const secretText: Kind<string> = {
  schema: z.string().regex(/^[\x21-\x7e]{1,512}$/, 'takes a key without blanks'),
  fromText: (text) => text,
  show: () => '',
};

/** Name -> the models that stand for it, tried in order; in a variable, as JSON. */
export const aliasMap: Kind<Record<string, string[]>> = {
  schema: z.record(
    z.string().min(1).max(256),
    z.array(z.string().min(1).max(256)).min(1).max(16),
    'takes a mapping of a name to a list of models',
  ),
  fromText: jsonOf,
};

const Price = z
  .number('takes a number')
  .min(0, 'takes 0 or more')
  .max(1_000_000_000, 'takes at most 1000000000');

/** Model -> what a million of its tokens cost; in a variable, as JSON. */
export const priceMap: Kind<Record<string, { input: number; output: number }>> = {
  schema: z.record(
    z.string().min(1).max(256),
    z.strictObject({ input: Price, output: Price }),
    'takes a mapping of a model to {input, output}',
  ),
  fromText: jsonOf,
  keys: ['input', 'output'],
};

/** The text itself where it is no JSON: the schema says what it takes. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export const modelNames: Kind<string[]> = {
  schema: z.array(z.string().min(1)).max(1000),
  fromText: splitList,
};

export const origins: Kind<string[]> = {
  schema: z
    .array(
      z
        .string()
        .refine(
          (text) => URL.parse(text)?.origin === text,
          'takes exact origins such as https://app.example:8443, without a path or "*"',
        ),
    )
    .max(1000),
  fromText: splitList,
};

export const serverList: Kind<ServerRegistration[]> = {
  schema: z.array(ServerRegistration).max(1000),
  fromText: readServerList,
  keys: Object.keys(ServerRegistration.shape),
};

interface ApiKey {
  name: string;
  role: 'user' | 'admin';
  key: string;
}

const API_KEY_LENGTH_MIN = 16;
const API_KEY = /^[\x21-\x7e]{16,512}$/;
const API_KEY_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** `name:role:key,…`. A problem names an entry by its number only: in a wrong one, any part may be the key. */
export const apiKeys: Kind<ApiKey[]> = {
  schema: z.array(z.string()).transform((entries, context) => {
    const keys = entries.map(parseApiKey);
    for (const [index, key] of keys.entries()) {
      for (const message of problemsOf(key, keys.slice(0, index))) {
        context.issues.push({ code: 'custom', message: `entry ${index + 1} ${message}`, input: entries });
      }
    }
    return keys as ApiKey[];
  }),
  fromText: splitList,
  show: () => '',
};

function parseApiKey(entry: string) {
  const [, name = '', role = '', key = ''] = /^([^:]*):([^:]*):(.*)$/.exec(entry) ?? [];
  return { name, role, key };
}

function problemsOf(
  entry: ReturnType<typeof parseApiKey>,
  earlier: ReturnType<typeof parseApiKey>[],
): string[] {
  const { name, role, key } = entry;
  if (name === '' && role === '' && key === '') return ['takes name:role:key'];
  const problems: string[] = [];
  if (!API_KEY_NAME.test(name)) problems.push('takes a name of letters, digits, ".", "_" and "-"');
  if (role !== 'user' && role !== 'admin') problems.push('takes the role user or admin');
  if (!API_KEY.test(key)) {
    problems.push(`takes a key of ${API_KEY_LENGTH_MIN} to 512 characters without blanks`);
  }
  if (earlier.some((other) => other.name === name)) problems.push('has the name of an earlier entry');
  if (earlier.some((other) => other.key === key)) problems.push('has the key of an earlier entry');
  return problems;
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
