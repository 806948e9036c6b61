/**
 * The data directory of a node: who it is, and its secrets (architecture.md, "One process").
 *
 *     LOCK  node.json            who holds it; node id, incarnation, cluster id, format version
 *     keys/log.seed              32 bytes, 0600: all log keys of the vaults are derived from it; a node that joins a
 *                                cluster has it once a voter has sent it
 *     keys/seal.key              32 bytes, 0600: what other nodes seal the log seed to
 *     keys/replica.seed          32 bytes, 0600: this replica's cosigning key
 *     keys/page-token.key        32 bytes, 0600: authenticated page tokens before voters shared a key for them
 *     wal/  groups/1/state.db
 *     groups/1/PARTED            while this replica's state is known to be wrong (docs/format/digest.md)
 */
import {
  type Disk,
  directoryOf,
  joinPath,
  type Random,
  readFile,
  replaceFile,
} from "@authledger/io";
import {
  decodeUtf8,
  fromHex,
  LedgerError,
  type NodeId,
  nodeId,
  toHex,
  utf8,
} from "@authledger/types";

/** The version of the data in the directory that this code reads and writes: its layout, its tables and entries. */
export const DATA_FORMAT_VERSION = 2;
/** Lies in a directory whose restore is not finished: it is nobody's yet. */
export const RESTORING_FILE = "RESTORING";
const LOG_SEED = "log.seed";
const SEED_BYTES = 32;
const INCARNATION_BYTES = 16;

export interface NodeIdentity {
  readonly nodeId: NodeId;
  /** Random for each disk's life: an empty disk is a new node. 16 bytes. */
  readonly incarnation: Uint8Array;
  /** The cluster that the node belongs to for good; absent while it waits, and in directories of before clusters. */
  readonly clusterId?: string | undefined;
  /** The node began by waiting for a cluster: who belongs to its group it knows from that one only. */
  readonly joins?: boolean | undefined;
  /** Others vote beside this node, so they may count on what it has acknowledged. */
  readonly hasPeers?: boolean | undefined;
}

export interface NodeSecrets {
  /** @throws LedgerError NOT_READY while no voter has sent it */
  readonly logSeed: Uint8Array;
  readonly replicaSeed: Uint8Array;
  readonly pageTokenKey: Uint8Array;
}

/** The secrets of a directory. */
export class DirectorySecrets implements NodeSecrets {
  readonly replicaSeed: Uint8Array;
  readonly pageTokenKey: Uint8Array;
  readonly sealSeed: Uint8Array;
  readonly #logSeedPath: string;
  readonly #disk: Disk;
  #logSeed: Uint8Array | undefined;
  #taking: Promise<void> | undefined;
  #dropping: Promise<void> | undefined;

  constructor(
    keys: string,
    disk: Disk,
    seeds: {
      readonly logSeed: Uint8Array | undefined;
      readonly replicaSeed: Uint8Array;
      readonly pageTokenKey: Uint8Array;
      readonly sealSeed: Uint8Array;
    },
  ) {
    this.#logSeedPath = joinPath(keys, LOG_SEED);
    this.#disk = disk;
    this.#logSeed = seeds.logSeed;
    this.replicaSeed = seeds.replicaSeed;
    this.pageTokenKey = seeds.pageTokenKey;
    this.sealSeed = seeds.sealSeed;
  }

  get hasLogSeed(): boolean {
    return this.#logSeed !== undefined;
  }

  get logSeed(): Uint8Array {
    if (this.#logSeed !== undefined) return this.#logSeed;
    const message = "the log seed of the cluster has not reached this node yet: it cannot sign";
    throw new LedgerError("NOT_READY", message, { retryAfterMs: 1_000 });
  }

  /** Keeps the seed that a voter has sent, for good. Several voters may send it at once; the first one is kept. */
  async takeLogSeed(seed: Uint8Array): Promise<void> {
    if (seed.length !== SEED_BYTES) {
      throw new LedgerError("INVALID_ARGUMENT", `a log seed of ${seed.length} bytes`);
    }
    if (this.#logSeed !== undefined) return;
    this.#taking ??= this.#keepLogSeed(seed.slice()).finally(() => {
      this.#taking = undefined;
    });
    await this.#taking;
  }

  /** A seed that a beginning has left which failed is not that of the cluster which takes the node in instead. */
  async dropLogSeed(): Promise<void> {
    this.#logSeed = undefined;
    this.#dropping ??= this.#removeLogSeed().finally(() => {
      this.#dropping = undefined;
    });
    await this.#dropping;
  }

  /** Resolves when nothing is written any more of what was asked for. */
  async idle(): Promise<void> {
    await Promise.allSettled([this.#taking, this.#dropping]);
  }

  async #keepLogSeed(seed: Uint8Array): Promise<void> {
    await replaceFile(this.#disk, this.#logSeedPath, seed, 0o600);
    this.#logSeed = seed;
  }

  /** Also where memory has none: an attempt to write it may have failed behind the rename. */
  async #removeLogSeed(): Promise<void> {
    await this.#disk.remove(this.#logSeedPath);
    await this.#disk.syncDirectory(directoryOf(this.#logSeedPath));
  }
}

export interface NodeDirectory {
  readonly path: string;
  readonly identity: NodeIdentity;
  readonly secrets: DirectorySecrets;
}

interface NodeFile {
  readonly format_version: number;
  readonly node_id: string;
  readonly incarnation: string;
  readonly cluster_id?: string;
  readonly joins?: boolean;
  readonly has_peers?: boolean;
}

/**
 * Opens the directory, or makes it a new node's. The identity is written last: where it is, the secrets must be,
 * and one that is missing is never made again, since nobody would believe what is signed with another.
 * @throws LedgerError FORMAT_NEWER, DATA_DIR_INVALID
 */
export async function openNodeDirectory(
  directory: string,
  deps: { readonly disk: Disk; readonly random: Random },
  joins = false,
): Promise<NodeDirectory> {
  const { disk, random } = deps;
  await disk.makeDirectory(directory);
  const path = joinPath(directory, "node.json");
  if (await disk.exists(joinPath(directory, RESTORING_FILE))) throw unfinished(directory);
  const known = (await disk.exists(path)) ? await readNodeIdentity(directory, disk) : undefined;
  const secrets = await openSecrets(directory, disk, random, {
    isNew: known === undefined,
    joins: known === undefined ? joins : known.joins === true,
  });
  const identity = known ?? { ...newIdentity(random), ...(joins && { joins }) };
  if (known === undefined) await writeIdentity(directory, identity, disk);
  return { path: directory, identity, secrets };
}

/** Which secrets are made when they are missing, and which may be. */
export interface SecretsState {
  /** The directory is nobody's yet. */
  readonly isNew: boolean;
  /** The log seed comes from a voter of the cluster. */
  readonly joins: boolean;
}

/** Reads the secrets; those of a new node are made first. @throws LedgerError DATA_DIR_INVALID */
export async function openSecrets(
  directory: string,
  disk: Disk,
  random: Random,
  { isNew, joins }: SecretsState = { isNew: true, joins: false },
): Promise<DirectorySecrets> {
  const keys = joinPath(directory, "keys");
  await disk.makeDirectory(keys);
  const secret = (name: string, from = isNew ? random : undefined): Promise<Uint8Array> =>
    openSecret(joinPath(keys, name), disk, from);
  const hasLogSeed = !joins || (await disk.exists(joinPath(keys, LOG_SEED)));
  return new DirectorySecrets(keys, disk, {
    logSeed: hasLogSeed ? await secret(LOG_SEED) : undefined,
    replicaSeed: await secret("replica.seed"),
    pageTokenKey: await secret("page-token.key"),
    // Directories of before clusters have none, and what is sealed to one is sent again to another.
    sealSeed: await secret("seal.key", random),
  });
}

/** A name that no other directory has. */
export function newIdentity(random: Random): NodeIdentity {
  const id = new DataView(random.bytes(8).buffer).getBigUint64(0) >> 1n;
  return { nodeId: nodeId(id), incarnation: random.bytes(INCARNATION_BYTES) };
}

/** From now on the directory is this node's. */
export async function writeIdentity(
  directory: string,
  identity: NodeIdentity,
  disk: Disk,
): Promise<void> {
  const file: NodeFile = {
    format_version: DATA_FORMAT_VERSION,
    node_id: String(identity.nodeId),
    incarnation: toHex(identity.incarnation),
    ...(identity.clusterId !== undefined && { cluster_id: identity.clusterId }),
    ...(identity.joins === true && { joins: true }),
    ...(identity.hasPeers === true && { has_peers: true }),
  };
  const bytes = utf8(`${JSON.stringify(file, undefined, 2)}\n`);
  await replaceFile(disk, joinPath(directory, "node.json"), bytes);
}

/** The name under which a node's only replica cosigns. */
export function replicaName({ incarnation }: NodeIdentity): string {
  return `replica-1.${toHex(incarnation).slice(0, 16)}`;
}

/** Who a directory says it is, changing nothing. @throws LedgerError FORMAT_NEWER, DATA_DIR_INVALID */
export async function readNodeIdentity(directory: string, disk: Disk): Promise<NodeIdentity> {
  const path = joinPath(directory, "node.json");
  return parseIdentity(path, await readFile(disk, path));
}

function parseIdentity(path: string, bytes: Uint8Array): NodeIdentity {
  const file = parseJson(path, bytes);
  if (file.format_version > DATA_FORMAT_VERSION) {
    const message = `${path} is of format ${file.format_version}, this version knows ${DATA_FORMAT_VERSION}`;
    throw new LedgerError("FORMAT_NEWER", message, {
      details: { format: file.format_version, file: path },
    });
  }
  if (file.format_version < DATA_FORMAT_VERSION) {
    const message = `${path} is of format ${file.format_version}, this version reads ${DATA_FORMAT_VERSION} only: start it with the version that wrote it`;
    throw new LedgerError("DATA_DIR_INVALID", message, {
      details: { format: file.format_version, file: path },
    });
  }
  try {
    const incarnation = fromHex(file.incarnation);
    if (incarnation.length !== INCARNATION_BYTES) throw new Error("incarnation");
    const clusterId = file.cluster_id;
    if (clusterId !== undefined && !/^[0-9a-f]{32}$/.test(clusterId)) throw new Error("cluster_id");
    return {
      nodeId: nodeId(BigInt(file.node_id)),
      incarnation,
      ...(clusterId !== undefined && { clusterId }),
      ...(file.joins === true && { joins: true }),
      ...(file.has_peers === true && { hasPeers: true }),
    };
  } catch (cause) {
    throw new LedgerError("DATA_DIR_INVALID", `${path} does not name a node`, { cause });
  }
}

function parseJson(path: string, bytes: Uint8Array): NodeFile {
  try {
    const file: unknown = JSON.parse(decodeUtf8(bytes) ?? "");
    const { format_version: format } = file as NodeFile;
    if (!Number.isSafeInteger(format) || format < 1) throw new Error("format_version");
    return file as NodeFile;
  } catch (cause) {
    throw new LedgerError("DATA_DIR_INVALID", `${path} is not the file of a node`, { cause });
  }
}

/** Reads a secret; made first when there is a `random` to make it from. */
async function openSecret(
  path: string,
  disk: Disk,
  random: Random | undefined,
): Promise<Uint8Array> {
  if (!(await disk.exists(path))) {
    if (random === undefined) {
      const message = `${path} is missing: this node cannot sign as itself without it`;
      throw new LedgerError("DATA_DIR_INVALID", message, { details: { file: path } });
    }
    await replaceFile(disk, path, random.bytes(SEED_BYTES), 0o600);
  }
  const seed = await readFile(disk, path);
  if (seed.length === SEED_BYTES) return seed;
  throw new LedgerError("DATA_DIR_INVALID", `${path} has ${seed.length} bytes, not ${SEED_BYTES}`, {
    details: { file: path },
  });
}

function unfinished(directory: string): LedgerError {
  const message = `a restore into ${directory} was not finished: run "authledger import --snapshot" again`;
  return new LedgerError("DATA_DIR_INVALID", message, { details: { directory } });
}
