// The waterfall: only the rows that are in sight are in the document, so that a trace of any size scrolls at once.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { colorOf } from "../color";
import { duration } from "../format";
import { useTheme, useWidth } from "../parts";
import { color } from "../theme";
import { useWindow } from "../window";
import type { Section } from "./analysis";
import { memo } from "./memo";
import { visible, type Span, type Trace } from "./model";

const ROW = 24;

export interface View {
  from: number; // milliseconds after the start of the trace
  to: number;
}

interface Props {
  trace: Trace;
  selected: number;
  hits: number[];
  critical: ReadonlyMap<number, Section[]> | null;
  onSelect: (index: number) => void;
  onClose: () => void;
}

export function Waterfall({ trace, selected, hits, critical, onSelect, onClose }: Props) {
  const { spans } = trace;
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const whole = useMemo(() => ({ from: 0, to: Math.max(trace.duration, 1e-6) }), [trace]);
  const [view, setView] = useState<View>(whole);
  const rows = useMemo(() => visible(spans, folded), [spans, folded]);
  const isHit = useMemo(() => new Set(hits), [hits]);
  const { pane, shown, first, last, onScroll } = useWindow(rows.length, ROW);
  useEffect(() => reveal(pane.current, rows, spans, selected, setFolded), [selected, rows]);

  const fold = (index: number, wish?: boolean) => {
    const span = spans[index];
    if (!span || span.size === 1) return;
    const next = new Set(folded);
    if (wish ?? !folded.has(span.id)) next.add(span.id);
    else next.delete(span.id);
    setFolded(next);
  };
  const foldAll = (depth: number) => setFolded(new Set(spans.filter((span) => span.size > 1 && span.depth >= depth).map((span) => span.id)));
  const pressed = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = rows.indexOf(selected);
    const span = spans[selected];
    const moves: Record<string, () => void> = {
      ArrowDown: () => onSelect(rows[Math.min(at + 1, rows.length - 1)] ?? 0),
      ArrowUp: () => onSelect(rows[Math.max(at - 1, 0)] ?? 0),
      PageDown: () => onSelect(rows[Math.min(at + shown, rows.length - 1)] ?? 0),
      PageUp: () => onSelect(rows[Math.max(at - shown, 0)] ?? 0),
      Home: () => onSelect(rows[0] ?? 0),
      End: () => onSelect(rows[rows.length - 1] ?? 0),
      ArrowRight: () => (span && folded.has(span.id) ? fold(selected, false) : onSelect(rows[Math.min(at + 1, rows.length - 1)] ?? 0)),
      ArrowLeft: () => (span && span.size > 1 && !folded.has(span.id) ? fold(selected, true) : span && span.parent >= 0 && onSelect(span.parent)),
      Escape: () => { if (view !== whole) setView(whole); else onClose(); },
    };
    const move = moves[event.key];
    if (move) { event.preventDefault(); move(); }
  };
  return (
    <>
      <Minimap trace={trace} view={view} whole={whole} onView={setView} />
      <Ruler view={view} start={(
        <span class="row nowrap" style={{ gap: "2px", flexWrap: "nowrap" }}>
          <button class="plain" onClick={() => setFolded(new Set())}>unfold all</button>
          <button class="plain" onClick={() => foldAll(1)}>fold</button>
          {view !== whole && <button class="plain" onClick={() => setView(whole)}>reset zoom</button>}
        </span>
      )} />
      <div class="rows" ref={pane} tabIndex={0} role="tree" aria-label={`Spans of the trace, ${rows.length} of ${spans.length} shown`}
        aria-activedescendant={selected >= 0 ? `span-${selected}` : undefined}
        onScroll={onScroll} onKeyDown={pressed}>
        <div class="all" role="presentation" style={{ height: `${rows.length * ROW}px` }}>
          {rows.slice(first, last).map((index, at) => {
            const span = spans[index] as Span;
            return (
              <Row key={index} span={span} index={index} top={(first + at) * ROW} from={view.from} to={view.to} isOn={index === selected} isHit={isHit.has(index)}
                isFolded={folded.has(span.id)} sections={critical?.get(index)} onSelect={onSelect} onFold={fold} />
            );
          })}
        </div>
      </div>
    </>
  );
}

/** Scrolls to the selected span, and unfolds what hides it. */
function reveal(pane: HTMLDivElement | null, rows: number[], spans: Span[], selected: number, unfold: (change: (old: ReadonlySet<string>) => ReadonlySet<string>) => void): void {
  if (!pane || selected < 0) return;
  const at = rows.indexOf(selected);
  if (at < 0) {
    const above = new Set<string>();
    for (let index = spans[selected]?.parent ?? -1; index >= 0; index = spans[index]?.parent ?? -1) above.add(spans[index]?.id ?? "");
    unfold((old) => new Set([...old].filter((id) => !above.has(id))));
    return;
  }
  const top = at * ROW;
  if (top < pane.scrollTop) pane.scrollTop = Math.max(0, top - ROW * 3);
  else if (top + ROW > pane.scrollTop + pane.clientHeight) pane.scrollTop = top - pane.clientHeight + ROW * 4;
}

/** Pixels: less for each level the deeper it is, so that names stay in sight. */
function indent(depth: number): number {
  return Math.min(depth, 10) * 12 + Math.min(Math.max(depth - 10, 0), 30) * 3;
}

interface RowProps {
  span: Span;
  index: number;
  top: number;
  from: number;
  to: number;
  isOn: boolean;
  isHit: boolean;
  isFolded: boolean;
  sections: Section[] | undefined;
  onSelect: (index: number) => void;
  onFold: (index: number) => void;
}

const Row = memo(function Row({ span, index, top, from, to, isOn, isHit, isFolded, sections, onSelect, onFold }: RowProps) {
  const x = (ms: number) => ((ms - from) / (to - from)) * 100;
  const left = x(span.start);
  const right = x(span.start + span.duration);
  const isLabelLeft = right > 82;
  const isInside = isLabelLeft && left <= 12;
  const place = isInside ? { left: `${Math.max(left, 0)}%` } : isLabelLeft ? { right: `${100 - left}%` } : { left: `${Math.max(right, 0)}%` };
  const hidden = isFolded ? `, ${span.size - 1} spans folded` : "";
  const label = `${span.service} ${span.name}, ${duration(span.duration)}${span.isError ? ", error" : ""}${hidden}`;
  return (
    <div id={`span-${index}`} class={`span${isOn ? " on" : ""}${isHit ? " hit" : ""}`} style={{ transform: `translateY(${top}px)` }} role="treeitem" aria-level={span.depth + 1}
      aria-selected={isOn} aria-expanded={span.size > 1 ? !isFolded : undefined} aria-label={label} onClick={() => onSelect(index)}>
      <div class="names" aria-hidden="true">
        <span style={{ width: `${indent(span.depth)}px`, flex: "none" }} />
        <span class="fold" onClick={(event) => { event.stopPropagation(); onFold(index); }}>{span.size > 1 ? (isFolded ? "▸" : "▾") : ""}</span>
        <span class="dot" style={{ background: colorOf(span.service) }} />
        {span.isError && <span class="mark">!</span>}
        {!span.isError && isFolded && span.errorsBelow && <span class="mark" style={{ opacity: 0.6 }}>!</span>}
        <span class="ellipsis"><span class="service">{span.service}</span> {span.name}</span>
        {isFolded && <span class="chip">+{span.size - 1}</span>}
      </div>
      <div class="lane" aria-hidden="true">
        <span class={`bar${span.isError ? " bad" : ""}`} style={{ left: `${Math.max(left, -1)}%`, width: `${Math.max(Math.min(right, 101) - Math.max(left, -1), 0)}%`, background: colorOf(span.service), visibility: right < 0 || left > 100 ? "hidden" : undefined }} />
        {sections?.map(([start, end], at) => <span key={at} class="crit" style={{ left: `${x(start)}%`, width: `${x(end) - x(start)}%` }} />)}
        {span.events.slice(0, 40).map((event, at) => <span key={at} class={`event${event.name === "exception" ? " bad" : ""}`} style={{ left: `${x(span.start + event.after)}%` }} />)}
        <span class={`label${isInside ? " inside" : ""}`} style={place}>{duration(span.duration)}</span>
      </div>
    </div>
  );
});

const TICK = 84; // pixels of a label of the ruler

function ticks(view: View, most: number): number[] {
  const wanted = (view.to - view.from) / most;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= wanted) ?? wanted;
  const found: number[] = [];
  for (let at = Math.ceil(view.from / step) * step; at < view.to; at += step) found.push(at);
  return found;
}

function Ruler({ view, start }: { view: View; start: ComponentChildren }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const last = view.to - (view.to - view.from) * (TICK / 2 / Math.max(width, TICK)); // what is later has no room for its label
  const shown = ticks(view, Math.max(1, Math.floor(width / TICK))).filter((at) => at <= last);
  return (
    <div class="ruler">
      <div class="names">{start}</div>
      <div class="ticks" ref={ref} aria-hidden="true">
        {shown.map((at) => <span key={at} style={{ left: `${((at - view.from) / (view.to - view.from)) * 100}%` }}>{duration(at)}</span>)}
      </div>
    </div>
  );
}

function Minimap({ trace, view, whole, onView }: { trace: Trace; view: View; whole: View; onView: (view: View) => void }) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useTheme();
  const drag = useRef<number | null>(null);
  const [brush, setBrush] = useState<[number, number] | null>(null);
  useEffect(() => { if (canvas.current && width) paint(canvas.current, trace, width, 46); }, [trace, width, theme]);
  const at = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const down = (event: PointerEvent) => { (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId); drag.current = at(event); };
  const move = (event: PointerEvent) => { if (drag.current !== null) setBrush([Math.min(drag.current, at(event)), Math.max(drag.current, at(event))]); };
  const up = () => {
    drag.current = null;
    if (brush && brush[1] - brush[0] > 0.004) onView({ from: brush[0] * whole.to, to: brush[1] * whole.to });
    setBrush(null);
  };
  const shown = brush ?? [view.from / whole.to, view.to / whole.to];
  return (
    <div class="minimap" ref={ref} onPointerDown={down} onPointerMove={move} onPointerUp={up} onDblClick={() => onView(whole)} title="Drag to zoom, double click to see all">
      <canvas ref={canvas} aria-hidden="true" />
      <span class="out" style={{ left: 0, width: `${shown[0] * 100}%` }} />
      <span class="out" style={{ right: 0, width: `${(1 - shown[1]) * 100}%` }} />
    </div>
  );
}

function paint(canvas: HTMLCanvasElement, trace: Trace, width: number, height: number): void {
  const scale = devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  if (!context) return;
  context.scale(scale, scale);
  const row = height / Math.max(trace.spans.length, 12);
  const thick = Math.max(1, Math.min(row * 0.8, 5));
  for (const [fill, indexes] of byColor(trace.spans)) {
    context.fillStyle = fill;
    for (const index of indexes) {
      const { start, duration } = trace.spans[index] as Span;
      context.fillRect((start / trace.duration) * width, index * row, Math.max(1, (duration / trace.duration) * width), thick);
    }
  }
}

/** The spans of each colour, errors last: a canvas takes longer to read a colour than to fill a rectangle. */
function byColor(spans: Span[]): Map<string, number[]> {
  const found = new Map<string, number[]>();
  const failed: number[] = [];
  spans.forEach((span, index) => {
    const fill = colorOf(span.service);
    const own = span.isError ? failed : found.get(fill) ?? [];
    own.push(index);
    if (!span.isError) found.set(fill, own);
  });
  return found.set(color("error"), failed);
}
