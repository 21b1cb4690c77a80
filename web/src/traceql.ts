// What the page does to the text of a query. It is TraceQL's author who knows it: the text stays as it was typed.
export function quoted(value: string): string {
  return `"${value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`;
}

const PLAIN = /^[A-Za-z_][A-Za-z0-9_.\-/]*$/;

/** The name of an attribute with its scope, as resource.service.name or span."to whom". */
export function attribute(scope: string, key: string): string {
  return `${scope}.${PLAIN.test(key) ? key : quoted(key)}`;
}

const METRICS =
  /\|\s*(rate|count_over_time|min_over_time|max_over_time|avg_over_time|sum_over_time|quantile_over_time|histogram_over_time|compare)\s*\(/;

export function isMetrics(query: string): boolean {
  return METRICS.test(query);
}

/** A search without what only changes its display: select() and hints. */
export function selection(query: string): string {
  const plain = query.replace(/\bwith\s*\([^)]*\)\s*$/, "").replace(/\|\s*select\s*\([^)]*\)/g, "");
  return plain.trim() || "{ }";
}

export function withHint(query: string, order: string): string {
  if (order !== "duration" || /\bwith\s*\(/.test(query)) return query;
  return `${query} with (order=duration)`;
}

/** Adds a condition to the first filter of a query. */
export function narrowed(query: string, condition: string): string {
  const found = /^\s*\{([^{}]*)\}/.exec(query);
  if (!found) return query.trim() ? query : `{ ${condition} }`;
  const before = (found[1] ?? "").trim();
  const inner = !before || before === "true" ? condition : before.includes("||") ? `(${before}) && ${condition}` : `${before} && ${condition}`;
  return `{ ${inner} }${query.slice(found[0].length)}`;
}

/** The condition of a query that is a single filter; null of any other query. */
export function onlyFilter(query: string): string | null {
  const found = /^\s*\{([^{}]*)\}\s*$/.exec(selection(query));
  return found ? (found[1] ?? "").trim() || "true" : null;
}

/** Line and column that an error of the server names, from 0. */
export function errorPlace(message: string): { line: number; column: number; text: string } | null {
  const found = /line (\d+),? (?:col(?:umn)?) (\d+)/.exec(message);
  return found ? { line: Number(found[1]) - 1, column: Number(found[2]) - 1, text: message } : null;
}
