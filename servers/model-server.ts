export interface ModelInfo {
  id: string;
  /** Number of parameters, where the server reports it. */
  parameters?: number;
  /** Unix seconds. */
  created?: number;
  ownedBy?: string;
  /** Whether it is in memory now; null where the server does not say. */
  loaded: boolean | null;
}

/** What a server says of itself when asked. */
export interface ServerReport {
  models: ModelInfo[];
}
