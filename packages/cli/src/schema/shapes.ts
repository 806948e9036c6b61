/** The shape of the JSON of every command that prints fields. A test holds every command to its shape. */
import type { Shape } from "./shape.js";

const ORGANIZATION = "slug:u64 name:text status:text created_at:time created_at_ms:u64";
const VAULT = `organization:u64 origin:text height:u64 retention:text retention_blocks:u64 oldest_height:u64 health?:text ${ORGANIZATION}`;
const API_KEY = "id:text name:text principal:text creator:text created_at:time expires_at?:time";
const QUOTA = "of:text tier:text? vaults:u64? bytes:u64? reads:u64? writes:u64?";
const ROLE =
  "principal:text role:text organization?:u64 vault?:u64 group?:text expires_at?:time version:u64";
const TUPLE =
  "resource:text relation:text subject:text version:u64 expires_at:time? expires_at_ms:u64 " +
  "condition:text? condition_context:object? condition_erased?:bool";
const WRITTEN =
  "tuple:text status:text height:u64 token:text transaction:text sequence:u64 replayed:bool";
const MODEL =
  "version:u64 active:bool hash:hex language:text schema:text types:int relations:int conditions:int assertions:int " +
  "deployed_at:time? deployed_at_ms:u64 deployed_by:text activated_at:time? activated_at_ms:u64";
const SWITCHED = "version:u64 previous_version:u64 height:u64 token:text";
const CHANGED = "key:text status:text height:u64 token:text";
const ENTITY =
  "key:text value?:text value_base64:text version:u64 expires_at:time? expires_at_ms:u64 erased?:bool";
const ERASED = "value_length?:int value_digest?:hex";
const CONTEXT =
  "current:bool name:text endpoint?:text organization?:u64 vault?:u64 anchor?:text pins?:text " +
  "token?:text token_file?:text tls_ca?:text tls_cert?:text tls_key?:text tls_server_name?:text made_by?:text";
const VERIFIED =
  "verified?:text origin?:text judged_at?:time judged_at_ms?:u64 trusted_size?:u64 trusted_root?:hex";
const NODE =
  "node_id:u64 cluster_id:text cluster_origin:text format_version:int role:text term:u64 last_index:u64 " +
  "applied_index:u64 flushed_index:u64 organizations:u64 vaults:u64 started_at:time started_at_ms:u64";
const MEMBER =
  "name:text node_id:u64 role:text state:text lag:u64? client:text peer:text match_index:u64? " +
  "next_index:u64? last_heard_ms:u64? queued_bytes:u64 problem:text";
const CLUSTER =
  "health:text sentence:text cluster_id:hex? leader:text? leader_id:u64? term:u64 voters:int voters_up:int " +
  "majority:int commit_index:u64 applied_index:u64 last_index:u64 is_joint:bool is_recovering:bool state_problem:text " +
  "seen_by:text seen_by_id:u64 seen_by_role:text members:objects";
const AUDITED =
  "origin:text blocks_executed:u64 head_size:u64 head_root:hex saved_at:time? saved_at_ms:u64 note:text";
const CHANGE =
  "height:u64 change:text kind:text name:text time:time? time_ms:u64 actor:text reason:text " +
  "expires_at:time? expires_at_ms:u64 transaction:hex transaction_index:int operation_index:int " +
  "value_length?:int? value_digest?:hex?";
const SIZES = ["store", "store_free", "log", "cache", "dirty", "memory"]
  .map((name) => `${name}?:text ${name}_bytes?:u64`)
  .join(" ");

function document(...fields: readonly string[]): Shape {
  return { output: "document", fields: fields.join(" ") };
}

function lines(...fields: readonly string[]): Shape {
  return { output: "lines", fields: fields.join(" ") };
}

/** By the path of the command. Commands that are not here print text, files or a script. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  dev: document(
    "grpc:text http:text connect:text pages:text? organization:u64 vault:u64 data:text is_new:bool anchor:text pins:text",
    "env:text context:text? pid:int nodes:int processes:objects",
  ),
  quickstart: document(
    "verdict:text organization:u64 vault:u64 tuples:int import_seconds:num allowed:text",
    "allowed_proof_bytes:int denied:text denied_proof_bytes:int list_of:text list_entries:int",
    "trusted_size:u64 trusted_root:hex",
  ),
  status: document(
    `health:text endpoint:text version:text uptime:text uptime_ms:i64 unflushed:i64 ${NODE} ${SIZES}`,
    "writes_waiting?:num sync_p99_ms?:num http:text? answer_ms:num",
  ),
  "cluster status": document(CLUSTER),
  "cluster init": document(CLUSTER),
  "cluster wait-ready": document(CLUSTER),
  "cluster add": document(MEMBER),
  "cluster promote": document(MEMBER),
  "cluster remove": document(MEMBER),
  "cluster transfer": document("leader:text leader_id:u64 term:u64 took_ms:int"),
  "org create": document(ORGANIZATION),
  "org get": document(ORGANIZATION),
  "org list": lines(ORGANIZATION),
  "org delete": document(ORGANIZATION),
  "key create": document(`${API_KEY} key:text`),
  "key list": lines(API_KEY),
  whoami: document("principal:text kind:text"),
  "org suspend": document(ORGANIZATION),
  "org resume": document(ORGANIZATION),
  usage: document(
    "organization:u64 vaults?:u64 vault?:u64 blocks?:u64 entities:u64 tuples:u64 records:u64",
    "stored:text stored_bytes:u64 history:text history_bytes:u64",
  ),
  "audit-log": lines(
    "key:text time:time time_ms:u64 actor:text action:text outcome:text resource:object about:text",
    "code?:text message?:text request_id:text client:text node:text count?:int until?:time until_ms?:u64",
    "version:u64 proven:bool proof?:object",
  ),
  "quota set": document(QUOTA),
  "quota get": document(
    QUOTA,
    "effective_vaults?:u64 vaults_from?:text effective_bytes?:u64 bytes_from?:text",
    "effective_reads?:u64 reads_from?:text effective_writes?:u64 writes_from?:text",
  ),
  "quota list": lines(QUOTA),
  "hot-keys": lines("key:text per_second:u64"),
  "config get": lines("field:text value:text source:text cluster:text? default:text doc:text"),
  "config update": lines("field:text before:text after:text"),
  "config diff": lines("field:text before:text? after:text?"),
  "tuple erase": document("tuple:text erased:u64 deleted:bool token:text"),
  "entity erase": document("key:text erased:u64 deleted:bool token:text"),
  "role grant": document(ROLE),
  "role list": lines(ROLE),
  "vault create": document(VAULT),
  "vault get": document(VAULT),
  "vault list": lines(VAULT),
  "vault update": document(VAULT),
  "vault delete": document(VAULT),
  "vault anchor": document("origin:text salt:hex genesis:hex anchor:text"),
  "vault client": document(
    "client:text last_sequence:u64 last_height:u64? last_transaction:text? height:u64 token:text",
  ),
  "tuple write": lines(WRITTEN),
  "tuple delete": lines(
    "tuple?:text status?:text height?:u64 token:text? transaction?:text sequence?:u64 replayed?:bool",
    "filter?:text matched?:u64 deleted?:u64",
  ),
  "tuple read": document(TUPLE),
  list: lines(TUPLE),
  "resource list": lines("resource:text"),
  "model validate": lines("file:text line:int column:int message:text"),
  "model test": lines(
    "passed:bool store:text test:text kind:text question:text expected:any got:any ms:num",
  ),
  "model deploy": document(
    `${MODEL} existed:bool height:u64 token:text dry_run?:bool breaking_changes?:int changes?:objects`,
    "answers_compared?:int changed_answers?:objects unallowed_tuples?:texts",
  ),
  "model activate": document(SWITCHED),
  "model rollback": document(SWITCHED),
  "model get": document(`${MODEL} files:objects definition:object`),
  "model list": lines(MODEL),
  "model diff": lines("change:text subject:text breaking:bool message:text"),
  "model assertions": lines("tuple:text expected:bool context:object contextual_tuples:int"),
  explain: document(
    "result:text allowed:bool tuple:text height:u64 token:text truncated:bool time:time? time_ms:u64",
    "model_version:u64 cost:u64 explanation:object",
  ),
  expand: document(
    "resource:text relation:text tree:object model_version:u64 height:u64 token:text",
  ),
  "lookup resources": lines("resource:text"),
  "lookup subjects": lines("subject:text"),
  "entity set": document(CHANGED),
  "entity delete": document(CHANGED),
  "entity get": document(ENTITY, ERASED, "height:u64 token:text verified?:text"),
  "entity list": lines(ENTITY),
  check: document(
    "result:text allowed:bool tuple:text height:u64 model_version?:u64 token:text",
    "explanation?:object root_from?:text",
    VERIFIED,
  ),
  "block show": document(
    "height:u64 block_hash:hex time:time time_ms:u64 term:u64 index:u64 transaction_count:int",
    "leaf_count:u64 state_root:hex history_root:hex previous_hash:hex transaction_root:hex",
    "config_hash:hex vault_ref:hex header:hex verified?:text transactions?:objects actors?:texts",
  ),
  "block watch": lines(
    "height:u64 time:time? time_ms:u64 transaction_count:int leaf_count:u64 block_hash:hex",
    "state_root:hex verified:bool",
  ),
  "block proof": document(
    "organization:u64 vault:u64 height:u64 header:hex previous_header:hex? transactions:hexes",
    "witness:hex compact_range:hexes history_proof:hexes consistency_proof:hexes checkpoint:text policies?:objects",
  ),
  "block verify": document(
    "verified:bool origin:text height:u64 time:time? time_ms:u64 transactions:int operations:int",
    "leaves_changed:int leaf_count:u64 state_root:hex checkpoint_size:u64 anchor:text",
  ),
  "tuple watch": lines(CHANGE),
  "tuple changes": lines(CHANGE),
  "proof get": document(
    "organization:u64 vault:u64 origin:text salt:hex question:object answer:any height:u64 header:hex",
    "state_proof:hex history_proof:hexes checkpoint:text consistency_proof:hexes value?:hex nonce?:hex erased?:bool",
    "policies?:objects",
  ),
  "proof verify": document(
    "verified:bool question:object answer:any height:u64 time:time time_ms:u64 origin:text",
    "checkpoint_size:u64 cosigned_by:texts anchor:text",
    "model_version?:u64 model_hash?:text judged_at?:time judged_at_ms?:u64",
    ERASED,
  ),
  // Of rows and of a snapshot.
  import: document(
    "source?:text operations?:int transactions?:int replayed_transactions?:int rejected?:int",
    "created?:int already_exists?:int updated?:int deleted?:int not_found?:int",
    "height?:u64? seconds:num operations_per_second?:int",
    "data?:text snapshot?:text size?:text size_bytes?:u64 time?:text incarnation?:int applied_index?:u64",
    "organizations?:u64 vaults?:u64 blocks_checked?:u64 records_checked?:u64 restored?:objects",
  ),
  export: document(
    "file?:text tuples?:int entities?:int erased?:int height?:u64 seconds:num",
    "snapshot?:text size?:text size_bytes?:u64 uncompressed?:text uncompressed_bytes?:u64 time?:text",
  ),
  "audit run": document(AUDITED),
  "audit status": document(AUDITED),
  "debug check": document(
    "directory:text node_id:u64 result:text problems:texts log_end:text log_segments:int",
    "log_batches:int log_records:int log_torn_bytes:int groups:objects",
  ),
  "debug slot": lines(
    "slot:text verdict:text role:text? generation:int? applied_index:int? applied_term:int?",
    "open_epoch:int? pages:int? free_pages:int? size:text? page_bytes:int? tables:int?",
    "catalog_page:int? free_list_page:int? time:time? digest:hex? file_uuid:hex?",
  ),
  "debug page": document(
    "page:int kind:text checksum:text reached_by:any parent:int? pages:int table?:text",
    "table_id?:int level?:int generation?:int cells?:int free_bytes?:int prefix_bytes?:int",
    "first?:text last?:text rows:objects",
  ),
  "debug wal": document(
    "directory:text end:text torn?:text? problems:texts segment_count:int batches:int records:int",
    "used:text used_bytes:int signed_marks:int groups:objects segments:objects entries?:objects",
  ),
  scrub: document(
    "result:text running:bool passes:u64 started_at?:time ended_at?:time pages:u64 vaults:u64",
    "leaves:u64 branches:u64 blocks:u64 transactions:u64 index_rows:u64 skipped:u64",
    "diverged_vaults:any differences:objects",
  ),
  compact: document(
    "before:text after:text before_bytes:u64 after_bytes:u64 before_pages:u64 after_pages:u64",
    "before_free_pages:u64 after_free_pages:u64 leaves_visited:u64 leaves_joined:u64",
    "pages_moved:u64 values_moved:u64 passes:u64",
  ),
  bench: lines(
    "operation:text calls_per_second:int items_per_second:int p50_ms:num p99_ms:num max_ms:num",
    "client_busy:text client_busy_ratio:num node_cpu_seconds:num? calls:int errors:int",
    "items_per_call:int concurrency:int seconds:num",
  ),
  "context set": document(CONTEXT),
  "context use": document(CONTEXT),
  "context previous": document(CONTEXT),
  "context list": lines(CONTEXT),
  "context delete": document(CONTEXT),
  "context show": lines(
    "setting:text value:text? from:text source:text source_name:text unused?:text",
  ),
  version: document(
    "version:text node_js:text node?:text? node_id?:u64 cluster_id?:text cluster_origin?:text",
    "format_version?:int role?:text term?:u64 last_index?:u64 applied_index?:u64 flushed_index?:u64",
    "organizations?:u64 vaults?:u64 http_address?:text started_at?:time started_at_ms?:u64",
  ),
  cheat: lines("topic:text about:text lines?:objects"),
};
