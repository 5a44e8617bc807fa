/** A path of a route in place of another one. */
export type RouteAlias = { readonly path: string; readonly target: string };

/**
 * The URL that a request means: the one of the route that an alias stands for, with the query as it came.
 *
 * @param url Path and query, as a request names them.
 */
export function withoutAlias(url: string, aliases: readonly RouteAlias[]): string {
  const [path] = url.split('?', 1);
  const alias = aliases.find((each) => each.path === path);
  return alias === undefined ? url : alias.target + url.slice(path!.length);
}
