// A trace as the page shows it: spans in the order of a waterfall, with their places in the tree.
import type { AnyValue, KeyValue, OtlpEvent, OtlpLink, OtlpSpan, ResourceSpans } from "../types";

export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };
export type Attributes = Map<string, Value>;

export interface Span {
  id: string;
  parentId: string;
  name: string;
  service: string;
  kind: string;
  start: number; // milliseconds after the start of the trace
  duration: number;
  isError: boolean;
  message: string;
  attributes: Attributes;
  resource: Attributes;
  scope: { name: string; version: string; attributes: Attributes };
  events: { name: string; at: number; attributes: Attributes }[];
  links: { traceId: string; spanId: string; attributes: Attributes }[];
  parent: number; // index of the parent, -1 of a root
  depth: number;
  size: number; // spans of the tree below it, itself included
  errorsBelow: boolean;
  isOrphan: boolean; // its parent is not stored
}

export interface Trace {
  id: string;
  spans: Span[];
  start: number; // Unix milliseconds
  startNs: bigint;
  duration: number;
  services: string[];
  errors: number;
}

export function hex(base64: string): string {
  if (!base64) return "";
  return Array.from(atob(base64), (char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}

export function valueOf(value: AnyValue | undefined): Value {
  if (!value) return null;
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.intValue !== undefined) {
    const number = Number(value.intValue);
    return Number.isSafeInteger(number) ? number : value.intValue;
  }
  if (value.doubleValue !== undefined) return Number(value.doubleValue);
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.bytesValue !== undefined) return `0x${hex(value.bytesValue)}`;
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(valueOf);
  if (value.kvlistValue) {
    return Object.fromEntries((value.kvlistValue.values ?? []).map((entry) => [entry.key, valueOf(entry.value)]));
  }
  return null;
}

export function attributesOf(entries: KeyValue[] | undefined): Attributes {
  return new Map((entries ?? []).map((entry) => [entry.key, valueOf(entry.value)]));
}

export function text(value: Value): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

const big = (text: string | undefined): bigint => BigInt(text ?? "0");

interface Raw {
  span: OtlpSpan;
  resource: Attributes;
  scope: Span["scope"];
  start: bigint;
}

export function buildTrace(id: string, batches: ResourceSpans[]): Trace {
  const raw = [...rawSpans(batches)];
  let startNs = raw.length ? (raw[0] as Raw).start : 0n;
  for (const one of raw) if (one.start < startNs) startNs = one.start;
  const spans = ordered(raw.map((one) => readSpan(one, startNs)));
  let duration = 0;
  for (const span of spans) duration = Math.max(duration, span.start + span.duration);
  return {
    id,
    spans,
    start: Number(startNs / 1000n) / 1000,
    startNs,
    duration,
    services: [...new Set(spans.map((span) => span.service))],
    errors: spans.reduce((sum, span) => sum + (span.isError ? 1 : 0), 0),
  };
}

function* rawSpans(batches: ResourceSpans[]): Generator<Raw> {
  for (const batch of batches) {
    const resource = attributesOf(batch.resource?.attributes);
    for (const group of batch.scopeSpans ?? []) {
      const scope = {
        name: group.scope?.name ?? "",
        version: group.scope?.version ?? "",
        attributes: attributesOf(group.scope?.attributes),
      };
      for (const span of group.spans ?? []) yield { span, resource, scope, start: big(span.startTimeUnixNano) };
    }
  }
}

function readSpan({ span, resource, scope, start }: Raw, startNs: bigint): Span {
  const end = big(span.endTimeUnixNano);
  const code = span.status?.code;
  return {
    id: hex(span.spanId),
    parentId: hex(span.parentSpanId ?? ""),
    name: span.name ?? "",
    service: text(resource.get("service.name") ?? ""),
    kind: (span.kind ?? "").replace("SPAN_KIND_", "").toLowerCase(),
    start: Number(start - startNs) / 1e6,
    duration: end > start ? Number(end - start) / 1e6 : 0,
    isError: code === "STATUS_CODE_ERROR",
    message: span.status?.message ?? "",
    attributes: attributesOf(span.attributes),
    resource,
    scope,
    events: (span.events ?? []).map((event) => readEvent(event, startNs)),
    links: (span.links ?? []).map(readLink),
    parent: -1,
    depth: 0,
    size: 1,
    errorsBelow: false,
    isOrphan: false,
  };
}

function readEvent(event: OtlpEvent, startNs: bigint): Span["events"][number] {
  return {
    name: event.name ?? "",
    at: Number(big(event.timeUnixNano) - startNs) / 1e6,
    attributes: attributesOf(event.attributes),
  };
}

function readLink(link: OtlpLink): Span["links"][number] {
  return { traceId: hex(link.traceId), spanId: hex(link.spanId), attributes: attributesOf(link.attributes) };
}

/** Spans depth first, children by their start. Spans of a circle of parents come last, as roots. */
function ordered(spans: Span[]): Span[] {
  const byId = new Map(spans.map((span) => [span.id, span]));
  const children = new Map<Span | null, Span[]>();
  for (const span of spans) {
    const found = span.parentId ? byId.get(span.parentId) : undefined;
    const parent = found && found !== span ? found : null;
    span.isOrphan = Boolean(span.parentId) && !parent;
    const siblings = children.get(parent);
    if (siblings) siblings.push(span);
    else children.set(parent, [span]);
  }
  for (const siblings of children.values()) siblings.sort((a, b) => a.start - b.start);
  const result: Span[] = [];
  const seen = new Set<Span>();
  const walk = (roots: Span[]) => {
    const stack = roots.map((span) => ({ span, parent: -1, depth: 0 })).reverse();
    for (let next = stack.pop(); next; next = stack.pop()) {
      if (seen.has(next.span)) continue;
      seen.add(next.span);
      next.span.parent = next.parent;
      next.span.depth = next.depth;
      const index = result.push(next.span) - 1;
      const below = children.get(next.span) ?? [];
      for (let at = below.length - 1; at >= 0; at--) {
        stack.push({ span: below[at] as Span, parent: index, depth: next.depth + 1 });
      }
    }
  };
  walk(children.get(null) ?? []);
  for (const span of spans) if (!seen.has(span)) walk([span]);
  for (let index = result.length - 1; index > 0; index--) {
    const span = result[index] as Span;
    const parent = result[span.parent];
    if (!parent) continue;
    parent.size += span.size;
    parent.errorsBelow ||= span.isError || span.errorsBelow;
  }
  return result;
}

/** The indexes of the spans that are shown where the trees below some spans are folded. */
export function visible(spans: Span[], folded: ReadonlySet<string>): number[] {
  const rows: number[] = [];
  for (let index = 0; index < spans.length; ) {
    const span = spans[index] as Span;
    rows.push(index);
    index += folded.has(span.id) ? span.size : 1;
  }
  return rows;
}

/** The indexes of the spans that contain a text, in any case: in name, service, ids, attributes or events. */
export function matching(spans: Span[], wanted: string): number[] {
  const needle = wanted.trim().toLowerCase();
  if (!needle) return [];
  const found = new Map<object, boolean>();
  const has = (value: string) => value.toLowerCase().includes(needle);
  const inAttributes = (attributes: Attributes) => {
    const known = found.get(attributes);
    if (known !== undefined) return known;
    let is = false;
    for (const [key, value] of attributes) is ||= has(`${key}=${text(value)}`);
    found.set(attributes, is);
    return is;
  };
  const rows: number[] = [];
  spans.forEach((span, index) => {
    const own = has(span.name) || has(span.service) || has(span.id) || has(span.message);
    const is = own || inAttributes(span.attributes) || inAttributes(span.resource);
    if (is || span.events.some((event) => has(event.name) || inAttributes(event.attributes))) rows.push(index);
  });
  return rows;
}
