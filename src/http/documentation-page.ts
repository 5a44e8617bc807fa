import type { ProblemKind } from '../runtime/problem.ts';

type Schema = { readonly [keyword: string]: unknown };
type Described = {
  readonly description?: string;
  readonly content?: { readonly [type: string]: { readonly schema: Schema } };
};
type Operation = {
  readonly operationId?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly parameters?: readonly (Described & {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: Schema;
  })[];
  readonly requestBody?: Described;
  readonly responses: { readonly [status: string]: Described };
};

/** The parts of an OpenAPI 3.1 document that the page shows. */
export type OpenApi = {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string };
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } };
  readonly components?: { readonly schemas?: { readonly [name: string]: Schema } };
};

/** The style of the page. */
export const STYLE = `:root { color-scheme: light dark; }
body { font: 14px/20px system-ui, sans-serif; max-width: 1120px; margin: 24px auto; padding: 0 16px; }
code, pre { font: 13px/18px ui-monospace, monospace; }
pre { overflow-x: auto; border: 1px solid #8893a1; padding: 8px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 4px 12px 4px 0; border-bottom: 1px solid #8893a1; }
h2 { margin-top: 40px; }
h2 code { font-size: 16px; }
`;

/** The page of a document, without scripts. */
export function pageOf({ info, paths, components }: OpenApi, problems: readonly ProblemKind[]): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => operationOf(path, method, operation)),
  );
  const schemas = Object.entries(components?.schemas ?? {}).map(
    ([name, schema]) => `<h2 id="schema-${escaped(name)}">${escaped(name)}</h2>${schemaOf(schema)}`,
  );
  const kinds = problems.map(
    ({ slug, status, title }) =>
      `<tr id="${escaped(slug)}"><td>${status}</td><td><code>${escaped(slug)}</code></td><td>${escaped(title)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(info.title)}: HTTP API</title><link rel="stylesheet" href="/docs.css"></head>
<body><main><h1>${escaped(info.title)} ${escaped(info.version)}: HTTP API</h1>
<p>${escaped(info.description ?? '')}</p>
<p>As OpenAPI 3.1: <a href="/openapi.json">/openapi.json</a>. <a href="#problems">Problems</a> are explained below.</p>
${operations.join('\n')}
${schemas.join('\n')}
<h2 id="problems">Problems</h2>
<table><thead><tr><th>status</th><th>type</th><th>meaning</th></tr></thead><tbody>${kinds.join('\n')}</tbody></table>
</main></body></html>
`;
}

function operationOf(path: string, method: string, operation: Operation): string {
  const {
    operationId = '',
    summary = '',
    description = '',
    parameters = [],
    requestBody,
    responses,
  } = operation;
  const rows = parameters.map(
    ({ name, in: place, required = false, description: text = '' }) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${escaped(place)}${required ? ', needed' : ''}</td><td>${escaped(text)}</td></tr>`,
  );
  const answers = Object.entries(responses).map(
    ([status, { description: text = '', content }]) =>
      `<tr><td>${escaped(status)}</td><td>${escaped(text)}</td><td>${typesOf(content)}</td></tr>`,
  );
  return `<h2 id="${escaped(operationId)}"><code>${method.toUpperCase()} ${escaped(path)}</code></h2>
<p>${escaped(summary)}. ${escaped(description)}</p>
${rows.length === 0 ? '' : `<table><thead><tr><th>parameter</th><th>place</th><th>meaning</th></tr></thead><tbody>${rows.join('')}</tbody></table>`}
${requestBody === undefined ? '' : `<p>Body: ${typesOf(requestBody.content)}</p>`}
<table><thead><tr><th>status</th><th>meaning</th><th>body</th></tr></thead><tbody>${answers.join('')}</tbody></table>`;
}

function typesOf(content: Described['content']): string {
  return Object.entries(content ?? {})
    .map(([type, { schema }]) => `<code>${escaped(type)}</code> ${schemaOf(schema)}`)
    .join(', ');
}

/** A link for a schema that has a name, else the schema itself. */
function schemaOf(schema: Schema): string {
  const name = typeof schema.$ref === 'string' ? schema.$ref.replace(/^.*\//, '') : null;
  if (name !== null) return `<a href="#schema-${escaped(name)}">${escaped(name)}</a>`;
  if (Object.keys(schema).length === 0) return 'anything';
  return `<pre>${escaped(JSON.stringify(schema, null, 2))}</pre>`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
