/**
 * The Unix permission rules as an authorization model, over the tuples of posix-mapping.ts: who may read, write, execute,
 * search and remove, as path_resolution(7) and unlink(2) have it.
 *
 *   INV-POSIX-3  The model decides as the kernel does, for every user, path and permission (as far as
 *                posix-mapping.ts sees what the kernel sees).
 *
 * The classes exclude each other in the order of the kernel: who owns the file is judged by the owner's bits alone, even
 * where the group's would allow more. Every directory on the way must be searchable, which is what `reachable` says;
 * `open` is a directory that can be searched and reached, and so is what its entries ask of their parent.
 */

const CLASSES = (right: string): string =>
  `owner_${right} or (group_${right} but not owner) or ((other_${right} but not owner) but not group)`;

/** What files and directories have in common. */
const ENTRY = `
    define parent: [dir]
    define owner: [user]
    define group: [group#member]
    define superuser: superuser from parent
    define reachable: open from parent
    define sticky: [user:*]
    define setuid: [user]
    define setgid: [group#member]
    define owner_read: [user]
    define owner_write: [user]
    define owner_execute: [user]
    define group_read: [group#member]
    define group_write: [group#member]
    define group_execute: [group#member]
    define other_read: [user:*]
    define other_write: [user:*]
    define other_execute: [user:*]
    define read: (${CLASSES("read")} or superuser) and reachable
    define write: (${CLASSES("write")} or superuser) and reachable
    define remove: unguarded from parent or (owner and guarded from parent)`;

/** OpenFGA's language, schema 1.1. */
export const POSIX_MODEL: string = `model
  schema 1.1

type user

type group
  relations
    define member: [user]

# A directory. Of the root, dir:/, "root" ends the way up and "superuser" names uid 0.
type dir
  relations${ENTRY.replace(
    "superuser: superuser from parent",
    "superuser: [user] or superuser from parent",
  ).replace("reachable: open from parent", "reachable: root or open from parent")}
    define root: [user:*]
    # To search it, in the kernel's words.
    define execute: (${CLASSES("execute")} or superuser) and reachable
    define open: execute
    # Whoever may change the directory may remove what is in it; where it is sticky, only what is his, or all if it is his.
    define guarded: write and open
    define unguarded: (guarded but not sticky) or (guarded and owner) or (guarded and superuser)

# Everything that is not a directory.
type file
  relations${ENTRY}
    define any_execute: [user:*]
    # uid 0 executes where anybody may.
    define execute: (${CLASSES("execute")} or (superuser and any_execute) or (superuser and other_execute)) and reachable
`;
