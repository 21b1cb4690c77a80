// Links that an operator has set for attributes and traces: templates that are filled in with what a span has.
import { useEffect, useState } from "preact/hooks";
import { getJson } from "./api";
import type { Span, Trace } from "./trace/model";
import { text, type Attributes, type Value } from "./values";

export interface Pattern {
  scope: string; // span, resource, event, trace, or empty for any attribute
  keys: string[];
  url: string;
  text: string;
}

export interface Link {
  url: string;
  text: string;
}

type Lookup = (name: string) => Value | undefined;

let loaded: Promise<Pattern[]> | null = null;

/** The patterns of the server, for a trace that it stores: for one of a file it is asked for nothing. */
export function usePatterns({ isStored }: Trace): Pattern[] {
  const [patterns, setPatterns] = useState<Pattern[]>([]);
  useEffect(() => {
    if (!isStored) return;
    loaded ??= getJson<{ links: Pattern[] }>("api/page/links").then(({ links }) => links);
    loaded.then(setPatterns).catch(() => (loaded = null));
  }, [isStored]);
  return patterns;
}

const FUNCTIONS: Record<string, (value: Value, ...given: string[]) => Value> = {
  add: (value, by) => (typeof value === "number" ? value + Number(by) : value),
  pad_start: (value, length, fill) => text(value).padStart(Number(length), fill),
  epoch_micros_to_date_iso: (value) => (typeof value === "number" && Math.abs(value) < 8.64e18 ? new Date(value / 1000).toISOString() : value),
};

function valueOf(expression: string, lookup: Lookup): Value | undefined {
  const [name = "", ...calls] = expression.split("|").map((part) => part.trim());
  const found = lookup(name);
  if (found === undefined) return undefined;
  return calls.reduce<Value>((value, call) => {
    const [called = "", ...given] = call.split(" ");
    return FUNCTIONS[called]?.(value, ...given) ?? value;
  }, found);
}

/** A template with its values; null where one is missing. */
function filled(template: string, lookup: Lookup, write: (value: string) => string): string | null {
  let isWhole = true;
  const result = template.replace(/#\{([^{}]*)\}/g, (_, expression: string) => {
    const value = valueOf(expression, lookup);
    if (value === undefined) isWhole = false;
    return value === undefined ? "" : write(text(value));
  });
  return isWhole ? result : null;
}

/** A value within a URL; half of a surrogate pair has no encoding. */
function encoded(value: string): string {
  return encodeURIComponent(value.replace(/\p{Surrogate}/gu, "\uFFFD"));
}

function linkOf(pattern: Pattern, lookup: Lookup): Link[] {
  const url = filled(pattern.url, lookup, encoded);
  const shown = filled(pattern.text, lookup, (value) => value);
  return url === null || shown === null ? [] : [{ url, text: shown }];
}

/** What Jaeger's templates know of a trace; times in microseconds. */
function ofTrace(trace: Trace): Attributes {
  const root = trace.spans[0];
  const startTime = Math.round(trace.start * 1000);
  const duration = Math.round(trace.duration * 1000);
  return new Map<string, Value>([
    ["traceID", trace.id], ["traceName", `${root?.service ?? ""}: ${root?.name ?? ""}`],
    ["startTime", startTime], ["endTime", startTime + duration], ["duration", duration],
  ]);
}

export function traceLinks(patterns: Pattern[], trace: Trace): Link[] {
  const own = ofTrace(trace);
  const lookup: Lookup = (name) => own.get(name.replace(/^trace\./, ""));
  return patterns.filter((pattern) => pattern.scope === "trace").flatMap((pattern) => linkOf(pattern, lookup));
}

/** The links of an attribute; templates know what is beside it, then the span, the spans above it, and the trace. */
export function attributeLinks(patterns: Pattern[], scope: string, key: string, beside: Attributes, span: Span, trace: Trace): Link[] {
  const wanted = patterns.filter((pattern) => pattern.keys.includes(key) && (!pattern.scope || pattern.scope === scope));
  if (!wanted.length) return [];
  const own = ofTrace(trace);
  const lookup: Lookup = (name) => beside.get(name) ?? inAncestors(name, span, trace) ?? (name === "spanID" ? span.id : own.get(name.replace(/^trace\./, "")));
  return wanted.flatMap((pattern) => linkOf(pattern, lookup));
}

function inAncestors(name: string, span: Span, trace: Trace): Value | undefined {
  for (let at: Span | undefined = span; at; at = trace.spans[at.parent]) {
    const found = at.attributes.get(name) ?? at.resource.get(name);
    if (found !== undefined) return found;
  }
  return undefined;
}
