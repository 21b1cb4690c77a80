// A graph of boxes and arrows. Drag moves it, the wheel with Ctrl zooms, a click or Enter opens a node.
import dagre from "@dagrejs/dagre";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

export interface GraphNode {
  id: string;
  title: string;
  detail: string;
  name: string; // all that it tells, for screen readers and as a hint
  color?: string | undefined;
  share?: number; // 0 to 1, drawn as a bar
  isRound?: boolean;
  isDashed?: boolean;
  isBad?: boolean;
  isDim?: boolean;
  isOn?: boolean;
}

export interface GraphEdge {
  from: string;
  to: string;
  label: string;
  alarm: string; // second line of the label, where something is wrong
  name: string;
  weight: number; // 0 to 1
  isDashed?: boolean;
  isBad?: boolean;
  isDim?: boolean;
}

export interface GraphProps {
  label: string;
  direction: "LR" | "TB"; // left to right, or from the top down
  nodes: GraphNode[];
  edges: GraphEdge[];
  onOpen: (id: string) => void;
  onReset?: () => void;
}

interface Point {
  x: number;
  y: number;
}

interface Layout {
  nodes: (Point & { width: number })[];
  edges: (Point & { points: Point[] })[];
  width: number;
  height: number;
}

type Box = [x: number, y: number, width: number, height: number];

const HEIGHT = 38;
const LABEL = { width: 92, height: 26 };
const SMALLEST = 0.75; // a graph that would have to be smaller than this is scrolled
const TALLEST = "max(62vh, 360px)"; // as in style.css, without its padding

function widthOf(node: GraphNode): number {
  return Math.max(96, Math.max(node.title.length * 6.9, node.detail.length * 6) + 34);
}

function layoutOf(nodes: GraphNode[], edges: GraphEdge[], rankdir: string): Layout {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir, nodesep: 22, ranksep: 36, edgesep: 14, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, { width: widthOf(node), height: HEIGHT });
  edges.forEach((edge, at) => graph.setEdge(edge.from, edge.to, { ...LABEL, labelpos: "c" }, String(at)));
  dagre.layout(graph);
  const { width = 600, height = 300 } = graph.graph() as { width?: number; height?: number };
  return {
    nodes: nodes.map(({ id }) => graph.node(id) as Point & { width: number }),
    edges: edges.map(({ from, to }, at) => {
      const { points, x, y } = graph.edge({ v: from, w: to, name: String(at) }) as { points: Point[]; x?: number; y?: number };
      const middle = points[Math.floor(points.length / 2)] ?? { x: 0, y: 0 };
      return { points, x: x ?? middle.x, y: y ?? middle.y };
    }),
    width,
    height,
  };
}

/** A smooth line through the points. */
function curve(points: Point[]): string {
  const [first, ...others] = points;
  if (!first) return "";
  let path = `M${first.x},${first.y}`;
  others.forEach((point, at) => {
    const next = others[at + 1];
    path += next ? ` Q${point.x},${point.y} ${(point.x + next.x) / 2},${(point.y + next.y) / 2}` : ` L${point.x},${point.y}`;
  });
  return path;
}

export default function Graph({ label, direction, nodes, edges, onOpen, onReset }: GraphProps) {
  const shape = JSON.stringify([nodes.map((node) => [node.id, widthOf(node)]), edges.map((edge) => [edge.from, edge.to])]);
  const layout = useMemo(() => layoutOf(nodes, edges, direction), [shape, direction]);
  const [box, setBox] = useState<Box | null>(null);
  const drag = useRef<{ x: number; y: number; box: Box; isMoved: boolean } | null>(null);
  const svg = useRef<SVGSVGElement>(null);
  const pane = useRef<HTMLDivElement>(null);
  const now: Box = box ?? [0, 0, layout.width, layout.height];
  const zoom = (by: number) => {
    const [x, y, width, height] = now;
    setBox([x + (width * (1 - by)) / 2, y + (height * (1 - by)) / 2, width * by, height * by]);
  };
  const wheel = (event: WheelEvent) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15);
  };
  const move = (event: PointerEvent) => {
    if (!drag.current || !svg.current) return;
    const { width, height } = svg.current.getBoundingClientRect();
    const scale = Math.max(now[2] / width, now[3] / height);
    const dx = (event.clientX - drag.current.x) * scale;
    const dy = (event.clientY - drag.current.y) * scale;
    if (Math.abs(dx) + Math.abs(dy) > 4) drag.current.isMoved = true;
    if (drag.current.isMoved) setBox([drag.current.box[0] - dx, drag.current.box[1] - dy, now[2], now[3]]);
  };
  const open = (id: string) => { if (!drag.current?.isMoved) onOpen(id); };
  const ratio = layout.width / layout.height;
  const size = { width: `max(${layout.width * SMALLEST}px, min(100%, ${layout.width}px, ${TALLEST} * ${ratio}))`, aspectRatio: String(ratio) };
  useEffect(() => {
    if (!pane.current) return; // roots are in the middle of the side that they begin at
    pane.current.scrollTo(direction === "TB" ? { left: (pane.current.scrollWidth - pane.current.clientWidth) / 2 } : { top: (pane.current.scrollHeight - pane.current.clientHeight) / 2 });
  }, [layout]);
  return (
    <div style={{ position: "relative" }}>
      <div class="row" style={{ position: "absolute", right: "8px", top: "8px", zIndex: 1 }}>
        <button onClick={() => zoom(1 / 1.3)} aria-label="Larger">+</button>
        <button onClick={() => zoom(1.3)} aria-label="Smaller">−</button>
        <button onClick={() => { setBox(null); onReset?.(); }}>Show all</button>
      </div>
      <div class="graphpane" ref={pane} tabIndex={0} role="group" aria-label={`${label}, scrolled`}>
        <svg class="graph" style={size} ref={svg} viewBox={now.join(" ")} role="group" aria-label={label} onWheel={wheel}
          onPointerDown={(event) => (drag.current = { x: event.clientX, y: event.clientY, box: now, isMoved: false })} onPointerMove={move} onPointerUp={() => setTimeout(() => (drag.current = null))} onPointerLeave={() => (drag.current = null)}>
          <defs>
            <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="9" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="var(--muted)" /></marker>
          </defs>
          {edges.map((edge, at) => <Arrow key={`${edge.from} ${edge.to} ${at}`} edge={edge} place={layout.edges[at]} />)}
          {nodes.map((node, at) => <Node key={node.id} node={node} place={layout.nodes[at]} onOpen={open} />)}
        </svg>
      </div>
    </div>
  );
}

function Arrow({ edge, place }: { edge: GraphEdge; place: Layout["edges"][number] | undefined }) {
  if (!place) return null;
  const { x, y, points } = place;
  const wide = Math.max(edge.label.length, edge.alarm.length) * 5.6 + 6;
  return (
    <g class={edge.isDim ? "dim" : ""}>
      <title>{edge.name}</title>
      <path class={`edge${edge.isBad ? " bad" : ""}`} d={curve(points)} stroke-width={1 + 3 * Math.sqrt(edge.weight)} stroke-dasharray={edge.isDashed ? "6 4" : undefined} marker-end="url(#arrow)" />
      <rect class="label" x={x - wide / 2} y={y - 12} width={wide} height={edge.alarm ? 26 : 14} rx="4" opacity=".9" />
      <text class="small" x={x} y={y - 2} text-anchor="middle">{edge.label}</text>
      {edge.alarm && <text class="small alarm" x={x} y={y + 10} text-anchor="middle">{edge.alarm}</text>}
    </g>
  );
}

function Node({ node, place, onOpen }: { node: GraphNode; place: Layout["nodes"][number] | undefined; onOpen: (id: string) => void }) {
  if (!place) return null;
  const { x, y, width } = place;
  const open = () => onOpen(node.id);
  return (
    <g class={node.isDim ? "dim" : ""} transform={`translate(${x - width / 2},${y - HEIGHT / 2})`} style={{ cursor: "pointer" }} role="button" tabindex={0}
      aria-pressed={Boolean(node.isOn)} aria-label={node.name} onClick={open} onKeyDown={(event) => { if (event.key === "Enter") open(); }}>
      <title>{node.name}</title>
      <rect class="node" width={width} height={HEIGHT} rx={node.isRound ? 17 : 6} stroke={node.isBad ? "var(--error)" : node.color ?? "var(--muted)"} stroke-dasharray={node.isDashed ? "4 3" : undefined} />
      {node.color && <rect width="6" height={HEIGHT} rx="3" fill={node.color} />}
      {node.share !== undefined && <rect x="6" y={HEIGHT - 4} width={Math.max((width - 8) * node.share, 0.5)} height="3" fill={node.color ?? "var(--muted)"} />}
      <text x={width / 2 + 2} y="16" text-anchor="middle">{node.title}</text>
      <text class="small" x={width / 2 + 2} y="30" text-anchor="middle">{node.detail}</text>
    </g>
  );
}
