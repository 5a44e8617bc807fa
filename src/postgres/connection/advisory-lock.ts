/** The first half of all our advisory lock keys ("nwww" in ASCII), so that they differ from the keys of other programs. */
const NAMESPACE = 0x6e777777;

/** SQL that takes an advisory lock until the end of the transaction: such locks work through PgBouncer, too. */
export const WAIT_FOR_MIGRATION_LOCK = `SELECT pg_advisory_xact_lock(${NAMESPACE}, 1)`;
export const WAIT_FOR_PARTITION_LOCK = `SELECT pg_advisory_xact_lock(${NAMESPACE}, 2)`;
export const TRY_MAINTENANCE_LOCK = `SELECT pg_try_advisory_xact_lock(${NAMESPACE}, 3) AS taken`;
