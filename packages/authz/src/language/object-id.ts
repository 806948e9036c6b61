/** Ids of objects as OpenFGA's tools take them. The ledger itself takes more (packages/types, tuple.ts). */

const OBJECT_ID = /^[A-Za-z0-9_|@.+/-][A-Za-z0-9_|*@.+/-]*$/;

/** @example isOpenFgaObjectId("a-b/c|d.e+f@g") // true; "a,b", "a:b" and "*" are not */
export function isOpenFgaObjectId(id: string): boolean {
  return OBJECT_ID.test(id);
}
