/**
 * A process that opens a node's data directory itself and asks the engine: what a decision costs without gRPC. Started by
 * bench/authz.mjs with one argument, JSON of {directory, vault, rounds}; prints JSON.
 */
import { openNodeEngine } from "../../packages/engine/dist/index.js";
import { CASES, LISTS } from "./decision-world.mjs";
import { spread } from "./pairs.mjs";

/** Of each shape and round: long enough that neither the clock's grain nor a collection of garbage counts. */
const ROUND_MS = 400;
const CONSISTENCY = { kind: /** @type {const} */ ("linearizable") };

const { directory, organization, slug, rounds } = JSON.parse(String(process.argv[2]));
const engine = await openNodeEngine({ directory, cacheBytes: 512 * 2 ** 20 }, (error) => {
  throw error;
});
try {
  const { vault } = await engine.call("resolve_vault", {
    organization: BigInt(organization),
    vault: BigInt(slug),
  });
  const checks = [];
  for (const { name, allowed, questions } of CASES) {
    const tuples = questions.map(({ object, relation, subject }) => ({
      ...{ resource: object, relation, subject },
    }));
    /** @type {number[]} */
    const micros = [];
    let cost = 0;
    for (let round = 0; round <= rounds; round++) {
      const started = performance.now();
      let calls = 0;
      for (; performance.now() - started < ROUND_MS; calls++) {
        // A question that brings something along is decided each time: no result of it is kept.
        const tuple = tuples[calls % tuples.length];
        const asked = { vault, consistency: CONSISTENCY, tuples: [tuple], context: {} };
        const reply = await engine.ask("authorize", asked);
        if (reply.allowed[0] !== allowed) throw new Error(`${name}: wrong`);
        cost = reply.cost;
      }
      // The first round warms up.
      if (round > 0) micros.push(((performance.now() - started) * 1_000) / calls);
    }
    checks.push({ name, micros: spread(micros), cost });
  }
  const lists = [];
  for (const answers of LISTS) {
    /** @type {number[]} */
    const first = [];
    /** @type {number[]} */
    const whole = [];
    for (let round = 0; round <= rounds; round++) {
      const started = performance.now();
      let found = 0;
      /** @type {Uint8Array | undefined} */
      let after;
      let firstMicros;
      do {
        /** @type {import("../../packages/engine/dist/index.js").EngineReply<"list_objects">} */
        const page = await engine.ask("list_objects", {
          ...{ vault, consistency: CONSISTENCY, type: "document", relation: "reader" },
          ...{ subject: `user:lister${answers}`, limit: 100, ...(after && { after }) },
        });
        firstMicros ??= (performance.now() - started) * 1_000;
        found += page.objects.length;
        after = page.next;
      } while (after !== undefined);
      if (found !== answers) throw new Error(`a list of ${answers} has ${found}`);
      if (round > 0) {
        first.push(firstMicros);
        whole.push((performance.now() - started) * 1_000);
      }
    }
    lists.push({ answers, first: spread(first), whole: spread(whole) });
  }
  process.stdout.write(JSON.stringify({ checks, lists }));
} finally {
  await engine.close();
}
