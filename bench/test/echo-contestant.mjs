/** A contestant for rounds.test.mjs. */
export async function create(/** @type {string} */ name) {
  return {
    prepare_work: (/** @type {number} */ count) => Array.from({ length: count }, () => name),
    work: (/** @type {string[]} */ prepared) => ({
      operations: prepared.length,
      extra: prepared[0],
    }),
    fail: () => {
      throw new Error("no");
    },
    die: () => process.exit(7),
    close: () => undefined,
  };
}
