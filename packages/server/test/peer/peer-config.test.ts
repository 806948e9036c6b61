/** What of a node's configuration is about its peers: certificates unless everything is on this machine. */
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import { type NodeConfigInput, parseNodeConfig } from "../../src/config.js";
import { nameOf, toldAddress } from "../../src/peer/peer-config.js";

const TLS = { peerCert: "/tls/n1.pem", peerKey: "/tls/n1.key", peerCa: "/tls/ca.pem" };

describe("the configuration of the peer port", () => {
  it("opens none unless it is asked for", () => {
    expect(parseNodeConfig({}).peer).toBeUndefined();
    expect(parseNodeConfig({ peer: "127.0.0.1:7501" }).peer).toBe("127.0.0.1:7501");
  });

  it("has a default for a node that is to join", () => {
    expect(parseNodeConfig({ join: "" })).toMatchObject({ peer: "127.0.0.1:7401", join: "" });
    expect(parseNodeConfig({ join: "127.0.0.1:7501,127.0.0.1:7502" }).peer).toBe("127.0.0.1:7401");
  });

  it.each<[string, NodeConfigInput]>([
    ["peer", { peer: "10.0.0.1:7401" }],
    ["peer", { peer: "10.0.0.1:7401", insecureAnyAddress: true }],
    ["peer", { peer: "n1.example.com:7401" }],
    ["advertisePeer", { peer: "127.0.0.1:7401", advertisePeer: "10.0.0.1:7401" }],
  ])(
    "serves %s beyond this machine only with certificates, and says what to give",
    (field, input) => {
      const error = thrownBy(() => parseNodeConfig(input));
      expect([error.code, error.details["field"]]).toEqual(["USAGE", field]);
      expect(error.message).toContain("--peer-cert, --peer-key and --peer-ca");
      expect(parseNodeConfig({ ...input, ...TLS })).toMatchObject(TLS);
    },
  );

  it.each(["peerCert", "peerKey", "peerCa"])("takes no certificate without %s", (field) => {
    const error = thrownBy(() =>
      parseNodeConfig({ peer: "127.0.0.1:1", ...TLS, [field]: undefined }),
    );
    expect([error.code, error.details["field"]]).toEqual(["USAGE", field]);
  });

  it.each<[string, NodeConfigInput]>([
    ["peer", { peer: "0.0.0.0:7401", ...TLS }],
    ["listen", { peer: "127.0.0.1:1", listen: "0.0.0.0:7400", insecureAnyAddress: true }],
    ["listen", { peer: "127.0.0.1:1", listen: "127.0.0.1:0" }],
    ["name", { name: "n1" }],
    ["advertisePeer", { advertisePeer: "127.0.0.1:1" }],
    ["peerCert", { peerCert: "/tls/n1.pem" }],
    ["join", { join: "not an address" }],
    ["peer", { peer: "7401" }],
  ])("refuses a wrong %s and names it", (field, input) => {
    const error = thrownBy(() => parseNodeConfig(input));
    expect([error.code, error.details["field"]]).toEqual(["USAGE", field]);
  });

  it("tells others what is bound, or what it was told to tell", () => {
    expect(toldAddress(undefined, "127.0.0.1:0", 7_555)).toBe("127.0.0.1:7555");
    expect(toldAddress("n1.example.com:7401", "0.0.0.0:7401", 7_401)).toBe("n1.example.com:7401");
  });

  it("names a node after its host and port, in characters of a name", () => {
    expect(nameOf("n1", 7_401)).toBe("n1");
    expect(nameOf(undefined, 7_401)).toMatch(/^[A-Za-z0-9_-]+-7401$/);
  });
});
