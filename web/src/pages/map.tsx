// The map of services as a graph from left to right. Drag moves it, the wheel zooms, a click shows a service's calls.
import dagre from "@dagrejs/dagre";
import { useMemo, useRef, useState } from "preact/hooks";
import { colorOf } from "../color";
import { duration, percent, rate } from "../format";
import type { Edge } from "../types";

export interface MapProps {
  edges: Edge[];
  service: string | undefined;
  onOpen: (service: string | undefined) => void;
}

interface Node {
  id: string;
  name: string;
  type: string; // service, database, messaging, external
  x: number;
  y: number;
  width: number;
  height: number;
  errors: number;
  requests: number;
}

interface Drawn {
  nodes: Node[];
  edges: { edge: Edge; from: string; to: string; points: { x: number; y: number }[]; x: number; y: number }[];
  width: number;
  height: number;
}

const HEIGHT = 38;
const MOST = 400; // edges; more are no picture any more, and are in the table

function targetId(edge: Edge, services: ReadonlySet<string>): string {
  return services.has(edge.server) && (edge.type === "request" || edge.type === "messaging") ? edge.server : `${edge.type}:${edge.server}`;
}

function layout(edges: Edge[]): Drawn {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "LR", nodesep: 22, ranksep: 36, edgesep: 14, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  const services = new Set(edges.flatMap((edge) => [edge.client, ...(edge.type === "request" || edge.type === "messaging" ? [edge.server] : [])]));
  const nodes = new Map<string, Node>();
  const add = (id: string, name: string, type: string) => {
    if (nodes.has(id)) return;
    const node = { id, name, type, x: 0, y: 0, width: Math.max(96, name.length * 6.9 + 34), height: HEIGHT, errors: 0, requests: 0 };
    nodes.set(id, node);
    graph.setNode(id, { width: node.width, height: node.height });
  };
  const drawn = edges.map((edge, at) => {
    const to = targetId(edge, services);
    add(edge.client, edge.client, "service");
    add(to, edge.server, services.has(to) ? "service" : edge.type);
    const target = nodes.get(to) as Node;
    target.errors += edge.errors;
    target.requests += edge.requests;
    graph.setEdge(edge.client, to, { width: 92, height: 26, labelpos: "c" }, String(at));
    return { edge, from: edge.client, to, name: String(at) };
  });
  dagre.layout(graph);
  for (const node of nodes.values()) Object.assign(node, { x: graph.node(node.id).x, y: graph.node(node.id).y });
  const { width = 600, height = 300 } = graph.graph() as { width?: number; height?: number };
  return {
    nodes: [...nodes.values()],
    edges: drawn.map(({ edge, from, to, name }) => {
      const found = graph.edge({ v: from, w: to, name }) as { points: { x: number; y: number }[]; x?: number; y?: number };
      const middle = found.points[Math.floor(found.points.length / 2)] ?? { x: 0, y: 0 };
      return { edge, from, to, points: found.points, x: found.x ?? middle.x, y: found.y ?? middle.y };
    }),
    width,
    height,
  };
}

/** A smooth line through the points. */
function curve(points: { x: number; y: number }[]): string {
  const [first, ...others] = points;
  if (!first) return "";
  let path = `M${first.x},${first.y}`;
  others.forEach((point, at) => {
    const next = others[at + 1];
    path += next ? ` Q${point.x},${point.y} ${(point.x + next.x) / 2},${(point.y + next.y) / 2}` : ` L${point.x},${point.y}`;
  });
  return path;
}

const SHAPES: Record<string, string> = { database: "⛁ ", messaging: "✉ ", external: "↗ " };

export default function ServiceMap({ edges, service, onOpen }: MapProps) {
  const drawn = useMemo(() => layout(edges.slice(0, MOST)), [edges]);
  const [box, setBox] = useState<[number, number, number, number] | null>(null);
  const drag = useRef<{ x: number; y: number; box: [number, number, number, number]; moved: boolean } | null>(null);
  const svg = useRef<SVGSVGElement>(null);
  const whole: [number, number, number, number] = [0, 0, drawn.width, drawn.height];
  const now = box ?? whole;
  const most = Math.max(...edges.map((edge) => edge.rate), 1e-9);
  const isNear = (name: string) => !service || name === service || drawn.edges.some(({ from, to }) => (from === service && to === name) || (to === service && from === name));
  const wheel = (event: WheelEvent) => {
    if (!event.ctrlKey && !event.metaKey && !box) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15);
  };
  const zoom = (by: number) => {
    const [x, y, width, height] = now;
    setBox([x + (width * (1 - by)) / 2, y + (height * (1 - by)) / 2, width * by, height * by]);
  };
  const move = (event: PointerEvent) => {
    if (!drag.current || !svg.current) return;
    const { width, height } = svg.current.getBoundingClientRect();
    const scale = Math.max(now[2] / width, now[3] / height);
    const dx = (event.clientX - drag.current.x) * scale;
    const dy = (event.clientY - drag.current.y) * scale;
    if (Math.abs(dx) + Math.abs(dy) > 4) drag.current.moved = true;
    if (drag.current.moved) setBox([drag.current.box[0] - dx, drag.current.box[1] - dy, now[2], now[3]]);
  };
  return (
    <div style={{ position: "relative" }}>
      <div class="row" style={{ position: "absolute", right: "8px", top: "8px", zIndex: 1 }}>
        <button onClick={() => zoom(1 / 1.3)} aria-label="Larger">+</button>
        <button onClick={() => zoom(1.3)} aria-label="Smaller">−</button>
        <button onClick={() => { setBox(null); onOpen(undefined); }}>Show all</button>
      </div>
      <svg class="map" ref={svg} viewBox={now.join(" ")} role="group" aria-label="Service map" onWheel={wheel}
        onPointerDown={(event) => (drag.current = { x: event.clientX, y: event.clientY, box: now, moved: false })} onPointerMove={move} onPointerUp={() => (drag.current = null)} onPointerLeave={() => (drag.current = null)}>
        <defs>
          <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="9" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="var(--muted)" /></marker>
        </defs>
        {drawn.edges.map(({ edge, from, to, points, x, y }) => {
          const isDim = service !== undefined && from !== service && to !== service;
          const failed = edge.errors / edge.requests;
          return (
            <g key={`${from} ${to} ${edge.type}`} class={isDim ? "dim" : ""}>
              <title>{`${edge.client} → ${edge.server} (${edge.type}): ${rate(edge.rate)}, ${percent(failed)} errors, p50 ${duration(edge.p50Ms)}, p95 ${duration(edge.p95Ms)}`}</title>
              <path class={`edge${failed > 0.01 ? " bad" : ""}`} d={curve(points)} stroke-width={1 + 3 * Math.sqrt(edge.rate / most)} stroke-dasharray={edge.type === "messaging" ? "6 4" : undefined} marker-end="url(#arrow)" />
              <rect class="label" x={x - 47} y={y - 12} width="94" height={failed > 0 ? 26 : 14} rx="4" opacity=".9" />
              <text class="small" x={x} y={y - 2} text-anchor="middle">{rate(edge.rate)} · p95 {duration(edge.p95Ms)}</text>
              {failed > 0 && <text class="small" x={x} y={y + 10} text-anchor="middle" style={{ fill: "var(--error)" }}>{percent(failed)} errors</text>}
            </g>
          );
        })}
        {drawn.nodes.map((node) => {
          const failed = node.requests ? node.errors / node.requests : 0;
          const open = () => { if (!drag.current?.moved) onOpen(node.name === service ? undefined : node.name); };
          return (
            <g key={node.id} class={isNear(node.id) ? "" : "dim"} transform={`translate(${node.x - node.width / 2},${node.y - node.height / 2})`} style={{ cursor: "pointer" }}
              role="button" tabindex={0} aria-pressed={node.name === service} aria-label={`${node.name}, ${node.type}${failed ? `, ${percent(failed)} errors` : ""}`} onClick={open} onKeyDown={(event) => { if (event.key === "Enter") open(); }}>
              <rect class="node" width={node.width} height={node.height} rx={node.type === "service" ? 6 : 17} stroke={failed > 0.01 ? "var(--error)" : node.type === "service" ? colorOf(node.name) : "var(--muted)"} stroke-dasharray={node.type === "external" ? "4 3" : undefined} />
              {node.type === "service" && <rect width="6" height={node.height} rx="3" fill={colorOf(node.name)} />}
              <text x={node.width / 2 + 2} y="16" text-anchor="middle">{SHAPES[node.type] ?? ""}{node.name}</text>
              <text class="small" x={node.width / 2 + 2} y="30" text-anchor="middle">{node.type === "service" ? (failed ? `${percent(failed)} errors` : "") : node.type}</text>
            </g>
          );
        })}
      </svg>
      {edges.length > MOST && <p class="muted" style={{ padding: "0 12px" }}>The {MOST} busiest of {edges.length} calls are drawn.</p>}
    </div>
  );
}
