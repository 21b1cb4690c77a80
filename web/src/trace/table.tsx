// The spans of a trace as a table.
import { useMemo, useState } from "preact/hooks";
import { duration } from "../format";
import { Dot } from "../parts";
import { href } from "../router";
import { LongTable, type Column } from "../tables";
import type { Span, Trace } from "./model";

interface Row {
  span: Span;
  index: number;
  selfMs: number;
}

interface Props {
  trace: Trace;
  own: number[];
  hits: number[] | null; // null where nothing is searched for
  selected: number;
  onSelect: (index: number) => void;
}

export function SpanTable({ trace, own, hits, selected, onSelect }: Props) {
  const [service, setService] = useState("");
  const [name, setName] = useState("");
  const [onlyErrors, setOnlyErrors] = useState(false);
  const names = useMemo(() => namesOf(trace, service), [trace, service]);
  const rows = useMemo(() => {
    const all = hits ?? trace.spans.map((_, index) => index);
    const found = all.map((index): Row => ({ span: trace.spans[index] as Span, index, selfMs: own[index] ?? 0 }));
    return found.filter(({ span }) => (!service || span.service === service) && (!name || span.name === name) && (!onlyErrors || span.isError));
  }, [trace, hits, service, name, onlyErrors]);
  const columns = useMemo(() => columnsOf(trace), [trace]);
  return (
    <>
      <div class="row filters">
        <select aria-label="Service" value={service} onChange={(event) => { setService(event.currentTarget.value); setName(""); }}>
          <option value="">all services</option>
          {[...trace.services].sort().map((one) => <option key={one} value={one}>{one || "(no service)"}</option>)}
        </select>
        <select aria-label="Span name" value={name} onChange={(event) => setName(event.currentTarget.value)}>
          <option value="">all names</option>
          {names.map((one) => <option key={one} value={one}>{one}</option>)}
        </select>
        <label class="row"><input type="checkbox" checked={onlyErrors} onChange={(event) => setOnlyErrors(event.currentTarget.checked)} /> only errors</label>
        <span class="muted" role="status">{rows.length} of {trace.spans.length} spans</span>
      </div>
      <LongTable rows={rows} columns={columns} by="start" id={({ index }) => String(index)} label="Spans" chosen={String(selected)} onChoose={({ index }) => onSelect(index)} />
    </>
  );
}

function namesOf(trace: Trace, service: string): string[] {
  return [...new Set(trace.spans.filter((span) => !service || span.service === service).map((span) => span.name))].sort();
}

function columnsOf(trace: Trace): Column<Row>[] {
  return [
    { key: "service", title: "Service", width: 16, sort: ({ span }) => span.service, cell: ({ span }) => <><Dot service={span.service} /> {span.service}</> },
    { key: "name", title: "Name", width: 28, sort: ({ span }) => span.name, cell: ({ span }) => <a href={href(trace.address, { view: "spans", span: span.id })}>{span.name || "(no name)"}</a> },
    { key: "status", title: "Status", width: 8, sort: ({ span }) => span.status, cell: ({ span }) => <span class={span.isError ? "badge" : "muted"}>{span.status}</span> },
    { key: "kind", title: "Kind", width: 9, sort: ({ span }) => span.kind, cell: ({ span }) => <span class="muted">{span.kind}</span> },
    { key: "start", title: "Start", width: 9, isNumber: true, sort: ({ span }) => span.start, cell: ({ span }) => duration(span.start) },
    { key: "duration", title: "Duration", width: 9, isNumber: true, sort: ({ span }) => span.duration, cell: ({ span }) => duration(span.duration) },
    { key: "self", title: "Self time", width: 9, isNumber: true, sort: ({ selfMs }) => selfMs, cell: ({ selfMs }) => duration(selfMs) },
    { key: "id", title: "Span id", width: 12, cell: ({ span }) => <span class="mono muted">{span.id}</span> },
  ];
}
