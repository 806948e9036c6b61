/** What a member is in the configuration of the cluster, as messages name it. */
import type { MemberStatus } from "@authledger/engine";
import { cluster } from "@authledger/proto";

export const MEMBER_ROLES: Readonly<Record<MemberStatus["role"], cluster.MemberRole>> = {
  voter: cluster.MemberRole.MEMBER_ROLE_VOTER,
  learner: cluster.MemberRole.MEMBER_ROLE_LEARNER,
  outgoing: cluster.MemberRole.MEMBER_ROLE_OUTGOING,
};
