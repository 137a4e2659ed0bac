/** A set of authorized operations (a bit field) that was not asked for. */
export const OPERATIONS_UNKNOWN = -2_147_483_648
