// The time axis below charts that uPlot does not draw.
import { timeLabels } from "./format";
import { stepSeconds } from "./range";

const WIDTH = 110; // pixels of a label

export function TimeAxis({ start, end, left, width }: { start: number; end: number; left: number; width: number }) {
  const ticks = ticksOf(start, end, Math.max(1, Math.floor(width / WIDTH)));
  const labels = timeLabels(ticks.map((tick) => tick / 1000));
  return (
    <div class={`timeaxis${labels.some((label) => label.includes("\n")) ? " dated" : ""}`} aria-hidden="true" style={{ marginLeft: `${left}px`, width: `${width}px` }}>
      {ticks.map((tick, at) => <span key={tick} style={{ left: `${((tick - start) / Math.max(end - start, 1)) * 100}%` }}>{labels[at]}</span>)}
    </div>
  );
}

/** Moments in Unix milliseconds that are round in local time. */
function ticksOf(start: number, end: number, most: number): number[] {
  const step = stepSeconds(end - start, most) * 1000;
  const shift = new Date(start).getTimezoneOffset() * 60_000;
  const found: number[] = [];
  for (let at = Math.ceil((start - shift) / step) * step + shift; at <= end && found.length <= most; at += step) found.push(at);
  return found;
}
