// Explore: rate, errors and durations over time by any attribute, a heatmap of durations, and what is different about a
// part of it.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useJson, useLoad } from "../api";
import { TimeAxis } from "../axis";
import { checkQuery } from "../checking";
import { fieldNames } from "../fields";
import { colorOf } from "../color";
import { count, digits, duration, percent, rate } from "../format";
import { Misunderstood, NothingFound } from "../meant";
import { ErrorNotice, Progress, RangePicker, useTheme, useWidth } from "../parts";
import { Plot, type Line } from "../plot";
import { QueryBox } from "../querybox";
import { asked, bounds, rangeOf, rangeParams, stepSeconds, type Range } from "../range";
import { go, href, type Params } from "../router";
import { seriesOf, type Columns } from "../series";
import { color } from "../theme";
import { isMetrics, narrowed, quoted, selection } from "../traceql";
import type { RangeAnswer } from "../types";
import { Difference, conditionOf, rangeWithin, type Part } from "./difference";

const MOST_LINES = 12;
const FIELDS = ["resource.service.name", "name", "status", "kind"];

export function Explore({ params }: { params: Params }) {
  const query = params["q"] ?? "";
  const range = rangeOf(params);
  const by = params["by"] ?? "resource.service.name";
  const [draft, setDraft] = useState(query);
  const [given, setGiven] = useState({ text: query });
  const [again, setAgain] = useState(0);
  const [part, setPart] = useState<Part | null>(null);
  useEffect(() => { setDraft(query); setGiven({ text: query }); setPart(null); }, [query, JSON.stringify(range)]);
  const when = useMemo(() => bounds(range), [JSON.stringify(range), again, query, by]);
  const show = (changed: Record<string, string | number | undefined>) => {
    const to = href(["explore"], { q: query, by, ...rangeParams(range), ...changed });
    if (to === location.hash) setAgain((times) => times + 1);
    else go(to);
  };
  const run = (q: string) => show({ q });
  const problem = useLoad(`check ${query}`, (signal) => checkQuery(query || "{ }", signal)).error;
  const setRange = (next: Range) => show({ since: undefined, start: undefined, end: undefined, ...rangeParams(next) });
  const brush = (start: number, end: number) => setRange({ start, end });
  const shared = { when, again, onBrush: brush };
  return (
    <div class="page">
      <h1 class="visually-hidden">Explore</h1>
      <div class="row">
        <QueryBox value={given} range={range} onChange={setDraft} onRun={run} />
        <button class="primary" onClick={() => run(draft)}>Run</button>
        {!isMetrics(query) && <ByField range={range} by={by} onBy={(field) => show({ by: field })} />}
        <RangePicker range={range} onChange={setRange} />
        <a class="button" href={href(["search"], { q: isMetrics(query) ? "" : query, ...rangeParams(range) })}>Traces</a>
      </div>
      {problem ? (
        <Misunderstood query={query} range={range} error={problem} onRun={run} />
      ) : isMetrics(query) ? (
        <Chart {...shared} title={query} q={query} base="" by="" format={digits} height={320} />
      ) : (
        <>
          <div class="charts">
            <Chart {...shared} title="Rate" q={`${selection(query)} | rate() by (${by})`} base={query} by={by} format={rate} />
            <Chart {...shared} title="Errors" q={`${narrowed(selection(query), "status = error")} | rate() by (${by})`} base={narrowed(selection(query), "status = error")} by={by} format={rate} />
            <Chart {...shared} title="Duration p95" q={`${selection(query)} | quantile_over_time(duration, .95) by (${by})`} base={query} by={by} format={(value) => duration(value * 1000)} />
          </div>
          <Heatmap query={query} range={range} when={when} again={again} part={part} onPart={setPart} onRun={run} />
          {part && <Difference query={query} part={part} when={when} onNarrow={(condition) => go(href(["search"], { q: narrowed(narrowed(query || "{ }", conditionOf(part)), condition), ...rangeParams(rangeWithin(part, when) ?? range) }))} />}
        </>
      )}
    </div>
  );
}

function ByField({ range, by, onBy }: { range: Range; by: string; onBy: (field: string) => void }) {
  const [fields, setFields] = useState<string[]>([]);
  const [typed, setTyped] = useState(by);
  useEffect(() => setTyped(by), [by]);
  useEffect(() => void fieldNames(range).then((found) => setFields(found.map((one) => one.label))).catch(() => undefined), [JSON.stringify(range)]);
  return (
    <form class="row" onSubmit={(event) => { event.preventDefault(); onBy(typed.trim() || "name"); }}>
      <label class="row">by
        <input list="explore-fields" size={24} value={typed} spellcheck={false} onInput={(event) => setTyped(event.currentTarget.value)}
          onChange={(event) => { const value = event.currentTarget.value.trim(); if (fields.includes(value) || FIELDS.includes(value)) onBy(value); }} />
      </label>
      <datalist id="explore-fields">{[...new Set([...FIELDS, ...fields])].map((field) => <option key={field} value={field} />)}</datalist>
    </form>
  );
}

interface ChartProps {
  title: string;
  q: string;
  base: string;
  by: string;
  when: { start: number; end: number };
  again: number;
  height?: number;
  format: (value: number) => string;
  onBrush: (start: number, end: number) => void;
}

function total(values: (number | null)[]): number {
  return values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
}

function Chart({ title, q, base, by, when, again, height = 190, format, onBrush }: ChartProps) {
  const step = stepSeconds(when.end - when.start, 80);
  const found = useJson<RangeAnswer>("api/metrics/query_range", { q, ...asked(when), step, exemplars: 40 }, again);
  const theme = useTheme();
  const columns = useMemo(() => (found.data ? seriesOf(found.data) : null), [found.data]);
  const lines = useMemo(() => ranked(columns, by), [columns, theme, by]);
  const hidden = (columns?.lines.length ?? 0) - lines.length;
  /** A click opens traces of the moment: an exemplar would be one of many. */
  const click = (at: number, index: number) => {
    const line = lines[index];
    const value = line?.labels.get(by) ?? "";
    const condition = by && line ? `${by} = ${/^(status|kind)$/.test(by) ? value : quoted(value)}` : "";
    go(href(["search"], { q: condition ? narrowed(base || "{ }", condition) : base || selection(q.split("|")[0] ?? ""), start: Math.floor(at - step * 1000), end: Math.ceil(at), order: title.startsWith("Duration") ? "duration" : undefined }));
  };
  return (
    <section class="panel">
      <div class="row"><h2 class={height > 250 ? "mono" : ""}>{title}</h2><Progress on={found.loading} /></div>
      <ErrorNotice error={found.error} />
      {columns && !columns.times.length && <p class="muted">nothing in this range</p>}
      {columns && columns.times.length > 0 && <Plot times={columns.times} lines={lines} height={height} format={format} label={`${title} over time; drag to choose a range, click for traces`} onBrush={onBrush} onClick={click} />}
      <div class="legend">
        {lines.map((line) => <span key={line.label}><span class="dot" style={{ background: line.stroke }} />{line.label}</span>)}
        {hidden > 0 && <span class="muted">and {count(hidden)} more</span>}
      </div>
    </section>
  );
}

function tint(by: string, label: string): string {
  if (by !== "status") return colorOf(label);
  return color(label === "error" ? "error" : label === "ok" ? "ok" : "muted");
}

function ranked(columns: Columns | null, by: string): (Line & { labels: Map<string, string> })[] {
  if (!columns) return [];
  const sorted = [...columns.lines].sort((a, b) => total(b.values) - total(a.values)).slice(0, MOST_LINES);
  return sorted.map((line) => {
    const label = [...line.labels].find(([key]) => key === by)?.[1] ?? line.label;
    return { label, stroke: by ? tint(by, label) : columns.lines.length === 1 ? color("accent") : colorOf(label), values: line.values, labels: line.labels };
  });
}

interface Cells {
  times: number[]; // Unix seconds, the end of each column
  bounds: number[]; // seconds of duration, the upper bound of each row
  counts: number[][]; // by row, then column
  most: number;
}

function cellsOf(columns: Columns): Cells | null {
  const rows = columns.lines.map((line) => ({ bound: Number(line.labels.get("__bucket")), counts: line.values.map((value) => value ?? 0) })).filter((row) => Number.isFinite(row.bound));
  if (!rows.length || !columns.times.length) return null;
  rows.sort((a, b) => a.bound - b.bound);
  const filled: typeof rows = [];
  for (const row of rows) {
    for (let bound = (filled.at(-1)?.bound ?? row.bound) * 2; filled.length && bound < row.bound * 0.99; bound *= 2) filled.push({ bound, counts: columns.times.map(() => 0) });
    filled.push(row);
  }
  return { times: columns.times, bounds: filled.map((row) => row.bound), counts: filled.map((row) => row.counts), most: Math.max(...filled.flatMap((row) => row.counts), 1) };
}

const LEFT = 66;
const CELL = 17;

interface HeatmapProps {
  query: string;
  range: Range;
  when: { start: number; end: number };
  again: number;
  part: Part | null;
  onPart: (part: Part | null) => void;
  onRun: (query: string) => void;
}

function Heatmap({ query, range, when, again, part, onPart, onRun }: HeatmapProps) {
  const step = stepSeconds(when.end - when.start, 70);
  const found = useJson<RangeAnswer>("api/metrics/query_range", { q: `${selection(query)} | histogram_over_time(duration)`, ...asked(when), step, exemplars: 1 }, again);
  const cells = useMemo(() => (found.data ? cellsOf(seriesOf(found.data)) : null), [found.data]);
  const [ref, width] = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const [drag, setDrag] = useState<{ x: number; y: number; x2: number; y2: number } | null>(null);
  const height = (cells?.bounds.length ?? 0) * CELL;
  const wide = width - LEFT;
  useEffect(() => { if (canvas.current && cells && wide > 0) paint(canvas.current, cells, wide, height); }, [cells, wide, height, theme]);
  if (found.error) return <ErrorNotice error={found.error} />;
  const place = (event: PointerEvent) => {
    const box = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
    return { x: Math.min(Math.max(event.clientX - box.left, 0), box.width), y: Math.min(Math.max(event.clientY - box.top, 0), box.height) };
  };
  const finish = () => {
    if (!drag || !cells) return;
    const first = (cells.times[0] ?? 0) - step;
    const last = cells.times.at(-1) ?? 0;
    const at = (x: number) => (first + (x / wide) * (last - first)) * 1000;
    const level = (y: number) => Math.min(cells.bounds.length - 1, Math.max(0, Math.floor((height - y) / CELL)));
    const low = level(Math.max(drag.y, drag.y2));
    const high = level(Math.min(drag.y, drag.y2));
    setDrag(null);
    if (Math.abs(drag.x - drag.x2) < 3 && Math.abs(drag.y - drag.y2) < 3) return onPart(null);
    onPart({ start: at(Math.min(drag.x, drag.x2)), end: at(Math.max(drag.x, drag.x2)), least: ((cells.bounds[low] ?? 0) / 2) * 1000, most: (cells.bounds[high] ?? 0) * 1000, box: { left: Math.min(drag.x, drag.x2), width: Math.abs(drag.x - drag.x2), top: height - (high + 1) * CELL, height: (high - low + 1) * CELL } });
  };
  const shown = drag ? { left: Math.min(drag.x, drag.x2), width: Math.abs(drag.x - drag.x2), top: Math.min(drag.y, drag.y2), height: Math.abs(drag.y - drag.y2) } : part?.box;
  return (
    <section class="panel">
      <div class="row"><h2>Durations</h2><span class="muted">{part ? described(part) : "drag over spans to see what is different about them"}</span>
        <span class="grow" />
        {part ? <button onClick={() => onPart(null)}>Clear</button> : <Presets cells={cells} when={when} onPart={onPart} />}
      </div>
      <Progress on={found.loading} />
      {found.data && !cells && (
        <>
          <p class="muted">nothing in this range</p>
          <NothingFound query={query} range={range} onRun={onRun} />
        </>
      )}
      <div ref={ref} style={{ position: "relative", height: cells ? `${height + 4}px` : "0" }}>
        {cells && cells.bounds.map((bound, row) => row % 3 === 0 && <span key={bound} class="muted" style={{ position: "absolute", fontSize: "11px", right: `${wide + 6}px`, top: `${height - (row + 1) * CELL + 1}px` }}>≤ {duration(bound * 1000)}</span>)}
        {cells && (
          <canvas class="heat" ref={canvas} style={{ position: "absolute", left: `${LEFT}px`, width: `${wide}px`, height: `${height}px`, cursor: "crosshair", touchAction: "none" }} role="img" aria-label="Heatmap of durations over time"
            onPointerDown={(event) => { canvas.current?.setPointerCapture(event.pointerId); const { x, y } = place(event); setDrag({ x, y, x2: x, y2: y }); }}
            onPointerMove={(event) => { if (drag) { const { x, y } = place(event); setDrag({ ...drag, x2: x, y2: y }); } }} onPointerUp={finish} />
        )}
        {shown && <span class="brush" style={{ left: `${LEFT + shown.left}px`, width: `${shown.width}px`, top: `${shown.top}px`, height: `${shown.height}px` }} />}
      </div>
      {cells && <TimeAxis start={((cells.times[0] ?? 0) - step) * 1000} end={(cells.times.at(-1) ?? 0) * 1000} left={LEFT} width={wide} />}
    </section>
  );
}

function described(part: Part): string {
  if (part.condition) return part.condition;
  return Number.isFinite(part.most) ? `${duration(part.least)} – ${duration(part.most)}` : `longer than ${duration(part.least)}`;
}

/** What keyboards choose instead of a drag: the slowest spans, or those that failed. */
function Presets({ cells, when, onPart }: { cells: Cells | null; when: { start: number; end: number }; onPart: (part: Part) => void }) {
  if (!cells) return null;
  const sums = cells.counts.map(total);
  const all = total(sums);
  let row = sums.length - 1;
  for (let above = sums[row] ?? 0; row > 0 && above < all * 0.02; row--) above += sums[row - 1] ?? 0;
  const least = (cells.bounds[row] ?? 0) * 500;
  return (
    <>
      <button onClick={() => onPart({ ...when, least, most: Infinity })}>Slowest ({percent(total(sums.slice(row)) / Math.max(all, 1))})</button>
      <button onClick={() => onPart({ ...when, least: 0, most: Infinity, condition: "status = error" })}>Errors</button>
    </>
  );
}

function paint(canvas: HTMLCanvasElement, cells: Cells, width: number, height: number): void {
  const scale = devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  if (!context) return;
  context.scale(scale, scale);
  context.fillStyle = color("accent");
  const wide = width / cells.times.length;
  cells.counts.forEach((counts, row) => {
    counts.forEach((value, at) => {
      if (!value) return;
      context.globalAlpha = 0.12 + 0.88 * (Math.log1p(value) / Math.log1p(cells.most));
      context.fillRect(at * wide, height - (row + 1) * CELL, Math.max(wide - 1, 1), CELL - 1);
    });
  });
}

