// The graph, whose layout is loaded when the first one is shown.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { GraphProps } from "./graph";

export function LazyGraph(props: GraphProps) {
  const [Graph, setGraph] = useState<ComponentType<GraphProps> | null>(null);
  useEffect(() => void import("./graph").then((module) => setGraph(() => module.default)), []);
  return Graph ? <Graph {...props} /> : null;
}
