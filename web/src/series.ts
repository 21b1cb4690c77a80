// Time series of an answer as columns for a chart.
import type { RangeAnswer, Series } from "./types";
import { text, valueOf } from "./values";

export interface Columns {
  times: number[]; // Unix seconds
  lines: { label: string; labels: Map<string, string>; values: (number | null)[] }[];
}

export function labelsOf(series: Pick<Series, "labels">): Map<string, string> {
  return new Map(series.labels.map(({ key, value }) => [key, text(valueOf(value))]));
}

export function labelText(labels: Map<string, string>): string {
  const shown = [...labels].filter(([key]) => key !== "__name__");
  return shown.map(([key, value]) => (key === "p" ? `p${Math.round(Number(value) * 1000) / 10}` : value)).join(" · ") || "all";
}

export function seriesOf(answer: RangeAnswer): Columns {
  const times = [...new Set(answer.series.flatMap((one) => one.samples.map((sample) => Number(sample.timestampMs) / 1000)))];
  times.sort((a, b) => a - b);
  const place = new Map(times.map((time, at) => [time, at]));
  const lines = answer.series.map((one) => {
    const values = new Array<number | null>(times.length).fill(null);
    for (const { timestampMs, value } of one.samples) {
      const at = place.get(Number(timestampMs) / 1000);
      const number = Number(value ?? 0);
      if (at !== undefined) values[at] = Number.isFinite(number) ? number : null;
    }
    const labels = labelsOf(one);
    return { label: labelText(labels), labels, values };
  });
  return { times, lines };
}
