/** One node of a group of two, as its driver alone; the test is the other one. */
import { type Disk, MemoryDisk, SeededRandom } from "@authledger/io";
import type { Message } from "@authledger/raft";
import type { GroupState } from "@authledger/state";
import { groupId, type NodeId, nodeId } from "@authledger/types";
import { Wal, type WalRecord } from "@authledger/wal";
import { NO_MEMBERSHIP } from "../src/cluster/group-configuration.js";
import { RaftGroup } from "../src/cluster/raft-group.js";
import { settle, TestTime } from "./engine-support.js";

const GROUP = groupId(1);
export const OWN: NodeId = nodeId(7n);
export const OTHER: NodeId = nodeId(8n);
const SETTINGS = { electionTicks: 12, heartbeatTicks: 3, quorumTicks: 24 } as const;

interface AppliedPlace {
  readonly index: number;
  readonly term: number;
  readonly configIndex: number;
}

/** One node of a group of two; the test is the other one. */
export class Pair {
  readonly time: TestTime = new TestTime();
  /** What happened, in order. */
  readonly seen: string[] = [];
  readonly sent: Message[] = [];
  /** The other one refuses its vote. */
  refuses = false;
  /** How long each entry holds the loop. */
  applyMs = 0;
  /** What is applied waits for it. */
  room: Promise<void> | undefined;
  /** Another state was asked for. */
  isInstalling = false;
  /** It comes. */
  installs = false;
  #applied: AppliedPlace = { index: 0, term: 0, configIndex: 0 };
  group!: RaftGroup;

  static async open(disk: Disk = new MemoryDisk()): Promise<Pair> {
    const pair = new Pair();
    const { time } = pair;
    const random = new SeededRandom(1);
    const deps = { disk, clock: time, timers: time, random };
    const wal = await Wal.open({ directory: "/wal", voters: "many" }, deps);
    await wal.append([{ kind: "group", group: GROUP, action: "create" }]);
    const voters = [OWN, OTHER];
    const ignored = (): undefined => undefined;
    pair.group = new RaftGroup(
      GROUP,
      OWN,
      { ...SETTINGS, readMode: "quorum", jitter: () => 0 },
      {
        wal,
        state: pair.#state() as unknown as GroupState,
        clock: time,
        timers: time,
        configuration: { membership: { ...NO_MEMBERSHIP, voters }, members: [] },
        hasPeers: false,
        send: (message) => {
          pair.sent.push(message);
          pair.seen.push(message.type);
        },
        room: () => pair.room,
        onBlocks: ignored,
        onApplied: ignored,
        onRole: ignored,
        onConfiguration: ignored,
        onTransferFailed: ignored,
        snapshots: {
          ...{ send: ignored, installed: ignored },
          install: ({ index, term }) => pair.#install(index, term),
        },
        onFatal: (error) => {
          throw error;
        },
      },
    );
    await pair.group.open();
    return pair;
  }

  async #install(index: number, term: number): Promise<WalRecord> {
    this.isInstalling = true;
    if (!this.installs) await new Promise(() => undefined);
    this.#applied = { index, term, configIndex: index };
    const about = { uuid: new Uint8Array(16), configuration: new Uint8Array(0) };
    return { kind: "snapshot", group: GROUP, index, term, ...about };
  }

  #state(): object {
    const pair = this;
    const state = {
      get applied(): object {
        return pair.#applied;
      },
      set applied(applied: AppliedPlace) {
        pair.#applied = applied;
      },
      apply: (index: number, term: number): object => {
        this.seen.push(`apply ${index}`);
        state.applied = { index, term, configIndex: 0 };
        this.time.skipTo(this.time.monotonicMs() + this.applyMs);
        return { outcomes: [], blocks: [] };
      },
      applyConfiguration: (index: number, term: number): void => {
        this.seen.push(`apply ${index}`);
        state.applied = { index, term, configIndex: index };
      },
    };
    return state;
  }

  /** Answers everything that was sent as a node does that agrees. */
  async agree(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      await settle(8);
      for (const message of this.sent.splice(0)) {
        quiet = 0;
        this.#answer(message);
      }
    }
  }

  #answer(message: Message): void {
    const head = { from: OTHER, to: OWN, term: message.term };
    if (message.type === "vote" || message.type === "pre-vote") {
      const type = `${message.type}-response` as const;
      this.group.receive({ ...head, type, reject: this.refuses, commit: 0, commitTerm: 0 });
    } else if (message.type === "append") {
      const index = message.entries.at(-1)?.index ?? message.index;
      const about = { reject: false, hint: 0, logTerm: 0, isRecovering: false };
      this.group.receive({ ...head, type: "append-response", index, ...about });
    }
  }

  async elect(): Promise<void> {
    for (let i = 0; i < SETTINGS.electionTicks; i++) this.group.tick();
    await this.agree();
    if (!this.group.isReady) throw new Error("it was not elected");
    this.seen.length = 0;
  }

  propose(bytes: number): void {
    this.group.propose(new Uint8Array(bytes).fill(1), {
      applied: () => undefined,
      failed: (error) => this.seen.push(error.code),
    });
  }
}
