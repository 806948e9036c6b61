/** `block watch|proof|verify` and `tuple watch|changes`: the history of a vault as it was and as it comes. */
import { decodeHeader } from "@authledger/proof";
import type { Change, ChangeFilter, WatchProgress } from "@authledger/sdk";
import { formatTuple } from "@authledger/types";
import type { Command } from "commander";
import { type Thing, timeText } from "../output/printer.js";
import { type CommandFrame, type Run, requireTenant, textFlag } from "../run/command.js";
import { printLive, untilStopped } from "../run/live.js";
import { wholeOf } from "../run/settings.js";
import { proveBlock, verifyBlockFile } from "./block-proof-file.js";

/** Adds to the commands `block` and `tuple`, which are there. */
export function addHistoryCommands(program: Command, frame: CommandFrame): void {
  const [block, tuple] = ["block", "tuple"].map((name) =>
    program.commands.find((command) => command.name() === name),
  ) as [Command, Command];
  const watch = block
    .command("watch")
    .description("follow the blocks of a vault; NDJSON when piped; Ctrl-C ends it")
    .option("--from <height>", "begin with this block (default: the next one to come)");
  frame.handle(watch, watchBlocks);
  const proof = block
    .command("proof")
    .description("fetch what runs a block again without a database")
    .requiredOption("--height <height>", "of this block")
    .option("-f, --file <file>", "write it here (default: standard output)");
  frame.handle(proof, proveBlock);
  const verify = block
    .command("verify")
    .argument("<file>", "what `block proof` wrote")
    .description("run a block again here, without a server, against --anchor or the pinned root");
  frame.handle(verify, verifyBlockFile);
  const watchTuples = tuple
    .command("watch")
    .description("follow what changes; NDJSON when piped; Ctrl-C ends it")
    .option("--from <height>", "begin with this block (default: the next one to come)");
  frame.handle(filtered(watchTuples), watchChanges);
  const changes = tuple
    .command("changes")
    .description("list what the blocks of a range changed")
    .option("--from <height>", "the first block (default 0)")
    .option("--to <height>", "the last block (default: the newest)");
  frame.handle(filtered(changes), listChanges);
}

function filtered(command: Command): Command {
  return command
    .option("--resource-type <type>", "such as document")
    .option("--resource <type:id>")
    .option("--relation <name>")
    .option("--subject <type:id>")
    .option("--subject-type <type>", "such as group")
    .option("--key-prefix <prefix>", "entities whose keys begin so");
}

function filterOf(run: Run): ChangeFilter {
  return {
    resourceType: textFlag(run, "resourceType"),
    resource: textFlag(run, "resource"),
    relation: textFlag(run, "relation"),
    subject: textFlag(run, "subject"),
    subjectType: textFlag(run, "subjectType"),
    entityKeyPrefix: textFlag(run, "keyPrefix"),
  };
}

function heightFlag(run: Run, name: string): bigint | undefined {
  const text = textFlag(run, name);
  return text === undefined ? undefined : BigInt(wholeOf(text, name));
}

/** Where a watch is, for the summary and for what is said on the way. */
class Course {
  readonly #run: Run;
  #last: WatchProgress | undefined;
  #count = 0;

  constructor(run: Run) {
    this.#run = run;
  }

  counted(): void {
    this.#count++;
  }

  at(progress: WatchProgress): void {
    const before = this.#last?.state;
    this.#last = progress;
    if (progress.state === "lagging" && before !== "lagging") {
      const behind = progress.tipHeight + 1n - progress.nextHeight;
      this.#run.say(`behind by ${behind} blocks: this output does not take them in time`);
    }
  }

  say(what: string): void {
    const next = this.#last?.nextHeight;
    const resume = next === undefined ? "" : `; go on with --from ${next}`;
    this.#run.say(`${this.#count} ${what}${this.#count === 1 ? "" : "s"}${resume}`);
  }
}

async function watchBlocks(run: Run): Promise<undefined> {
  requireTenant(run);
  const client = await run.client();
  const course = new Course(run);
  const options = { ...watchOptions(run), from: heightFlag(run, "from"), transactions: false };
  const things = async function* (): AsyncGenerator<Thing> {
    for await (const event of client.watchBlocks(options)) {
      if (event.kind === "progress") course.at(event);
      else {
        course.counted();
        const { height, header, blockHash, isVerified } = event;
        const { timestampMs, transactionCount, leafCount, stateRoot } = decodeHeader(header);
        const fields = {
          height,
          time: timeText(timestampMs) ?? null,
          time_ms: BigInt(timestampMs),
          transaction_count: transactionCount,
          leaf_count: BigInt(leafCount),
          block_hash: blockHash,
          state_root: stateRoot,
          verified: isVerified,
        };
        const columns = ["height", "time", "transaction_count", "leaf_count", "block_hash"];
        yield { name: String(height), fields, columns };
      }
    }
  };
  await untilStopped(run, () => printLive(run, things()));
  course.say("block");
  return undefined;
}

async function watchChanges(run: Run): Promise<undefined> {
  requireTenant(run);
  const client = await run.client();
  const course = new Course(run);
  const options = { ...watchOptions(run), from: heightFlag(run, "from") };
  const things = async function* (): AsyncGenerator<Thing> {
    for await (const event of client.watchChanges(filterOf(run), options)) {
      if (event.kind === "progress") course.at(event);
      else {
        course.counted();
        yield changeThing(event.change);
      }
    }
  };
  await untilStopped(run, () => printLive(run, things()));
  course.say("change");
  return undefined;
}

function watchOptions(run: Run) {
  const { signal, requestId } = run.call;
  const onInterrupted = ({ message }: Error): void => run.say(`the node is away: ${message}`);
  return { signal, requestId, onInterrupted };
}

async function listChanges(run: Run): Promise<undefined> {
  requireTenant(run);
  const client = await run.client();
  const [from, to] = [heightFlag(run, "from"), heightFlag(run, "to")];
  const changes = client.listChanges(filterOf(run), { ...run.call, from, to });
  const things = async function* (): AsyncGenerator<Thing> {
    for await (const change of changes) yield changeThing(change);
  };
  if ((await run.print.many(things())) === 0) run.say("no such changes");
  return undefined;
}

function changeThing({ target, ...about }: Change): Thing {
  const name =
    target.kind === "tuple"
      ? formatTuple(target.tuple)
      : target.kind === "entity"
        ? target.key
        : [target.partition, target.group, target.item].filter((part) => part !== "").join("/");
  const expiresAtMs = target.kind === "record" ? 0n : target.expiresAtMs;
  const fields = {
    height: about.height,
    change: about.change,
    kind: target.kind,
    name,
    time: timeText(about.timeMs) ?? null,
    time_ms: about.timeMs,
    actor: about.actor,
    reason: about.reason,
    expires_at: timeText(expiresAtMs) ?? null,
    expires_at_ms: expiresAtMs,
    transaction: about.transactionId,
    transaction_index: about.transactionIndex,
    operation_index: about.operationIndex,
    ...(target.kind === "entity" && {
      value_length: target.valueLength ?? null,
      value_digest: target.valueDigest ?? null,
    }),
  };
  return { name, fields, columns: ["height", "change", "kind", "name", "time", "actor"] };
}
