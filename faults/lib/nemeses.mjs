// @ts-check
/**
 * What is done to the nodes while clients work. Each nemesis does one thing, waits, and mends it; a quorum is left alone
 * but by `blackout`, after which everything must be there again.
 */

/**
 * @typedef {{
 *   readonly hosts: import("./hosts.mjs").Hosts,
 *   readonly nodes: import("./nodes.mjs").Nodes,
 *   readonly admin: import("./cluster-admin.mjs").ClusterAdmin,
 *   readonly random: (below: number) => number,
 *   readonly say: (text: string) => void,
 * }} World
 * @typedef {(world: World) => Promise<void>} Nemesis
 * @typedef {import("./nodes.mjs").NodeProcess} NodeProcess
 */

/** @param {number} ms */
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** The leader half of the time, else anybody. @param {World} world @returns {Promise<NodeProcess>} */
async function victim({ nodes, admin, random }) {
  const leader = random(2) === 0 ? await admin.leader().catch(() => undefined) : undefined;
  const { all } = nodes;
  return leader ?? /** @type {NodeProcess} */ (all[random(all.length)]);
}

/** kill -9, and again after a moment or at once. @type {Nemesis} */
async function kill(world) {
  const node = await victim(world);
  world.say(`kill -9 ${node.plan.name}`);
  await node.kill();
  await sleep(world.random(2) * world.random(3_000));
  await node.start();
}

/** SIGSTOP for 0.2 to 5 s: time jumps for it. @type {Nemesis} */
async function pause(world) {
  const node = await victim(world);
  const ms = 200 + world.random(4_800);
  world.say(`SIGSTOP ${node.plan.name} for ${ms} ms`);
  node.signal("SIGSTOP");
  await sleep(ms);
  node.signal("SIGCONT");
}

/** One node is cut off, both ways or one. @type {Nemesis} */
async function partition(world) {
  const { hosts, nodes, random, say } = world;
  const node = await victim(world);
  const others = nodes.all.filter((other) => other !== node);
  const way = ["both ways", "cannot send", "cannot hear"][random(3)];
  const ms = 500 + random(5_000);
  say(`${node.plan.name} is cut off, ${way}, for ${ms} ms`);
  for (const { plan } of others) {
    if (way !== "cannot hear") hosts.cut(node.plan.host, plan.host);
    if (way !== "cannot send") hosts.cut(plan.host, node.plan.host);
  }
  await sleep(ms);
  hosts.heal();
}

/** No room on one disk for a while. A node that stopped for it is started again. @type {Nemesis} */
async function disk(world) {
  const { hosts, random, say } = world;
  const node = await victim(world);
  const ms = 1_000 + random(4_000);
  say(`the disk of ${node.plan.name} is full for ${ms} ms`);
  hosts.fill(node.plan.host);
  await sleep(ms);
  hosts.free(node.plan.host);
  if (!node.isRunning) await node.start();
}

/** Each node once, by SIGTERM. @type {Nemesis} */
async function roll({ nodes, admin, say }) {
  for (const node of nodes.all) {
    say(`restart ${node.plan.name}`);
    const how = await node.stop();
    if (how !== "exit code 0") throw new Error(`${node.plan.name} did not stop cleanly: ${how}`);
    await node.start();
    await admin.settled();
  }
}

/** A new node takes the place of the oldest one. @type {Nemesis} */
async function replace({ nodes, admin, say }) {
  const [old] = nodes.all;
  if (old === undefined) return;
  const node = nodes.plan();
  say(`${node.plan.name} replaces ${old.plan.name}`);
  await node.start();
  await admin.add(node);
  await admin.promote(node);
  await admin.remove(old);
  await old.stop();
  nodes.forget(old);
  await admin.settled();
}

/** All of them at once: what was acknowledged is on their disks. @type {Nemesis} */
async function blackout({ nodes, say }) {
  say("kill -9 everybody");
  await Promise.all(nodes.all.map((node) => node.kill()));
  await Promise.all(nodes.all.map((node) => node.start()));
}

/** @type {Readonly<Record<string, Nemesis>>} */
export const nemeses = { kill, pause, partition, disk, roll, replace, blackout };
