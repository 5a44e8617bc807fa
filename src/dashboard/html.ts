const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** The text in a form that is safe between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

export function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = columns.map((column) => `<th>${escapeHtml(column)}</th>`).join('');
  const body = rows
    .map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`)
    .join('');
  return `<table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
}

/** A table with a heading; `empty` in place of the table if there are no rows. */
export function section(
  title: string,
  columns: readonly string[],
  rows: readonly string[][],
  empty: string,
): string {
  const body = rows.length === 0 ? `<p>${escapeHtml(empty)}</p>` : table(columns, rows);
  return `<h2>${escapeHtml(title)}</h2>${body}`;
}

/** The time in UTC, to the second. */
export function timeText(time: Date): string {
  return time.toISOString().replace('T', ' ').slice(0, 19);
}
