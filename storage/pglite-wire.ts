import { messages, protocol } from '@electric-sql/pglite';
import type { Answer, Column, SessionStatus, Statement, WireError } from './pglite-messages.ts';

const { serialize } = protocol;

const PREPARED_MAX = 256;
// A prepared statement whose tables changed under it, and one that somebody deallocated. Both are refused before
// anything ran, so a second try is safe.
const STALE_CODES = new Set(['0A000', '26000']);

type Part = messages.BackendMessage;

interface Prepared {
  name: string;
  columns: Column[];
}

interface WireSession {
  /** Runs one statement to its end. Throws only when the database itself is broken. */
  run(statement: Statement): Promise<Answer>;
}

/** Postgres's wire protocol over `exchange` (one at a time), with each parametrised text prepared once. */
export function createWireSession(
  exchange: (message: Uint8Array) => Promise<Part[]>,
  onNotification: (channel: string, payload: string) => void,
): WireSession {
  const prepared = new Map<string, Prepared>();
  let named = 0;

  async function run(statement: Statement): Promise<Answer> {
    if (statement.params === undefined) {
      return read(statement.id, serialize.query(statement.text), []);
    }
    const known = prepared.get(statement.text);
    if (!known) return runFirst(statement);
    // Last used, last dropped.
    prepared.delete(statement.text);
    prepared.set(statement.text, known);
    const answer = await read(statement.id, bindAndExecute(known.name, statement), known.columns);
    if (!isStale(answer)) return answer;
    await forget(statement.text, known);
    return answer.status === 'I' ? runFirst(statement) : answer;
  }

  async function runFirst(statement: Statement): Promise<Answer> {
    named += 1;
    const name = `s${named}`;
    const prepare = [
      serialize.parse({ name, text: statement.text }),
      serialize.describe({ type: 'S', name }),
    ];
    const answer = await read(statement.id, Buffer.concat([...prepare, bindAndExecute(name, statement)]), []);
    const entry = { name, columns: answer.error ? [] : answer.columns };
    if (answer.error) {
      await forget(statement.text, entry);
      return answer;
    }
    prepared.set(statement.text, entry);
    const [oldest] = prepared;
    if (oldest && prepared.size > PREPARED_MAX) await forget(...oldest);
    return answer;
  }

  async function forget(text: string, { name }: Prepared): Promise<void> {
    prepared.delete(text);
    await exchange(Buffer.concat([serialize.close({ type: 'S', name }), serialize.sync()]));
  }

  async function read(id: number, message: Uint8Array, known: Column[]): Promise<Answer> {
    const reply: Reply = { columns: known, rows: [] };
    for (const part of await exchange(message)) {
      if (part instanceof messages.NotificationResponseMessage) onNotification(part.channel, part.payload);
      else addPart(reply, part);
    }
    const { status, error, columns, rows, tag } = reply;
    if (status && error) return { id, status, error };
    if (status && tag !== undefined) return { id, status, columns, rows, tag };
    // PGlite swallows a crash of the database's code; what it leaves is an answer without an end.
    throw new Error('The embedded database broke off in the middle of an answer.');
  }

  return { run };
}

interface Reply {
  columns: Column[];
  rows: (string | null)[][];
  tag?: string;
  error?: WireError;
  status?: SessionStatus;
}

// Of several statements in one text the last one's rows and tag stay.
function addPart(reply: Reply, part: Part): void {
  if (part instanceof messages.DataRowMessage) {
    reply.rows.push(part.fields);
  } else if (part instanceof messages.RowDescriptionMessage) {
    reply.columns = part.fields.map(({ name, dataTypeID }) => ({ name, typeId: dataTypeID }));
    reply.rows = [];
  } else if (part instanceof messages.CommandCompleteMessage) {
    reply.tag = part.text;
  } else if (part instanceof messages.DatabaseError) {
    reply.error ??= toWireError(part);
  } else if (part instanceof messages.ReadyForQueryMessage) {
    reply.status = part.status as SessionStatus;
  } else if (part.name === 'emptyQuery') {
    reply.tag = '';
  }
}

// Its fields by hand: `message` is not enumerable, and `name` would hide that it is an error.
function toWireError(error: messages.DatabaseError): WireError {
  const { code, severity, detail, hint, position, where, schema, table, column, constraint, routine } = error;
  const fields = {
    code,
    severity,
    detail,
    hint,
    position,
    where,
    schema,
    table,
    column,
    constraint,
    routine,
  };
  return { message: error.message, ...fields };
}

function bindAndExecute(name: string, statement: Statement): Uint8Array {
  const bind = serialize.bind({ statement: name, values: statement.params ?? [] });
  return Buffer.concat([bind, serialize.execute(), serialize.sync()]);
}

function isStale(answer: Answer): boolean {
  return answer.error !== undefined && STALE_CODES.has(String(answer.error.code));
}
