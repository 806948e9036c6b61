/** `authledger cluster init|status|add|promote|remove|transfer|wait-ready`. */
import type { ClusterMember, ClusterStatus, LedgerClient } from "@authledger/sdk";
import { ExitCode } from "@authledger/types";
import type { Command } from "commander";
import { changeCall, promoteWhenReady, waitUntilReady, withWait } from "../cluster/catch-up.js";
import {
  clusterHealth,
  clusterSentence,
  clusterThing,
  findMember,
  isIdOfNone,
  isUp,
  lookAtCluster,
  majorityOf,
  memberThing,
  nameOf,
  votersOf,
} from "../cluster/cluster-view.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { isConfirmed, withConfirmation } from "../run/confirm.js";
import { wholeOf } from "../run/settings.js";
import { watchable } from "../run/watch.js";

export function addClusterCommands(program: Command, frame: CommandFrame): void {
  const cluster = program
    .command("cluster")
    .description(
      "the nodes that keep the ledger together: who leads, who is how far, who belongs to it",
    );
  addStatus(cluster, frame);
  addInit(cluster, frame);
  const add = cluster
    .command("add")
    .argument("<address>", "peer address of a node that waits, host:port")
    .option("--promote", "give it a vote as soon as it has caught up")
    .description(
      "take a node in that was started with --join; it gets everything, and has no vote yet",
    );
  frame.handle(withWait(add, "with --promote: for it to catch up"), addMember);
  const promote = cluster
    .command("promote")
    .argument("<node>", "name or id")
    .description("give a node a vote, once it has caught up");
  frame.handle(withWait(promote, "for it to catch up"), promoteMember);
  const remove = cluster
    .command("remove")
    .argument("<node>", "name or id")
    .description("take a node out of the cluster for ever");
  frame.handle(withConfirmation(remove), removeMember);
  const transfer = cluster
    .command("transfer")
    .argument("[node]", "name or id; the voter that is furthest when left out")
    .description("hand the leadership over, without waiting for an election");
  frame.handle(transfer, transferLeadership);
  const wait = cluster
    .command("wait-ready")
    .option("--expect <n>", "so many voters (default: as many as there are)")
    .description("wait until there is a leader and all voters are up and close behind it");
  frame.handle(withWait(wait, "at most"), waitReady);
}

function addStatus(cluster: Command, frame: CommandFrame): void {
  const status = cluster
    .command("status")
    .description("who leads, who is up, and how far each member is")
    .addHelpText(
      "after",
      "\nThe leader's account where there is one, else that of the node that answers. Exits with 6 when nobody leads.",
    );
  frame.handle(watchable(status), async (run) => {
    const found = await lookAtCluster(run, await run.client());
    return showCluster(run, found);
  });
}

function addInit(cluster: Command, frame: CommandFrame): void {
  const init = cluster
    .command("init")
    .argument("[addresses...]", "peer addresses of the others that wait, host:port")
    .description("make a node that waits (start --join) a cluster, together with others that wait")
    .addHelpText(
      "after",
      "\nNodes started with --join LIST --expect N do this by themselves. Run again, it goes on with those that are missing.",
    );
  frame.handle(withWait(init, "for all of them to vote"), async (run, ...addresses) => {
    const client = await run.client();
    const { rootKey, rootKeyFile } = await client.cluster.init(addresses, changeCall(run));
    if (rootKey !== undefined) {
      run.say(
        `the root credential, shown once and kept in ${rootKeyFile}; pass it with --token-file:`,
      );
      await run.io.out(`${rootKey}\n`);
      return undefined;
    }
    const found = await waitUntilReady(run, client, addresses.length + 1);
    return showCluster(run, found);
  });
}

async function addMember(run: Run, address = ""): Promise<undefined> {
  const client = await run.client();
  const member = await client.cluster.add(address, changeCall(run));
  if (run.flags["promote"] === true) await promoteWhenReady(run, client, member);
  await printMember(run, member);
  return undefined;
}

async function promoteMember(run: Run, node = ""): Promise<undefined> {
  const client = await run.client();
  const member = findMember(await lookAtCluster(run, client), node);
  if (member.role === "voter") run.say(`${nameOf(member)} has a vote already`);
  else await promoteWhenReady(run, client, member);
  await printMember(run, member);
  return undefined;
}

async function removeMember(run: Run, node = ""): Promise<undefined> {
  const client = await run.client();
  const status = await lookAtCluster(run, client);
  if (isIdOfNone(status, node)) return confirmRemoval(run, client, BigInt(node));
  const member = findMember(status, node);
  if (await isConfirmed(run, removalPlan(status, member))) {
    await client.cluster.remove(member.nodeId, changeCall(run));
    run.say(`${nameOf(member)} is no member any more; the node stops by itself`);
  }
  await printMember(run, member);
  return undefined;
}

/** A node that is no member may have been removed without an answer: the leader says MEMBER_NOT_FOUND when that is confirmed. */
async function confirmRemoval(run: Run, client: LedgerClient, nodeId: bigint): Promise<undefined> {
  const plan = `Node ${nodeId} is no member here. This asks the leader to confirm that, and removes the node if it is one there.`;
  if (!(await isConfirmed(run, plan))) return undefined;
  await client.cluster.remove(nodeId, changeCall(run));
  run.say(`node ${nodeId} is no member any more; the node stops by itself`);
  return undefined;
}

/** What a removal comes to, and what it puts at risk. */
function removalPlan(status: ClusterStatus, member: ClusterMember): string {
  const left = votersOf(status).filter(({ nodeId }) => nodeId !== member.nodeId);
  const up = left.filter((one) => isUp(status, one)).length;
  const needed = majorityOf(left.length);
  const stay =
    left.length === 0
      ? "no voter would stay, so this is refused: promote another node first"
      : `${left.length} voter${left.length === 1 ? " stays" : "s stay"}: ${left.map(nameOf).join(", ")}; ${needed} must be up, so the cluster survives the loss of ${left.length - needed}`;
  const lines = [
    `This removes ${nameOf(member)} (${member.role}, node ${member.nodeId}, ${member.peerAddress}) from the cluster for ever:`,
    `  ${stay}`,
    "  its data directory can not come back; the machine can, as a new node with an empty one",
  ];
  if (left.length === 0) return lines.slice(0, 2).join("\n");
  if (member.nodeId === status.leaderId) lines.push("  it leads now: another node will");
  if (up < needed) {
    lines.push(
      `  WARNING: only ${up} of those are up, so the cluster will not decide anything any more`,
    );
  }
  return lines.join("\n");
}

async function transferLeadership(run: Run, node?: string): Promise<undefined> {
  const client = await run.client();
  const before = await lookAtCluster(run, client);
  const target = node === undefined ? undefined : findMember(before, node).nodeId;
  const startMs = performance.now();
  const { leaderId, term } = await client.cluster.transfer(target, changeCall(run));
  const tookMs = Math.round(performance.now() - startMs);
  const leader = findMember(before, String(leaderId));
  await run.print.one({
    name: nameOf(leader),
    fields: { leader: nameOf(leader), leader_id: leaderId, term, took_ms: tookMs },
  });
  return undefined;
}

async function waitReady(run: Run): Promise<number> {
  const text = textFlag(run, "expect");
  const expect = text === undefined ? undefined : wholeOf(text, "expect");
  return showCluster(run, await waitUntilReady(run, await run.client(), expect));
}

/** Rows for people, one document for programs. */
async function showCluster(run: Run, status: ClusterStatus): Promise<number> {
  const { format, field } = run.settings;
  const isRows = field === undefined && (format === "table" || format === "wide");
  if (isRows) {
    run.say(`${clusterHealth(status)}: ${clusterSentence(status)}`);
    await run.print.many(status.members.map((member) => memberThing(status, member)));
  } else await run.print.one(clusterThing(status));
  return status.leaderId === undefined ? ExitCode.UNAVAILABLE : ExitCode.OK;
}

/** The member as it is now; a removed one as it was. */
async function printMember(run: Run, member: ClusterMember): Promise<void> {
  const status = await lookAtCluster(run, await run.client());
  const now = status.members.find(({ nodeId }) => nodeId === member.nodeId);
  await run.print.one(memberThing(status, now ?? member));
}
