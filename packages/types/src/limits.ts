/**
 * Every limit of the ledger with its arithmetic. What is over a limit gets LIMIT_EXCEEDED (or the error named
 * there) before anything happens. All sizes are bytes unless the name says otherwise.
 */
const KiB = 1024;
const MiB = 1024 * KiB;

/** `type:id` of a resource. */
export const RESOURCE_BYTES_MAX: number = 256;
/** A relation's name: a letter and up to 62 more characters, all ASCII. */
export const RELATION_BYTES_MAX: number = 63;
/** `type:id`, `type:id#relation` or `type:*` of a subject. */
export const SUBJECT_BYTES_MAX: number = 512;
/** An entity's key. */
export const ENTITY_KEY_BYTES_MAX: number = 900;
/** Any key composed for the page store: four keys and their cells must fit a page of 4 KiB. */
export const STORE_KEY_BYTES_MAX: number = 960;
/** An entity's value or a tuple's condition. */
export const VALUE_BYTES_MAX: number = 1 * MiB;
/** Operations of one transaction; the canonical form counts them in 16 bits. */
export const TRANSACTION_OPERATIONS_MAX: number = 1_000;
/** Canonical bytes of one transaction with its values. */
export const TRANSACTION_BYTES_MAX: number = 2 * MiB;
/** Transactions of one BatchWrite. */
export const BATCH_TRANSACTIONS_MAX: number = 1_000;
/** One log entry: at least one transaction of any size fits. */
export const ENTRY_BYTES_MAX: number = 4 * MiB;
/** One gRPC message: an entry's worth of requests plus protobuf framing, or a page of a list with its proof. */
export const MESSAGE_BYTES_MAX: number = 8 * MiB;
/** One write and sync of the log, unless a single entry is larger. */
export const WAL_BATCH_BYTES_MAX: number = 1 * MiB;
/** Payloads of one message that replicates entries, unless it holds a single one. */
export const APPEND_BYTES_MAX: number = 1 * MiB;
/** Entries of such a message: 16 bytes for each, and real ones are larger. */
export const APPEND_ENTRIES_MAX: number = 65_536;
/** A record as it enters a state proof (commitment.md). */
export const RECORD_BYTES_MAX: number = 70_000;
/** State proof that a verifier looks at, by default. */
export const PROOF_BYTES_MAX: number = 16 * MiB;
/** Configuration records of a vault; config_hash counts them in 32 bits. */
export const CONFIG_RECORDS_MAX: number = 4_096;
/** Keys of one BatchRead or BatchCheck (L-120). */
export const BATCH_READ_MAX: number = 1_000;
/** Rows of one page of a list. */
export const LIST_PAGE_MAX: number = 1_000;
export const LIST_PAGE_DEFAULT: number = 100;
/** An organization's or vault's name, in characters of `[A-Za-z0-9_-]`. */
export const NAME_CHARACTERS_MAX: number = 256;
/** A client's own name, an idempotency key, an actor, a reason. */
export const CLIENT_ID_BYTES_MAX: number = 128;
export const IDEMPOTENCY_KEY_BYTES_MAX: number = 128;
export const ACTOR_BYTES_MAX: number = 256;
export const REASON_BYTES_MAX: number = 1_024;
/** Expiry times in milliseconds since 1970; about 285,000 years, and exact as a double. */
export const EXPIRY_MS_MAX: number = Number.MAX_SAFE_INTEGER;
