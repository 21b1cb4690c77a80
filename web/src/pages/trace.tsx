// One trace: waterfall, statistics and flame graph, with the details of a span beside them.
import { useEffect, useMemo, useState } from "preact/hooks";
import { ApiError, getText, useJson, useLoad } from "../api";
import { count, duration, moment, plural } from "../format";
import { Copy, Dot, ErrorNotice, Failure, Progress } from "../parts";
import { go, href, type Params } from "../router";
import { Details } from "../trace/details";
import { Flame } from "../trace/flame";
import { buildTrace, matching, type Trace } from "../trace/model";
import { Statistics } from "../trace/statistics";
import { Waterfall } from "../trace/waterfall";
import type { CriticalPath, TraceAnswer } from "../types";

const VIEWS: [string, string][] = [["", "Waterfall"], ["statistics", "Statistics"], ["flame", "Flame graph"]];

async function load(id: string, signal: AbortSignal): Promise<Trace> {
  const answer = JSON.parse(await getText(`api/v2/traces/${encodeURIComponent(id)}`, {}, signal)) as TraceAnswer;
  const batches = answer.trace?.resourceSpans ?? [];
  if (!batches.length) throw new ApiError(404, `there is no trace ${id}`);
  return buildTrace(id.toLowerCase(), batches);
}

export function TracePage({ id, params }: { id: string; params: Params }) {
  const found = useLoad(`trace ${id}`, (signal) => load(id, signal));
  if (found.error) return <Failure error={found.error} />;
  return (
    <>
      <Progress on={found.loading} />
      {found.data && <Shown trace={found.data} params={params} />}
    </>
  );
}

function Shown({ trace, params }: { trace: Trace; params: Params }) {
  const view = params["view"] ?? "";
  const [wanted, setWanted] = useState(params["find"] ?? "");
  const [isCritical, setCritical] = useState(true);
  const hits = useMemo(() => matching(trace.spans, wanted), [trace, wanted]);
  const path = useJson<CriticalPath>(`api/traces/${trace.id}/critical-path`);
  const selected = useMemo(() => trace.spans.findIndex((span) => span.id === params["span"]), [trace, params["span"]]);
  const show = (changed: Params | Record<string, string | undefined>) => go(href(["trace", trace.id], { ...params, ...changed }), true);
  const select = (index: number) => show({ span: trace.spans[index]?.id });
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
  const critical = isCritical && path.data ? path.data : null;
  const span = trace.spans[selected];
  return (
    <div class="trace">
      <Head trace={trace} params={params} />
      <div class="head" style={{ paddingTop: 0 }}>
        <div class="row">
          <div class="tabs" role="tablist" aria-label="Views">
            {VIEWS.map(([name, title]) => <button key={name} role="tab" aria-selected={view === name} onClick={() => show({ view: name || undefined })}>{title}</button>)}
          </div>
          <span class="grow" />
          <button aria-pressed={isCritical} onClick={() => setCritical(!isCritical)} title="The spans that the duration is made of (c)">Critical path</button>
          <label class="row">
            <span class="visually-hidden">Find in trace</span>
            <input data-find value={wanted} placeholder="find in trace" spellcheck={false}
              onInput={(event) => setWanted(event.currentTarget.value)}
              onKeyDown={(event) => { if (event.key === "Enter") turn(event.shiftKey ? -1 : 1); if (event.key === "Escape") setWanted(""); }} />
          </label>
          {wanted && <span class="muted" role="status">{plural(hits.length, "match").replace("matchs", "matches")}</span>}
          {wanted && <button onClick={() => turn(-1)} aria-label="Previous match" disabled={!hits.length}>↑</button>}
          {wanted && <button onClick={() => turn(1)} aria-label="Next match" disabled={!hits.length}>↓</button>}
        </div>
        <ErrorNotice error={path.error} />
      </div>
      <div class="body">
        <div class="left" role="tabpanel" aria-label={VIEWS.find(([name]) => name === view)?.[1] ?? "Waterfall"}>
          {view === "statistics" ? <Statistics trace={trace} path={path.data ?? null} />
            : view === "flame" ? <Flame trace={trace} onSelect={select} />
              : <Waterfall trace={trace} selected={selected} hits={hits} critical={critical} onSelect={select} onClose={() => show({ span: undefined })} />}
        </div>
        {span && <Details key={span.id} trace={trace} span={span} onClose={() => show({ span: undefined })} />}
      </div>
    </div>
  );
}

function Head({ trace, params }: { trace: Trace; params: Params }) {
  const root = trace.spans[0];
  const [other, setOther] = useState("");
  const [asking, setAsking] = useState(false);
  const download = async () => {
    const body = await getText(`api/v2/traces/${trace.id}`);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([body], { type: "application/json" }));
    link.download = `trace-${trace.id}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const depth = trace.spans.reduce((most, span) => Math.max(most, span.depth + 1), 0);
  const orphans = trace.spans.filter((span) => span.isOrphan).length;
  return (
    <div class="head" style={{ borderBottom: 0 }}>
      <div class="title">
        <h1><Dot service={root?.service ?? ""} /> {root?.service} <span style={{ fontWeight: 400 }}>{root?.name}</span></h1>
        <span class="mono muted">{trace.id}</span>
        <span class="grow" />
        <span class="row">
          <Copy text={location.href} label="Copy link" />
          <button onClick={download}>JSON</button>
          <button aria-expanded={asking} onClick={() => setAsking(!asking)}>Compare…</button>
        </span>
      </div>
      {asking && (
        <form class="row" onSubmit={(event) => { event.preventDefault(); go(href(["compare"], { a: trace.id, b: other.trim() })); }}>
          <label class="row grow">With trace<input class="mono grow" value={other} placeholder="trace id" onInput={(event) => setOther(event.currentTarget.value)} /></label>
          <button type="submit" disabled={!/^[0-9a-fA-F-]{1,36}$/.test(other.trim())}>Compare</button>
          <a class="button" href={href(["compare"], { a: trace.id, service: root?.service, name: root?.name })}>Choose among traces alike</a>
        </form>
      )}
      <div class="facts">
        <span class="chip">{moment(trace.start, true)}</span>
        <span class="chip"><b>{duration(trace.duration)}</b></span>
        <span class="chip">{plural(trace.spans.length, "span")}</span>
        <span class="chip">{plural(trace.services.length, "service")}</span>
        <span class="chip">depth {depth}</span>
        {trace.errors > 0 && <span class="badge">{plural(trace.errors, "error")}</span>}
        {orphans > 0 && <span class="chip" title="Their parents are not stored">{count(orphans)} without their parent</span>}
        {params["from"] && <a class="chip" href={href(["trace", params["from"]])}>linked from {params["from"].slice(0, 8)}</a>}
      </div>
    </div>
  );
}
