/** Names of metadata that nodes and clients of a cluster add to calls. */

/** On a request: it was passed on by a node, so it is answered here or refused, and never passed on again. */
export const FORWARDED_KEY = "authledger-forwarded";

/** On an answer that another node gave: the client address of the leader, where the next call is better sent. */
export const LEADER_KEY = "authledger-leader";

/** On a request that was passed on: who calls, vouched for by the node that passed it on. */
export const IDENTITY_KEY = "authledger-identity";

/** On a request: the version of the API that the client speaks; 1 where it is absent. */
export const API_VERSION_KEY = "authledger-api-version";

/** On a request: the version of the SDK that sent it. */
export const SDK_KEY = "authledger-sdk";
