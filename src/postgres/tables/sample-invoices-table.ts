import type pg from 'pg';

/** An invoice of the sample of `load`. */
export type SampleInvoice = {
  readonly invoiceId: string;
  readonly businessId: string;
  readonly status: string;
  /** A decimal number. */
  readonly amount: string;
};

const CREATE = `
  CREATE TABLE IF NOT EXISTS sample_invoices (
    invoice_id text PRIMARY KEY,
    business_id text NOT NULL,
    amount numeric(12, 2) NOT NULL,
    status text NOT NULL,
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
  );
  COMMENT ON TABLE sample_invoices IS
    'Invoices of the command load sample invoices, which creates and writes this table. Drop it when you have seen enough.';`;

const INSERT = `
  INSERT INTO sample_invoices AS invoice (invoice_id, business_id, amount, status) VALUES ($1, $2, $3, $4)
  RETURNING to_jsonb(invoice)::text AS invoice`;

const UPDATE = `
  UPDATE sample_invoices AS invoice SET status = $2, version = version + 1, updated_at = now() WHERE invoice_id = $1
  RETURNING to_jsonb(invoice)::text AS invoice`;

const EXISTS = `SELECT to_regclass('sample_invoices') IS NOT NULL AS exists`;

/** Creates the table, if it is missing. */
export async function createSampleInvoices(pool: pg.Pool): Promise<void> {
  if ((await pool.query(EXISTS)).rows[0].exists) return;
  await pool.query(CREATE);
}

/** Makes an invoice. @returns The row, as JSON. */
export async function insertSampleInvoice(
  client: pg.PoolClient,
  { invoiceId, businessId, amount, status }: SampleInvoice,
): Promise<string> {
  return (await client.query(INSERT, [invoiceId, businessId, amount, status])).rows[0].invoice;
}

/** Changes the status of an invoice, and counts its version. @returns The row, as JSON; null: there is none. */
export async function updateSampleInvoice(
  client: pg.PoolClient,
  { invoiceId, status }: SampleInvoice,
): Promise<string | null> {
  return (await client.query(UPDATE, [invoiceId, status])).rows[0]?.invoice ?? null;
}
