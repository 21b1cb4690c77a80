// A trace that is stored.
import { useState } from "preact/hooks";
import { ApiError, getBytes, getText, useLoad } from "../api";
import { Copy, Failure, Progress } from "../parts";
import { go, href, type Params } from "../router";
import { buildTrace, type Trace } from "../trace/model";
import { spansOfAnswer } from "../trace/otlp_protobuf";
import { TraceView } from "../trace/view";

const path = (id: string) => `api/v2/traces/${encodeURIComponent(id)}`;

async function load(id: string, signal: AbortSignal): Promise<Trace> {
  const spans = spansOfAnswer(await getBytes(path(id), "application/protobuf", signal));
  if (!spans.length) throw new ApiError(404, `there is no trace ${id}`);
  return buildTrace(id.toLowerCase(), spans, true);
}

export function TracePage({ id, params }: { id: string; params: Params }) {
  const found = useLoad(`trace ${id}`, (signal) => load(id, signal));
  if (found.error) return <Failure error={found.error} />;
  return (
    <>
      <Progress on={found.loading} />
      {found.data && <TraceView trace={found.data} params={params} actions={<Actions trace={found.data} />} />}
    </>
  );
}

function Actions({ trace }: { trace: Trace }) {
  const [other, setOther] = useState("");
  const [isAsking, setAsking] = useState(false);
  const root = trace.spans[0];
  return (
    <>
      <span class="row">
        <Copy text={location.href} label="Copy link" />
        <button onClick={() => void download(trace.id)} title="Downloads the trace, to be opened again from the file">JSON</button>
        <button aria-expanded={isAsking} onClick={() => setAsking(!isAsking)}>Compare…</button>
      </span>
      {isAsking && (
        <form class="row" style={{ width: "100%" }} onSubmit={(event) => { event.preventDefault(); go(href(["compare"], { a: trace.id, b: other.trim() })); }}>
          <label class="row grow">With trace<input class="mono grow" value={other} placeholder="trace id" onInput={(event) => setOther(event.currentTarget.value)} /></label>
          <button type="submit" disabled={!/^[0-9a-fA-F-]{1,36}$/.test(other.trim())}>Compare</button>
          <a class="button" href={href(["compare"], { a: trace.id, service: root?.service, name: root?.name })}>Choose among traces alike</a>
        </form>
      )}
    </>
  );
}

async function download(id: string): Promise<void> {
  const body = await getText(path(id));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([body], { type: "application/json" }));
  link.download = `trace-${id}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}
