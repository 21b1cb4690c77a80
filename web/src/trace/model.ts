// A trace as the page shows it: spans in the order of a waterfall, with their places in the tree.
import { text, type Attributes } from "../values";

export interface Resource {
  attributes: Attributes;
  service: string;
}

export interface Instrumentation {
  name: string;
  version: string;
  attributes: Attributes;
}

export interface SpanEvent {
  name: string;
  after: number; // milliseconds after the start of the span
  attributes: Attributes;
}

export interface Link {
  traceId: string;
  spanId: string;
  attributes: Attributes;
}

export type Status = "unset" | "ok" | "error";

/** The words of OTLP's statuses and kinds by their numbers. */
export const STATUSES: Status[] = ["unset", "ok", "error"];
export const KINDS = ["", "internal", "server", "client", "producer", "consumer"];

/** What every row of a waterfall needs of a span. */
export interface Identity {
  traceId: string;
  id: string;
  parentId: string;
  name: string;
  kind: string;
  startNs: bigint;
  endNs: bigint;
  status: Status;
  message: string;
  resource: Resource;
  scope: Instrumentation;
}

/** What only the details of a span need. */
export interface Content {
  attributes: Attributes;
  events: SpanEvent[];
  links: Link[];
}

/** A span. Its content is read when it is asked for: of a large trace few spans are looked at. */
export class Span {
  readonly traceId: string;
  readonly id: string;
  readonly parentId: string;
  readonly name: string;
  readonly service: string;
  readonly kind: string;
  readonly startNs: bigint;
  readonly duration: number; // milliseconds
  readonly status: Status;
  readonly message: string;
  readonly resource: Attributes;
  readonly scope: Instrumentation;
  start = 0; // milliseconds after the start of the trace
  parent = -1; // index of the parent, -1 of a root
  depth = 0;
  size = 1; // spans of the tree below it, itself included
  errorsBelow = false;
  isOrphan = false; // its parent is not among the spans
  private content: Content | null = null;

  constructor(own: Identity, private readonly read: () => Content) {
    this.traceId = own.traceId;
    this.id = own.id;
    this.parentId = own.parentId;
    this.name = own.name;
    this.service = own.resource.service;
    this.kind = own.kind;
    this.startNs = own.startNs;
    this.duration = own.endNs > own.startNs ? Number(own.endNs - own.startNs) / 1e6 : 0;
    this.status = own.status;
    this.message = own.message;
    this.resource = own.resource.attributes;
    this.scope = own.scope;
  }

  get isError(): boolean {
    return this.status === "error";
  }

  get end(): number {
    return this.start + this.duration;
  }

  get attributes(): Attributes {
    return this.whole.attributes;
  }

  get events(): SpanEvent[] {
    return this.whole.events;
  }

  get links(): Link[] {
    return this.whole.links;
  }

  private get whole(): Content {
    return (this.content ??= this.read());
  }
}

export interface Trace {
  id: string;
  address: string[]; // path of the page that shows it
  isStored: boolean;
  spans: Span[];
  start: number; // Unix milliseconds
  duration: number;
  services: string[];
  errors: number;
}

export function resourceOf(attributes: Attributes): Resource {
  return { attributes, service: text(attributes.get("service.name") ?? "") };
}

export function buildTrace(id: string, found: Span[], isStored: boolean): Trace {
  let startNs = found[0]?.startNs ?? 0n;
  for (const span of found) if (span.startNs < startNs) startNs = span.startNs;
  for (const span of found) span.start = Number(span.startNs - startNs) / 1e6;
  const spans = ordered(found);
  return {
    id,
    address: [isStored ? "trace" : "file", id],
    isStored,
    spans,
    start: Number(startNs / 1000n) / 1000,
    duration: spans.reduce((most, span) => Math.max(most, span.end), 0),
    services: [...new Set(spans.map((span) => span.service))],
    errors: spans.reduce((sum, span) => sum + (span.isError ? 1 : 0), 0),
  };
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
