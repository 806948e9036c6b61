/** Where the nodes of a cluster are, and that it is asked for again only when it is another. */
import { expect, it, onTestFinished } from "vitest";
import { createClient } from "../src/index.js";
import { LEARNER, member, startCluster } from "./support/fake-cluster.js";

it("the peers of a cluster come with a version, and not again for who has it (L-148)", async () => {
  const fake = await startCluster({ members: [member(1), member(2, { role: LEARNER })] });
  const client = createClient({ endpoints: fake.endpoint, discover: false });
  onTestFinished(() => client.close());
  const found = await client.cluster.peers();
  expect(found).toEqual({
    ...{ version: Uint8Array.of(7), clusterId: "ab".repeat(16), leaderId: 1n },
    peers: [
      { nodeId: 1n, name: "n1", clientAddress: "10.0.0.1:7400", role: "voter" },
      { nodeId: 2n, name: "n2", clientAddress: "10.0.0.2:7400", role: "learner" },
    ],
    ...{ apiVersionOldest: 1, apiVersionNewest: 1 },
  });
  expect(await client.cluster.peers({ known: found!.version })).toBeUndefined();
  expect((await client.cluster.peers({ known: Uint8Array.of(8) }))?.leaderId).toBe(1n);
  expect(fake.calls.map(([name]) => name)).toEqual(["peers", "peers", "peers"]);
});
