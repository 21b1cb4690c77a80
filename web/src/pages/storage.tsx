// What is stored: blocks by day, the catalog of attributes, and the settings.
import { useMemo, useState } from "preact/hooks";
import { getText, useJson, useLoad } from "../api";
import { bytes, count, plural } from "../format";
import { ErrorNotice, Progress, RangePicker } from "../parts";
import { asked, bounds, rangeOf, rangeParams } from "../range";
import { go, href, type Params } from "../router";
import { SortedTable, type Column } from "../tables";
import { attribute } from "../traceql";
import type { CatalogAttribute } from "../types";

interface DayOfTenant {
  tenant: string;
  date: string;
  blocks: number;
  spans: number;
  bytes: number;
}

interface Status {
  version: string;
  state: string;
  uptimeSeconds: number;
  settings: Record<string, string>;
  store: DayOfTenant[];
}

export function Storage({ params }: { params: Params }) {
  const access = useJson<{ roles: string[] }>("api/access");
  const isAdmin = access.data?.roles.includes("admin") ?? false;
  return (
    <div class="page">
      <h1>Storage</h1>
      <Days />
      <Catalog params={params} />
      {isAdmin && <Settings />}
    </div>
  );
}

function Days() {
  const found = useJson<Status>("status");
  const rows = useMemo(() => (found.data?.store ?? []), [found.data]);
  const most = Math.max(...rows.map((row) => row.bytes), 1);
  const sum = (of: (row: DayOfTenant) => number) => rows.reduce((total, row) => total + of(row), 0);
  const columns: Column<DayOfTenant>[] = [
    { key: "day", title: "Day (UTC)", sort: (row) => row.date, cell: (row) => row.date },
    { key: "tenant", title: "Tenant", sort: (row) => row.tenant, cell: (row) => row.tenant },
    { key: "spans", title: "Spans", isNumber: true, sort: (row) => row.spans, cell: (row) => count(row.spans) },
    { key: "blocks", title: "Blocks", isNumber: true, sort: (row) => row.blocks, cell: (row) => count(row.blocks) },
    { key: "bytes", title: "Size", isNumber: true, sort: (row) => row.bytes, cell: (row) => <>{bytes(row.bytes)}<span class="meter" style={{ width: `${(row.bytes / most) * 100}%`, marginLeft: "auto" }} /></> },
    { key: "each", title: "Bytes a span", isNumber: true, sort: (row) => row.bytes / Math.max(row.spans, 1), cell: (row) => Math.round(row.bytes / Math.max(row.spans, 1)) },
  ];
  return (
    <section>
      <Progress on={found.loading} />
      <ErrorNotice error={found.error} />
      {found.data && (
        <>
          <p>{plural(sum((row) => row.spans), "span")} in {plural(sum((row) => row.blocks), "block")}, {bytes(sum((row) => row.bytes))}. spanlake {found.data.version}, {found.data.state}.</p>
          <div class="panel flush"><SortedTable rows={rows} columns={columns} by="day" id={(row) => `${row.tenant} ${row.date}`} label="What is stored by day" /></div>
        </>
      )}
    </section>
  );
}

function Catalog({ params }: { params: Params }) {
  const range = rangeOf({ since: "24h", ...params });
  const when = useMemo(() => asked(bounds(range)), [JSON.stringify(range)]);
  const found = useJson<{ attributes: CatalogAttribute[]; sampledSpans: number }>("api/attributes", when);
  const [wanted, setWanted] = useState("");
  const rows = (found.data?.attributes ?? []).filter((row) => `${row.scope}.${row.name}`.toLowerCase().includes(wanted.toLowerCase()));
  const columns: Column<CatalogAttribute>[] = [
    { key: "scope", title: "Scope", sort: (row) => row.scope, cell: (row) => <span class="muted">{row.scope}</span> },
    { key: "name", title: "Attribute", sort: (row) => row.name, cell: (row) => row.scope === "event" || row.scope === "link" ? <span class="mono">{row.name}</span> : <a class="mono" href={href(["explore"], { by: attribute(row.scope, row.name), ...rangeParams(range) })}>{row.name}</a> },
    { key: "types", title: "Types", sort: (row) => row.types.join(), cell: (row) => row.types.join(", ") },
    { key: "distinct", title: "Distinct values", isNumber: true, sort: (row) => row.distinct ?? -1, cell: (row) => row.distinct === null ? "–" : `~ ${count(row.distinct)}` },
  ];
  return (
    <section style={{ display: "flex", flexDirection: "column", gap: "8px" }}>
      <div class="row">
        <h2>Attributes</h2>
        {found.data && <span class="muted">distinct values estimated from {plural(found.data.sampledSpans, "span")}</span>}
        <span class="grow" />
        <input data-find aria-label="Find an attribute" placeholder="find" value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} />
        <RangePicker range={range} onChange={(next) => go(href(["storage"], rangeParams(next)))} />
      </div>
      <Progress on={found.loading} />
      <ErrorNotice error={found.error} />
      {found.data && <div class="panel flush"><SortedTable rows={rows} columns={columns} by="distinct" id={(row) => `${row.scope} ${row.name}`} label="Attributes" /></div>}
    </section>
  );
}

function Settings() {
  const found = useLoad("status/config", (signal) => getText("status/config", {}, signal));
  return (
    <details class="panel">
      <summary>Settings</summary>
      <ErrorNotice error={found.error} />
      <pre class="code" tabIndex={0} aria-label="Settings">{found.data}</pre>
    </details>
  );
}
