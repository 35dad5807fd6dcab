// What the pool and its database thread say to each other. All of it survives a structured clone.

/** A parameter as the wire protocol takes it: text, bytes or null. */
export type WireValue = string | Uint8Array | null;

/** Where Postgres's session stands: idle, in a transaction, in a transaction that failed. */
export type SessionStatus = 'I' | 'T' | 'E';

export interface ThreadOptions {
  /** The directory of the database; in memory without one. */
  directory: string | undefined;
}

export interface Statement {
  id: number;
  text: string;
  /** Without parameters the text may hold several statements. */
  params: WireValue[] | undefined;
}

export type ToThread = { kind: 'run'; statements: Statement[] } | { kind: 'close' };

export interface Column {
  name: string;
  typeId: number;
}

/** What Postgres says of a statement it refused, by the names the driver uses. */
export interface WireError {
  message: string;
  [field: string]: string | number | undefined;
}

export type Answer = { id: number; status: SessionStatus } & (
  | { error: WireError }
  | { error?: undefined; columns: Column[]; rows: (string | null)[][]; tag: string }
);

/** What one statement gave, not yet decoded. */
export type WireResult = Extract<Answer, { error?: undefined }>;

export type FromThread =
  | { kind: 'ready' }
  | { kind: 'answer'; answer: Answer }
  | { kind: 'notification'; channel: string; payload: string };
