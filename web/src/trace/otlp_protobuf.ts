// Spans of the answer of /api/v2/traces in protobuf, which takes a fraction of the time of JSON to write and to read.
import { hexOf, integer, type Attributes, type Value } from "../values";
import { KINDS, STATUSES, Span, resourceOf, type Content, type Identity, type Instrumentation, type Link, type Resource, type SpanEvent } from "./model";
import { Message } from "./protobuf";

export function spansOfAnswer(answer: Uint8Array): Span[] {
  const found: Span[] = [];
  for (const trace of within(new Message(answer), 1)) {
    for (const group of within(trace, 1)) readGroup(group, found);
  }
  return found;
}

function* within(message: Message, field: number): Generator<Message> {
  while (message.next()) if (message.field === field) yield message.message();
}

function readGroup(group: Message, found: Span[]): void {
  let resource = resourceOf(new Map());
  const scopes: Message[] = [];
  while (group.next()) {
    if (group.field === 1) resource = resourceOf(attributesWithin(group.message(), 1));
    else if (group.field === 2) scopes.push(group.message());
  }
  for (const scope of scopes) readScope(scope, resource, found);
}

function readScope(message: Message, resource: Resource, found: Span[]): void {
  let scope: Instrumentation = { name: "", version: "", attributes: new Map() };
  const spans: Uint8Array[] = [];
  while (message.next()) {
    if (message.field === 1) scope = readInstrumentation(message.message());
    else if (message.field === 2) spans.push(message.content());
  }
  for (const span of spans) found.push(readSpan(span, resource, scope));
}

function readInstrumentation(message: Message): Instrumentation {
  const found: Instrumentation = { name: "", version: "", attributes: new Map() };
  while (message.next()) {
    if (message.field === 1) found.name = message.text();
    else if (message.field === 2) found.version = message.text();
    else if (message.field === 3) readAttribute(message.message(), found.attributes);
  }
  return found;
}

function readSpan(bytes: Uint8Array, resource: Resource, scope: Instrumentation): Span {
  const own: Identity = { traceId: "", id: "", parentId: "", name: "", kind: "", startNs: 0n, endNs: 0n, status: "unset", message: "", resource, scope };
  const message = new Message(bytes);
  while (message.next()) {
    switch (message.field) {
      case 1: own.traceId = hexOf(message.content()); break;
      case 2: own.id = hexOf(message.content()); break;
      case 4: own.parentId = hexOf(message.content()); break;
      case 5: own.name = message.text(); break;
      case 6: own.kind = KINDS[message.number()] ?? ""; break;
      case 7: own.startNs = message.fixed64(); break;
      case 8: own.endNs = message.fixed64(); break;
      case 15: readStatus(message.message(), own); break;
    }
  }
  return new Span(own, () => readContent(new Message(bytes), own.startNs));
}

function readStatus(message: Message, own: Identity): void {
  while (message.next()) {
    if (message.field === 2) own.message = message.text();
    else if (message.field === 3) own.status = STATUSES[message.number()] ?? "unset";
  }
}

function readContent(message: Message, startNs: bigint): Content {
  const found: Content = { attributes: new Map(), events: [], links: [] };
  while (message.next()) {
    if (message.field === 9) readAttribute(message.message(), found.attributes);
    else if (message.field === 11) found.events.push(readEvent(message.message(), startNs));
    else if (message.field === 13) found.links.push(readLink(message.message()));
  }
  return found;
}

function readEvent(message: Message, startNs: bigint): SpanEvent {
  const found: SpanEvent = { name: "", after: 0, attributes: new Map() };
  while (message.next()) {
    if (message.field === 1) found.after = Number(message.fixed64() - startNs) / 1e6;
    else if (message.field === 2) found.name = message.text();
    else if (message.field === 3) readAttribute(message.message(), found.attributes);
  }
  return found;
}

function readLink(message: Message): Link {
  const found: Link = { traceId: "", spanId: "", attributes: new Map() };
  while (message.next()) {
    if (message.field === 1) found.traceId = hexOf(message.content());
    else if (message.field === 2) found.spanId = hexOf(message.content());
    else if (message.field === 4) readAttribute(message.message(), found.attributes);
  }
  return found;
}

function attributesWithin(message: Message, field: number): Attributes {
  const found: Attributes = new Map();
  for (const entry of within(message, field)) readAttribute(entry, found);
  return found;
}

function readAttribute(message: Message, into: Attributes): void {
  let key = "";
  let value: Value = null;
  while (message.next()) {
    if (message.field === 1) key = message.text();
    else if (message.field === 2) value = readValue(message.message());
  }
  into.set(key, value);
}

function readValue(message: Message): Value {
  let found: Value = null;
  while (message.next()) {
    switch (message.field) {
      case 1: found = message.text(); break;
      case 2: found = message.number() !== 0; break;
      case 3: found = integer(message.int64()); break;
      case 4: found = message.double(); break;
      case 5: found = [...within(message.message(), 1)].map(readValue); break;
      case 6: found = Object.fromEntries(attributesWithin(message.message(), 1)); break;
      case 7: found = `0x${hexOf(message.content())}`; break;
    }
  }
  return found;
}
