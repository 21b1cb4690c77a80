// The time range of a page: so long until now, or from one moment to another.
import type { Params } from "./router";

export type Range = { since: string } | { start: number; end: number };

const UNITS: Record<string, number> = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };
export const CHOICES = ["5m", "15m", "1h", "3h", "6h", "24h", "2d", "7d", "30d"];
export const DEFAULT_SINCE = "1h";

export function length(since: string): number {
  const found = /^(\d+(?:\.\d+)?)([smhd])$/.exec(since);
  return found ? Number(found[1]) * (UNITS[found[2] ?? "s"] ?? 0) : 0;
}

export function rangeOf(params: Params): Range {
  const start = Number(params["start"]);
  const end = Number(params["end"]);
  if (params["start"] && params["end"] && end > start) return { start, end };
  const since = params["since"] ?? "";
  return { since: length(since) > 0 ? since : DEFAULT_SINCE };
}

export function rangeParams(range: Range): { since?: string; start?: number; end?: number } {
  return "since" in range ? { since: range.since } : { start: range.start, end: range.end };
}

/** The moments of a range in milliseconds, at this time. */
export function bounds(range: Range, now = Date.now()): { start: number; end: number } {
  return "since" in range ? { start: now - length(range.since), end: now } : range;
}

/** The parameters by which the API takes a range: nanoseconds, which fit no number of JavaScript. */
export function asked(when: { start: number; end: number }): { start: string; end: string } {
  const ns = (ms: number) => `${Math.floor(ms)}${String(Math.round((ms % 1) * 1e6)).padStart(6, "0").slice(0, 6)}`;
  return { start: ns(when.start), end: ns(when.end) };
}

/** A step that makes about `points` points, a round number of seconds. */
export function stepSeconds(ms: number, points = 60): number {
  const wanted = ms / 1000 / points;
  const round = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  return round.find((step) => step >= wanted) ?? 86400;
}
