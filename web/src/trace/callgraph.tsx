// The graph of a trace: its operations or services, and how often one of them called another.
import { useMemo, useState } from "preact/hooks";
import { colorOf } from "../color";
import { duration, percent, plural } from "../format";
import type { GraphEdge, GraphNode } from "../graph";
import { LazyGraph } from "../lazygraph";
import type { Span, Trace } from "./model";

const MOST_OPERATIONS = 60; // more are shown by service at first
const MOST = 300; // edges; more are no picture any more

interface Group {
  id: string;
  service: string;
  name: string;
  spans: number;
  errors: number;
  selfMs: number;
  longest: number; // index of a span
}

interface Call {
  from: string;
  to: string;
  count: number;
  errors: number;
}

interface Calls {
  groups: Map<string, Group>;
  calls: Call[]; // most frequent first
}

const operation = (span: Span) => `${span.service}\u0000${span.name}`;
const service = (span: Span) => span.service;

function callsOf(spans: Span[], own: number[], keyOf: (span: Span) => string): Calls {
  const groups = new Map<string, Group>();
  const calls = new Map<string, Call>();
  spans.forEach((span, index) => {
    const id = keyOf(span);
    const group = groups.get(id) ?? { id, service: span.service, name: span.name, spans: 0, errors: 0, selfMs: 0, longest: index };
    groups.set(id, group);
    group.spans += 1;
    group.errors += span.isError ? 1 : 0;
    group.selfMs += own[index] ?? 0;
    if (span.duration > (spans[group.longest]?.duration ?? 0)) group.longest = index;
    const parent = spans[span.parent];
    const from = parent && keyOf(parent);
    if (from === undefined || from === id) return;
    const key = `${from}\u0001${id}`;
    const call = calls.get(key) ?? { from, to: id, count: 0, errors: 0 };
    calls.set(key, call);
    call.count += 1;
    call.errors += span.isError ? 1 : 0;
  });
  return { groups, calls: [...calls.values()].sort((a, b) => b.count - a.count) };
}

interface Props {
  trace: Trace;
  own: number[];
  selected: number;
  onSelect: (index: number) => void;
}

export function CallGraph({ trace, own, selected, onSelect }: Props) {
  const byOperation = useMemo(() => callsOf(trace.spans, own, operation), [trace]);
  const [isByService, setByService] = useState(byOperation.groups.size > MOST_OPERATIONS);
  const keyOf = isByService ? service : operation;
  const { groups, calls } = useMemo(() => (isByService ? callsOf(trace.spans, own, service) : byOperation), [trace, isByService]);
  const chosen = trace.spans[selected];
  const drawn = calls.slice(0, MOST);
  const nodes = nodesOf([...groups.values()], drawn, isByService, chosen && keyOf(chosen));
  const open = (id: string) => onSelect(groups.get(id)?.longest ?? 0);
  return (
    <div style={{ overflow: "auto" }}>
      <div class="page">
        <div class="row">
          <div class="tabs" role="group" aria-label="Nodes">
            <button aria-pressed={!isByService} onClick={() => setByService(false)}>Operations</button>
            <button aria-pressed={isByService} onClick={() => setByService(true)}>Services</button>
          </div>
          <span class="muted">The bar is the share of self time. A click shows the longest span.</span>
        </div>
        <div class="panel flush"><LazyGraph label="Graph of the trace" direction="TB" nodes={nodes} edges={edgesOf(drawn)} onOpen={open} /></div>
        {calls.length > MOST && <p class="muted">The {MOST} most frequent of {calls.length} calls are drawn.</p>}
      </div>
    </div>
  );
}

function nodesOf(groups: Group[], calls: Call[], isByService: boolean, chosen: string | undefined): GraphNode[] {
  const linked = new Set(calls.flatMap((call) => [call.from, call.to]));
  const all = Math.max(groups.reduce((sum, group) => sum + group.selfMs, 0), 1e-9);
  const shown = groups.length > MOST_OPERATIONS ? groups.filter((group) => linked.has(group.id)) : groups;
  return shown.map(({ id, service, name, spans, errors, selfMs }) => {
    const title = isByService ? service || "(no service)" : name || "(no name)";
    const detail = `${isByService ? "" : `${service} · `}${plural(spans, "span")} · ${duration(selfMs)}`;
    return {
      id,
      title: title.length > 40 ? `${title.slice(0, 39)}…` : title,
      detail,
      name: `${service} ${isByService ? "" : name}: ${plural(spans, "span")}, self time ${duration(selfMs)}, ${percent(selfMs / all)}${errors ? `, ${plural(errors, "error")}` : ""}`,
      color: colorOf(service),
      share: selfMs / all,
      isBad: errors > 0,
      isOn: id === chosen,
    };
  });
}

function edgesOf(calls: Call[]): GraphEdge[] {
  const most = calls[0]?.count ?? 1;
  return calls.map(({ from, to, count, errors }) => ({
    from,
    to,
    label: `${count} ×`,
    alarm: errors ? plural(errors, "error") : "",
    name: `${from.replace("\u0000", " ")} → ${to.replace("\u0000", " ")}: ${plural(count, "call")}${errors ? `, ${plural(errors, "error")}` : ""}`,
    weight: count / most,
    isBad: errors > 0,
  }));
}
