/** How much a dry run does at the most. */

/** Lists that a dry run reads to find who is behind an object, rows of each, and subjects that it asks about for one object. */
export const DRY_RUN_READS_MAX = 1_000;
export const DRY_RUN_ROWS_PER_READ = 4;
export const DRY_RUN_NEAR_SUBJECTS = 8;
/** Checks that it compares, and changed answers that it names. */
export const DRY_RUN_CHECKS_MAX = 2_000;
export const DRY_RUN_ANSWERS_MAX = 1_000;
