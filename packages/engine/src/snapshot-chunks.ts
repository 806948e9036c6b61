/** A snapshot as its parts, from a running engine or from the directory of a stopped one. */
import { joinPath, NodeDisk } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { openNodeEngine } from "./node-engine.js";
import type { EnginePort } from "./port.js";

/** The parts of a snapshot of what the engine holds now; its pin ends with the iteration. */
export async function* snapshotChunks(
  engine: Pick<EnginePort, "call">,
): AsyncGenerator<Uint8Array, void, undefined> {
  const begun = await engine.call("export_begin", {});
  try {
    for (;;) {
      const { chunk } = await engine.call("export_next", begun);
      if (chunk === undefined) return;
      yield chunk;
    }
  } finally {
    await engine.call("export_end", begun).catch(() => undefined);
  }
}

/**
 * The parts of a snapshot of a stopped node. The node is opened as it would be by a start: its log is replayed, as far
 * as the node knows it to be committed. For the only voter that is all of it; a member of a cluster learns with the next
 * write that the one before is committed, and lacks the last ones here.
 * @throws LedgerError DATA_DIR_INVALID, DATA_DIR_IN_USE, WAL_CORRUPT and what else keeps a node from starting
 */
export async function* directorySnapshot(options: {
  readonly directory: string;
  readonly cacheBytes: number;
}): AsyncGenerator<Uint8Array, void, undefined> {
  const { directory } = options;
  if (!(await new NodeDisk().exists(joinPath(directory, "node.json")))) {
    const message = `${directory} holds no data of a node: it has no node.json`;
    throw new LedgerError("DATA_DIR_INVALID", message, { details: { directory } });
  }
  let failure: LedgerError | undefined;
  const engine = await openNodeEngine(options, (error) => {
    failure = error;
  });
  try {
    yield* snapshotChunks(engine);
  } finally {
    await engine.close();
  }
  if (failure !== undefined) throw failure;
}
