// Services: a list with rate, errors and durations, the operations of one of them, and the map of who calls whom.
import { useMemo, useState } from "preact/hooks";
import { useJson } from "../api";
import { count, duration, percent, rate } from "../format";
import { ErrorNotice, Progress, RangePicker, ServiceName } from "../parts";
import { asked, bounds, rangeOf, rangeParams, type Range } from "../range";
import { go, href, type Params } from "../router";
import { SortedTable, type Column } from "../tables";
import { quoted } from "../traceql";
import type { Edge, Operation, Service } from "../types";
import { ServiceMap } from "./map";

export function Services({ params, view }: { params: Params; view: "list" | "map" }) {
  const range = rangeOf(params);
  const [again, setAgain] = useState(0);
  const when = useMemo(() => asked(bounds(range)), [JSON.stringify(range), again]);
  const page = view === "map" ? "map" : "services";
  const setRange = (next: Range) => go(href([page], { service: params["service"], ...rangeParams(next) }));
  const title = view === "map" ? "Service map" : params["service"] ?? "Services";
  return (
    <div class="page">
      <div class="row">
        <h1>{view === "list" && params["service"] ? <ServiceName name={title} /> : title}</h1>
        {params["service"] && <a class="button" href={href([page], rangeParams(range))}>All services</a>}
        <span class="grow" />
        <RangePicker range={range} onChange={setRange} />
        <button onClick={() => setAgain((times) => times + 1)}>Refresh</button>
      </div>
      {view === "map" ? <Calls when={when} range={range} service={params["service"]} /> : params["service"] ? <Operations when={when} range={range} service={params["service"]} /> : <List when={when} range={range} />}
    </div>
  );
}

type When = { start: string; end: string };

function red<Row extends Service>(): Column<Row>[] {
  return [
    { key: "rate", title: "Rate", isNumber: true, sort: (row) => row.rate, cell: (row) => rate(row.rate) },
    { key: "errors", title: "Errors", isNumber: true, sort: (row) => row.errors / Math.max(row.requests, 1), cell: (row) => row.errors ? <span class="badge">{percent(row.errors / Math.max(row.requests, 1))}</span> : <span class="muted">0 %</span> },
    { key: "p50", title: "p50", isNumber: true, sort: (row) => row.p50Ms, cell: (row) => row.requests ? duration(row.p50Ms) : "–" },
    { key: "p95", title: "p95", isNumber: true, sort: (row) => row.p95Ms, cell: (row) => row.requests ? duration(row.p95Ms) : "–" },
    { key: "p99", title: "p99", isNumber: true, sort: (row) => row.p99Ms, cell: (row) => row.requests ? duration(row.p99Ms) : "–" },
  ];
}

function List({ when, range }: { when: When; range: Range }) {
  const found = useJson<{ services: Service[] }>("api/services", when);
  const columns: Column<Service>[] = [
    { key: "name", title: "Service", sort: (row) => row.name, cell: (row) => <a href={href(["services"], { service: row.name, ...rangeParams(range) })}><ServiceName name={row.name} /></a> },
    ...red<Service>(),
    { key: "spans", title: "Spans", isNumber: true, sort: (row) => row.spans, cell: (row) => count(row.spans) },
    { key: "open", title: "Open", cell: (row) => <span class="row nowrap" style={{ flexWrap: "nowrap" }}><a href={href(["search"], { q: `{ resource.service.name = ${quoted(row.name)} }`, ...rangeParams(range) })} aria-label={`Traces of ${row.name}`}>Traces</a> <a href={href(["explore"], { q: `{ resource.service.name = ${quoted(row.name)} }`, ...rangeParams(range) })} aria-label={`Explore ${row.name}`}>Explore</a></span> },
  ];
  return (
    <>
      <Progress on={found.loading} />
      <ErrorNotice error={found.error} />
      {found.data && <div class="panel flush"><SortedTable rows={found.data.services} columns={columns} by="rate" id={(row) => row.name} label="Services" /></div>}
      {found.data?.services.length === 0 && <div class="notice">No spans in this range.</div>}
      <p class="muted">Requests are spans of the kinds server and consumer, and spans without a parent; rate, errors and durations are theirs.</p>
    </>
  );
}

function Operations({ when, range, service }: { when: When; range: Range; service: string }) {
  const found = useJson<{ operations: Operation[] }>("api/services/operations", { service, ...when });
  const edges = useJson<{ edges: Edge[] }>("api/services/edges", when);
  const columns: Column<Operation>[] = [
    { key: "name", title: "Operation", sort: (row) => row.name, cell: (row) => <a href={href(["search"], { q: `{ resource.service.name = ${quoted(service)} && name = ${quoted(row.name)} }`, ...rangeParams(range) })}>{row.name || "(no name)"}</a> },
    { key: "kind", title: "Kind", sort: (row) => row.kind, cell: (row) => <span class="muted">{row.kind}</span> },
    ...red<Operation>(),
    { key: "spans", title: "Spans", isNumber: true, sort: (row) => row.spans, cell: (row) => count(row.spans) },
  ];
  const own = edges.data?.edges.filter((edge) => edge.client === service || edge.server === service) ?? [];
  return (
    <>
      <Progress on={found.loading} />
      <ErrorNotice error={found.error ?? edges.error} />
      {found.data && <div class="panel flush"><SortedTable rows={found.data.operations} columns={columns} by="spans" id={(row) => `${row.kind} ${row.name}`} label="Operations" /></div>}
      {own.length > 0 && <><h2>Calls</h2><EdgeTable edges={own} range={range} /></>}
    </>
  );
}

function EdgeTable({ edges, range }: { edges: Edge[]; range: Range }) {
  const columns: Column<Edge>[] = [
    { key: "client", title: "From", sort: (row) => row.client, cell: (row) => <a href={href(["services"], { service: row.client, ...rangeParams(range) })}><ServiceName name={row.client} /></a> },
    { key: "server", title: "To", sort: (row) => row.server, cell: (row) => row.type === "request" || row.type === "messaging" ? <a href={href(["services"], { service: row.server, ...rangeParams(range) })}><ServiceName name={row.server} /></a> : row.server },
    { key: "type", title: "Type", sort: (row) => row.type, cell: (row) => <span class="muted">{row.type}</span> },
    { key: "rate", title: "Rate", isNumber: true, sort: (row) => row.rate, cell: (row) => rate(row.rate) },
    { key: "errors", title: "Errors", isNumber: true, sort: (row) => row.errors / row.requests, cell: (row) => row.errors ? <span class="badge">{percent(row.errors / row.requests)}</span> : <span class="muted">0 %</span> },
    { key: "p50", title: "p50", isNumber: true, sort: (row) => row.p50Ms, cell: (row) => duration(row.p50Ms) },
    { key: "p95", title: "p95", isNumber: true, sort: (row) => row.p95Ms, cell: (row) => duration(row.p95Ms) },
  ];
  return <div class="panel flush"><SortedTable rows={edges} columns={columns} by="rate" id={(row) => `${row.client} ${row.server} ${row.type}`} label="Calls between services" /></div>;
}

function Calls({ when, range, service }: { when: When; range: Range; service: string | undefined }) {
  const found = useJson<{ edges: Edge[] }>("api/services/edges", when);
  const edges = found.data?.edges ?? [];
  const open = (name: string | undefined) => go(href(["map"], { service: name, ...rangeParams(range) }), true);
  return (
    <>
      <Progress on={found.loading} />
      <ErrorNotice error={found.error} />
      {found.data && edges.length === 0 && <div class="notice">No calls between services in this range.</div>}
      {edges.length > 0 && <div class="panel flush"><ServiceMap edges={edges} service={service} onOpen={open} /></div>}
      {edges.length > 0 && <EdgeTable edges={service ? edges.filter((edge) => edge.client === service || edge.server === service) : edges} range={range} />}
    </>
  );
}
