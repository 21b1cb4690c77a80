// A trace, stored or of a file: its views, what is found in it, and the details of a span beside them.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { count, duration, moment, plural } from "../format";
import { traceLinks, usePatterns } from "../links";
import { Dot } from "../parts";
import { go, href, type Params } from "../router";
import { criticalPath, selfTimes } from "./analysis";
import { CallGraph } from "./callgraph";
import { Details, Outside } from "./details";
import { EventTable } from "./eventtable";
import { Flame } from "./flame";
import { matching, type Trace } from "./model";
import { Statistics } from "./statistics";
import { SpanTable } from "./table";
import { Waterfall } from "./waterfall";

const VIEWS: [string, string][] = [["", "Waterfall"], ["graph", "Graph"], ["spans", "Spans"], ["events", "Events"], ["statistics", "Statistics"], ["flame", "Flame graph"]];

export function TraceView({ trace, params, actions }: { trace: Trace; params: Params; actions: ComponentChildren }) {
  const view = params["view"] ?? "";
  const [wanted, setWanted] = useState(params["find"] ?? "");
  const [isCritical, setCritical] = useState(true);
  const hits = useMemo(() => matching(trace.spans, wanted), [trace, wanted]);
  const own = useMemo(() => selfTimes(trace.spans), [trace]);
  const path = useMemo(() => criticalPath(trace.spans), [trace]);
  const selected = useMemo(() => trace.spans.findIndex((span) => span.id === params["span"]), [trace, params["span"]]);
  const show = (changed: Record<string, string | undefined>) => go(href(trace.address, { ...params, ...changed }), true);
  const select = (index: number) => show({ span: trace.spans[index]?.id });
  const close = () => show({ span: undefined });
  const turn = (step: number) => {
    if (!hits.length) return;
    const after = step > 0 ? hits.find((index) => index > selected) : hits.findLast((index) => index < selected);
    select(after ?? (step > 0 ? hits[0] : hits[hits.length - 1]) ?? 0);
  };
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "n") turn(1);
      if (event.key === "p") turn(-1);
      if (event.key === "c") setCritical((on) => !on);
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  });
  const common = { trace, selected, onSelect: select };
  const found = wanted ? hits : null;
  const shown = () => {
    switch (view) {
      case "graph": return <CallGraph {...common} own={own} />;
      case "spans": return <SpanTable {...common} own={own} hits={found} />;
      case "events": return <EventTable {...common} hits={found} />;
      case "statistics": return <Statistics trace={trace} own={own} critical={path} />;
      case "flame": return <Flame trace={trace} onSelect={select} />;
      default: return <Waterfall {...common} hits={hits} critical={isCritical ? path : null} onClose={close} />;
    }
  };
  const span = trace.spans[selected];
  return (
    <div class="trace">
      <div class="head">
        <Title trace={trace} actions={actions} />
        <Facts trace={trace} from={params["from"]} />
        <div class="row">
          <div class="tabs" role="tablist" aria-label="Views">
            {VIEWS.map(([name, title]) => <button key={name} role="tab" aria-selected={view === name} onClick={() => show({ view: name || undefined })}>{title}</button>)}
          </div>
          <span class="grow" />
          {view === "" && <button aria-pressed={isCritical} onClick={() => setCritical(!isCritical)} title="The spans that the duration is made of (c)">Critical path</button>}
          <label class="row">
            <span class="visually-hidden">Find in trace</span>
            <input data-find value={wanted} placeholder="find in trace" spellcheck={false}
              onInput={(event) => setWanted(event.currentTarget.value)}
              onKeyDown={(event) => { if (event.key === "Enter") turn(event.shiftKey ? -1 : 1); if (event.key === "Escape") setWanted(""); }} />
          </label>
          {wanted && <span class="muted" role="status">{count(hits.length)} {hits.length === 1 ? "match" : "matches"}</span>}
          {wanted && <button onClick={() => turn(-1)} aria-label="Previous match" disabled={!hits.length}>↑</button>}
          {wanted && <button onClick={() => turn(1)} aria-label="Next match" disabled={!hits.length}>↓</button>}
        </div>
      </div>
      <div class="body">
        <div class="left" role="tabpanel" aria-label={VIEWS.find(([name]) => name === view)?.[1] ?? "Waterfall"}>
          {shown()}
        </div>
        {span && <Details key={span.id} trace={trace} span={span} onClose={close} />}
      </div>
    </div>
  );
}

function Title({ trace, actions }: { trace: Trace; actions: ComponentChildren }) {
  const root = trace.spans[0];
  const links = traceLinks(usePatterns(trace), trace);
  return (
    <div class="title">
      <h1><Dot service={root?.service ?? ""} /> {root?.service} <span style={{ fontWeight: 400 }}>{root?.name}</span></h1>
      <span class="mono muted">{trace.id}</span>
      {links.map((link) => <Outside key={link.url} link={link} />)}
      <span class="grow" />
      {actions}
    </div>
  );
}

function Facts({ trace, from }: { trace: Trace; from: string | undefined }) {
  const depth = trace.spans.reduce((most, span) => Math.max(most, span.depth + 1), 0);
  const orphans = trace.spans.reduce((sum, span) => sum + (span.isOrphan ? 1 : 0), 0);
  return (
    <div class="facts">
      <span class="chip">{moment(trace.start, true)}</span>
      <span class="chip"><b>{duration(trace.duration)}</b></span>
      <span class="chip">{plural(trace.spans.length, "span")}</span>
      <span class="chip">{plural(trace.services.length, "service")}</span>
      <span class="chip">depth {depth}</span>
      {trace.errors > 0 && <span class="badge">{plural(trace.errors, "error")}</span>}
      {orphans > 0 && <span class="chip" title={trace.isStored ? "Their parents are not stored" : "Their parents are not in the file"}>{count(orphans)} without their parent</span>}
      {from && <a class="chip" href={href(["trace", from])}>linked from {from.slice(0, 8)}</a>}
    </div>
  );
}
