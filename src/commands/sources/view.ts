import type { Source } from '../../ingest/source.ts';
import { textTable } from '../../runtime/text-table.ts';

/** What is in force for a source, for programs. Of the secrets, only how many there are. */
export function sourceJson({ row, problem, isSigned, needsKey }: Source) {
  const { signature } = row;
  return {
    name: row.name,
    description: row.description,
    signature:
      signature === null
        ? null
        : {
            scheme: signature.kind,
            header: signature.header,
            prefix: signature.prefix,
            tolerance_ms: signature.toleranceMs,
          },
    secrets: row.secrets.length,
    verified: isSigned,
    needs_key: needsKey,
    idempotency_key: row.idempotencyKey,
    event_type: row.eventType,
    event_id: row.eventId,
    schema: row.schema,
    problem,
  };
}

const COLUMNS = ['name', 'signature', 'secrets', 'API key', 'schema', 'idempotency key', 'problem'];

/** One line per source. */
export function sourcesTable(sources: readonly Source[]): string {
  if (sources.length === 0)
    return 'There is no source yet. sources set payments --template payments makes one.\n';
  return textTable(
    COLUMNS.map((name) => ({ name })),
    sources.map(({ row, needsKey, problem }) => [
      row.name,
      row.signature === null ? 'none' : `${row.signature.kind} in ${row.signature.header}`,
      String(row.secrets.length),
      needsKey ? 'needed' : 'not needed',
      row.schema === null ? 'no' : 'yes',
      row.idempotencyKey,
      problem,
    ]),
  );
}
