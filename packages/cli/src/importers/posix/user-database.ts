/**
 * Users and groups of the machine: the names behind numeric ids, and who is a member of which group.
 *
 * To the kernel a user is a number. So a number is one user of the ledger, named by its first line in
 * /etc/passwd, as getpwuid(3) does, and by `uid-4711` where it has none; the same for groups. A second login name
 * of a number, and a name that stands twice, are reported: giving them rights of their own would show one
 * kernel user as two, and the rule "the owner's bits, not the others'" would fail for the second.
 *
 * A user's groups are the primary group of the passwd line and the groups whose line in /etc/group lists the
 * name; lines of equal number are one group. Users of a directory service are in neither file: they are shown
 * by their numbers, and their memberships are not known here.
 */
import { readFile } from "node:fs/promises";
import { type RejectedItem, rejected } from "../import-source.js";
import { encodeAccountName, shortenId } from "./path-id.js";

export interface UserDatabase {
  /** `user:alice` or `user:uid-4711`. */
  user(uid: number): string;
  /** `group:staff` or `group:gid-4711`. */
  group(gid: number): string;
  readonly memberships: readonly Membership[];
  readonly rejected: readonly RejectedItem[];
}

interface Membership {
  /** The line that says so. */
  readonly position: string;
  /** `group:staff` */
  readonly group: string;
  /** `user:alice` */
  readonly user: string;
}

export interface UserDatabaseFiles {
  readonly passwd: string;
  readonly group: string;
}

/** passwd(5): name:password:uid:gid:comment:home:shell */
const PASSWD = { fieldsMin: 7, idFields: [2, 3] } as const;
/** group(5): name:password:gid:members */
const GROUP = { fieldsMin: 4, idFields: [2] } as const;
/** The largest number of a user or group: u32, and -1 means "no change" to the system. */
const ID_MAX = 0xffff_fffe;
/** Larger files are no user database; 16 MiB hold some 200,000 users. */
const FILE_BYTES_MAX: number = 16 * 1024 * 1024;

/** Reads both files; what is wrong with them, or with a line, is in `rejected`. */
export async function readUserDatabase(files: UserDatabaseFiles): Promise<UserDatabase> {
  const problems: RejectedItem[] = [];
  const passwd = await readLines(files.passwd, PASSWD, problems);
  const group = await readLines(files.group, GROUP, problems);
  const logins = readLogins(passwd, problems);
  const groupNames = readGroupNames(group, problems);
  const groupOf = (gid: number): string => `group:${groupNames.get(gid) ?? `gid-${gid}`}`;
  return {
    user: (uid) => `user:${logins.nameOfUid.get(uid) ?? `uid-${uid}`}`,
    group: groupOf,
    memberships: membershipsOf(group, logins, groupOf),
    rejected: problems,
  };
}

interface AccountLine {
  readonly position: string;
  /** The line's number, from 1. */
  readonly number: number;
  readonly name: string;
  /** uid of a user, gid of a group. */
  readonly id: number;
  readonly fields: readonly string[];
}

async function readLines(
  path: string,
  format: { readonly fieldsMin: number; readonly idFields: readonly number[] },
  problems: RejectedItem[],
): Promise<AccountLine[]> {
  const text = await readDatabaseFile(path, problems);
  const lines: AccountLine[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    // Comments, and the "+" and "-" lines that refer to a directory service.
    if (/^\s*(?:$|[#+-])/.test(line)) continue;
    const position = `${path} line ${i + 1}`;
    const fields = line.split(":");
    const name = fields[0]!;
    const areIds = format.idFields.every((field) => isAccountId(fields[field] ?? ""));
    if (name !== "" && fields.length >= format.fieldsMin && areIds) {
      lines.push({ position, number: i + 1, name, id: Number(fields[2]), fields });
    } else {
      problems.push(rejected(position, "the line is not one of a user database", i + 1));
    }
  }
  return lines;
}

function isAccountId(digits: string): boolean {
  return /^[0-9]{1,10}$/.test(digits) && Number(digits) <= ID_MAX;
}

async function readDatabaseFile(path: string, problems: RejectedItem[]): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (bytes.length <= FILE_BYTES_MAX) return bytes.toString("latin1");
    problems.push(
      rejected(path, `the file is over ${FILE_BYTES_MAX} bytes; numbers stand for names`),
    );
  } catch (error) {
    problems.push(rejected(path, `${(error as Error).message}; numbers stand for names`));
  }
  return "";
}

interface Logins {
  readonly nameOfUid: ReadonlyMap<number, string>;
  /** The lines that count: the first of each name and of each number. */
  readonly lines: readonly AccountLine[];
  /** Second names of a user: they get nothing of their own. */
  readonly aliases: ReadonlySet<string>;
}

function readLogins(lines: readonly AccountLine[], problems: RejectedItem[]): Logins {
  const nameOfUid = new Map<number, string>();
  const names = new Set<string>();
  const counted: AccountLine[] = [];
  const aliases = new Set<string>();
  for (const line of lines) {
    const { position, number, name, id } = line;
    const first = nameOfUid.get(id);
    const shown = idOfAccount(name);
    if (names.has(name)) {
      const reason = `login "${shown}" stands twice; the first line counts, uid ${id} is not named by it`;
      problems.push(rejected(position, reason, number));
    } else if (first !== undefined) {
      const reason = `login "${shown}" is uid ${id}, as is "${first}": ask for user:${first}`;
      problems.push(rejected(position, reason, number));
      aliases.add(name);
    } else {
      nameOfUid.set(id, shown);
      names.add(name);
      counted.push(line);
    }
  }
  return { nameOfUid, lines: counted, aliases };
}

function readGroupNames(
  lines: readonly AccountLine[],
  problems: RejectedItem[],
): ReadonlyMap<number, string> {
  const nameOfGid = new Map<number, string>();
  const gidOfName = new Map<string, number>();
  for (const { position, number, name, id } of lines) {
    const taken = gidOfName.get(name);
    if (taken !== undefined && taken !== id) {
      const reason = `group "${idOfAccount(name)}" stands twice; gid ${id} is not named by it`;
      problems.push(rejected(position, reason, number));
      continue;
    }
    gidOfName.set(name, id);
    if (!nameOfGid.has(id)) nameOfGid.set(id, idOfAccount(name));
  }
  return nameOfGid;
}

function idOfAccount(name: string): string {
  return shortenId(encodeAccountName(name));
}

function membershipsOf(
  group: readonly AccountLine[],
  logins: Logins,
  groupOf: (gid: number) => string,
): Membership[] {
  const seen = new Set<string>();
  const memberships: Membership[] = [];
  const add = (position: string, gid: number, login: string): void => {
    const membership = { position, group: groupOf(gid), user: `user:${idOfAccount(login)}` };
    const key = `${membership.group}#${membership.user}`;
    if (!seen.has(key)) memberships.push(membership);
    seen.add(key);
  };
  for (const { position, name, fields } of logins.lines) {
    add(position, Number(fields[3]), name);
  }
  for (const { position, id, fields } of group) {
    for (const listed of fields[3]!.split(",")) {
      const login = listed.trim();
      if (login !== "" && !logins.aliases.has(login)) add(position, id, login);
    }
  }
  return memberships;
}
