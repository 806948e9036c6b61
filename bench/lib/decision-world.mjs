/**
 * A made-up drive with a model: documents in folders, groups in groups, and for every shape of question some subjects and
 * documents of its own, so that what is asked costs the same whatever else is stored. Everything follows from numbers.
 */

/** @typedef {import("./tuples.mjs").Tuple} Tuple */
/** @typedef {{ readonly object: string, readonly relation: string, readonly subject: string }} Question */

const WIDE = 16;
const wide = Array.from({ length: WIDE }, (_, i) => `part${i}`);
const BIG_GROUP = 10_000;
/** Of each shape, so that no answer is the one before. */
export const COPIES = 256;
/** Answers of the lists of objects. */
export const LISTS = [10, 1_000, 10_000];
const USERS = 50_021;
const SCATTER = 0x9e37_79b1;

export const MODEL = `model
  schema 1.1

type user

type group
  relations
    define member: [user, group#member]

type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent

type document
  relations
    define parent: [folder]
    define owner: [user]
    define viewer: [user, group#member] or owner or viewer from parent
    define banned: [user, group#member]
    define reader: viewer but not banned
${wide.map((name) => `    define ${name}: [user, group#member]`).join("\n")}
    define every: ${wide.join(" and ")}
    define only: part0 ${"".concat(`but not (${wide.slice(1).join(" or ")})`)}
`;

/** The tuples of the shapes; some 30,000. @returns {Generator<Tuple>} */
function* shapes() {
  for (let c = 0; c < COPIES; c++) {
    yield { resource: `document:direct${c}`, relation: "owner", subject: `user:asker${c}` };
    yield* chain(3, c);
    yield* chain(6, c);
    yield { resource: `document:big${c}`, relation: "viewer", subject: "group:big#member" };
    for (const part of wide) {
      yield { resource: `document:every${c}`, relation: part, subject: `group:wide${c}#member` };
    }
    yield { resource: `group:wide${c}`, relation: "member", subject: `user:asker${c}` };
    yield { resource: `document:only${c}`, relation: "part0", subject: `user:asker${c}` };
  }
  for (let m = 0; m < BIG_GROUP; m++) {
    yield { resource: "group:big", relation: "member", subject: `user:m${m}` };
  }
  for (const answers of LISTS) {
    for (let i = 0; i < answers; i++) {
      yield {
        resource: `document:l${answers}-${i}`,
        relation: "owner",
        subject: `user:lister${answers}`,
      };
    }
  }
}

/** document -> group -> ... -> user: `depth` relations on the path. @param {number} depth @param {number} c */
function* chain(depth, c) {
  /** @param {number} level */
  const group = (level) => `group:c${depth}-${c}-${level}`;
  yield {
    resource: `document:depth${depth}-${c}`,
    relation: "viewer",
    subject: `${group(1)}#member`,
  };
  for (let level = 1; level < depth - 1; level++) {
    yield { resource: group(level), relation: "member", subject: `${group(level + 1)}#member` };
  }
  yield { resource: group(depth - 1), relation: "member", subject: `user:asker${c}` };
}

/**
 * The shapes, and `others` tuples that nobody asks about.
 *
 * @param {number} others
 * @returns {Generator<Tuple>}
 */
export function* worldOf(others) {
  yield* shapes();
  for (let i = 0; i < others; i++) yield other(i);
}

/** Tuple i of those that no shape has. @param {number} i @returns {Tuple} */
function other(i) {
  const scattered = Math.imul(i, SCATTER) >>> 0;
  const resource = `document:d${scattered.toString(36)}`;
  return i % 8 === 7
    ? { resource, relation: "parent", subject: `folder:f${scattered % 997}` }
    : { resource, relation: "viewer", subject: `user:u${(scattered % USERS).toString(36)}` };
}

/** Stored tuples that name a viewer plainly: questions of depth 1. @param {number} count @returns {Tuple[]} */
export function strangers(count) {
  return Array.from({ length: count }, (_, i) => other(i)).filter(
    ({ relation }) => relation === "viewer",
  );
}

/** Tuples that the shapes alone have. */
export function shapesCount() {
  let count = 0;
  for (const _ of shapes()) count++;
  return count;
}

/**
 * What is asked: by name, each with some questions and the one right answer.
 *
 * @type {readonly { readonly name: string, readonly allowed: boolean, readonly questions: readonly Question[] }[]}
 */
export const CASES = [
  shape("direct", true, (c) => ["direct", "owner", c]),
  shape("direct, denied", false, (c) => ["direct", "owner", c + 1]),
  shape("computed", true, (c) => ["direct", "viewer", c]),
  shape("depth 3 through groups", true, (c) => ["depth3-", "viewer", c]),
  shape("depth 3 through groups, denied", false, (c) => ["depth3-", "viewer", c + 1]),
  shape("depth 6 through groups", true, (c) => ["depth6-", "viewer", c]),
  shape("group of 10,000 members", true, (c) => ["big", "viewer", `m${c * 37}`]),
  shape("group of 10,000 members, denied", false, () => ["big", "viewer", "nobody"]),
  shape(`intersection of ${WIDE}`, true, (c) => ["every", "every", c]),
  shape(`exclusion of ${WIDE - 1}`, true, (c) => ["only", "only", c]),
];

/**
 * @param {string} name
 * @param {boolean} allowed
 * @param {(c: number) => readonly [string, string, number | string]} make
 */
function shape(name, allowed, make) {
  const questions = Array.from({ length: COPIES }, (_, c) => {
    const [document, relation, who] = make(c);
    const user = typeof who === "number" ? `asker${who % COPIES}` : who;
    return { object: `document:${document}${c}`, relation, subject: `user:${user}` };
  });
  return { name, allowed, questions };
}
