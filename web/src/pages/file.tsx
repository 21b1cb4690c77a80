// Traces of a file, which stay in this tab: nothing of them is sent to the server, and no link leads to them.
import { useState } from "preact/hooks";
import { duration, moment, plural } from "../format";
import { Dot, ErrorNotice } from "../parts";
import { go, href, type Params } from "../router";
import { tracesOf } from "../trace/file";
import type { Trace } from "../trace/model";
import { TraceView } from "../trace/view";

let opened: { name: string; traces: Trace[] } | null = null;

export function FilePage({ id, params }: { id: string; params: Params }) {
  const [, redraw] = useState(0);
  const trace = opened?.traces.find((one) => one.id === id);
  if (opened && trace) return <TraceView trace={trace} params={params} actions={<Origin name={opened.name} />} />;
  return (
    <div class="page">
      <h1>Open a file</h1>
      {id && <div class="notice" role="status">A trace of a file is only in the tab that opened it. Open the file again.</div>}
      <Choose onOpened={() => redraw((count) => count + 1)} />
      {opened && <Traces name={opened.name} traces={opened.traces} />}
    </div>
  );
}

function Origin({ name }: { name: string }) {
  return (
    <span class="row">
      <span class="chip" title="Nothing of it was sent to the server">from {name}, not stored, without a link</span>
      <a class="button" href={href(["file"])}>Open another…</a>
    </span>
  );
}

function Choose({ onOpened }: { onOpened: () => void }) {
  const [error, setError] = useState<Error>();
  const [isOver, setOver] = useState(false);
  const open = async (file: File | undefined) => {
    if (!file) return;
    try {
      opened = { name: file.name, traces: await tracesOf(file) };
      setError(undefined);
      const [only, second] = opened.traces;
      onOpened();
      go(href(["file", ...(only && !second ? [only.id] : [])]));
    } catch (reason) {
      setError(reason as Error);
    }
  };
  const over = (event: DragEvent, is: boolean) => { event.preventDefault(); setOver(is); };
  return (
    <>
      <div class={`panel drop${isOver ? " over" : ""}`} onDragOver={(event) => over(event, true)} onDragLeave={(event) => over(event, false)}
        onDrop={(event) => { over(event, false); void open(event.dataTransfer?.files[0]); }}>
        <label class="row">File of traces <input type="file" accept=".json,.jsonl,application/json" onChange={(event) => void open(event.currentTarget.files?.[0])} /></label>
        <span class="muted">or drop it here: JSON of OTLP, of the Tempo API (the button JSON of a trace), or of Jaeger</span>
      </div>
      <ErrorNotice error={error} />
      <p class="muted">The file is read in this tab and is sent nowhere. It is gone when the tab is closed, and no link leads to it.</p>
    </>
  );
}

function Traces({ name, traces }: { name: string; traces: Trace[] }) {
  return (
    <>
      <h2>{plural(traces.length, "trace")} in {name}</h2>
      <div class="panel flush scroll">
        <table aria-label="Traces of the file">
          <thead><tr><th>Start</th><th>Trace</th><th class="num">Duration</th><th class="num">Spans</th></tr></thead>
          <tbody>
            {traces.slice(0, 500).map((trace) => (
              <tr key={trace.id}>
                <td class="mono nowrap">{moment(trace.start, true)}</td>
                <td><a href={href(trace.address)}><Dot service={trace.spans[0]?.service ?? ""} /> {trace.spans[0]?.service} {trace.spans[0]?.name}</a></td>
                <td class="num">{duration(trace.duration)}</td>
                <td class="num">{trace.spans.length}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
