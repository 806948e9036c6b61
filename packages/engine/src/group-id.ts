/** The first group; there is one until organizations are spread over several. */
import { type GroupId, groupId } from "@authledger/types";

export const GROUP: GroupId = groupId(1);
