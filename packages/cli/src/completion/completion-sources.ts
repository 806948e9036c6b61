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
  /** Who has a role or a key here: key:<id>, user:<subject>, group:<name>. */
  principals(): Promise<readonly Candidate[]>;
  /** Ids of API keys. */
  keys(): Promise<readonly Candidate[]>;
  /** Tiers that quotas name. */
  tiers(): Promise<readonly Candidate[]>;
}

/** What a look at some tuples of the vault showed. */
export interface Seen {
  readonly tuples: readonly {
    readonly resource: string;
    readonly relation: string;
    readonly subject: string;
  }[];
}
