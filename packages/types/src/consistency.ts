/** How fresh a read must be (architecture.md, "A read"). */
import type { Height, LogIndex, VaultId } from "./brand.js";

export type Consistency =
  /** Sees every write acknowledged before the read began. The default. */
  | { readonly kind: "linearizable" }
  /** Any replica that has applied this point. */
  | { readonly kind: "at_least"; readonly point: ReadPoint }
  /** Any replica whose state is at most this old. */
  | { readonly kind: "any"; readonly maxStalenessMs: number }
  /** The state as of this block. */
  | { readonly kind: "at_height"; readonly height: Height };

/** A point of a vault's history, as consistency tokens carry it. */
export interface ReadPoint {
  readonly vault: VaultId;
  readonly height: Height;
  readonly index: LogIndex;
}
