/** Every bound of a node's part in a cluster, with its arithmetic. */

/** Members of a group, learners included. Beyond 9 voters a majority costs more than it protects. */
export const MEMBERS_MAX = 16;
/** host:port: a DNS name of 253 bytes and a port. */
export const MEMBER_ADDRESS_BYTES_MAX = 260;
