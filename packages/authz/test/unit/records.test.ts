import {
  type AuthorizationModel,
  canonicalJson,
  decodeActiveModel,
  decodeAssertions,
  decodeModelAbout,
  decodeModelBody,
  encodeActiveModel,
  encodeAssertions,
  encodeModelAbout,
  encodeModelBody,
  MODEL_BODY_BYTES_MAX,
} from "@authledger/authz";
import { decodeUtf8, utf8 } from "@authledger/types";
import { describe, expect, it } from "vitest";

const model: AuthorizationModel = {
  schema: "1.1",
  types: {
    user: { relations: {} },
    document: {
      relations: { viewer: { rewrite: { kind: "direct" }, directTypes: [{ type: "user" }] } },
    },
  },
  conditions: {},
};
const files = [{ name: "", text: "model\n  schema 1.1" }];

describe("records of models", () => {
  it("come back as they were written", () => {
    const body = { language: "openfga", files, model } as const;
    expect(decodeModelBody(encodeModelBody(body))).toEqual(body);
    const active = { version: 2, hash: "ab".repeat(32), activatedAtMs: 17, before: [1] };
    expect(decodeActiveModel(encodeActiveModel(active))).toEqual(active);
    const counts = { types: 2, relations: 1, conditions: 0 };
    const about = {
      ...{ hash: "00".repeat(32), schema: "1.1", deployedAtMs: 5, deployedBy: "anne", ...counts },
      language: "spicedb",
    } as const;
    expect(decodeModelAbout(encodeModelAbout(about))).toEqual(about);
    const condition = { name: "early", context: { hour: 8 } };
    const tuple = { object: "document:1", relation: "viewer", subject: "user:anne" };
    const assertion = { ...tuple, expected: true, context: { x: [1, null] } };
    const assertions = [{ ...assertion, contextualTuples: [tuple, { ...tuple, condition }] }];
    expect(decodeAssertions(encodeAssertions(assertions))).toEqual(assertions);
  });

  it("have one text each, whatever the order of their keys (INV-ACTIVE-1)", () => {
    const turned = { conditions: {}, types: { ...model.types }, schema: "1.1" } as const;
    expect(encodeModelBody({ language: "openfga", files, model: turned })).toEqual(
      encodeModelBody({ model, files, language: "openfga" }),
    );
    const text = decodeUtf8(encodeModelBody({ model, files, language: "openfga" }))!;
    const others = [` ${text}`, text.replace('"format":1', '"format":2'), text.slice(1), "[]"];
    const active = '{"activatedAtMs":1,"before":[],"hash":"","version":0}';
    expect(decodeActiveModel(utf8(active)).version).toBe(0);
    for (const other of others) {
      expect(() => decodeModelBody(utf8(other)), other).toThrow(
        expect.objectContaining({ code: "CODEC_DECODE" }),
      );
    }
    const wrong = [active.replace("0}", "1}"), active.replace("0}", "-1}"), `${active} `];
    for (const other of wrong) {
      expect(() => decodeActiveModel(utf8(other)), other).toThrow(
        expect.objectContaining({ code: "CODEC_DECODE" }),
      );
    }
  });

  it("refuses a body that is too long, naming the limit", () => {
    const long = [{ name: "", text: "x".repeat(MODEL_BODY_BYTES_MAX) }];
    expect(() => encodeModelBody({ language: "openfga", files: long, model })).toThrow(
      expect.objectContaining({ code: "LIMIT_EXCEEDED" }),
    );
  });
});

describe("canonical JSON", () => {
  it("sorts keys by their code units and writes numbers and text as JSON does (RFC 8785)", () => {
    const value = { "\u20ac": 1, "\r": 2, "1": [1e21, -0, 0.5], a: { c: null, b: "\u00e9\n" } };
    expect(canonicalJson(value)).toBe(
      '{"\\r":2,"1":[1e+21,0,0.5],"a":{"b":"\u00e9\\n","c":null},"\u20ac":1}',
    );
  });

  it("refuses what JSON cannot say, and values nested without end", () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100; i++) deep = [deep];
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, undefined, deep]) {
      expect(() => canonicalJson(value as never)).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      );
    }
  });
});
