/** Keys and values of quotas as the system vault holds them. */
import { utf8 } from "@authledger/types";
import { expect, test } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import { quotaKey, quotaOwner, readQuota } from "../../src/quota/quota-record.js";

test("a key is of one owner, and an owner has one key", () => {
  for (const key of ["quota:global", "quota:tier:gold", "quota:organization:7"]) {
    expect(quotaKey(quotaOwner(key)!)).toBe(key);
  }
});

// Found by fuzzing: both were taken for the quota of all organizations, the first in the list of quotas.
test.each(["quota:tier:", "quota:organization:0", "quota:organization:07", "quota:x", "audit:1"])(
  "%s is of nobody",
  (key) => {
    expect(quotaOwner(key)).toBeUndefined();
  },
);

test.each(["", "null", '{"vaults":-1}', '{"reads":1.5}', '{"tier":7}', "\u0000"])(
  "a value that is no quota is refused with its code: %j",
  (text) => {
    expect(thrownBy(() => readQuota(utf8(text))).code).toBe("CODEC_DECODE");
  },
);
