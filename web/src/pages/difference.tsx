// What is different about some spans: the values of attributes that they have more often, or less, than all others.
import { useMemo } from "preact/hooks";
import { useJson } from "../api";
import { count, percent, traceqlDuration } from "../format";
import { ErrorNotice, Progress } from "../parts";
import { asked } from "../range";
import { labelsOf } from "../series";
import { quoted, selection } from "../traceql";
import type { InstantAnswer } from "../types";

export interface Part {
  start: number; // Unix milliseconds
  end: number;
  least: number; // milliseconds
  most: number;
  condition?: string;
  box?: { left: number; width: number; top: number; height: number };
}

interface Value {
  field: string;
  value: string;
  inside: number;
  outside: number;
  score: number;
}

const MOST = 40;
// Fields that differ because they are what was asked for.
const SLOW = new Set(["duration", "span:duration"]);
const FAILED = new Set(["status", "statusMessage", "span:status", "span:statusMessage"]);

/** The condition of the spans of a part. */
export function conditionOf(part: Part): string {
  if (part.condition) return part.condition;
  const least = `duration > ${traceqlDuration(part.least)}`;
  return Number.isFinite(part.most) ? `${least} && duration <= ${traceqlDuration(part.most)}` : least;
}

/** The range of a part; null where it is the whole range. */
export function rangeWithin(part: Part, when: { start: number; end: number }): { start: number; end: number } | null {
  const isWhole = part.start <= when.start && part.end >= when.end;
  return isWhole ? null : { start: Math.floor(part.start), end: Math.ceil(part.end) };
}

/** Values by the difference of their shares among the spans inside and outside of the part. */
function ranked(answer: InstantAnswer, asked: ReadonlySet<string>): { values: Value[]; inside: number; outside: number } {
  const sums = { selection: 0, baseline: 0 };
  const found = new Map<string, Value>();
  for (const series of answer.series) {
    const labels = labelsOf(series);
    const type = labels.get("__meta_type") ?? "";
    const sum = Number(series.value ?? 0) || 0;
    const field = [...labels.keys()].find((key) => !key.startsWith("__meta"));
    // Totals are of the spans that have a field: the largest is that of a field that all spans have.
    if (type === "selection_total") sums.selection = Math.max(sums.selection, sum);
    if (type === "baseline_total") sums.baseline = Math.max(sums.baseline, sum);
    if (!field || (type !== "selection" && type !== "baseline")) continue;
    const value = labels.get(field) ?? "";
    const key = `${field}\u0000${value}`;
    const one = found.get(key) ?? { field, value, inside: 0, outside: 0, score: 0 };
    if (type === "selection") one.inside += sum;
    else one.outside += sum;
    found.set(key, one);
  }
  const values = [...found.values()].filter((one) => !asked.has(one.field) && one.value !== "nil");
  for (const one of values) {
    one.inside /= Math.max(sums.selection, 1);
    one.outside /= Math.max(sums.baseline, 1);
    one.score = Math.abs(one.inside - one.outside);
  }
  values.sort((a, b) => b.score - a.score);
  return { values: values.filter((one) => one.score > 0.01).slice(0, MOST), inside: sums.selection, outside: sums.baseline };
}

export function Difference({ query, part, when, onNarrow }: { query: string; part: Part; when: { start: number; end: number }; onNarrow: (condition: string) => void }) {
  const within = rangeWithin(part, when);
  const span = within ? `, ${within.start}000000, ${within.end}000000` : "";
  const q = `${selection(query)} | compare({ ${conditionOf(part)} }, 20${span})`;
  const found = useJson<InstantAnswer>("api/metrics/query", { q, ...asked(when) });
  const result = useMemo(() => (found.data ? ranked(found.data, part.condition ? FAILED : SLOW) : null), [found.data]);
  return (
    <section class="panel flush">
      <div class="row" style={{ padding: "10px 12px" }}>
        <h2>What is different</h2>
        {result && <span class="muted">{count(result.inside)} spans against {count(result.outside)} others</span>}
        <Progress on={found.loading} />
      </div>
      <ErrorNotice error={found.error} />
      {result && !result.values.length && <p class="muted" style={{ padding: "0 12px" }}>No attribute differs.</p>}
      {result && result.values.length > 0 && (
        <div class="scroll">
          <table aria-label="Values that differ">
            <thead><tr><th>Attribute</th><th>Value</th><th>Among these</th><th>Among others</th><th class="num">Difference</th></tr></thead>
            <tbody>
              {result.values.map((one) => (
                <tr key={`${one.field} ${one.value}`}>
                  <td class="mono">{one.field}</td>
                  <td class="mono"><button class="plain" title="Search for these" style={{ whiteSpace: "normal", textAlign: "left", color: "var(--accent)" }} onClick={() => onNarrow(condition(one))}>{one.value}</button></td>
                  <td><Share value={one.inside} tint="var(--accent)" /></td>
                  <td><Share value={one.outside} tint="var(--muted)" /></td>
                  <td class="num">{one.inside > one.outside ? "+" : "−"}{percent(one.score)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** The condition that finds a value; of a list, each of its elements has to be there. */
function condition({ field, value }: Value): string {
  return elementsOf(value).map((one) => `${field} = ${isPlain(field, one) ? one : quoted(one)}`).join(" && ");
}

function elementsOf(value: string): string[] {
  if (!value.startsWith("[")) return [value];
  try {
    const elements: unknown = JSON.parse(value);
    return Array.isArray(elements) && elements.length ? elements.map(String) : [value];
  } catch {
    return [value];
  }
}

function isPlain(field: string, value: string): boolean {
  return /^(status|kind|span:status|span:kind)$/.test(field) || /^(-?\d+(\.\d+)?|true|false)$/.test(value);
}

function Share({ value, tint }: { value: number; tint: string }) {
  return (
    <span class="row nowrap" style={{ gap: "6px", flexWrap: "nowrap" }}>
      <span style={{ width: "110px", height: "8px", background: "var(--raised)", borderRadius: "2px", flex: "none" }} aria-hidden="true">
        <span style={{ display: "block", width: `${value * 100}%`, height: "8px", background: tint, borderRadius: "2px" }} />
      </span>
      {percent(value)}
    </span>
  );
}
