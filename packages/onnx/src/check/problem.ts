/** What is wrong with a model, and where. */
export interface Problem {
  /** `graph / Conv node "conv1"`, `initializer "w"`, `model`. */
  readonly where: string;
  /** What is there and what was expected. */
  readonly problem: string;
  /**
   * `invalid`: against the standard, wherever it runs. `unsupported`: may be right, but not known here (a custom operator, an
   * operator set newer than this program). `external`: the file of weights is missing, too short or not where it may be.
   */
  readonly kind: 'invalid' | 'unsupported' | 'external';
}

export type Report = (problem: Problem) => void;
