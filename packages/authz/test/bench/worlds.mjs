/**
 * Worlds of questions about authorization, of any size, with what is asked of them: for benchmarks of the evaluator over
 * tuples in memory, and of all that lies around it over a real store.
 *
 *   const { model, tuples, questions } = benchWorld(1_000_000);
 *
 * `tuples` is made as it is read. The questions stand for: one stored tuple; three and six groups deep; a group of 10,000
 * members; a document that 100 groups may see, none of which has the subject; ten operands of an intersection and of an
 * exclusion; each once answered true and once false.
 */

const MEMBERS = 10_000;
const WIDE = 100;
const OPERANDS = 10;

const operands = Array.from({ length: OPERANDS }, (_, i) => `op${i}`);

export const MODEL = `model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type team
  relations
    define member: [user]
type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
type document
  relations
    define parent: [folder]
    define owner: [user]
    define viewer: [user, user:*, group#member, team#member] or owner or viewer from parent
${operands.map((name) => `    define ${name}: [user]`).join("\n")}
    define all: ${operands.join(" and ")}
    define base: [user]
    define none: (((base but not op0) but not op1) but not op2) but not op3
    define listed: [user, team#member]
`;

/** Ids are spread so that neighbours in order of keys are not neighbours in time. */
const id = (i) => ((i * 2654435761) >>> 0).toString(16).padStart(8, "0");
const tuple = (object, relation, subject) => ({ object, relation, subject });

/** @param size tuples altogether, at least 50,000 */
export function benchWorld(size) {
  return { model: MODEL, tuples: tuplesOf(size), questions: QUESTIONS, lists: LISTS };
}

function* tuplesOf(size) {
  let count = 0;
  for (const made of special()) {
    count++;
    yield made;
  }
  for (let i = 0; count < size; i++, count++) {
    yield tuple(`document:${id(i)}`, "viewer", `user:${id(i % 50_000)}`);
  }
}

function* special() {
  for (let i = 0; i < MEMBERS; i++) yield tuple("team:big", "member", `user:${id(i)}`);
  yield tuple("document:big", "viewer", "team:big#member");
  for (const depth of [3, 6]) {
    yield tuple(`document:deep${depth}`, "viewer", `group:d${depth}x1#member`);
    for (let i = 1; i < depth; i++) {
      yield tuple(`group:d${depth}x${i}`, "member", `group:d${depth}x${i + 1}#member`);
    }
    yield tuple(`group:d${depth}x${depth}`, "member", "user:deep");
  }
  for (let i = 0; i < WIDE; i++) {
    yield tuple("document:wide", "viewer", `team:w${i}#member`);
    yield tuple(`team:w${i}`, "member", `user:w${i}`);
  }
  for (const name of operands) yield tuple("document:ops", name, "user:all");
  yield tuple("document:ops", "base", "user:only");
  yield tuple("document:ops", "base", "user:all");
  yield tuple("document:one", "viewer", "user:one");
  yield tuple("document:leaf", "listed", "user:one");
  for (const count of [10, 1_000, 10_000]) {
    for (let i = 0; i < count; i++) {
      const subject = i % 2 === 0 ? `user:has${count}` : `team:has${count}#member`;
      yield tuple(`document:l${count}x${id(i)}`, "listed", subject);
    }
    yield tuple(`team:has${count}`, "member", `user:has${count}`);
  }
}

const question = (name, object, relation, subject, allowed) => ({
  name,
  question: { object: `document:${object}`, relation, subject: `user:${subject}` },
  allowed,
});

const QUESTIONS = [
  question("direct, allowed", "leaf", "listed", "one", true),
  question("direct, denied", "leaf", "listed", "nobody", false),
  question("direct of a union, allowed", "one", "viewer", "one", true),
  question("direct of a union, denied", "one", "viewer", "nobody", false),
  question("3 groups deep, allowed", "deep3", "viewer", "deep", true),
  question("3 groups deep, denied", "deep3", "viewer", "nobody", false),
  question("6 groups deep, allowed", "deep6", "viewer", "deep", true),
  question("6 groups deep, denied", "deep6", "viewer", "nobody", false),
  question("group of 10,000, allowed", "big", "viewer", id(7_777), true),
  question("group of 10,000, denied", "big", "viewer", "nobody", false),
  question("100 groups, allowed by the last", "wide", "viewer", `w${WIDE - 1}`, true),
  question("100 groups, denied", "wide", "viewer", "nobody", false),
  question("intersection of 10, allowed", "ops", "all", "all", true),
  question("intersection of 10, denied", "ops", "all", "only", false),
  question("exclusion of 4, allowed", "ops", "none", "only", true),
  question("exclusion of 4, denied", "ops", "none", "all", false),
];

const LISTS = [10, 1_000, 10_000].map((count) => ({
  name: `first page of ${count}`,
  question: { type: "document", relation: "listed", subject: `user:has${count}`, limit: 100 },
  count,
}));
