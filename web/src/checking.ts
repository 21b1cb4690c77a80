// The server's own word on a query: its parser is the one that counts.
import { getJson } from "./api";
import { isMetrics } from "./traceql";

/** Asks about a query over a range in which nothing is stored; throws the ApiError of a query that is not understood. */
export async function checkQuery(query: string, signal?: AbortSignal): Promise<void> {
  const path = isMetrics(query) ? "api/metrics/query_range" : "api/search";
  await getJson(path, { q: query, start: 1, end: 2, ...(isMetrics(query) ? { step: 1 } : { limit: 1 }) }, signal);
}
