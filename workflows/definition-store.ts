import type { Json } from '../core/json-value.ts';
import type { DefinitionVersion, StoredDefinition } from './definitions.ts';

/** Definitions by content, and their named versions. Throws AppError `store_unavailable` when the database is away. */
export interface DefinitionStore {
  /** Keeps the definition; one that is there stays. */
  save(hash: string, definition: Json): Promise<void>;
  find(hash: string): Promise<Json | null>;
  /** The newest version if it has this hash, else a new one. The definition must be there. */
  addVersion(name: string, hash: string): Promise<DefinitionVersion>;
  /** The newest version unless told. */
  version(name: string, version?: number): Promise<StoredDefinition | null>;
  /** The newest version of each name after `after`, by name: one more than `limit` when there are more. */
  versions(limit: number, after: string | null): Promise<DefinitionVersion[]>;
  /** Whether there was a version. */
  removeVersions(name: string): Promise<boolean>;
}
