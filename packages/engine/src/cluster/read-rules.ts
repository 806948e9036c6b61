/**
 * Which reads may be answered from the state of this node now, and what the others wait for (architecture.md, "A read").
 *
 * Linearizable: until the leader has confirmed an index and it is applied. At least a point: until that is applied. Any:
 * at once, where the state is not older than the client allows; else as linearizable ones. As of a height: at once where the block is there,
 * since it never changes.
 *
 * A call that finds nothing to change proposes nothing, so that no majority would confirm whoever answers it: a leader that was
 * deposed and does not know it would acknowledge from its old state. Such a call is confirmed as a linearizable read, and
 * looks again.
 */
import type { GroupState } from "@authledger/state";
import { type Consistency, LedgerError } from "@authledger/types";
import { requireOwnToken } from "../vault-lookup.js";
import type { RaftGroup } from "./raft-group.js";

export interface ReadRulesDeps {
  readonly group: RaftGroup;
  readonly state: GroupState;
}

export class ReadRules {
  readonly #deps: ReadRulesDeps;

  constructor(deps: ReadRulesDeps) {
    this.#deps = deps;
  }

  /** A read of a vault. @throws LedgerError STALE_REPLICA, NO_LEADER, OVERLOADED */
  read<T>(
    vault: number,
    consistency: Consistency,
    deadlineAtMs: number | undefined,
    read: () => T | Promise<T>,
  ): T | Promise<T> {
    const { group, state } = this.#deps;
    if (group.hasLocalReads) return read();
    switch (consistency.kind) {
      case "linearizable":
        return group.reads.linearizable(read, deadlineAtMs);
      case "at_least": {
        const { point } = consistency;
        requireOwnToken(state, point);
        if (point.index <= state.applied.index || point.vault !== vault) return read();
        const late = (): LedgerError => {
          const message = `this node has applied ${state.applied.index}, the token asks for ${point.index}`;
          return new LedgerError("STALE_REPLICA", message, { retryAfterMs: 100 });
        };
        return group.reads.atLeast(read, point.index, deadlineAtMs, late);
      }
      case "any":
        return this.#any(consistency.maxStalenessMs, deadlineAtMs, read);
      case "at_height":
        if ((state.vault(vault)?.height ?? 0) >= consistency.height) return read();
        return group.reads.linearizable(read, deadlineAtMs);
    }
  }

  /** Resolves when what is known here is what was acknowledged last. @throws LedgerError NOT_LEADER, NO_LEADER, OVERLOADED */
  async confirm(): Promise<void> {
    await this.metadata(undefined, () => undefined);
  }

  /** A read of what is told of organizations and vaults: as a linearizable one. */
  metadata<T>(deadlineAtMs: number | undefined, read: () => T | Promise<T>): T | Promise<T> {
    const { group } = this.#deps;
    return group.hasLocalReads ? read() : group.reads.linearizable(read, deadlineAtMs);
  }

  /** The same for what never changes once it is there. */
  found<T>(deadlineAtMs: number | undefined, read: () => T): T | Promise<T> {
    const { group } = this.#deps;
    if (group.hasLocalReads) return read();
    try {
      return read();
    } catch (error) {
      if (!(error instanceof LedgerError) || !error.code.endsWith("_NOT_FOUND")) throw error;
      return group.reads.linearizable(read, deadlineAtMs);
    }
  }

  /** 0 means any age. */
  #any<T>(
    maxMs: number,
    deadlineAtMs: number | undefined,
    read: () => T | Promise<T>,
  ): T | Promise<T> {
    return maxMs === 0 ? read() : this.#deps.group.reads.within(maxMs, read, deadlineAtMs);
  }
}
