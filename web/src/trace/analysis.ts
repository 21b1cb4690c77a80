// Where the time of a trace goes: the time of each span without that of its children, and the critical path. The
// endpoints below /api/traces/{id} answer the same for other programs.
import type { Span } from "./model";

/** Milliseconds of each span in which none of its children runs, children cut off at its ends. */
export function selfTimes(spans: Span[]): number[] {
  const found = spans.map((span) => span.duration);
  const reached = spans.map((span) => span.start); // end of the children so far: they come in the order of their starts
  spans.forEach((span) => {
    const parent = spans[span.parent];
    if (!parent) return;
    const from = Math.max(span.start, reached[span.parent] as number);
    const to = Math.min(span.end, parent.end);
    if (to <= from) return;
    found[span.parent] = (found[span.parent] as number) - (to - from);
    reached[span.parent] = to;
  });
  return found;
}

export type Section = [from: number, to: number]; // milliseconds after the start of the trace

interface Extent {
  index: number; // -1 of what stands above the roots
  from: number;
  to: number;
}

/** The sections of spans, by index, that the duration of the trace is made of, found from its end backwards. */
export function criticalPath(spans: Span[]): Map<number, Section[]> {
  const children = childrenOf(spans);
  const found = new Map<number, Section[]>();
  const waiting: Extent[] = [{ index: -1, from: -Infinity, to: Infinity }];
  for (let above = waiting.pop(); above; above = waiting.pop()) {
    const path = lastToFirst(spans, children.get(above.index) ?? [], above);
    waiting.push(...path);
    if (above.index >= 0) found.set(above.index, between(path, above));
  }
  return found;
}

function childrenOf(spans: Span[]): Map<number, number[]> {
  const found = new Map<number, number[]>();
  spans.forEach((span, index) => {
    const siblings = found.get(span.parent);
    if (siblings) siblings.push(index);
    else found.set(span.parent, [index]);
  });
  return found;
}

/** The children that the time of a span is made of: the one that ends last, the one that ends last before it starts… */
function lastToFirst(spans: Span[], children: number[], above: Extent): Extent[] {
  const cut = children.map((index) => {
    const { start, end } = spans[index] as Span;
    return { index, from: Math.max(start, above.from), to: Math.min(end, above.to) };
  });
  cut.sort((a, b) => b.to - a.to || a.from - b.from);
  const found: Extent[] = [];
  let until = Infinity;
  for (const child of cut) {
    if (child.to > until || child.from >= child.to) continue;
    found.push(child);
    until = child.from;
  }
  return found;
}

/** What is left of a span when its children on the path are taken away. */
function between(path: Extent[], { from, to }: Extent): Section[] {
  const found: Section[] = [];
  let end = to;
  for (const child of path) {
    if (child.to < end) found.push([child.to, end]);
    end = child.from;
  }
  if (from < end) found.push([from, end]);
  return found.reverse();
}
