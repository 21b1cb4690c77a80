import assert from "node:assert/strict";
import test from "node:test";
import { tracesIn } from "../src/trace/file";
import type { Span } from "../src/trace/model";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const base64 = (hex: string) => btoa(hex.replace(/../g, (pair) => String.fromCharCode(parseInt(pair, 16))));

function otlp(id: (hex: string) => string, kind: string | number = 2, code: string | number = 2) {
  const attributes = [{ key: "http.route", value: { stringValue: "/cart" } }, { key: "n", value: { intValue: "7" } }];
  const root = { traceId: id(TRACE), spanId: id("00f067aa0ba902b7"), name: "GET", kind, startTimeUnixNano: "1000000", endTimeUnixNano: "9000000", attributes };
  const below = {
    traceId: id(TRACE), spanId: id("00f067aa0ba902b8"), parentSpanId: id("00f067aa0ba902b7"), name: "SELECT", startTimeUnixNano: 2000000, endTimeUnixNano: 3000000,
    status: { code, message: "no" }, events: [{ name: "retry", timeUnixNano: "2500000" }], links: [{ traceId: id(TRACE), spanId: id("00f067aa0ba902b7") }],
  };
  return [{ resource: { attributes: [{ key: "service.name", value: { stringValue: "shop" } }] }, scopeSpans: [{ scope: { name: "http" }, spans: [below, root] }] }];
}

const jaeger = {
  traceID: TRACE.slice(16),
  spans: [
    { traceID: TRACE.slice(16), spanID: "00f067aa0ba902b7", operationName: "GET", startTime: 1000, duration: 8000, processID: "p1", tags: [{ key: "http.route", type: "string", value: "/cart" }, { key: "n", value: 7 }, { key: "span.kind", value: "server" }] },
    { traceID: TRACE.slice(16), spanID: "f067aa0ba902b8", operationName: "SELECT", startTime: 2000, duration: 1000, processID: "p1", references: [{ refType: "CHILD_OF", traceID: TRACE.slice(16), spanID: "f067aa0ba902b7" }], tags: [{ key: "error", value: true }], logs: [{ timestamp: 2500, fields: [{ key: "event", value: "retry" }] }] },
  ],
  processes: { p1: { serviceName: "shop", tags: [] } },
};

const told = ({ id, parent, name, service, kind, start, duration, status, events }: Span) =>
  [id, parent, name, service, kind, start, duration, status, events.map((event) => [event.name, event.after])];

for (const [what, content] of Object.entries({
  "OTLP": JSON.stringify({ resourceSpans: otlp((hex) => hex) }),
  "Tempo's trace": JSON.stringify({ trace: { resourceSpans: otlp(base64, "SPAN_KIND_SERVER", "STATUS_CODE_ERROR") } }),
  "Tempo's batches": JSON.stringify({ batches: otlp(base64) }),
  "lines of OTLP": `${JSON.stringify({ resourceSpans: otlp((hex) => hex) })}\n{"resourceSpans":[]}\n`,
  "Jaeger": JSON.stringify({ data: [jaeger] }),
  "one trace of Jaeger": JSON.stringify(jaeger),
})) {
  test(`a file of ${what} is read`, () => {
    const [trace, other] = tracesIn(content);
    assert.equal(other, undefined);
    assert.deepEqual(trace?.spans.map(told), [
      ["00f067aa0ba902b7", -1, "GET", "shop", "server", 0, 8, "unset", []],
      ["00f067aa0ba902b8", 0, "SELECT", "shop", "", 1, 1, "error", [["retry", 0.5]]],
    ]);
    assert.equal(trace?.spans[0]?.attributes.get("n"), 7);
    assert.equal(trace?.spans[0]?.attributes.get("http.route"), "/cart");
  });
}

test("several traces of a file are told apart, the largest first", () => {
  const [small] = otlp((hex) => hex.replace(/^0af7/, "0bf7"));
  small?.scopeSpans[0]?.spans.splice(1);
  assert.deepEqual(tracesIn(JSON.stringify([{ batches: [small] }, { resourceSpans: otlp((hex) => hex) }])).map((trace) => trace.id.slice(0, 4)), ["0af7", "0bf7"]);
});

for (const [content, reason] of [
  ["", /not JSON/], ["{", /not JSON/], ['{"a":1}\n{', /line 2 .* not JSON/], ["[]", /no spans/], ["7", /no spans/], ['{"data":[{"spans":[]}]}', /no spans/],
  ['{"resourceSpans":{}}', /cannot be read/], ['{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"x"}]}]}]}', /cannot be read/],
  ['{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":7}]}]}]}', /cannot be read/], ['{"spans":[7]}', /cannot be read/],
  [`${"[".repeat(50_000)}${"]".repeat(50_000)}`, /./],
] as [string, RegExp][]) {
  test(`a file is refused: ${content.slice(0, 60)}`, () => assert.throws(() => tracesIn(content), reason));
}
