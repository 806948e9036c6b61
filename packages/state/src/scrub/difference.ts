/** What the scrubber found: where stored rows are not what follows from the others. */

/** The kind of row, or of statement, that is not right. */
export type ScrubArea =
  | "page"
  | "leaf"
  | "value"
  | "branch"
  | "bucket"
  | "state_root"
  | "config"
  | "header"
  | "history"
  | "transaction"
  | "index";

/** The first thing that is wrong in a part of a vault. */
export interface ScrubDifference {
  readonly area: ScrubArea;
  /** Slugs; undefined for what belongs to no vault. */
  readonly vault:
    | { readonly id: number; readonly organization: bigint; readonly slug: bigint }
    | undefined;
  /** 0 to 255. */
  readonly bucket: number | undefined;
  /** 96 hex digits: the path of the leaf, or the prefix of the branch with zeros behind it. */
  readonly path: string | undefined;
  readonly height: number | undefined;
  readonly what: string;
}

/** Where in a vault; the scrub adds the vault. */
export interface Finding {
  readonly area: ScrubArea;
  readonly bucket?: number;
  readonly path?: string;
  readonly height?: number;
  readonly what: string;
}

/** What was looked at so far. */
export interface ScrubCounts {
  vaults: number;
  leaves: number;
  branches: number;
  blocks: number;
  transactions: number;
  indexRows: number;
  /** Parts left out because their view ended too often: the node was too busy. */
  skipped: number;
}
