/**
 * The part of the museum that is not in the core: bugs of the log, the page store and the engine (the numbers are those of
 * the design's table), each as a patch of a built package, and who must find it.
 */
import type { CopiedPackage, Patch } from "./built-packages.js";

/**
 * Who looks for a mutant, seed after seed until its budget is spent. The drivers are small and aimed; `nodes` are whole
 * nodes under virtual time (cluster/).
 */
export type NodeHunter =
  | {
      readonly by:
        | "log power loss"
        | "log sync failure"
        | "log bit flip"
        | "store power loss"
        | "store sync failure"
        | "switch of states"
        | "digests";
      readonly seeds: number;
    }
  | {
      readonly by: "nodes";
      readonly from: number;
      readonly seeds: number;
      readonly voters: number;
      readonly machines: number;
      readonly stormMs: number;
    };

export interface NodeExhibit {
  readonly number: string;
  readonly name: string;
  readonly of: Exclude<CopiedPackage, "raft" | "simulator">;
  readonly patches: readonly Patch[];
  readonly hunter: NodeHunter;
  /** It is hunted in every test run. */
  readonly isQuick?: boolean;
}

const patch = (file: string, find: string, replace: string): Patch => ({ file, find, replace });

/** A single voter: what its disk loses nobody else has. */
const ALONE: NodeHunter = {
  by: "nodes",
  from: 1,
  seeds: 60,
  voters: 1,
  machines: 1,
  stormMs: 6_000,
};
/** The header of a segment is at position 0, and its sync is left as it is. */
const BATCH_SYNC = "await segment.file.datasync().catch((thrown) => {";

export const nodeExhibits: readonly NodeExhibit[] = [
  {
    number: "13w",
    isQuick: true,
    name: "the log acknowledges before its sync",
    of: "wal",
    patches: [
      patch(
        "write/appender.js",
        BATCH_SYNC,
        "await (position > 0 ? Promise.resolve() : segment.file.datasync()).catch((thrown) => {",
      ),
    ],
    hunter: { by: "log power loss", seeds: 20 },
  },
  {
    number: "13e",
    name: "an engine's answers and acknowledgments leave before the sync of what they tell",
    of: "engine",
    patches: [
      patch(
        "cluster/log-writer.js",
        "if (batches.length === 0 && this.#inFlight === 0) {",
        "if (batches.length > 0)\n            Promise.all(batches.map((records) => this.#deps.wal.append(records))).catch(() => undefined);\n        {",
      ),
    ],
    hunter: ALONE,
  },
  {
    number: "14e",
    name: "an engine counts itself before its own sync",
    of: "engine",
    patches: [
      patch(
        "cluster/raft-group.js",
        "this.#writer.append(action);",
        'this.#writer.append(action);\n                this.#events.push({ kind: "durable", append: action.append });',
      ),
    ],
    hunter: ALONE,
  },
  {
    number: "15",
    isQuick: true,
    name: "an error of the log's sync is swallowed",
    of: "wal",
    patches: [patch("write/appender.js", BATCH_SYNC, `${BATCH_SYNC}\n if (position > 0) return;`)],
    hunter: { by: "log sync failure", seeds: 20 },
  },
  {
    number: "15b",
    isQuick: true,
    name: "a sync of the log that failed is tried again",
    of: "wal",
    patches: [
      patch(
        "write/appender.js",
        BATCH_SYNC,
        `${BATCH_SYNC}\n if (position > 0) return segment.file.datasync();`,
      ),
    ],
    hunter: { by: "log sync failure", seeds: 20 },
  },
  {
    number: "15c",
    isQuick: true,
    name: "an error of the page store's sync is swallowed",
    of: "store",
    patches: [
      patch(
        "page-store.js",
        "await this.#deps.file.datasync();\n            await this.#checkEpoch();",
        "await this.#deps.file.datasync().catch(() => undefined);\n            await this.#checkEpoch();",
      ),
    ],
    hunter: { by: "store sync failure", seeds: 40 },
  },
  {
    number: "20",
    isQuick: true,
    name: "the applied index is written in another step than the state",
    of: "store",
    patches: [
      patch(
        "page-store.js",
        "await this.#writeSuperblock(frozen, chains, applied);",
        "await this.#writeSuperblock(frozen, chains, this.#applied);",
      ),
    ],
    hunter: { by: "store power loss", seeds: 20 },
  },
  {
    number: "20b",
    isQuick: true,
    name: "the superblock is written before what it points at is synced",
    of: "store",
    patches: [
      patch(
        "page-store.js",
        "await this.#deps.file.datasync();\n            await this.#checkEpoch();",
        "await this.#checkEpoch();",
      ),
    ],
    hunter: { by: "store power loss", seeds: 20 },
  },
  {
    number: "20c",
    isQuick: true,
    name: "a snapshot is put in place and nothing says so until the log does",
    of: "engine",
    patches: [
      patch(
        "cluster/state-switch.js",
        "await replaceFile(disk, joinPath(directory, SWITCH_FILE), utf8(JSON.stringify(file)));",
        "",
      ),
    ],
    hunter: { by: "switch of states", seeds: 20 },
  },
  {
    number: "22",
    isQuick: true,
    name: "the log is not read again after a start",
    of: "wal",
    patches: [
      patch(
        "recovery/open-log.js",
        "return { state: scan.state, segments,",
        "return { state: new LogState(), segments,",
      ),
    ],
    hunter: { by: "log power loss", seeds: 20 },
  },
  {
    number: "23",
    isQuick: true,
    name: "recovery takes the whole log for committed",
    of: "wal",
    patches: [patch("group-log.js", "return this.#state.commitHint;", "return this.#state.last;")],
    hunter: { by: "log power loss", seeds: 20 },
  },
  {
    number: "23b",
    isQuick: true,
    name: "one commit index for all groups",
    of: "wal",
    patches: [
      patch(
        "state/log-state.js",
        "return hintCommit(group, record.index);",
        "for (const other of this.groups.values())\n                    hintCommit(other, Math.min(record.index, other.last));\n                return hintCommit(group, record.index);",
      ),
    ],
    hunter: { by: "log power loss", seeds: 20 },
  },
  {
    number: "32",
    isQuick: true,
    name: "corruption is taken for a torn tail",
    of: "wal",
    patches: [patch("recovery/log-end.js", "if (later !== undefined) {", "if (false) {")],
    hunter: { by: "log bit flip", seeds: 40 },
  },
  {
    number: "32b",
    isQuick: true,
    name: "a torn tail is taken for corruption",
    of: "wal",
    patches: [
      patch(
        "recovery/log-end.js",
        'return voters === "one" ? { kind: "torn" }',
        'return voters === "one" ? { kind: "corrupt", why: "it ends with a batch that is unreadable" }',
      ),
    ],
    hunter: { by: "log power loss", seeds: 20 },
  },
  {
    number: "33",
    isQuick: true,
    name: "a segment is not synced any more when the next one is due",
    of: "wal",
    patches: [
      patch(
        "write/appender.js",
        BATCH_SYNC,
        "await (position > 0 && segment.end + 8192 >= segment.header.segmentBytes ? Promise.resolve() : segment.file.datasync()).catch((thrown) => {",
      ),
    ],
    hunter: { by: "log power loss", seeds: 20 },
  },
  {
    number: "34",
    isQuick: true,
    name: "the leader's word decides whose state is wrong",
    of: "engine",
    patches: [
      patch(
        "cluster/digest-watch.js",
        "const right = majority(voters, told);",
        "const right = told.get(voters[0]);",
      ),
    ],
    hunter: { by: "digests", seeds: 3 },
  },
];
