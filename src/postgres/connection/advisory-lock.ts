/** The first half of every advisory lock key of ours ("nwww" in ASCII), so that we meet no other program's locks. */
const NAMESPACE = 0x6e777777;

/** Advisory locks as SQL that takes them until the end of the transaction: PgBouncer passes these on, too. */
export const WAIT_FOR_MIGRATION_LOCK = `SELECT pg_advisory_xact_lock(${NAMESPACE}, 1)`;
export const WAIT_FOR_PARTITION_LOCK = `SELECT pg_advisory_xact_lock(${NAMESPACE}, 2)`;
export const TRY_MAINTENANCE_LOCK = `SELECT pg_try_advisory_xact_lock(${NAMESPACE}, 3) AS taken`;
