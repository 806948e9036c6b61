/** The core under test: the package as it is, or a copy of it with a bug (museum). */
import type * as raft from "@authledger/raft";

export type CoreModule = Pick<
  typeof raft,
  | "Core"
  | "decodeConfigurationChange"
  | "decodeMessage"
  | "encodeConfigurationChange"
  | "encodeMessage"
>;

export type Core = raft.Core;
