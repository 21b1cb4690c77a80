// The cases of tests/query/trace_analysis: the page tells the same as the endpoints.
import assert from "node:assert/strict";
import test from "node:test";
import { criticalPath, selfTimes } from "../src/trace/analysis";
import type { Trace } from "../src/trace/model";
import { span, trace } from "./spans";

function path(of: Trace): [string, number, number][] {
  const found = [...criticalPath(of.spans)].flatMap(([index, sections]) =>
    sections.map(([from, to]): [string, number, number] => [of.spans[index]?.name ?? "", from + of.start, to + of.start]),
  );
  return found.sort((a, b) => a[1] - b[1]);
}

test("self time is without the time of children, cut off at the span's ends", () => {
  const found = trace(span(1, 0, 0, 100), span(2, 1, 10, 40), span(3, 1, 30, 60), span(4, 1, 90, 150));
  assert.deepEqual(selfTimes(found.spans), [40, 30, 30, 60]);
});

test("self time ignores children outside of the span", () => {
  assert.deepEqual(selfTimes(trace(span(1, 0, 10, 20), span(2, 1, 30, 40), span(3, 1, 0, 5)).spans), [10, 5, 10]);
});

test("critical path follows the children that end last", () => {
  const found = trace(span(1, 0, 0, 100), span(2, 1, 10, 50), span(3, 1, 20, 30), span(4, 1, 60, 90), span(5, 4, 70, 80), span(6, 3, 21, 29));
  assert.deepEqual(path(found), [["1", 0, 10], ["2", 10, 50], ["1", 50, 60], ["4", 60, 70], ["5", 70, 80], ["4", 80, 90], ["1", 90, 100]]);
});

test("critical path cuts children off at the ends of their parents", () => {
  const found = trace(span(1, 0, 10, 100), span(2, 1, 0, 40), span(3, 1, 60, 200), span(4, 3, 150, 200));
  assert.deepEqual(path(found), [["2", 10, 40], ["1", 40, 60], ["3", 60, 100]]);
});

test("critical path goes through several roots and circles", () => {
  const found = path(trace(span(1, 0, 0, 10), span(2, 99, 20, 30), span(3, 4, 40, 50), span(4, 3, 42, 45), span(5, 0, 60, 60)));
  assert.deepEqual(found.slice(0, 2), [["1", 0, 10], ["2", 20, 30]]);
  assert.equal(found.reduce((sum, [, from, to]) => sum + to - from, 0), 30);
});

test("critical path takes as long as spans run", () => {
  const times = new Map<number, readonly [number, number]>([[1, [0, 10_000]]]);
  const spans = [span(1, 0, 0, 10_000)];
  let state = 7;
  const chance = (low: number, high: number) => low + ((state = (state * 48271) % 2147483647) % (high - low + 1));
  for (let id = 2; id < 800; id++) {
    const parent = chance(1, id - 1);
    const [low, high] = times.get(parent) ?? [0, 0];
    const a = chance(low, high);
    const b = chance(low, high);
    times.set(id, [Math.min(a, b), Math.max(a, b)]);
    spans.push(span(id, parent, Math.min(a, b), Math.max(a, b)));
  }
  const found = path(trace(...spans));
  assert.deepEqual(found.slice(1).map(([, from]) => from), found.slice(0, -1).map(([, , to]) => to));
  assert.deepEqual([found[0]?.[1], found.at(-1)?.[2]], [0, 10_000]);
});
