// Spans of OTLP's JSON as files have it: ids in hexadecimal digits, or in base64 as Tempo writes them.
import { attributesOf, hex } from "../values";
import type { OtlpSpan, ResourceSpans } from "../types";
import { KINDS, STATUSES, Span, resourceOf, type Content, type Identity, type Status } from "./model";

const HEXADECIMAL = /^(?:[0-9a-fA-F]{16}|[0-9a-fA-F]{32})$/;

export function* spansOfOtlp(groups: ResourceSpans[]): Generator<Span> {
  for (const group of groups) {
    const resource = resourceOf(attributesOf(group.resource?.attributes));
    for (const { scope: told, spans } of group.scopeSpans ?? []) {
      const scope = { name: told?.name ?? "", version: told?.version ?? "", attributes: attributesOf(told?.attributes) };
      for (const span of spans ?? []) yield spanOf(span, resource, scope);
    }
  }
}

function idOf(id: string | undefined): string {
  if (!id) return "";
  return HEXADECIMAL.test(id) ? id.toLowerCase() : hex(id);
}

function spanOf(span: OtlpSpan, resource: Identity["resource"], scope: Identity["scope"]): Span {
  const startNs = BigInt(span.startTimeUnixNano ?? 0);
  const own: Identity = {
    traceId: idOf(span.traceId),
    id: idOf(span.spanId),
    parentId: idOf(span.parentSpanId),
    name: String(span.name ?? ""),
    kind: kindOf(span.kind),
    startNs,
    endNs: BigInt(span.endTimeUnixNano ?? 0),
    status: statusOf(span.status?.code),
    message: String(span.status?.message ?? ""),
    resource,
    scope,
  };
  return new Span(own, () => contentOf(span, startNs));
}

function kindOf(kind: string | number | undefined): string {
  const word = typeof kind === "number" ? (KINDS[kind] ?? "") : (kind ?? "").replace("SPAN_KIND_", "").toLowerCase();
  return word === "unspecified" ? "" : word;
}

function statusOf(code: string | number | undefined): Status {
  const word = typeof code === "string" ? code.replace("STATUS_CODE_", "").toLowerCase() : STATUSES[code ?? 0];
  return STATUSES.find((status) => status === word) ?? "unset";
}

function contentOf(span: OtlpSpan, startNs: bigint): Content {
  return {
    attributes: attributesOf(span.attributes),
    events: (span.events ?? []).map(({ name, timeUnixNano, attributes }) => ({
      name: String(name ?? ""), after: Number(BigInt(timeUnixNano ?? 0) - startNs) / 1e6, attributes: attributesOf(attributes),
    })),
    links: (span.links ?? []).map((link) => ({
      traceId: idOf(link.traceId), spanId: idOf(link.spanId), attributes: attributesOf(link.attributes),
    })),
  };
}
