/** What completion knows beyond the commands, and the form of what it offers. */

export interface Candidate {
  readonly value: string;
  readonly description?: string;
  /** More is to come: no space after it. */
  readonly isPartial?: boolean;
}

/** What is known beyond the commands. Each answers with nothing where it cannot be known quickly. */
export interface CompletionSources {
  contexts(): Promise<readonly Candidate[]>;
  organizations(): Promise<readonly Candidate[]>;
  vaults(): Promise<readonly Candidate[]>;
  /** Of the cluster. */
  members(): Promise<readonly Candidate[]>;
  seen(): Promise<Seen>;
}

/** What a look at some tuples of the vault showed. */
export interface Seen {
  readonly tuples: readonly {
    readonly resource: string;
    readonly relation: string;
    readonly subject: string;
  }[];
}
