// Charts over time, drawn by uPlot.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { clock, count, timeLabels } from "./format";
import { useTheme, useWidth } from "./parts";
import { color } from "./theme";

export interface Line {
  label: string;
  stroke: string;
  values: (number | null)[];
}

export interface PlotProps {
  times: number[]; // Unix seconds
  lines: Line[];
  height?: number;
  format?: (value: number) => string;
  isBars?: boolean;
  label: string;
  onBrush?: (start: number, end: number) => void; // Unix milliseconds
  onClick?: (at: number, line: number) => void; // Unix milliseconds, index of the line that is nearest
}

export function Plot(props: PlotProps) {
  const { times, lines, height = 170, isBars = false, label } = props;
  const [ref, width] = useWidth<HTMLDivElement>();
  const theme = useTheme();
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    if (!ref.current || width < 40 || !times.length) return;
    const plot = new uPlot(options(latest, width, height, isBars), [times, ...lines.map((line) => line.values)], ref.current);
    return () => plot.destroy();
  }, [times, lines, width, height, isBars, theme]);
  return <div class="plot" ref={ref} role="img" aria-label={label} style={{ minHeight: `${height}px` }} />;
}

function options(latest: { current: PlotProps }, width: number, height: number, isBars: boolean): uPlot.Options {
  const { lines, format = count } = latest.current;
  const axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { stroke: color("line"), width: 1 }, font: "11px system-ui" };
  const bars = uPlot.paths.bars?.({ size: [0.9, 60], gap: 0 });
  return {
    width,
    height,
    legend: { show: false },
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
    scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high ?? 0) > 0 ? high * 1.06 : 1] } },
    axes: [{ ...axis, values: (_, ticks) => timeLabels(ticks) }, { ...axis, size: 66, values: (_, ticks) => ticks.map((tick) => format(tick)) }],
    series: [
      {},
      ...lines.map((line): uPlot.Series => ({
        label: line.label,
        stroke: line.stroke,
        width: 1.5,
        spanGaps: true,
        points: { show: false },
        ...(isBars && bars ? { paths: bars, fill: line.stroke } : {}),
      })),
    ],
    hooks: { setSelect: [brushed(latest)], ready: [(plot) => watched(plot, latest)] },
  };
}

function brushed(latest: { current: PlotProps }) {
  return (plot: uPlot) => {
    const { left, width } = plot.select;
    if (width < 4) return;
    const at = (x: number) => plot.posToVal(x, "x") * 1000;
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    latest.current.onBrush?.(Math.floor(at(left)), Math.ceil(at(left + width)));
  };
}

/** Shows the values under the pointer, and tells of clicks. */
function watched(plot: uPlot, latest: { current: PlotProps }): void {
  const tip = document.createElement("div");
  tip.className = "chip mono";
  Object.assign(tip.style, { position: "absolute", pointerEvents: "none", zIndex: "3", display: "none", flexDirection: "column", alignItems: "flex-start", padding: "3px 7px", boxShadow: "var(--shadow)", background: "var(--panel)", border: "1px solid var(--line)" });
  plot.over.append(tip);
  let pressedAt = 0;
  plot.over.addEventListener("pointerdown", (event) => (pressedAt = event.clientX));
  plot.over.addEventListener("pointerleave", () => (tip.style.display = "none"));
  plot.over.addEventListener("pointermove", () => {
    const { idx, left = 0 } = plot.cursor;
    if (idx === null || idx === undefined) return;
    const { lines, times: at, format = count } = latest.current;
    const shown = lines.map((line) => ({ line, value: line.values[idx] ?? null })).filter((one) => one.value !== null);
    shown.sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
    tip.replaceChildren(clock((at[idx] ?? 0) * 1000), ...shown.slice(0, 8).map(({ line, value }) => tipLine(line, format(value ?? 0))));
    tip.style.display = "flex";
    const onLeft = left > plot.over.clientWidth / 2;
    tip.style.left = onLeft ? "" : `${left + 12}px`;
    tip.style.right = onLeft ? `${plot.over.clientWidth - left + 12}px` : "";
    tip.style.top = "4px";
  });
  plot.over.addEventListener("click", (event) => {
    const { idx, top = 0 } = plot.cursor;
    if (idx === null || idx === undefined || Math.abs(event.clientX - pressedAt) > 3) return;
    const wanted = plot.posToVal(top, "y");
    let nearest = 0;
    latest.current.lines.forEach((line, at) => {
      const gap = (index: number) => Math.abs((latest.current.lines[index]?.values[idx] ?? Infinity) - wanted);
      if (line && gap(at) < gap(nearest)) nearest = at;
    });
    latest.current.onClick?.((latest.current.times[idx] ?? 0) * 1000, nearest);
  });
}

function tipLine(line: Line, value: string): HTMLElement {
  const row = document.createElement("span");
  const dot = document.createElement("span");
  dot.className = "dot";
  dot.style.background = line.stroke;
  row.append(dot, ` ${value} ${line.label}`.slice(0, 60));
  return row;
}
