import type { ServerRegistration } from '../core/schemas/server-registration.ts';

/** What operators have said of a server over the API. It stands over what configuration and discovery say of it. */
export interface ServerRow {
  id: string;
  /** Null where the server is configured or was found, and nobody has registered it. */
  registration: ServerRegistration | null;
  /** Takes no new work. */
  draining: boolean;
  /** Was taken out, although it is configured or may be found again. */
  removed: boolean;
}

/** Every row, as of a revision. Revisions only grow, and each change has its own. */
export interface ServerSet {
  revision: number;
  rows: ServerRow[];
}

/** One row's change from `previous`, the revision before it, to `revision`; `row` is null where it was deleted. */
export interface ServerChange {
  previous: number;
  revision: number;
  id: string;
  row: ServerRow | null;
}

/** Throws AppError `store_unavailable` when the database cannot be reached. */
export interface ServerStore {
  revision(): Promise<number>;
  /** All rows; one that this version cannot read is left out. */
  read(): Promise<ServerSet>;
  /** Puts the row that `decide` makes of the present one (null: none, before or after). Changes of all processes come
   *  one after the other. What `decide` throws is thrown, and nothing is changed. */
  change(id: string, decide: (row: ServerRow | null) => ServerRow | null): Promise<ServerChange>;
}
