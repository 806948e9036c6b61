/**
 * Where a verifying client keeps what it trusts: per vault one small text, replaced as its history grows. A
 * client that forgets it still verifies every proof, but no longer notices a fork or a rollback.
 */

/** @example createClient({ endpoints, tenant, verify: { pinnedRoots: new FileRoots(directory) } }) */
export interface PinnedRoots {
  /** The text that was saved last for the vault; undefined when there is none. */
  load(vault: string): Promise<string | undefined>;
  /** Replaces the text, all of it or nothing. */
  save(vault: string, text: string): Promise<void>;
}
