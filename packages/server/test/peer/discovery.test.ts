/** Where the nodes of a cluster are: a list, a file that changes, and names that a real resolver asks a name server for. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { rejectedBy, temporaryDirectory, thrownBy } from "../../../../test/support.js";
import {
  Discovery,
  type DiscoverySource,
  discover,
  parseDiscovery,
} from "../../src/peer/discovery.js";
import { nodeResolver } from "../../src/peer/discovery-dns.js";
import { DnsServer } from "./dns-server.js";
import { until } from "./peer-support.js";

describe("what an operator writes", () => {
  it.each<[string, DiscoverySource]>([
    ["a:7401, b:7401,a:7401", { kind: "list", addresses: ["a:7401", "b:7401"] }],
    ["[::1]:7401", { kind: "list", addresses: ["[::1]:7401"] }],
    ["", { kind: "list", addresses: [] }],
    ["file:/etc/authledger/nodes", { kind: "file", path: "/etc/authledger/nodes" }],
    ["srv:_authledger._tcp.example.com", { kind: "srv", name: "_authledger._tcp.example.com" }],
    ["dns:nodes.example.com:7401", { kind: "dns", host: "nodes.example.com", port: 7401 }],
  ])("%s is understood", (text, source) => {
    expect(parseDiscovery(text)).toEqual(source);
  });

  it.each([
    "a",
    "a:0",
    "a:7401,b",
    "file:nodes",
    "srv:example.com",
    "srv:_authledger._udp.example.com",
    "dns:example.com",
    "dns:example.com:0",
    Array.from({ length: 65 }, (_, i) => `n${i}:1`).join(","),
  ])("%s is refused", (text) => {
    expect(thrownBy(() => parseDiscovery(text)).code).toBe("USAGE");
  });
});

describe("a file", () => {
  const fileWith = (text: string): DiscoverySource & { readonly path: string } => {
    const path = join(temporaryDirectory(), "nodes");
    writeFileSync(path, text);
    return { kind: "file", path };
  };

  it("has an address on each line, or is a JSON array", async () => {
    const lines = fileWith("# the first three\n10.0.0.1:7401\n\n  10.0.0.2:7401 # new\r\n");
    expect(await discover(lines)).toEqual(["10.0.0.1:7401", "10.0.0.2:7401"]);
    expect(await discover(fileWith(' ["a:1", "b:2"]'))).toEqual(["a:1", "b:2"]);
  });

  it.each(["nonsense", '["a"]', "[1]", "[", "a:1\n".repeat(20_000)])(
    "that holds %.20j is refused with its name",
    async (text) => {
      const source = fileWith(text);
      const error = await rejectedBy(discover(source));
      expect(error.code).toBe("DISCOVERY_FAILED");
      expect(error.message).toContain(source.path);
    },
  );

  it("is read again in the background; what was found last stays while it cannot be", async () => {
    const source = fileWith("a:1");
    const discovery = new Discovery(source, { refreshMs: 10 });
    onTestFinished(() => discovery.close());
    await discovery.start();
    expect(discovery.addresses).toEqual(["a:1"]);
    writeFileSync(source.path, "a:1\nb:2");
    await until("the change is seen", () => discovery.addresses.length === 2);
    rmSync(source.path);
    await until("the problem is seen", () => discovery.problem?.code === "DISCOVERY_FAILED");
    expect(discovery.addresses).toEqual(["a:1", "b:2"]);
    writeFileSync(source.path, "c:3");
    await until("it is back", () => discovery.problem === undefined);
    expect(discovery.addresses).toEqual(["c:3"]);
  });
});

describe("DNS", () => {
  it("SRV tells hosts and ports", async () => {
    const dns = await DnsServer.start();
    dns.records.set("_authledger._tcp.example.com", [
      { type: "SRV", port: 7402, target: "n2.example.com" },
      { type: "SRV", port: 7401, target: "n1.example.com" },
    ]);
    const source = parseDiscovery("srv:_authledger._tcp.example.com");
    expect(await discover(source, nodeResolver([dns.address]))).toEqual([
      "n1.example.com:7401",
      "n2.example.com:7402",
    ]);
  });

  it("A and AAAA tell all addresses of a name", async () => {
    const dns = await DnsServer.start();
    dns.records.set("nodes.example.com", [
      { type: "A", address: [10, 0, 0, 2] },
      { type: "A", address: [10, 0, 0, 1] },
      { type: "AAAA", address: [0xfd, ...new Array<number>(14).fill(0), 1] },
    ]);
    dns.records.set("four.example.com", [{ type: "A", address: [10, 0, 0, 9] }]);
    const resolver = nodeResolver([dns.address]);
    expect(await discover(parseDiscovery("dns:nodes.example.com:7401"), resolver)).toEqual([
      "10.0.0.1:7401",
      "10.0.0.2:7401",
      "[fd00::1]:7401",
    ]);
    expect(await discover(parseDiscovery("dns:four.example.com:1"), resolver)).toEqual([
      "10.0.0.9:1",
    ]);
  });

  it("says which name has no record, or could not be asked for", async () => {
    const dns = await DnsServer.start();
    const resolver = nodeResolver([dns.address]);
    for (const text of ["srv:_authledger._tcp.example.org", "dns:example.org:7401"]) {
      dns.isBroken = false;
      const missing = await rejectedBy(discover(parseDiscovery(text), resolver));
      expect([missing.code, missing.row.retry]).toEqual(["DISCOVERY_FAILED", "safe"]);
      expect(missing.message).toMatch(/example\.org has no (SRV|A or AAAA) record in DNS/);
      dns.isBroken = true;
      const broken = await rejectedBy(discover(parseDiscovery(text), resolver));
      expect(broken.message).toContain("could not be asked for (ESERVFAIL)");
    }
  });

  it("is asked again in the background", async () => {
    const dns = await DnsServer.start();
    dns.records.set("nodes.example.com", [{ type: "A", address: [10, 0, 0, 1] }]);
    const resolver = nodeResolver([dns.address]);
    const discovery = new Discovery(parseDiscovery("dns:nodes.example.com:7401"), {
      resolver,
      refreshMs: 10,
    });
    onTestFinished(() => discovery.close());
    await discovery.start();
    expect(discovery.addresses).toEqual(["10.0.0.1:7401"]);
    dns.records.set("nodes.example.com", [{ type: "A", address: [10, 0, 0, 3] }]);
    await until("the change is seen", () => discovery.addresses[0] === "10.0.0.3:7401");
    dns.isBroken = true;
    await until("the problem is seen", () => discovery.problem !== undefined);
    expect(discovery.addresses).toEqual(["10.0.0.3:7401"]);
  });
});
