// Spans of traces in the JSON of Jaeger's UI and API.
import type { Attributes, Value } from "../values";
import { KINDS, STATUSES, Span, resourceOf, type Content, type Identity, type Link, type Resource, type Status } from "./model";

interface Tag {
  key: string;
  value: Value;
}
interface Reference {
  refType?: string;
  traceID: string;
  spanID: string;
}
interface JaegerSpan {
  traceID: string;
  spanID: string;
  parentSpanID?: string;
  operationName?: string;
  references?: Reference[];
  startTime: number; // Unix microseconds
  duration: number; // microseconds
  tags?: Tag[];
  logs?: { timestamp: number; fields?: Tag[] }[];
  processID?: string;
}
export interface JaegerTrace {
  spans: JaegerSpan[];
  processes?: Record<string, { serviceName?: string; tags?: Tag[] }>;
}

export function* spansOfJaeger({ spans, processes = {} }: JaegerTrace): Generator<Span> {
  const resources = new Map<string, Resource>();
  for (const [id, { serviceName, tags }] of Object.entries(processes)) {
    resources.set(id, resourceOf(new Map([["service.name", serviceName ?? ""], ...attributesIn(tags)])));
  }
  for (const span of spans) yield spanOf(span, resources.get(span.processID ?? "") ?? resourceOf(new Map()));
}

function attributesIn(tags: Tag[] | undefined): Attributes {
  return new Map((tags ?? []).map(({ key, value }) => [key, value]));
}

const padded = (id: string, length: number) => id.toLowerCase().padStart(length, "0");

function linkOf({ traceID, spanID }: Reference): Link {
  return { traceId: padded(traceID, 32), spanId: padded(spanID, 16), attributes: new Map() };
}

/** The reference to the parent: a child before one that follows, within the trace. */
function parentOf(span: JaegerSpan): Reference | undefined {
  const own = (span.references ?? []).filter((one) => one.traceID === span.traceID);
  return own.find((one) => one.refType === "CHILD_OF") ?? own[0];
}

function spanOf(span: JaegerSpan, resource: Resource): Span {
  const tags = attributesIn(span.tags);
  const parent = parentOf(span)?.spanID ?? span.parentSpanID;
  const kind = String(tags.get("span.kind") ?? "").toLowerCase();
  const startNs = BigInt(Math.round(span.startTime)) * 1000n;
  const own: Identity = {
    traceId: padded(span.traceID, 32),
    id: padded(span.spanID, 16),
    parentId: parent ? padded(parent, 16) : "",
    name: String(span.operationName ?? ""),
    kind: KINDS.includes(kind) ? kind : "",
    startNs,
    endNs: startNs + BigInt(Math.round(span.duration)) * 1000n,
    status: statusOf(tags),
    message: String(tags.get("otel.status_description") ?? ""),
    resource,
    scope: { name: String(tags.get("otel.scope.name") ?? ""), version: String(tags.get("otel.scope.version") ?? ""), attributes: new Map() },
  };
  return new Span(own, () => contentOf(span, tags));
}

function statusOf(tags: Attributes): Status {
  if (String(tags.get("error")) === "true") return "error";
  const word = String(tags.get("otel.status_code") ?? "").toLowerCase();
  return STATUSES.find((status) => status === word) ?? "unset";
}

function contentOf(span: JaegerSpan, attributes: Attributes): Content {
  const parent = parentOf(span);
  return {
    attributes,
    events: (span.logs ?? []).map(({ timestamp, fields }) => {
      const own = attributesIn(fields);
      return { name: String(own.get("event") ?? "log"), after: (timestamp - span.startTime) / 1000, attributes: own };
    }),
    links: (span.references ?? []).filter((one) => one !== parent).map(linkOf),
  };
}
