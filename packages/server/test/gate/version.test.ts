/** Which clients a node answers, by the version of the API that they say they speak (L-162). */
import { Metadata } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import { GatedCall } from "../../src/gate/gated-call.js";
import { VersionStep } from "../../src/gate/version.js";

function callOf(version: string | undefined): GatedCall {
  const metadata = new Metadata();
  if (version !== undefined) metadata.set("authledger-api-version", version);
  const method = { path: "/s/m", service: "s", name: "m", isStream: false };
  const getPeer = (): string => "";
  const wire = { metadata, request: {}, getPeer, getDeadline: () => Number.POSITIVE_INFINITY };
  return new GatedCall(method, wire, 0);
}

describe("the version of the API", () => {
  it.each([undefined, "1"])("%s is answered: who says nothing speaks version 1", (version) => {
    expect(new VersionStep().enter(callOf(version))).toBeUndefined();
  });

  it.each(["0", "2", "99", "1.0", "x", "-1", ""])("%j is refused with the range", (version) => {
    const error = thrownBy(() => new VersionStep().enter(callOf(version)));
    expect(error.code).toBe("API_VERSION_UNSUPPORTED");
    expect(error.details).toEqual({ given: version, oldest: 1, newest: 1 });
  });

  it("1 is too old for a node that has left it behind, said or not", () => {
    const step = new VersionStep({ oldest: 2, newest: 3 });
    for (const version of [undefined, "1"]) {
      const error = thrownBy(() => step.enter(callOf(version)));
      expect(error.code).toBe("API_VERSION_UNSUPPORTED");
    }
    expect(step.enter(callOf("3"))).toBeUndefined();
  });
});
