/**
 * What the kernel looks at when it decides about a file, as tuples.
 *
 *     file:P | dir:P   owner           user:U              st_uid; its bits are the only ones that count for U
 *                      group           group:G#member      st_gid; likewise for its members who are not the owner
 *                      parent          dir:Q               the directory that holds it
 *                      setuid          user:U              the bit is set: running it gives U's rights,
 *                      setgid          group:G#member      G's rights; in such a directory new files are G's
 *                      sticky          user:*              the bit is set: in such a directory only the owner of an
 *                                                          entry or of the directory removes and renames
 *                      owner_read      user:U              one tuple for each bit that is set: _read, _write,
 *                      group_read      group:G#member      _execute (for a directory: search)
 *                      other_read      user:*
 *                      any_execute     user:*              others may not execute it, but somebody may
 *     dir:/            root            user:*              where every path begins
 *                      superuser       user:root           uid 0
 *     group:G          member          user:U
 *
 * `dir` is a directory, `file` everything else. What follows from these tuples is the model's part (posix-model.ts): the
 * owner's bits decide for the owner, else the group's for its members, else the others'; and each directory above must
 * be searchable (path_resolution(7)).
 *
 * Four relations beyond owner, group, parent and bits are needed to agree with the kernel in every case. `root`
 * ends the recursion over parents. `superuser`, read through the parents, has CAP_DAC_OVERRIDE: all reads, writes
 * and searches, but executing a file only where some bit allows it, and a bit of another user's class does not
 * match uid 0, hence `any_execute`. `sticky` takes rights away; setuid and setgid are for questions about what
 * running a file can do.
 *
 * A symbolic link has owner, group and parent, which count when it is removed, and no bits: its mode is 0777
 * always and says nothing, access is decided on what it points to.
 *
 *   INV-POSIX-2  What is read from front to back never grants more than the whole: memberships come before all
 *                files, a directory before what it holds, and of one entry what restricts (owner, group, sticky)
 *                before what grants. An import that was cut off, by its limit or by a crash, is safe to query.
 *
 * Not seen, because Node cannot read it: POSIX access control lists (with one, the group's bits of the mode are
 * its mask), file capabilities, immutable flags, read-only and noexec mounts, security modules, user namespaces.
 */
import type { Tuple } from "@authledger/types";

/** What the mapping needs of one entry. */
export interface EntryFacts {
  readonly kind: "dir" | "file" | "link";
  /** `dir:/usr` */
  readonly resource: string;
  /** `dir:/`; undefined for the root. */
  readonly parent: string | undefined;
  /** `user:root` */
  readonly owner: string;
  /** `group:root` */
  readonly group: string;
  /** st_mode */
  readonly mode: number;
}

/** Special bits, in the order in which their tuples are written (INV-POSIX-2: sticky before what grants). */
const STICKY = 0o1000;
const SETUID = 0o4000;
const SETGID = 0o2000;
const EXECUTE_ANY = 0o111;
const EXECUTE_OTHER = 0o001;

const PERMISSION_BITS = [
  { class: "owner", relation: "owner_read", bit: 0o400 },
  { class: "owner", relation: "owner_write", bit: 0o200 },
  { class: "owner", relation: "owner_execute", bit: 0o100 },
  { class: "group", relation: "group_read", bit: 0o040 },
  { class: "group", relation: "group_write", bit: 0o020 },
  { class: "group", relation: "group_execute", bit: 0o010 },
  { class: "other", relation: "other_read", bit: 0o004 },
  { class: "other", relation: "other_write", bit: 0o002 },
  { class: "other", relation: "other_execute", bit: 0o001 },
] as const;

/** Everybody. */
const ANYBODY = "user:*";

/** The tuples of one entry, those that restrict first. */
export function entryTuples(facts: EntryFacts): Tuple[] {
  const { resource, mode } = facts;
  const members = `${facts.group}#member`;
  const subjectOf = { owner: facts.owner, group: members, other: ANYBODY } as const;
  const tuples: Tuple[] = [];
  const add = (relation: string, subject: string): void => {
    tuples.push({ resource, relation, subject });
  };
  add("owner", facts.owner);
  add("group", members);
  if (facts.parent !== undefined) add("parent", facts.parent);
  if (facts.kind === "link") return tuples;
  if ((mode & STICKY) !== 0) add("sticky", ANYBODY);
  if ((mode & SETUID) !== 0) add("setuid", facts.owner);
  if ((mode & SETGID) !== 0) add("setgid", members);
  for (const { class: name, relation, bit } of PERMISSION_BITS) {
    if ((mode & bit) !== 0) add(relation, subjectOf[name]);
  }
  const onlySome = (mode & EXECUTE_ANY) !== 0 && (mode & EXECUTE_OTHER) === 0;
  if (facts.kind === "file" && onlySome) add("any_execute", ANYBODY);
  return tuples;
}

/** What the root directory has besides: the end of every chain of parents, and the superuser. */
export function rootTuples(superuser: string): Tuple[] {
  return [
    { resource: "dir:/", relation: "root", subject: ANYBODY },
    { resource: "dir:/", relation: "superuser", subject: superuser },
  ];
}

export function memberTuple(group: string, user: string): Tuple {
  return { resource: group, relation: "member", subject: user };
}
