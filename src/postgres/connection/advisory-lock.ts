/** The first half of all our advisory lock keys ("nwww" in ASCII), so that they differ from the keys of other programs. */
export const LOCK_NAMESPACE = 0x6e777777;

/** SQL that takes an advisory lock until the end of the transaction: such locks work through PgBouncer, too. */
export const WAIT_FOR_MIGRATION_LOCK = `SELECT pg_advisory_xact_lock(${LOCK_NAMESPACE}, 1)`;
export const WAIT_FOR_PARTITION_LOCK = `SELECT pg_advisory_xact_lock(${LOCK_NAMESPACE}, 2)`;
export const TRY_MAINTENANCE_LOCK = `SELECT pg_try_advisory_xact_lock(${LOCK_NAMESPACE}, 3) AS taken`;

/** The second half of the key of the first bucket of the outbox; the other buckets follow. */
export const OUTBOX_BUCKETS = 100;

/**
 * The lock of the alarm. Writers of the outbox hold it shared until the end of their transaction (the trigger of the table takes it).
 * A relay that sleeps holds it exclusively on its session: it gets it only while no writer is under way, and each later writer finds it
 * taken, and notifies.
 */
export const TRY_ALARM_LOCK = `SELECT pg_try_advisory_lock(${LOCK_NAMESPACE}, 4) AS taken`;
export const RELEASE_ALARM_LOCK = `SELECT pg_advisory_unlock(${LOCK_NAMESPACE}, 4)`;
/** False: another relay sleeps, and holds the lock for all relays. */
export const TRY_SHARED_ALARM_LOCK = `
  SELECT CASE WHEN pg_try_advisory_lock_shared(${LOCK_NAMESPACE}, 4) THEN pg_advisory_unlock_shared(${LOCK_NAMESPACE}, 4)
    ELSE false END AS taken`;
/**
 * The process that serves the session, and settings: the lock of a host that is lost while its relay sleeps would keep commits dear until
 * the system gives up its connection, after hours.
 */
export const PREPARE_ALARM_SESSION = `SELECT pg_backend_pid() AS pid;
  SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3`;
