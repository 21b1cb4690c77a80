// Two traces side by side: what one has and the other lacks, and where the time went.
import { useMemo, useState } from "preact/hooks";
import { useJson } from "../api";
import { duration, moment, plural } from "../format";
import { Dot, ErrorNotice, Progress } from "../parts";
import { go, href, type Params } from "../router";
import { quoted } from "../traceql";
import type { DiffNode, DiffSide, SearchAnswer } from "../types";

interface Diff {
  left: { durationMs: number; spans: number };
  right: { durationMs: number; spans: number };
  nodes: DiffNode[];
}

export function Compare({ params }: { params: Params }) {
  const a = params["a"] ?? "";
  const b = params["b"] ?? "";
  return (
    <div class="page">
      <div class="row"><h1>Compare traces</h1><span class="grow" />{b && <button onClick={() => go(href(["compare"], { a: b, b: a }), true)}>Swap</button>}</div>
      {b ? <Shown a={a} b={b} /> : <Choose a={a} params={params} />}
    </div>
  );
}

/** Traces with the same root, to choose the other one from. */
function Choose({ a, params }: { a: string; params: Params }) {
  const isKnown = params["service"] !== undefined;
  const q = `{ nestedSetParent = -1 && resource.service.name = ${quoted(params["service"] ?? "")} && name = ${quoted(params["name"] ?? "")} }`;
  const [order, setOrder] = useState("");
  const found = useJson<SearchAnswer>(isKnown ? "api/search" : null, { q: `${q}${order ? ` with (${order})` : ""}`, limit: 50, since: "7d", spss: 1 });
  const others = found.data?.traces.filter((one) => one.traceID.padStart(32, "0") !== a.padStart(32, "0")) ?? [];
  return (
    <>
      <div class="row">
        <span>Choose the trace to compare with <a class="mono" href={href(["trace", a])}>{a.slice(0, 16)}</a>:</span>
        <select aria-label="Order" value={order} onChange={(event) => setOrder(event.currentTarget.value)}>
          <option value="">newest first</option>
          <option value="order=duration">longest first</option>
          <option value="order=duration, asc=true">shortest first</option>
        </select>
      </div>
      <Progress on={found.loading} />
      <ErrorNotice error={found.error} />
      <div class="panel flush scroll">
        <table aria-label="Traces to compare with">
          <thead><tr><th>Start</th><th>Trace</th><th class="num">Duration</th><th class="num">Spans</th></tr></thead>
          <tbody>
            {others.map((one) => (
              <tr key={one.traceID}>
                <td class="mono nowrap">{moment(Number(one.startTimeUnixNano) / 1e6, true)}</td>
                <td><a href={href(["compare"], { a, b: one.traceID })}><Dot service={one.rootServiceName ?? ""} /> {one.rootServiceName} {one.rootTraceName}</a></td>
                <td class="num">{duration(one.durationMs ?? 0)}</td>
                <td class="num">{Object.values(one.serviceStats ?? {}).reduce((sum, stats) => sum + stats.spanCount, 0)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

interface Line {
  node: DiffNode;
  depth: number;
  change: number; // milliseconds, right minus left
}

function lines(nodes: DiffNode[]): Line[] {
  const children = new Map<number | null, DiffNode[]>();
  for (const node of nodes) children.set(node.parent, [...(children.get(node.parent) ?? []), node]);
  const found: Line[] = [];
  const stack = [...(children.get(null) ?? [])].reverse().map((node) => ({ node, depth: 0 }));
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { node, depth } = next;
    found.push({ node, depth, change: (node.right?.totalMs ?? 0) - (node.left?.totalMs ?? 0) });
    for (const child of [...(children.get(node.id) ?? [])].reverse()) stack.push({ node: child, depth: depth + 1 });
  }
  return found;
}

function Shown({ a, b }: { a: string; b: string }) {
  const found = useJson<Diff>(`api/traces/${encodeURIComponent(a)}/diff/${encodeURIComponent(b)}`);
  const [onlyChanged, setOnlyChanged] = useState(false);
  const [most, setMost] = useState(1000);
  const all = useMemo(() => (found.data ? lines(found.data.nodes) : []), [found.data]);
  const largest = Math.max(...all.map((line) => Math.abs(line.change)), 1e-9);
  const shown = all.filter((line) => !onlyChanged || Math.abs(line.change) > largest * 0.02 || !line.node.left || !line.node.right || line.node.left.spans !== line.node.right.spans);
  const diff = found.data;
  const added = all.filter((line) => !line.node.left).length;
  const gone = all.filter((line) => !line.node.right).length;
  return (
    <>
      <Progress on={found.loading} />
      <ErrorNotice error={found.error} />
      {diff && (
        <>
          <div class="row">
            <span class="chip">A <a class="mono" href={href(["trace", a])}>{a.slice(0, 16)}</a> {duration(diff.left.durationMs)}, {plural(diff.left.spans, "span")}</span>
            <span class="chip">B <a class="mono" href={href(["trace", b])}>{b.slice(0, 16)}</a> {duration(diff.right.durationMs)}, {plural(diff.right.spans, "span")}</span>
            <b class={diff.right.durationMs > diff.left.durationMs ? "delta slower" : "delta faster"}>{signed(diff.right.durationMs - diff.left.durationMs)}</b>
            <span class="muted">{plural(added, "operation")} only in B, {plural(gone, "operation")} only in A</span>
            <span class="grow" />
            <label class="row"><input type="checkbox" checked={onlyChanged} onChange={(event) => setOnlyChanged(event.currentTarget.checked)} /> only what differs</label>
          </div>
          <div class="panel flush scroll">
            <table aria-label="Operations of both traces">
              <thead><tr><th>Operation</th><th class="num">Spans A</th><th class="num">Spans B</th><th class="num">Time A</th><th class="num">Time B</th><th>Change</th></tr></thead>
              <tbody>{shown.slice(0, most).map((line) => <DiffRow key={line.node.id} line={line} largest={largest} />)}</tbody>
            </table>
          </div>
          {shown.length > most && <button onClick={() => setMost(most * 4)}>Show more of {shown.length}</button>}
          <p class="muted">Spans of one service and name below the same ancestors are one line. Lines that only A has are tinted red, those that only B has green.</p>
        </>
      )}
    </>
  );
}

function signed(ms: number): string {
  return `${ms > 0 ? "+" : ms < 0 ? "−" : "±"}${duration(Math.abs(ms))}`;
}

function DiffRow({ line: { node, depth, change }, largest }: { line: Line; largest: number }) {
  const share = Math.min(Math.abs(change) / largest, 1) * 50;
  return (
    <tr class={!node.left ? "only-right" : !node.right ? "only-left" : ""}>
      <td style={{ paddingLeft: `${10 + Math.min(depth, 30) * 14}px` }}>
        <Dot service={node.service} /> <span class="muted">{node.service}</span> {node.name}{" "}
        {!node.left && <span class="chip">only B</span>}{!node.right && <span class="chip">only A</span>}
        {(node.right?.errors ?? 0) !== (node.left?.errors ?? 0) && <span class="badge">errors {node.left?.errors ?? 0} → {node.right?.errors ?? 0}</span>}
      </td>
      <td class="num">{side(node.left, (one) => String(one.spans))}</td>
      <td class="num">{side(node.right, (one) => String(one.spans))}</td>
      <td class="num">{side(node.left, (one) => duration(one.totalMs))}</td>
      <td class="num">{side(node.right, (one) => duration(one.totalMs))}</td>
      <td class="nowrap">
        <span class={`delta ${change > 0 ? "slower" : change < 0 ? "faster" : ""}`}>{signed(change)}</span>
        <span style={{ display: "inline-block", width: "120px", height: "8px", position: "relative", verticalAlign: "middle" }} aria-hidden="true">
          <span style={{ position: "absolute", height: "8px", borderRadius: "2px", left: change < 0 ? `${50 - share}%` : "50%", width: `${share}%`, background: change > 0 ? "var(--error)" : "var(--ok)" }} />
          <span style={{ position: "absolute", left: "50%", width: "1px", height: "8px", background: "var(--line)" }} />
        </span>
      </td>
    </tr>
  );
}

function side(one: DiffSide | null, show: (one: DiffSide) => string): string {
  return one ? show(one) : "–";
}
