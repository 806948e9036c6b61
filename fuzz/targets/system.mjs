// @ts-check
/** What nodes and clients read from the system vault: records of the audit, quotas, fields of the configuration. */
import { product, same, utf8 } from "../lib/product.mjs";
import { accepts, must } from "../lib/refusal.mjs";

const { AUDIT_PREFIX, auditRecordOf } = await product("sdk", "calls/audit-record.js");
const quota = await product("server", "quota/quota-record.js");
const { parseRuntimeInput, valueText } = await product("server", "config/runtime-config.js");
const { RUNTIME_FIELD_NAMES } = await product("server", "config/runtime-fields.js");

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const json = (/** @type {unknown} */ value) => utf8(JSON.stringify(value));

const RECORD = {
  ...{ timeMs: 1_700_000_000_000, actor: "key:a", action: "AdminService/createVault" },
  ...{
    resource: { organization: "7", name: "main" },
    outcome: "refused",
    code: "PERMISSION_DENIED",
  },
  ...{
    message: "no",
    requestId: "r-1",
    client: "::1",
    node: "n1",
    count: 3,
    untilMs: 1_700_000_000_001,
  },
};
const TEXTS = ["", "48", "64MiB", "5s", "debug", "true", "0.5", "off", "1e9", "-1"];

/** @type {readonly import("./index.mjs").Target[]} */
export const systemTargets = [
  {
    name: "audit-record",
    maxBytes: 2_048,
    seeds: () => [json(RECORD), json({ ...RECORD, outcome: "success", count: undefined })],
    words: ["null", "1e999", "-1", '"failure"', "timeMs", "__proto__", "toString"].map(utf8),
    run: (value) =>
      accepts(() => {
        const entity = { key: `${AUDIT_PREFIX}0-1`, value, version: 1n, expiresAtMs: 0n };
        const record = auditRecordOf(entity, true);
        must(typeof record.timeMs === "bigint", "a record has a time");
        const texts = [record.actor, record.action, ...Object.values(record.resource)];
        must(
          texts.every((text) => typeof text === "string"),
          "what a record names is text",
        );
        must(["success", "failure", "refused"].includes(record.outcome), "a call has one end");
      }),
  },
  {
    name: "quota-record",
    maxBytes: 1_024,
    seeds: () => [
      json({ vaults: 5, bytes: 1_000_000, reads: 10, writes: 0 }),
      json({ tier: "gold" }),
    ],
    words: ["null", "1e999", "9007199254740993", "-1", '"tier"', "__proto__"].map(utf8),
    run: (value) =>
      accepts(() => {
        const record = quota.readQuota(value);
        for (const name of quota.QUOTA_NAMES) {
          const limit = record[name];
          must(
            limit === undefined || (Number.isSafeInteger(limit) && limit >= 0),
            "a limit counts",
          );
        }
        const written = quota.quotaOperation("quota:global", record).value;
        const again = quota.quotaOperation("quota:global", quota.readQuota(written)).value;
        must(same(again) === same(written), "a quota reads back as itself");
      }),
  },
  {
    name: "quota-owner",
    maxBytes: 256,
    seeds: () => ["quota:global", "quota:tier:gold", "quota:organization:7"].map(utf8),
    run: (input) =>
      accepts(
        () => {
          const key = decoder.decode(input);
          const owner = quota.quotaOwner(key);
          if (owner === undefined) return;
          must(quota.quotaKey(owner) === key, "an owner has one key");
        },
        (error) => error instanceof TypeError,
      ),
  },
  {
    name: "config-text",
    maxBytes: 256,
    // The first byte says which field the rest is the text of.
    seeds: () =>
      RUNTIME_FIELD_NAMES.flatMap((/** @type {string} */ _, /** @type {number} */ i) =>
        TEXTS.map((text) => utf8(`${String.fromCharCode(i)}${text}`)),
      ),
    words: ["KiB", "ms", "h", ",", ".", "e"].map(utf8),
    run: (input) =>
      accepts(() => {
        const name = RUNTIME_FIELD_NAMES[(input[0] ?? 0) % RUNTIME_FIELD_NAMES.length];
        const text = new TextDecoder().decode(input.subarray(1));
        const value = parseRuntimeInput({ [name]: text })[name];
        const shown = valueText(name, value);
        must(
          valueText(name, parseRuntimeInput({ [name]: shown })[name]) === shown,
          "a text reads back",
        );
      }),
  },
];
