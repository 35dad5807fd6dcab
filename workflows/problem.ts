/** One thing that is wrong with a definition or an input. */
export interface Problem {
  /** A JSON path such as `$.steps[2].when`. */
  path: string;
  message: string;
}
