/** An example or two for the help of every command; a test runs them against the parser. */

/** By the path of the command. `...` inside an argument would be a lie: each line can be typed as it is. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  start: ["authledger start --data ./data", "authledger start --listen 127.0.0.1:0 --cache 512MiB"],
  dev: ["authledger dev", "authledger dev --data /tmp/ledger"],
  quickstart: ["authledger quickstart --once", "authledger quickstart --limit 1000 -o json --once"],
  status: ["authledger status", "authledger status --watch", "authledger status --field health"],
  "org create": ["authledger org create acme", "authledger org create acme -o name"],
  "org get": ["authledger org get 7"],
  "org list": ["authledger org list", "authledger org list --watch --interval 5s"],
  "vault create": ["authledger vault create main --org 7"],
  "vault get": ["authledger vault get", "authledger vault get --field height"],
  "vault list": ["authledger vault list --org 7 -o json"],
  "vault anchor": ["authledger vault anchor > anchor.json"],
  "tuple write": [
    "authledger tuple write 'doc:readme#viewer@user:alice' 'doc:readme#owner@user:bob'",
    "authledger tuple write 'doc:a#viewer@user:eve' --expires 2030-01-01T00:00:00Z --reason audit",
  ],
  "tuple delete": ["authledger tuple delete 'doc:readme#viewer@user:alice'"],
  "tuple read": ["authledger tuple read 'doc:readme#viewer@user:alice' -o json"],
  "entity set": [
    "authledger entity set config:limit 42",
    "authledger entity set config:limit --file limit.bin --if-absent",
  ],
  "entity get": ["authledger entity get config:limit", "authledger entity get config:limit --raw"],
  "entity delete": ["authledger entity delete config:limit --if-present"],
  check: [
    "authledger check 'doc:readme#viewer@user:alice'",
    "authledger check 'doc:readme#viewer@user:alice' --exit-code --quiet",
    "authledger check 'doc:readme#viewer@user:alice' --verify -o json",
  ],
  list: [
    "authledger list --resource doc:readme",
    "authledger list --subject user:alice --relation viewer -o name",
    "authledger list --resource doc:readme --watch",
  ],
  "block show": ["authledger block show", "authledger block show 1 --transactions -o json"],
  "proof get": [
    "authledger proof get 'doc:readme#viewer@user:alice' -o json > proof.json",
    "authledger proof get --key config:limit -o json",
  ],
  "proof verify": ["authledger proof verify proof.json --anchor anchor.json"],
  import: [
    "authledger import tuples.ndjson",
    "authledger import posix /etc --limit 10000",
    "authledger import -",
  ],
  "debug check": ["authledger debug check --data ./data"],
  "context set": [
    "authledger context set prod --endpoint 10.0.0.1:7400,10.0.0.2:7400 --org 7 --vault 9",
    "authledger context set prod --anchor anchor.json --use",
    "authledger context set prod --unset anchor,pins",
  ],
  "context use": ["authledger context use prod", "authledger context use -"],
  "context previous": ["authledger context previous"],
  "context list": ["authledger context list", "authledger context list -o name"],
  "context show": ["authledger context show", "authledger context show prod -o json"],
  "context delete": ["authledger context delete prod"],
  version: ["authledger version", "authledger version --client --field version"],
  bench: [
    "authledger bench",
    "authledger bench --only check,batch_check --concurrency 64 --duration 10s --yes",
    "authledger bench --dry-run",
  ],
  cheat: ["authledger cheat", "authledger cheat proof"],
  completion: [
    "authledger completion bash > ~/.local/share/bash-completion/completions/authledger",
    "authledger completion fish",
  ],
  help: ["authledger help check", "authledger help exit-codes"],
};
