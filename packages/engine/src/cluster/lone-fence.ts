/**
 * The fence of a node that was started without an address for peers over a state that was known to be wrong: a member of a cluster whose
 * directory is opened by itself, for a backup or by mistake. Nobody tells it a digest, so it answers nothing until it is started as a
 * member again, was compared or rebuilt, and stopped; an only voter has its own word alone (INV-REPLICA-12).
 */
import type { GroupState } from "@authledger/state";
import type { LedgerError, NodeId } from "@authledger/types";
import type { EngineDeps } from "../engine-options.js";
import { Divergence } from "./divergence.js";
import { PartedMark } from "./parted-mark.js";

export interface LoneFenceDeps extends EngineDeps {
  /** Of the group, where the mark is. */
  readonly directory: string;
  readonly self: NodeId;
  readonly voters: () => readonly NodeId[];
  readonly state: GroupState;
  readonly onDied: (error: LedgerError) => void;
}

export class LoneFence {
  readonly divergence: Divergence;
  readonly #mark: PartedMark;

  private constructor(divergence: Divergence, mark: PartedMark) {
    this.divergence = divergence;
    this.#mark = mark;
  }

  /** Undefined where nothing says that the state is wrong. */
  static async open(deps: LoneFenceDeps): Promise<LoneFence | undefined> {
    const { disk, directory, self, voters, state, timers, random, hasher } = deps;
    const onAlarm = (alarm: string): void => deps.onAlarm?.(alarm);
    const mark = new PartedMark(disk, directory, (error) =>
      onAlarm(`it was not written down that this replica is right: ${error.message}`),
    );
    const doubtedFrom = await mark.load();
    if (doubtedFrom === undefined) return undefined;
    const divergence = new Divergence(
      {},
      {
        ...{ self, voters, state, timers, random, hasher, mark, onAlarm },
        others: () => [],
        send: () => false,
        stepDown: () => undefined,
        onParted: () => undefined,
        askForState: () => undefined,
        onFatal: deps.onDied,
      },
    );
    divergence.start(doubtedFrom);
    return new LoneFence(divergence, mark);
  }

  async stop(): Promise<void> {
    this.divergence.stop();
    await this.#mark.idle();
  }
}
