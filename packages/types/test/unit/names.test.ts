import {
  limits,
  measurePrintable,
  splitEntityKey,
  validateEntityKey,
  validateFreeText,
  validateLabel,
  validateName,
  validateOrigin,
  vaultOrigin,
} from "@authledger/types";
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../../test/support.js";

describe("names accept letters, digits, hyphen and underscore (L-44)", () => {
  it.each(["a", "Acme-Corp_2", "0", "-", "_", "x".repeat(256)])("take %s", (name) => {
    expect(() => validateName(name, "name")).not.toThrow();
  });

  it.each(["", " ", "a b", "a.b", "a/b", "a\n", "\u00e9", "a\u0000", "x".repeat(257)])(
    "refuse %j and name the field (L-47)",
    (name) => {
      const error = thrownBy(() => validateName(name, "organization name"));
      expect(error.code).toBe("NAME_INVALID");
      expect(error.details["field"]).toBe("organization name");
      expect(error.message.length).toBeLessThan(150);
    },
  );
});

describe("labels such as client ids are optional and printable (L-45, L-47)", () => {
  it.each(["", "importer-1", "\u00e9", "a:b#c@d"])("take %j", (label) => {
    expect(() => validateLabel(label, 128, "client id")).not.toThrow();
  });

  it.each(["a b", "a\n", "\ud800", "\u0000"])("refuse %j", (label) => {
    const error = thrownBy(() => validateLabel(label, 128, "client id"));
    expect([error.code, error.details["field"]]).toEqual(["INVALID_ARGUMENT", "client id"]);
  });

  it("are limited in bytes, not characters", () => {
    expect(() => validateLabel("\u00e9".repeat(64), 128, "client id")).not.toThrow();
    const error = thrownBy(() => validateLabel("\u00e9".repeat(65), 128, "client id"));
    expect(error.code).toBe("LIMIT_EXCEEDED");
    expect(error.details).toEqual({ field: "client id", limit: 128, actual: 130 });
  });
});

describe("free text such as a reason is any well-formed text", () => {
  it.each(["", "two words\nand a line", "\u0000", "\u{1f511}"])("takes %j", (text) => {
    expect(() => validateFreeText(text, 1_024, "reason")).not.toThrow();
  });

  it("refuses lone surrogates and what is too long", () => {
    expect(thrownBy(() => validateFreeText("a\udc00", 10, "reason")).code).toBe("INVALID_ARGUMENT");
    const error = thrownBy(() => validateFreeText("x".repeat(11), 10, "reason"));
    expect(error.details).toEqual({ field: "reason", limit: 10, actual: 11 });
  });
});

describe("entity keys", () => {
  it.each([
    ["user:alice:theme", "user:alice:", "theme"],
    ["theme", "", "theme"],
    ["a:", "a:", ""],
    [":a", ":", "a"],
    ["::", "::", ""],
  ])("%s splits at its last colon", (key, partition, item) => {
    expect(() => validateEntityKey(key)).not.toThrow();
    expect(splitEntityKey(key)).toEqual({ partition, item });
  });

  it.each(["", "a b", "a\u0000", "\ud800", "a\u2003"])("refuse %j", (key) => {
    const error = thrownBy(() => validateEntityKey(key));
    expect([error.code, error.details["field"]]).toEqual(["INVALID_ARGUMENT", "key"]);
  });

  it("are at most 900 bytes", () => {
    expect(() => validateEntityKey("\u2603".repeat(300))).not.toThrow();
    const error = thrownBy(() => validateEntityKey(`${"\u2603".repeat(300)}x`, "entity key"));
    expect(error.code).toBe("LIMIT_EXCEEDED");
    expect(error.details).toEqual({ field: "entity key", limit: 900, actual: 901 });
  });
});

describe("origins are UTF-8 without white space, plus and control characters", () => {
  it("take what a vault's origin is made of", () => {
    const origin = vaultOrigin("ledger.example", 2n ** 64n - 1n, 2n);
    expect(origin).toBe("ledger.example/18446744073709551615/2");
    expect(() => validateOrigin(origin)).not.toThrow();
  });

  it.each(["", "a+b", "a b", "a\n", "\u0085", "\ud800", "x".repeat(256)])("refuse %j", (origin) => {
    const error = thrownBy(() => validateOrigin(origin, "cluster origin"));
    expect([error.code, error.details["field"]]).toEqual(["INVALID_ARGUMENT", "cluster origin"]);
  });
});

describe("printable text", () => {
  it("knows exactly the white space and control characters of Unicode, over the whole BMP", () => {
    const spaceOrControl = /^[\p{White_Space}\p{Cc}]$/u;
    const wrong: number[] = [];
    for (let c = 0; c <= 0xffff; c++) {
      if (c >= 0xd800 && c <= 0xdfff) continue;
      const text = String.fromCharCode(c);
      if (measurePrintable(text).ok === spaceOrControl.test(text)) wrong.push(c);
    }
    expect(wrong).toEqual([]);
  });

  it.each(["\ud800", "\udc00", "\ud800\ud800", "\ud800\ue000", "a\udc00\ud800"])(
    "has no lone surrogate",
    (text) => {
      expect(measurePrintable(text).ok).toBe(false);
    },
  );

  it("is measured as TextEncoder does", () => {
    for (const text of ["", "a", "\u07ff", "\u0800", "\uffff", "\u{10000}", "a\u{10ffff}b"]) {
      const bytes = new TextEncoder().encode(text).length;
      expect(measurePrintable(text)).toEqual({ ok: true, bytes });
    }
  });
});

describe("the limits fit into each other", () => {
  it("each larger thing holds at least one of the smaller at its largest", () => {
    expect(limits.STORE_KEY_BYTES_MAX).toBeGreaterThan(limits.ENTITY_KEY_BYTES_MAX);
    expect(limits.STORE_KEY_BYTES_MAX).toBeGreaterThan(
      limits.RESOURCE_BYTES_MAX + limits.RELATION_BYTES_MAX + limits.SUBJECT_BYTES_MAX,
    );
    expect(limits.TRANSACTION_BYTES_MAX).toBeGreaterThan(limits.VALUE_BYTES_MAX);
    expect(limits.ENTRY_BYTES_MAX).toBeGreaterThan(limits.TRANSACTION_BYTES_MAX);
    expect(limits.MESSAGE_BYTES_MAX).toBeGreaterThan(limits.ENTRY_BYTES_MAX);
    expect(limits.TRANSACTION_OPERATIONS_MAX).toBeLessThan(2 ** 16);
  });
});
