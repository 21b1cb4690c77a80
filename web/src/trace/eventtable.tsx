// The events of all spans of a trace as a table, such as exceptions and messages of a log.
import { useMemo } from "preact/hooks";
import { duration } from "../format";
import { Dot } from "../parts";
import { href } from "../router";
import { LongTable, type Column } from "../tables";
import { text, type Attributes } from "../values";
import type { Span, SpanEvent, Trace } from "./model";

interface Row {
  span: Span;
  index: number; // of the span
  event: SpanEvent;
  id: string;
}

interface Props {
  trace: Trace;
  hits: number[] | null; // null where nothing is searched for
  selected: number;
  onSelect: (index: number) => void;
}

export function EventTable({ trace, hits, selected, onSelect }: Props) {
  const rows = useMemo(() => rowsOf(trace, hits), [trace, hits]);
  const columns = useMemo(() => columnsOf(trace), [trace]);
  const chosen = rows.find((row) => row.index === selected)?.id ?? "";
  if (!rows.length) return <div class="page"><div class="notice">{hits ? "No span that matches has events." : "No span of this trace has events."}</div></div>;
  return <LongTable rows={rows} columns={columns} by="at" id={(row) => row.id} label="Events" chosen={chosen} onChoose={({ index }) => onSelect(index)} />;
}

function rowsOf(trace: Trace, hits: number[] | null): Row[] {
  const indexes = hits ?? trace.spans.map((_, index) => index);
  return indexes.flatMap((index) => {
    const span = trace.spans[index] as Span;
    return span.events.map((event, at) => ({ span, index, event, id: `${index} ${at}` }));
  });
}

const SHOWN = 300; // characters of the attributes

function told(attributes: Attributes): string {
  return [...attributes].map(([key, value]) => `${key}=${text(value)}`).join("  ").slice(0, SHOWN);
}

function columnsOf(trace: Trace): Column<Row>[] {
  const at = ({ span, event }: Row) => span.start + event.after;
  return [
    { key: "at", title: "At", width: 9, isNumber: true, sort: at, cell: (row) => duration(at(row)) },
    { key: "service", title: "Service", width: 13, sort: ({ span }) => span.service, cell: ({ span }) => <><Dot service={span.service} /> {span.service}</> },
    { key: "span", title: "Span", width: 20, sort: ({ span }) => span.name, cell: ({ span }) => <a href={href(trace.address, { view: "events", span: span.id })}>{span.name || "(no name)"}</a> },
    { key: "event", title: "Event", width: 15, sort: ({ event }) => event.name, cell: ({ event }) => <span class={event.name === "exception" ? "error" : ""}>{event.name || "(no name)"}</span> },
    { key: "attributes", title: "Attributes", width: 43, cell: ({ event }) => <span class="mono muted">{told(event.attributes)}</span> },
  ];
}
