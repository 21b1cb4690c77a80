// Statistics of one trace by service, name or any attribute of its spans.
import { useMemo, useState } from "preact/hooks";
import { useJson } from "../api";
import { duration, percent } from "../format";
import { Dot, ErrorNotice, Progress, SortedTable, type Column } from "../parts";
import { attribute } from "../traceql";
import type { CriticalPath, StatisticsGroup } from "../types";
import type { Trace } from "./model";

const FIRST = ["resource.service.name", "name", "kind", "status"];

function choices(trace: Trace): string[] {
  const found = new Set<string>();
  for (const span of trace.spans.slice(0, 5000)) {
    for (const key of span.attributes.keys()) found.add(attribute("span", key));
    for (const key of span.resource.keys()) found.add(attribute("resource", key));
  }
  return [...FIRST, ...[...found].filter((one) => !FIRST.includes(one)).sort()];
}

export function Statistics({ trace, path }: { trace: Trace; path: CriticalPath | null }) {
  const [by, setBy] = useState("resource.service.name");
  const fields = useMemo(() => choices(trace), [trace]);
  const found = useJson<{ groups: StatisticsGroup[] }>(`api/traces/${trace.id}/statistics`, { by });
  const critical = useMemo(() => criticalBy(trace, path, by), [trace, path, by]);
  const isService = by === "resource.service.name";
  const columns: Column<StatisticsGroup>[] = [
    { key: "value", title: by, sort: (row) => row.value ?? "", cell: (row) => <span>{isService && <Dot service={row.value ?? ""} />} {row.value ?? <span class="muted">(none)</span>}</span> },
    { key: "spans", title: "Spans", isNumber: true, sort: (row) => row.spans, cell: (row) => row.spans },
    { key: "errors", title: "Errors", isNumber: true, sort: (row) => row.errors, cell: (row) => row.errors ? <span class="badge">{row.errors}</span> : 0 },
    { key: "self", title: "Self time", isNumber: true, sort: (row) => row.selfMs, cell: (row) => <>{duration(row.selfMs)}<span class="meter" style={{ width: `${(row.selfMs / Math.max(...(found.data?.groups ?? []).map((one) => one.selfMs), 1e-9)) * 100}%`, marginLeft: "auto" }} /></> },
    { key: "total", title: "Total", isNumber: true, sort: (row) => row.totalMs, cell: (row) => duration(row.totalMs) },
    { key: "average", title: "Average", isNumber: true, sort: (row) => row.averageMs, cell: (row) => duration(row.averageMs) },
    { key: "p95", title: "p95", isNumber: true, sort: (row) => row.p95Ms, cell: (row) => duration(row.p95Ms) },
    { key: "max", title: "Longest", isNumber: true, sort: (row) => row.maxMs, cell: (row) => duration(row.maxMs) },
  ];
  if (critical) {
    const of = (row: StatisticsGroup) => critical.get(row.value ?? "") ?? 0;
    columns.push({ key: "critical", title: "Critical path", isNumber: true, sort: of, cell: (row) => `${duration(of(row))} · ${percent(of(row) / Math.max(trace.duration, 1e-9))}` });
  }
  return (
    <div style={{ overflow: "auto" }}>
      <Progress on={found.loading} />
      <div class="page">
        <label class="row">By
          <select aria-label="By" value={by} onChange={(event) => setBy(event.currentTarget.value)}>{fields.map((one) => <option key={one}>{one}</option>)}</select>
        </label>
        <ErrorNotice error={found.error} />
        {found.data && <div class="panel flush"><SortedTable rows={found.data.groups} columns={columns} by="self" id={(row) => row.value ?? ""} label="Statistics" /></div>}
        <p class="muted">Self time is what a span lasts without the time of its children.</p>
      </div>
    </div>
  );
}

/** Time on the critical path by service or name. */
function criticalBy(trace: Trace, path: CriticalPath | null, by: string): Map<string, number> | null {
  if (!path || (by !== "resource.service.name" && by !== "name")) return null;
  const spans = new Map(trace.spans.map((span) => [span.id, span]));
  const sums = new Map<string, number>();
  for (const { spanID, selfMs } of path.spans) {
    const span = spans.get(spanID);
    const key = (by === "name" ? span?.name : span?.service) ?? "";
    sums.set(key, (sums.get(key) ?? 0) + selfMs);
  }
  return sums;
}
