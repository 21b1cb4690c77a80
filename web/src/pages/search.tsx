// Search: a query over a time range; its matches over time, as a scatter and as a table.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useJson } from "../api";
import { clock, duration, moment, plural } from "../format";
import { Dot, Progress, RangePicker, useWidth } from "../parts";
import { Plot } from "../plot";
import { QueryBox } from "../querybox";
import { asked, bounds, rangeOf, rangeParams, stepSeconds, type Range } from "../range";
import { go, href, type Params } from "../router";
import { color } from "../theme";
import { isMetrics, selection, withHint } from "../traceql";
import { text, valueOf } from "../values";
import type { FoundTrace, RangeAnswer, SearchAnswer } from "../types";
import { TimeAxis } from "../axis";
import { Misunderstood, NothingFound } from "../meant";
import { Builder } from "./builder";
import { seriesOf } from "../series";

const LIMITS = ["20", "50", "100", "500"];
const LIVE_MS = 2000;
const NONE: FoundTrace[] = [];

export function Search({ params }: { params: Params }) {
  const query = params["q"] ?? "";
  const range = rangeOf(params);
  const order = params["order"] === "duration" ? "duration" : "start";
  const limit = LIMITS.includes(params["limit"] ?? "") ? Number(params["limit"]) : 50;
  const [draft, setDraft] = useState(query);
  const [given, setGiven] = useState({ text: query });
  const [again, setAgain] = useState(0);
  const [live, setLive] = useState(false);
  const [building, setBuilding] = useState(false);
  const put = (text: string) => { setDraft(text); setGiven({ text }); };
  useEffect(() => put(query), [query]);
  const show = (changed: Record<string, string | number | undefined>) => {
    const next = { q: query, ...rangeParams(range), order: order === "duration" ? order : undefined, limit: params["limit"], ...changed };
    const to = href(["search"], next);
    if (to === location.hash) setAgain((count) => count + 1);
    else go(to);
  };
  const run = (wanted: string) => {
    if (isMetrics(wanted)) go(href(["explore"], { q: wanted, ...rangeParams(range) }));
    else show({ q: wanted });
  };
  const setRange = (next: Range) => show({ since: undefined, start: undefined, end: undefined, ...rangeParams(next) });
  const when = useMemo(() => bounds(range), [JSON.stringify(range), again, query]);
  const found = useJson<SearchAnswer>("api/search", { q: withHint(query || "{ }", order), ...asked(when), limit, spss: 3 }, again);
  useEffect(() => {
    if (!live || found.loading) return;
    const timer = setTimeout(() => setAgain((count) => count + 1), LIVE_MS);
    return () => clearTimeout(timer);
  }, [live, found.loading, again]);
  const traces = found.data?.traces ?? NONE;
  const fresh = useFresh(traces, live);
  return (
    <>
      <Progress on={found.loading && !live} />
      <div class="page">
        <h1 class="visually-hidden">Search</h1>
        <div class="row">
          <QueryBox value={given} range={range} onChange={setDraft} onRun={run} />
          <button class="primary" onClick={() => run(draft)}>Run</button>
          <RangePicker range={range} onChange={setRange} />
          <button aria-pressed={live} disabled={!("since" in range)} onClick={() => setLive(!live)} title={"since" in range ? "Searches again every two seconds" : "Live needs a range until now"}>
            {live ? "● Live" : "○ Live"}
          </button>
          <button aria-pressed={building} onClick={() => setBuilding(!building)}>Builder</button>
          <a class="button" href={href(["file"])}>Open file…</a>
        </div>
        {building && <Builder range={range} query={draft} onQuery={(next) => { put(next); run(next); }} />}
        {found.error && <Misunderstood query={query} range={range} error={found.error} onRun={run} />}
        <Matches query={query} range={range} when={when} again={again} onBrush={(start, end) => setRange({ start, end })} />
        {traces.length > 1 && <Scatter traces={traces} />}
        <div class="row">
          {(found.data || !found.error) && <h2 aria-live="polite">{found.data ? headline(traces.length, limit, order) : "…"}</h2>}
          <span class="grow" />
          <label class="row">Order
            <select aria-label="Order" value={order} onChange={(event) => show({ order: event.currentTarget.value === "duration" ? "duration" : undefined })}>
              <option value="start">newest first</option>
              <option value="duration">longest first</option>
            </select>
          </label>
          <label class="row">Limit
            <select aria-label="Limit" value={String(limit)} onChange={(event) => show({ limit: event.currentTarget.value })}>
              {LIMITS.map((one) => <option key={one}>{one}</option>)}
            </select>
          </label>
        </div>
        {found.data && (traces.length ? <Results traces={traces} fresh={fresh} /> : <Nothing query={query} range={range} onWiden={setRange} onRun={run} />)}
      </div>
    </>
  );
}

function headline(count: number, limit: number, order: string): string {
  return count < limit ? plural(count, "trace") : `${order === "duration" ? "Longest" : "Newest"} ${limit} traces`;
}

/** The ids that were not there at the last answer, while the tail is live. */
function useFresh(traces: FoundTrace[], live: boolean): ReadonlySet<string> {
  const seen = useRef<Set<string> | null>(null);
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    if (!live) {
      seen.current = null;
      setFresh((old) => (old.size ? new Set() : old));
      return;
    }
    const before = seen.current;
    const ids = new Set(traces.map((trace) => trace.traceID));
    if (before) {
      const found = new Set([...ids].filter((id) => !before.has(id)));
      if (found.size) setFresh(found);
    }
    seen.current = new Set([...(before ?? []), ...ids]);
  }, [traces, live]);
  return fresh;
}

function Nothing({ query, range, onWiden, onRun }: { query: string; range: Range; onWiden: (range: Range) => void; onRun: (query: string) => void }) {
  return (
    <div class="notice">
      <div class="row">
        <span>No trace matches in this range.</span>
        {"since" in range && range.since !== "7d" && <button onClick={() => onWiden({ since: "7d" })}>Search 7 days</button>}
      </div>
      <NothingFound query={query} range={range} onRun={onRun} />
    </div>
  );
}

/** Matches over time. A query that no metric can be made of has none. */
function Matches(props: { query: string; range: Range; when: { start: number; end: number }; again: number; onBrush: (start: number, end: number) => void }) {
  const { query, when, again, onBrush } = props;
  const step = stepSeconds(when.end - when.start, 90);
  const ask = { q: `${selection(query)} | count_over_time() by (status)`, ...asked(when), step, exemplars: 1 };
  const found = useJson<RangeAnswer>("api/metrics/query_range", ask, again);
  const drawn = useMemo(() => {
    const series = found.data ? seriesOf(found.data) : null;
    if (!series?.times.length) return null;
    const sum = (lines: typeof series.lines) => series.times.map((_, at) => lines.reduce((total, line) => total + (line.values[at] ?? 0), 0));
    const failed = series.lines.filter((line) => [...line.labels.values()].includes("error"));
    return {
      times: series.times,
      lines: [
        { label: "spans", stroke: color("accent"), values: sum(series.lines) },
        { label: "errors", stroke: color("error"), values: sum(failed) },
      ],
    };
  }, [found.data]);
  if (found.error && !found.data) return null;
  return (
    <div class="panel">
      <div class="row"><h2>Matching spans over time</h2><span class="grow" /><span class="legend"><span><span class="dot" style={{ background: "var(--accent)" }} />spans</span><span><span class="dot" style={{ background: "var(--error)" }} />errors</span></span></div>
      {drawn ? (
        <Plot {...drawn} height={110} isBars label="Matching spans over time; drag to choose a range" onBrush={onBrush} />
      ) : (
        <div style={{ height: "110px" }} class="muted">{found.data ? "no matching spans over time" : ""}</div>
      )}
    </div>
  );
}

function isFailed(trace: FoundTrace): boolean {
  return Object.values(trace.serviceStats ?? {}).some((one) => one.errorCount);
}

const SCATTER = { height: 130, left: 58, right: 16 };

/** Durations of the traces over the time from the first of them to the last. */
function Scatter({ traces }: { traces: FoundTrace[] }) {
  const [ref, width] = useWidth<SVGSVGElement>();
  const { height, left, right } = SCATTER;
  const points = traces.map((trace) => ({ trace, at: Number(trace.startTimeUnixNano) / 1e6, ms: Math.max(trace.durationMs ?? 0, 0.5) }));
  const most = Math.max(...points.map((point) => point.ms));
  const least = Math.min(...points.map((point) => point.ms), most / 2);
  const first = Math.min(...points.map((point) => point.at));
  const last = Math.max(...points.map((point) => point.at), first + 1);
  const wide = Math.max(width - left - right, 1);
  const x = (at: number) => left + ((at - first) / (last - first)) * wide;
  const y = (ms: number) => 8 + (1 - (Math.log(ms) - Math.log(least)) / Math.max(Math.log(most) - Math.log(least), 0.01)) * (height - 16);
  const levels = [most, Math.sqrt(most * least), least];
  return (
    <div class="panel">
      <div class="row"><h2>Durations of these traces</h2><span class="muted">a click opens the trace</span></div>
      <svg class="scatter" ref={ref} height={height} aria-label="Duration of the traces over time">
        {width > 0 && (
          <>
            {levels.map((ms) => (
              <g key={ms}>
                <line x1={left} x2={width - right} y1={y(ms)} y2={y(ms)} stroke="var(--line)" />
                <text x={left - 6} y={y(ms) + 4} text-anchor="end">{duration(ms)}</text>
              </g>
            ))}
            {points.map(({ trace, at, ms }) => {
              const name = `${trace.rootServiceName ?? ""} ${trace.rootTraceName ?? ""} ${duration(ms)} ${clock(at)}`;
              return (
                <a key={trace.traceID} href={href(["trace", trace.traceID])} aria-label={name}>
                  <circle class={`point${isFailed(trace) ? " bad" : ""}`} cx={x(at)} cy={y(ms)} r={5}><title>{name}</title></circle>
                </a>
              );
            })}
          </>
        )}
      </svg>
      <TimeAxis start={first} end={last} left={left} width={wide} />
    </div>
  );
}

/** The attributes that the query selects: of a trace all values that its shown spans have. */
function selected(trace: FoundTrace): Map<string, string> {
  const found = new Map<string, Set<string>>();
  for (const set of trace.spanSets ?? []) {
    for (const { key, value } of [...(set.attributes ?? []), ...set.spans.flatMap((span) => span.attributes ?? [])]) {
      const values = found.get(key) ?? new Set();
      found.set(key, values.add(text(valueOf(value))));
    }
  }
  return new Map([...found].map(([key, values]) => [key, [...values].slice(0, 4).join(", ")]));
}

function Results({ traces, fresh }: { traces: FoundTrace[]; fresh: ReadonlySet<string> }) {
  const rows = traces.map((trace) => ({ trace, values: selected(trace) }));
  const columns = [...new Set(rows.flatMap(({ values }) => [...values.keys()]))].filter((key) => key !== "status").slice(0, 12);
  const longest = Math.max(...traces.map((trace) => trace.durationMs ?? 0), 1);
  return (
    <div class="panel flush scroll">
      <table aria-label="Traces">
        <thead>
          <tr>
            <th>Start</th><th>Trace</th><th class="num">Duration</th><th class="num">Spans</th><th class="hide-narrow">Services</th>
            {columns.map((column) => <th key={column}>{column}</th>)}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ trace, values }) => <Result key={trace.traceID} trace={trace} values={values} columns={columns} longest={longest} isNew={fresh.has(trace.traceID)} />)}
        </tbody>
      </table>
    </div>
  );
}

function Result(props: { trace: FoundTrace; values: Map<string, string>; columns: string[]; longest: number; isNew: boolean }) {
  const { trace, values, columns, longest, isNew } = props;
  const stats = Object.entries(trace.serviceStats ?? {}).sort((a, b) => b[1].spanCount - a[1].spanCount);
  const spans = stats.reduce((sum, [, one]) => sum + one.spanCount, 0);
  const errors = stats.reduce((sum, [, one]) => sum + (one.errorCount ?? 0), 0);
  const matched = trace.spanSets?.reduce((sum, set) => sum + set.matched, 0) ?? 0;
  const first = trace.spanSets?.[0]?.spans[0]?.spanID;
  const ms = trace.durationMs ?? 0;
  return (
    <tr class={isNew ? "new" : ""}>
      <td class="nowrap mono">{moment(Number(trace.startTimeUnixNano) / 1e6, true)}</td>
      <td>
        <a href={href(["trace", trace.traceID], { span: matched < spans ? first : undefined })}>
          <Dot service={trace.rootServiceName ?? ""} /> <b>{trace.rootServiceName || "(root not stored)"}</b> {trace.rootTraceName}
        </a>{" "}
        {errors > 0 && <span class="badge">{plural(errors, "error")}</span>}
      </td>
      <td class="num">{ms ? duration(ms) : "< 1 ms"}<span class="meter" style={{ width: `${Math.max(2, (ms / longest) * 100)}%`, marginLeft: "auto" }} /></td>
      <td class="num">{spans}{matched && matched !== spans ? <span class="muted"> ({matched})</span> : null}</td>
      <td class="hide-narrow">
        <span class="row" style={{ gap: "4px" }}>{stats.slice(0, 6).map(([name, one]) => <span class="chip" key={name}><Dot service={name} />{name} {one.spanCount}</span>)}{stats.length > 6 && <span class="muted">+{stats.length - 6}</span>}</span>
      </td>
      {columns.map((column) => <td key={column} class="mono">{values.get(column) ?? ""}</td>)}
    </tr>
  );
}
