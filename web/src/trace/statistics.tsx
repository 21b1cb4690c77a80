// Statistics of one trace by service, name or any attribute of its spans.
import { useMemo, useState } from "preact/hooks";
import { duration, percent } from "../format";
import { Dot } from "../parts";
import { SortedTable, type Column } from "../tables";
import { attribute } from "../traceql";
import { text } from "../values";
import type { Section } from "./analysis";
import type { Span, Trace } from "./model";

interface Group {
  value: string | null;
  spans: number;
  errors: number;
  totalMs: number;
  selfMs: number;
  criticalMs: number;
  durations: number[]; // sorted
}

type Field = (span: Span) => string | null;

const OWN: [string, Field][] = [
  ["resource.service.name", (span) => span.service || null],
  ["name", (span) => span.name],
  ["kind", (span) => span.kind || "unspecified"],
  ["status", (span) => span.status],
];

/** The fields by which spans can be grouped, each with how to read it. */
function fieldsOf(trace: Trace): Map<string, Field> {
  const found = new Map<string, Field>();
  const add = (scope: "span" | "resource", key: string) => {
    const name = attribute(scope, key);
    if (found.has(name)) return;
    found.set(name, (span) => {
      const value = (scope === "span" ? span.attributes : span.resource).get(key);
      return value === undefined ? null : text(value);
    });
  };
  for (const span of trace.spans.slice(0, 5000)) {
    for (const key of span.attributes.keys()) add("span", key);
    for (const key of span.resource.keys()) add("resource", key);
  }
  const sorted = [...found].sort(([a], [b]) => a.localeCompare(b));
  return new Map([...OWN, ...sorted.filter(([name]) => name !== OWN[0]?.[0])]);
}

function grouped(trace: Trace, own: number[], critical: ReadonlyMap<number, Section[]>, field: Field): Group[] {
  const found = new Map<string | null, Group>();
  trace.spans.forEach((span, index) => {
    const value = field(span);
    const group = found.get(value) ?? { value, spans: 0, errors: 0, totalMs: 0, selfMs: 0, criticalMs: 0, durations: [] };
    found.set(value, group);
    group.spans += 1;
    group.errors += span.isError ? 1 : 0;
    group.totalMs += span.duration;
    group.selfMs += own[index] ?? 0;
    for (const [from, to] of critical.get(index) ?? []) group.criticalMs += to - from;
    group.durations.push(span.duration);
  });
  for (const group of found.values()) group.durations.sort((a, b) => a - b);
  return [...found.values()];
}

/** A quantile of sorted numbers, between the two next to it as in SQL's QUANTILE_CONT. */
function quantile(sorted: number[], share: number): number {
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)] ?? 0;
  return below + ((sorted[Math.ceil(place)] ?? below) - below) * (place % 1);
}

interface Props {
  trace: Trace;
  own: number[];
  critical: ReadonlyMap<number, Section[]>;
}

export function Statistics({ trace, own, critical }: Props) {
  const [by, setBy] = useState("resource.service.name");
  const fields = useMemo(() => fieldsOf(trace), [trace]);
  const groups = useMemo(() => grouped(trace, own, critical, fields.get(by) ?? (() => null)), [trace, by]);
  return (
    <div style={{ overflow: "auto" }}>
      <div class="page">
        <label class="row">By
          <select aria-label="By" value={by} onChange={(event) => setBy(event.currentTarget.value)}>{[...fields.keys()].map((one) => <option key={one}>{one}</option>)}</select>
        </label>
        <div class="panel flush"><SortedTable rows={groups} columns={columnsOf(trace, groups, by)} by="self" id={(row) => row.value ?? ""} label="Statistics" /></div>
        <p class="muted">Self time is what a span lasts without the time of its children.</p>
      </div>
    </div>
  );
}

function columnsOf(trace: Trace, groups: Group[], by: string): Column<Group>[] {
  const mostSelf = Math.max(...groups.map((one) => one.selfMs), 1e-9);
  const isService = by === "resource.service.name";
  const time = (key: string, title: string, of: (row: Group) => number): Column<Group> => ({ key, title, isNumber: true, sort: of, cell: (row) => duration(of(row)) });
  return [
    { key: "value", title: by, sort: (row) => row.value ?? "", cell: (row) => <span>{isService && <Dot service={row.value ?? ""} />} {row.value ?? <span class="muted">(none)</span>}</span> },
    { key: "spans", title: "Spans", isNumber: true, sort: (row) => row.spans, cell: (row) => row.spans },
    { key: "errors", title: "Errors", isNumber: true, sort: (row) => row.errors, cell: (row) => (row.errors ? <span class="badge">{row.errors}</span> : 0) },
    { key: "self", title: "Self time", isNumber: true, sort: (row) => row.selfMs, cell: (row) => <>{duration(row.selfMs)}<span class="meter" style={{ width: `${(row.selfMs / mostSelf) * 100}%`, marginLeft: "auto" }} /></> },
    time("total", "Total", (row) => row.totalMs),
    time("average", "Average", (row) => row.totalMs / row.spans),
    time("p95", "p95", (row) => quantile(row.durations, 0.95)),
    time("max", "Longest", (row) => row.durations.at(-1) ?? 0),
    { key: "critical", title: "Critical path", isNumber: true, sort: (row) => row.criticalMs, cell: (row) => `${duration(row.criticalMs)} · ${percent(row.criticalMs / Math.max(trace.duration, 1e-9))}` },
  ];
}
