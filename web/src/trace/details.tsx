// Everything of one span: attributes by scope, events, links, and what language models were asked and answered.
import { useState } from "preact/hooks";
import { clock, count, duration } from "../format";
import { Copy, Dot } from "../parts";
import { href } from "../router";
import { attribute, quoted } from "../traceql";
import { conversation, modelFacts, type Turn } from "./genai";
import { text, type Attributes, type Span, type Trace, type Value } from "./model";

export function Details({ trace, span, onClose }: { trace: Trace; span: Span; onClose: () => void }) {
  const parent = trace.spans[span.parent];
  const own = { trace: trace.id };
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
      {span.events.length > 0 && <Events trace={trace} span={span} />}
      <Group title="Span" scope="span" attributes={span.attributes} isOpen />
      {span.links.length > 0 && <Links span={span} from={own.trace} />}
      <Group title="Resource" scope="resource" attributes={span.resource} isOpen={span.attributes.size < 12} />
      <Group title={`Instrumentation ${span.scope.name} ${span.scope.version}`} scope="instrumentation" attributes={span.scope.attributes} />
      <dl>
        <dt>span id</dt><dd>{span.id}</dd>
        {span.parentId && <><dt>parent</dt><dd>{parent ? <a href={href(["trace", trace.id], { span: parent.id })}>{parent.name} {span.parentId}</a> : span.parentId}</dd></>}
        <dt>start</dt><dd>{clock(trace.start + span.start, true)}</dd>
        <dt>spans below</dt><dd>{span.size - 1}</dd>
      </dl>
      <div class="row">
        <a class="button" href={href(["search"], { q: `{ resource.service.name = ${quoted(span.service)} && name = ${quoted(span.name)} }` })}>Search spans like this</a>
        <Copy text={JSON.stringify({ ...span, attributes: Object.fromEntries(span.attributes), resource: Object.fromEntries(span.resource) }, null, 2)} label="Copy JSON" />
      </div>
    </aside>
  );
}

function literal(value: Value): string | null {
  if (typeof value === "string") return quoted(value);
  return typeof value === "number" || typeof value === "boolean" ? String(value) : null;
}

function Group({ title, scope, attributes, isOpen = false }: { title: string; scope: string; attributes: Attributes; isOpen?: boolean }) {
  if (!attributes.size) return null;
  return (
    <details open={isOpen}>
      <summary>{title} <span class="muted">{attributes.size}</span></summary>
      <AttributeList attributes={attributes} scope={scope} />
    </details>
  );
}

function AttributeList({ attributes, scope }: { attributes: Attributes; scope: string }) {
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
          </dd>,
        ];
      })}
    </dl>
  );
}

const LONG = 600; // characters

function Shown({ value }: { value: Value }) {
  const [all, setAll] = useState(false);
  const whole = typeof value === "object" && value !== null ? JSON.stringify(value, null, 1) : text(value);
  if (whole.length <= LONG || all) return <>{whole}</>;
  return <>{whole.slice(0, LONG)}… <button class="plain" onClick={(event) => { event.preventDefault(); setAll(true); }}>all {count(whole.length)} characters</button></>;
}

function Events({ trace, span }: { trace: Trace; span: Span }) {
  return (
    <section>
      <h3>Events <span class="muted">{span.events.length}</span></h3>
      {span.events.slice(0, 200).map((event, at) => {
        const stack = event.attributes.get("exception.stacktrace");
        const rest = new Map([...event.attributes].filter(([key]) => key !== "exception.stacktrace"));
        return (
          <details key={at} open={event.name === "exception" || span.events.length <= 3}>
            <summary class={event.name === "exception" ? "error" : ""}>{event.name || "(no name)"} <span class="muted">after {duration(event.at - span.start)}, {clock(trace.start + event.at, true)}</span></summary>
            <AttributeList attributes={rest} scope="event" />
            {typeof stack === "string" && <pre class="stack" tabIndex={0} aria-label="Stack trace">{stack}</pre>}
          </details>
        );
      })}
      {span.events.length > 200 && <p class="muted">and {span.events.length - 200} more, in the JSON</p>}
    </section>
  );
}

function Links({ span, from }: { span: Span; from: string }) {
  return (
    <section>
      <h3>Links <span class="muted">{span.links.length}</span></h3>
      {span.links.slice(0, 100).map((link, at) => (
        <div key={at}>
          <a class="mono" href={href(["trace", link.traceId], { span: link.spanId, from })}>{link.traceId.slice(0, 16)}… / {link.spanId}</a>
          <AttributeList attributes={link.attributes} scope="link" />
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
