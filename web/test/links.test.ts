import assert from "node:assert/strict";
import test from "node:test";
import { attributeLinks, traceLinks, type Pattern } from "../src/links";
import type { Attributes, Value } from "../src/values";
import { span, trace } from "./spans";

const pattern = (url: string, more: Partial<Pattern> = {}): Pattern => ({ scope: "", keys: ["order.id"], url, text: "order #{order.id}", ...more });

function links(patterns: Pattern[], attributes: [string, Value][], scope = "span", key = "order.id") {
  const of: Attributes = new Map(attributes);
  const found = trace(span(1, 0, 1000, 2000, { attributes: new Map([["tenant", "a/b"]]) }), span(2, 1, 1000, 1500, { attributes: of }));
  const own = found.spans[1];
  return own ? attributeLinks(patterns, scope, key, of, own, found) : [];
}

test("values are encoded in the URL, and shown as they are", () => {
  assert.deepEqual(links([pattern("https://x.example/?id=#{order.id}&more")], [["order.id", "1&b=/\ud800é"]]), [
    { url: "https://x.example/?id=1%26b%3D%2F%EF%BF%BD%C3%A9&more", text: "order 1&b=/\ud800é" },
  ]);
});

test("a template knows the span, the spans above it, and the trace", () => {
  const [link] = links([pattern("https://x.example/#{tenant}/#{spanID}/#{trace.traceID}/#{endTime}")], [["order.id", 7]]);
  assert.equal(link?.url, "https://x.example/a%2Fb/2/1/2000000");
});

test("functions change a value", () => {
  const [link] = links([pattern("https://x.example/#{startTime | add -1000000 | epoch_micros_to_date_iso}/#{order.id | pad_start 4 0}")], [["order.id", "7"]]);
  assert.equal(link?.url, "https://x.example/1970-01-01T00%3A00%3A00.000Z/0007");
});

test("a link is left out where a value is missing, or key or scope are others", () => {
  const [wrongScope, noValue, otherKey] = [pattern("https://x.example", { scope: "resource" }), pattern("https://x.example/#{missing}"), pattern("https://x.example", { keys: ["other"] })];
  assert.deepEqual(links([wrongScope, noValue, otherKey], [["order.id", 7]]), []);
  assert.equal(links([wrongScope], [["order.id", 7]], "resource").length, 1);
});

test("links of traces know the trace alone", () => {
  const patterns = [pattern("https://x.example/#{traceID}", { scope: "trace", keys: [], text: "#{traceName}" }), pattern("https://x.example/#{order.id}", { scope: "trace" })];
  assert.deepEqual(traceLinks(patterns, trace(span(1, 0, 0, 1))), [{ url: "https://x.example/1", text: "shop: 1" }]);
});
