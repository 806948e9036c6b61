/**
 * The sheets of `authledger cheat`: lines that can be copied as they are, one after the other, with the dev node running.
 * A test runs every command of every sheet in this order, in a shell, on a real node.
 */

export interface Cheat {
  readonly topic: string;
  readonly about: string;
  /** Shell lines; what follows `  # ` is said to the reader. */
  readonly lines: readonly string[];
}

const TUPLE = "'doc:readme#viewer@user:alice'";

export const CHEATS: readonly Cheat[] = [
  {
    topic: "start",
    about: "a node to play with, and the first answers",
    lines: [
      "authledger dev &  # a node with an organization and a vault; keeps the context dev",
      "authledger status",
      `authledger tuple write ${TUPLE}`,
      `authledger check ${TUPLE}`,
      "authledger list --resource doc:readme",
    ],
  },
  {
    topic: "write",
    about: "tuples and entities, together or on conditions",
    lines: [
      "authledger tuple write 'doc:a#owner@user:ann' 'doc:a#viewer@group:staff#member'  # all or none",
      "authledger tuple write 'doc:a#viewer@user:eve' --expires 2040-01-01T00:00:00Z --reason 'until the audit'",
      "authledger tuple write 'doc:a#viewer@user:bob' --idempotency-key order-17  # send it twice, it is done once",
      "authledger tuple delete 'doc:a#viewer@user:eve'",
      "authledger entity set config:limit 42 --if-absent",
      'authledger entity set config:limit 43 --if-version "$(authledger entity get config:limit --field version)"',
      "authledger entity get config:limit --raw",
      "authledger entity delete config:limit --if-exists",
    ],
  },
  {
    topic: "check",
    about: "may they, in scripts and as of your own write",
    lines: [
      `token=$(authledger tuple write ${TUPLE} --field token)`,
      `authledger check ${TUPLE} --consistency "at-least:$token"  # sees the write, on any replica`,
      `authledger check ${TUPLE} --exit-code -q && echo allowed  # 0 allowed, 1 denied`,
      `authledger check ${TUPLE} --field allowed  # true or false`,
      `authledger check ${TUPLE} --verify  # computed here, from the proof`,
      "authledger list --subject user:alice --relation viewer -o name",
    ],
  },
  {
    topic: "model",
    about: "who may do what, decided, explained and proven",
    lines: [
      "own=$(authledger vault create models -o name)  # a vault of its own: a model decides for all of a vault",
      "printf 'model\\n  schema 1.1\\ntype user\\ntype doc\\n  relations\\n    define owner: [user]\\n    define viewer: [user] or owner\\n' > doc.fga",
      "authledger model validate doc.fga  # without a node, with line and column",
      'authledger model deploy doc.fga --dry-run --vault "$own"  # what would change, and whose answers',
      'authledger model deploy doc.fga --activate --vault "$own"',
      "authledger tuple write 'doc:plan#owner@user:ann' --vault \"$own\"",
      "authledger check 'doc:plan#viewer@user:ann' --explain --vault \"$own\"",
      "authledger explain 'doc:plan#viewer@user:eve' --all --vault \"$own\"  # and why not",
      'authledger lookup resources doc viewer user:ann --vault "$own"',
      'authledger vault anchor --vault "$own" > anchor.json  # once, over a channel that you trust',
      "authledger check 'doc:plan#viewer@user:eve' --prove --receipt no.tlog-proof --anchor anchor.json --vault \"$own\"",
      "authledger proof verify no.tlog-proof --anchor anchor.json  # denied: offline, and for ever",
    ],
  },
  {
    topic: "proof",
    about: "answers that anyone can check, without the server",
    lines: [
      "authledger vault anchor > anchor.json  # once, over a channel that you trust",
      `authledger proof get ${TUPLE} -o json > proof.json`,
      "authledger proof verify proof.json --anchor anchor.json",
      "authledger proof verify proof.json --anchor anchor.json --field answer  # present or absent",
      "authledger proof get --resource doc:readme -o json | authledger proof verify - --field 'answer[*]'",
      "authledger list --resource doc:readme --verify  # and no row was left out",
    ],
  },
  {
    topic: "import",
    about: "many tuples at once",
    lines: [
      'printf \'{"tuple":"doc:%s#viewer@user:ann"}\\n\' 1 2 3 > tuples.ndjson',
      "authledger import tuples.ndjson  # start it again to resume",
      "authledger import tuples.ndjson --field replayed_transactions",
      "authledger list --subject user:ann --limit 10 -o name",
      "authledger import - < tuples.ndjson",
    ],
  },
  {
    topic: "audit",
    about: "trust nobody: execute every block again",
    lines: [
      "authledger vault anchor > anchor.json  # once, over a channel that you trust",
      "authledger audit run --anchor anchor.json --state audit.json --once  # without --once it follows",
      "authledger audit status --state audit.json",
      "authledger audit run --state audit.json --once  # goes on where it was",
    ],
  },
  {
    topic: "contexts",
    about: "names for ledgers",
    lines: [
      "authledger context show  # what is in effect, and where it comes from",
      "authledger context set prod --endpoint 10.0.0.1:7400 --org 7 --vault 9",
      "authledger context list",
      "authledger context use prod",
      "authledger context use -  # and back",
      `authledger check ${TUPLE} --context dev`,
      "authledger context set prod --unset vault",
      "authledger context delete prod",
    ],
  },
  {
    topic: "scripting",
    about: "output for programs",
    lines: [
      "authledger vault get -o json",
      "authledger vault get --field height",
      "authledger org list -o name",
      "authledger list --resource doc:readme -o json  # a line of JSON for each tuple",
      "authledger status --watch --looks 2 --interval 200ms  # lines of JSON when piped",
      "authledger check 'doc:readme#viewer@user:eve' --exit-code -q || echo \"exit code $?\"",
      "authledger status --log-format json --quiet --field health",
      "authledger help exit-codes",
    ],
  },
  {
    topic: "operate",
    about: "is the node well",
    lines: [
      "authledger status",
      "authledger status --field store",
      "authledger version",
      "authledger bench --only check --duration 200ms --yes  # makes a vault of its own",
      'authledger debug check --data /nowhere || echo "exit code $?"  # of a node that is stopped',
    ],
  },
  {
    topic: "shell",
    about: "completion of commands, contexts, tuples",
    lines: [
      ". <(authledger completion bash)  # zsh: the same with zsh; fish: authledger completion fish | source",
      "authledger completion bash > authledger.bash  # source it from ~/.bashrc",
    ],
  },
];
