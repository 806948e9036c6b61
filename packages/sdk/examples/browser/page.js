// Asks whether somebody may do something, and believes the answer only after it was computed again in this page.
// "sdk.js" is @authledger/sdk as a bundler for browsers makes it; with Vite or webpack the import names the package.
import { createClient, IndexedDbRoots } from "./sdk.js";

// Where the ledger is, and the trust anchor of the vault: this page's own server tells them. Never take the anchor from
// the node that is to be verified, and give it only to those who may read the vault: it holds the vault's salt.
const { endpoint, tenant, anchor } = await (await fetch("ledger.json")).json();

const client = createClient({
  endpoints: endpoint,
  tenant,
  verify: { anchor, pinnedRoots: new IndexedDbRoots() }, // what it trusts survives a reload
});

const form = document.querySelector("form");
const at = (id) => document.getElementById(id);

async function check(question) {
  show("asking", "asking ...", "");
  at("proof").hidden = true;
  try {
    const { allowed, verified } = await client.check(question);
    const verdict = allowed ? "allowed" : "denied";
    show(
      verdict,
      verdict,
      "The decision was made again in this page, over a proof of all that it rests on.",
    );
    at("height").textContent = verified.height;
    at("size").textContent = verified.trustedSize;
    at("root").textContent = [...verified.trustedRoot]
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join("");
    at("origin").textContent = verified.origin;
    at("proof").hidden = false;
  } catch (error) {
    // No proof, no verdict.
    show("unknown", "no answer", `${error.code ?? error.name}: ${error.message}`);
  }
}

function show(is, verdict, how) {
  at("verdict").dataset.is = is;
  at("verdict").textContent = verdict;
  at("how").textContent = how;
}

// The question is in the address, so that it can be sent to somebody.
const asked = new URLSearchParams(location.search).get("q");
if (asked !== null) form.q.value = asked;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = form.q.value.trim();
  history.replaceState(null, "", `?q=${encodeURIComponent(question)}`);
  void check(question);
});
void check(form.q.value);
