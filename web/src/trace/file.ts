// Traces of a file: JSON of OTLP, of Tempo's API or of Jaeger. Nothing of it is sent anywhere.
import { digits } from "../format";
import type { ResourceSpans } from "../types";
import { spansOfJaeger, type JaegerTrace } from "./jaeger_json";
import { buildTrace, type Span, type Trace } from "./model";
import { spansOfOtlp } from "./otlp_json";

const LARGEST_MB = 64;
const MOST_SPANS = 200_000;

/** Reads the traces of a file, those with the most spans first; throws an Error that says what is wrong with it. */
export async function tracesOf(file: Blob): Promise<Trace[]> {
  if (file.size > LARGEST_MB * 1e6) throw new Error(`the file has ${digits(file.size / 1e6)} MB (limit: ${LARGEST_MB} MB)`);
  return tracesIn(await file.text());
}

export function tracesIn(content: string): Trace[] {
  const spans = new Map<string, Span[]>();
  let count = 0;
  for (const span of readable(spansIn(parsed(content)))) {
    if (++count > MOST_SPANS) throw new Error(`the file has more than ${MOST_SPANS} spans`);
    const own = spans.get(span.traceId);
    if (own) own.push(span);
    else spans.set(span.traceId, [span]);
  }
  if (!count) throw new Error("the file has no spans: it has to be JSON of OTLP, of Tempo's API or of Jaeger");
  const traces = [...spans].map(([id, own]) => buildTrace(id, own, false));
  return traces.sort((a, b) => b.spans.length - a.spans.length);
}

/** One document, or one in each line as the Collector's exporter of files writes them. */
function parsed(content: string): unknown[] {
  try {
    return [JSON.parse(content)];
  } catch (error) {
    const lines = content.split("\n").filter((line) => line.trim());
    if (lines.length < 2) throw new Error(`the file is not JSON: ${(error as Error).message}`);
    return lines.map((line, at) => parsedLine(line, at + 1));
  }
}

function parsedLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new Error(`line ${number} of the file is not JSON: ${(error as Error).message}`);
  }
}

/** Reads each span to its end: what is wrong with a file is told before anything of it is shown. */
function* readable(spans: Generator<Span>): Generator<Span> {
  try {
    for (const span of spans) if (span.attributes) yield span;
  } catch (error) {
    throw new Error(`a span of the file cannot be read: ${(error as Error).message}`);
  }
}

interface Document {
  trace?: unknown; // Tempo's /api/v2/traces
  data?: unknown; // Jaeger's API
  resourceSpans?: ResourceSpans[];
  batches?: ResourceSpans[]; // Tempo's /api/traces
  spans?: unknown;
}

function* spansIn(documents: unknown[]): Generator<Span> {
  for (const document of documents) {
    if (Array.isArray(document)) yield* spansIn(document);
    else if (typeof document === "object" && document !== null) yield* spansOfDocument(document);
  }
}

function* spansOfDocument(document: Document): Generator<Span> {
  if (document.trace) yield* spansIn([document.trace]);
  else if (Array.isArray(document.data)) yield* spansIn(document.data);
  else if (Array.isArray(document.spans)) yield* spansOfJaeger(document as JaegerTrace);
  else yield* spansOfOtlp(document.resourceSpans ?? document.batches ?? []);
}
