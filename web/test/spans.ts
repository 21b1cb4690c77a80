// Spans to test with: times in milliseconds, names that are the ids.
import { Span, buildTrace, resourceOf, type Content, type Trace } from "../src/trace/model";
import type { Attributes } from "../src/values";

interface Told {
  service?: string;
  attributes?: Attributes;
}

export function span(id: number, parent: number, start: number, end: number, { service = "shop", attributes = new Map() }: Told = {}): Span {
  const content: Content = { attributes, events: [], links: [] };
  return new Span({
    traceId: "1", id: String(id), parentId: parent ? String(parent) : "", name: String(id), kind: "",
    startNs: BigInt(start) * 1_000_000n, endNs: BigInt(end) * 1_000_000n, status: "unset", message: "",
    resource: resourceOf(new Map([["service.name", service]])), scope: { name: "", version: "", attributes: new Map() },
  }, () => content);
}

export function trace(...spans: Span[]): Trace {
  return buildTrace("1", spans, true);
}
