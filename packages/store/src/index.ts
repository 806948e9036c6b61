/** The page store: copy-on-write trees in one file, with dual-slot commit. */
export { checkStore, type StoreProblem, type StoreReport } from "./check.js";
export {
  type CompactionDriver,
  type CompactionReport,
  compactStore,
} from "./compaction/compact-store.js";
export type { CompactionOptions, CompactionStats, StoreSize } from "./compaction/compaction.js";
export { DataLock } from "./data-lock.js";
export {
  inspectPage,
  inspectSlots,
  type PageEntry,
  type PageReport,
  type SlotCopyReport,
} from "./inspect.js";
export { type Slab, slabOf } from "./memory/page-cache.js";
export type { PageFinding, PageScrub } from "./page-scrub.js";
export {
  type AppliedState,
  PageStore,
  type StoreDeps,
  type StoreOptions,
  type StoreStats,
} from "./page-store.js";
export type { Pin, PinKind, TableView } from "./pins.js";
export type { Cursor } from "./tree/cursor.js";
export type { Tree as Table } from "./tree/tree.js";
export { type Codec, TypedTable } from "./typed-table.js";
