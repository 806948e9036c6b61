/** Whole clusters under virtual time. */
export {};
