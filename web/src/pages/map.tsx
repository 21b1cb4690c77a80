// The map of services: who calls whom, with the databases, queues and hosts that send no spans.
import { colorOf } from "../color";
import { duration, percent, rate } from "../format";
import type { GraphEdge, GraphNode } from "../graph";
import { LazyGraph } from "../lazygraph";
import type { Edge } from "../types";

const MOST = 400; // edges; more are no picture any more, and are in the table
const SIGNS: Record<string, string> = { database: "⛁ ", messaging: "✉ ", external: "↗ " };
const ALARMING = 0.01; // share of errors

interface Target {
  name: string;
  type: string; // service, database, messaging, external
  requests: number;
  errors: number;
}

export function ServiceMap({ edges: all, service, onOpen }: { edges: Edge[]; service: string | undefined; onOpen: (service: string | undefined) => void }) {
  const edges = all.slice(0, MOST);
  const targets = targetsOf(edges);
  const open = (id: string) => { const name = targets.get(id)?.name; onOpen(name === service ? undefined : name); };
  return (
    <>
      <LazyGraph label="Service map" direction="LR" nodes={nodesOf(targets, edges, service)} edges={arrowsOf(edges, service)} onOpen={open} onReset={() => onOpen(undefined)} />
      {all.length > MOST && <p class="muted" style={{ padding: "0 12px" }}>The {MOST} busiest of {all.length} calls are drawn.</p>}
    </>
  );
}

function targetId(edge: Edge): string {
  return edge.type === "request" || edge.type === "messaging" ? edge.server : `${edge.type}:${edge.server}`;
}

function targetsOf(edges: Edge[]): Map<string, Target> {
  const found = new Map<string, Target>();
  const target = (id: string, name: string, type: string) => {
    const known = found.get(id) ?? { name, type, requests: 0, errors: 0 };
    found.set(id, known);
    return known;
  };
  for (const edge of edges) {
    target(edge.client, edge.client, "service");
    const id = targetId(edge);
    const to = target(id, edge.server, id === edge.server ? "service" : edge.type);
    to.requests += edge.requests;
    to.errors += edge.errors;
  }
  return found;
}

function nodesOf(targets: Map<string, Target>, edges: Edge[], service: string | undefined): GraphNode[] {
  const near = new Set([service]);
  for (const edge of edges) {
    if (edge.client === service) near.add(targetId(edge));
    if (edge.server === service) near.add(edge.client);
  }
  return [...targets].map(([id, { name, type, requests, errors }]) => {
    const failed = requests ? errors / requests : 0;
    const isService = type === "service";
    const told = failed ? `${percent(failed)} errors` : "";
    return {
      id,
      title: `${SIGNS[type] ?? ""}${name}`,
      detail: isService ? told : type,
      name: `${name}, ${type}${told ? `, ${told}` : ""}`,
      color: isService ? colorOf(name) : undefined,
      isRound: !isService,
      isDashed: type === "external",
      isBad: failed > ALARMING,
      isDim: service !== undefined && !near.has(id),
      isOn: name === service,
    };
  });
}

function arrowsOf(edges: Edge[], service: string | undefined): GraphEdge[] {
  const most = Math.max(...edges.map((edge) => edge.rate), 1e-9);
  return edges.map((edge) => {
    const failed = edge.errors / edge.requests;
    return {
      from: edge.client,
      to: targetId(edge),
      label: `${rate(edge.rate)} · p95 ${duration(edge.p95Ms)}`,
      alarm: failed > 0 ? `${percent(failed)} errors` : "",
      name: `${edge.client} → ${edge.server} (${edge.type}): ${rate(edge.rate)}, ${percent(failed)} errors, p50 ${duration(edge.p50Ms)}, p95 ${duration(edge.p95Ms)}`,
      weight: edge.rate / most,
      isDashed: edge.type === "messaging",
      isBad: failed > ALARMING,
      isDim: service !== undefined && edge.client !== service && edge.server !== service,
    };
  });
}
