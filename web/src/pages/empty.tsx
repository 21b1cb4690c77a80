// How to send traces, for who has none yet.
import { useJson } from "../api";
import { Copy, Progress } from "../parts";
import { href } from "../router";

const HOST = location.hostname || "localhost";
const OFFSET = Number(location.port || 3200) - 3200;
const isLocal = OFFSET > -3000 && OFFSET < 20000 && location.port !== "" && location.port !== "443";
const HTTP = isLocal ? `http://${HOST}:${4318 + OFFSET}` : location.origin;

const PORTS: [string, number][] = [
  ["OTLP over HTTP", 4318], ["OTLP over gRPC", 4317], ["Jaeger, Thrift over HTTP", 14268], ["Jaeger, gRPC", 14250],
  ["Jaeger agent, UDP", 6831], ["Zipkin", 9411], ["OpenCensus", 55678],
];

const VARIABLES = `export OTEL_EXPORTER_OTLP_ENDPOINT=${HTTP}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_SERVICE_NAME=my-service`;

const WAYS: [string, string][] = [
  ["Python", `pip install opentelemetry-distro opentelemetry-exporter-otlp
opentelemetry-bootstrap -a install
opentelemetry-instrument python app.py`],
  ["Node.js", `npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node
node --require @opentelemetry/auto-instrumentations-node/register app.js`],
  ["Java", `curl -LO https://github.com/open-telemetry/opentelemetry-java-instrumentation/releases/latest/download/opentelemetry-javaagent.jar
java -javaagent:opentelemetry-javaagent.jar -jar app.jar`],
  ["Go", `exporter, err := otlptracehttp.New(ctx)
provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
otel.SetTracerProvider(provider)`],
  [".NET", `dotnet add package OpenTelemetry.Exporter.OpenTelemetryProtocol
builder.Services.AddOpenTelemetry().WithTracing(t => t.AddAspNetCoreInstrumentation().AddOtlpExporter());`],
];

const CURL = `curl ${HTTP}/v1/traces -H 'Content-Type: application/json' -d '{
  "resourceSpans": [{
    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "curl"}}]},
    "scopeSpans": [{"spans": [{
      "traceId": "'$(openssl rand -hex 16)'", "spanId": "'$(openssl rand -hex 8)'", "name": "hello",
      "startTimeUnixNano": "'$(date +%s)000000000'", "endTimeUnixNano": "'$(date +%s)200000000'"}]}]}]}'`;

function Code({ title, code, note }: { title: string; code: string; note?: string }) {
  return (
    <section class="panel" style={{ display: "flex", flexDirection: "column", gap: "8px" }}>
      <div class="row"><h2>{title}</h2><span class="grow" /><Copy text={code} label={`Copy`} /></div>
      {note && <p class="muted" style={{ margin: 0 }}>{note}</p>}
      <pre class="code">{code}</pre>
    </section>
  );
}

export function Empty({ isWaiting = false }: { isWaiting?: boolean }) {
  const built = useJson<{ version: string }>("api/status/buildinfo");
  return (
    <>
      <Progress on={isWaiting} />
      <div class="page">
        <h1>{isWaiting ? "Nothing is stored yet" : "Send traces"}</h1>
        {isWaiting && <p class="muted" role="status" style={{ margin: 0 }}>This page waits, and turns into the search as soon as a span arrives.</p>}
        <Code title="Any OpenTelemetry SDK or agent" code={VARIABLES} note="These variables are read by the SDKs of all languages." />
        <div class="steps">
          {WAYS.map(([title, code]) => <Code key={title} title={title} code={code} />)}
          <Code title="One span by hand" code={CURL} />
          <section class="panel">
            <h2>Traces in a file</h2>
            <p class="muted">JSON of OTLP, of the Tempo API or of Jaeger is shown without being stored.</p>
            <a class="button" href={href(["file"])}>Open file…</a>
          </section>
          <Code title="Something to look at" code="spanlake demo" note="A shop of a dozen services with yesterday's traces, in a directory of its own. With --into and this address it fills this server." />
          {isLocal && (
            <section class="panel">
              <h2>Ports</h2>
              <table aria-label="Ports"><tbody>{PORTS.map(([name, port]) => <tr key={name}><td>{name}</td><td class="num mono">{HOST}:{port + OFFSET}</td></tr>)}</tbody></table>
            </section>
          )}
        </div>
        <p class="muted">{built.data ? `Tempo API ${built.data.version}. ` : ""}In Grafana, add this address as a data source of the type Tempo.</p>
      </div>
    </>
  );
}
