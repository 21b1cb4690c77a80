// Everything of one span: attributes by scope, events, links, and what language models were asked and answered.
import { useState } from "preact/hooks";
import { clock, count, duration } from "../format";
import { attributeLinks, usePatterns, type Link } from "../links";
import { Copy, Dot } from "../parts";
import { href } from "../router";
import { attribute, quoted } from "../traceql";
import { text, type Attributes, type Value } from "../values";
import { conversation, modelFacts, type Turn } from "./genai";
import type { Span, Trace } from "./model";

export function Details({ trace, span, onClose }: { trace: Trace; span: Span; onClose: () => void }) {
  const parent = trace.spans[span.parent];
  const patterns = usePatterns(trace);
  const linked: LinksOf = (scope, attributes) => (key) => attributeLinks(patterns, scope, key, attributes, span, trace);
  return (
    <aside class="details" aria-label="Span">
      <div class="row" style={{ flexWrap: "nowrap", alignItems: "flex-start" }}>
        <h2 class="grow" style={{ overflowWrap: "anywhere" }}><Dot service={span.service} /> {span.name || "(no name)"}</h2>
        <button class="plain" onClick={onClose} aria-label="Close the details">✕</button>
      </div>
      <div class="facts">
        <span class="chip">{span.service || "no service"}</span>
        {span.kind && <span class="chip">{span.kind}</span>}
        <span class="chip"><b>{duration(span.duration)}</b></span>
        <span class="chip">at {duration(span.start)}</span>
        {span.isError && <span class="badge">error</span>}
        {span.isOrphan && <span class="chip" title={span.parentId}>parent is not stored</span>}
      </div>
      {span.message && <div class="notice error">{span.message}</div>}
      <ModelCall span={span} />
      {span.events.length > 0 && <Events trace={trace} span={span} linked={linked} />}
      <Group title="Span" scope="span" attributes={span.attributes} linked={linked} isOpen />
      {span.links.length > 0 && <Links span={span} from={trace.id} linked={linked} />}
      <Group title="Resource" scope="resource" attributes={span.resource} linked={linked} isOpen={span.attributes.size < 12} />
      <Group title={`Instrumentation ${span.scope.name} ${span.scope.version}`} scope="instrumentation" attributes={span.scope.attributes} linked={linked} />
      <dl>
        <dt>span id</dt><dd>{span.id}</dd>
        {span.parentId && <><dt>parent</dt><dd>{parent ? <a href={href(trace.address, { span: parent.id })}>{parent.name} {span.parentId}</a> : span.parentId}</dd></>}
        <dt>start</dt><dd>{clock(trace.start + span.start, true)}</dd>
        <dt>spans below</dt><dd>{span.size - 1}</dd>
      </dl>
      <div class="row">
        <a class="button" href={href(["search"], { q: `{ resource.service.name = ${quoted(span.service)} && name = ${quoted(span.name)} }` })}>Search spans like this</a>
        <Copy text={() => jsonOf(span)} label="Copy JSON" />
      </div>
    </aside>
  );
}

/** All that is shown of a span, attributes as objects. */
function jsonOf(span: Span): string {
  const { traceId, id, parentId, name, service, kind, startNs, duration: durationMs, status, message, attributes, resource, scope, events, links } = span;
  const shown = { traceId, id, parentId, name, service, kind, startNs: String(startNs), durationMs, status, message, attributes, resource, scope, events, links };
  return JSON.stringify(shown, (_, value: unknown) => (value instanceof Map ? Object.fromEntries(value) : value), 2);
}

function literal(value: Value): string | null {
  if (typeof value === "string") return quoted(value);
  return typeof value === "number" || typeof value === "boolean" ? String(value) : null;
}

/** The links of the attributes of a scope, by key. */
type LinksOf = (scope: string, attributes: Attributes) => (key: string) => Link[];

function Group({ title, scope, attributes, linked, isOpen = false }: { title: string; scope: string; attributes: Attributes; linked: LinksOf; isOpen?: boolean }) {
  if (!attributes.size) return null;
  return (
    <details open={isOpen}>
      <summary>{title} <span class="muted">{attributes.size}</span></summary>
      <AttributeList attributes={attributes} scope={scope} linked={linked} />
    </details>
  );
}

function AttributeList({ attributes, scope, linked }: { attributes: Attributes; scope: string; linked: LinksOf }) {
  const linksOf = linked(scope, attributes);
  const sorted = [...attributes].sort(([a], [b]) => a.localeCompare(b));
  return (
    <dl>
      {sorted.map(([key, value]) => {
        const wanted = literal(value);
        const shown = <Shown value={value} />;
        return [
          <dt key={key}>{key}</dt>,
          <dd key={`${key} value`}>
            {wanted && wanted.length < 300 ? <a style={{ color: "inherit" }} title="Search for this value" href={href(["search"], { q: `{ ${attribute(scope, key)} = ${wanted} }` })}>{shown}</a> : shown}
            {linksOf(key).map((link) => <Outside key={link.url} link={link} />)}
          </dd>,
        ];
      })}
    </dl>
  );
}

export function Outside({ link }: { link: Link }) {
  return <a class="outside" href={link.url} target="_blank" rel="noopener noreferrer">{link.text} ↗</a>;
}

const LONG = 600; // characters

function Shown({ value }: { value: Value }) {
  const [all, setAll] = useState(false);
  const isNested = typeof value === "object" && value !== null && Object.values(value).some((one) => typeof one === "object");
  const whole = isNested ? JSON.stringify(value, null, 1) : text(value);
  if (whole.length <= LONG || all) return <>{whole}</>;
  return <>{whole.slice(0, LONG)}… <button class="plain" onClick={(event) => { event.preventDefault(); setAll(true); }}>all {count(whole.length)} characters</button></>;
}

function Events({ trace, span, linked }: { trace: Trace; span: Span; linked: LinksOf }) {
  return (
    <section>
      <h3>Events <span class="muted">{span.events.length}</span></h3>
      {span.events.slice(0, 200).map((event, at) => {
        const stack = event.attributes.get("exception.stacktrace");
        const rest = new Map([...event.attributes].filter(([key]) => key !== "exception.stacktrace"));
        return (
          <details key={at} open={event.name === "exception" || span.events.length <= 3}>
            <summary class={event.name === "exception" ? "error" : ""}>{event.name || "(no name)"} <span class="muted">after {duration(event.after)}, {clock(trace.start + span.start + event.after, true)}</span></summary>
            <AttributeList attributes={rest} scope="event" linked={linked} />
            {typeof stack === "string" && <pre class="stack" tabIndex={0} aria-label="Stack trace">{stack}</pre>}
          </details>
        );
      })}
      {span.events.length > 200 && <p class="muted">and {span.events.length - 200} more, in the JSON</p>}
    </section>
  );
}

function Links({ span, from, linked }: { span: Span; from: string; linked: LinksOf }) {
  return (
    <section>
      <h3>Links <span class="muted">{span.links.length}</span></h3>
      {span.links.slice(0, 100).map((link, at) => (
        <div key={at}>
          <a class="mono" href={href(["trace", link.traceId], { span: link.spanId, from })}>{link.traceId.slice(0, 16)}… / {link.spanId}</a>
          <AttributeList attributes={link.attributes} scope="link" linked={linked} />
        </div>
      ))}
    </section>
  );
}

function ModelCall({ span }: { span: Span }) {
  const facts = modelFacts(span);
  const turns = conversation(span);
  if (!facts.length && !turns.length) return null;
  return (
    <section class="panel" style={{ display: "flex", flexDirection: "column", gap: "8px" }}>
      <h3>Model</h3>
      <div class="facts">{facts.map(([name, value]) => <span class="chip" key={name}><span class="muted">{name}</span> {value}</span>)}</div>
      {turns.map((turn, at) => <TurnBox key={at} turn={turn} />)}
    </section>
  );
}

function TurnBox({ turn }: { turn: Turn }) {
  return (
    <div class={`turn ${turn.role}`}>
      <div class="who">{turn.role}</div>
      <pre>{turn.text}</pre>
    </div>
  );
}
