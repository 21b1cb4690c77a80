// Bodies of the API's answers, as far as the page reads them.
export interface AnyValue {
  stringValue?: string;
  intValue?: string | number;
  doubleValue?: number | string;
  boolValue?: boolean;
  bytesValue?: string;
  arrayValue?: { values?: AnyValue[] };
  kvlistValue?: { values?: KeyValue[] };
}
export interface KeyValue {
  key: string;
  value?: AnyValue;
}
export interface OtlpEvent {
  timeUnixNano?: string | number;
  name?: string;
  attributes?: KeyValue[];
}
export interface OtlpLink {
  traceId: string;
  spanId: string;
  attributes?: KeyValue[];
}
export interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name?: string;
  kind?: string | number;
  startTimeUnixNano?: string | number;
  endTimeUnixNano?: string | number;
  attributes?: KeyValue[];
  events?: OtlpEvent[];
  links?: OtlpLink[];
  status?: { code?: string | number; message?: string };
}
export interface ResourceSpans {
  resource?: { attributes?: KeyValue[] };
  scopeSpans?: { scope?: { name?: string; version?: string; attributes?: KeyValue[] }; spans?: OtlpSpan[] }[];
}
export interface FoundSpan {
  spanID: string;
  name?: string;
  startTimeUnixNano: string;
  durationNanos: string;
  attributes?: KeyValue[];
}
export interface FoundTrace {
  traceID: string;
  rootServiceName?: string;
  rootTraceName?: string;
  startTimeUnixNano: string;
  durationMs?: number;
  spanSets?: { spans: FoundSpan[]; matched: number; attributes?: KeyValue[] }[];
  serviceStats?: Record<string, { spanCount: number; errorCount?: number }>;
}
export interface SearchAnswer {
  traces: FoundTrace[];
}
export interface Series {
  labels: KeyValue[];
  samples: { timestampMs: string; value?: number | string }[];
  exemplars?: { labels: KeyValue[]; value?: number | string; timestampMs: string }[];
}
export interface RangeAnswer {
  series: Series[];
  status?: string;
  message?: string;
}
export interface InstantAnswer {
  series: { labels: KeyValue[]; value?: number | string }[];
}
export interface Service {
  name: string;
  spans: number;
  requests: number;
  errors: number;
  rate: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
}
export interface Operation extends Service {
  kind: string;
}
export interface Edge {
  client: string;
  server: string;
  type: "request" | "messaging" | "database" | "external";
  requests: number;
  errors: number;
  rate: number;
  p50Ms: number;
  p95Ms: number;
}
export interface DiffSide {
  spans: number;
  errors: number;
  totalMs: number;
}
export interface DiffNode {
  id: number;
  parent: number | null;
  service: string;
  name: string;
  left: DiffSide | null;
  right: DiffSide | null;
}
export interface CatalogAttribute {
  scope: string;
  name: string;
  types: string[];
  distinct: number | null;
}
