// The flame graph of a trace: spans of one service and name below the same ancestors are one box.
import { useMemo, useState } from "preact/hooks";
import { colorOf } from "../color";
import { duration, percent, plural } from "../format";
import { useWidth } from "../parts";
import type { Span, Trace } from "./model";

interface Box {
  service: string;
  name: string;
  total: number;
  spans: number;
  errors: number;
  first: number; // index of a span
  children: Map<string, Box>;
}

const ROW = 21;
const NARROWEST = 1.2; // pixels

function boxOf(service: string, name: string, first: number): Box {
  return { service, name, total: 0, spans: 0, errors: 0, first, children: new Map() };
}

function grouped(spans: Span[]): Box {
  const root = boxOf("", "", 0);
  const boxes: Box[] = [];
  spans.forEach((span, index) => {
    const parent = boxes[span.parent] ?? root;
    const key = `${span.service}\u0000${span.name}`;
    let box = parent.children.get(key);
    if (!box) parent.children.set(key, (box = boxOf(span.service, span.name, index)));
    box.total += span.duration;
    box.spans += 1;
    box.errors += span.isError ? 1 : 0;
    boxes[index] = box;
  });
  for (const child of root.children.values()) root.total += child.total;
  return root;
}

interface Placed {
  box: Box;
  x: number;
  width: number;
  level: number;
}

/** Children beside each other below their parent; narrower than their time where together they are longer than it. */
function placed(top: Box, width: number): Placed[] {
  const found: Placed[] = [];
  const waiting: Placed[] = [{ box: top, x: 0, width, level: 0 }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    found.push(next);
    const children = [...next.box.children.values()].sort((a, b) => b.total - a.total);
    const sum = children.reduce((total, child) => total + child.total, 0);
    const scale = next.width / Math.max(sum, next.box.total, 1e-9);
    let x = next.x;
    for (const child of children) {
      const size = child.total * scale;
      if (size >= NARROWEST) waiting.push({ box: child, x, width: size, level: next.level + 1 });
      x += size;
    }
  }
  return found;
}

export function Flame({ trace, onSelect }: { trace: Trace; onSelect: (index: number) => void }) {
  const root = useMemo(() => grouped(trace.spans), [trace]);
  const [top, setTop] = useState<Box | null>(null);
  const [ref, width] = useWidth<SVGSVGElement>();
  const start = top ?? (root.children.size === 1 ? ([...root.children.values()][0] as Box) : root);
  const boxes = useMemo(() => placed(start, width), [start, width]);
  const levels = boxes.reduce((most, one) => Math.max(most, one.level), 0) + 1;
  const open = (box: Box) => { setTop(box === top ? null : box); if (box.service || box.name) onSelect(box.first); };
  return (
    <div style={{ overflow: "auto" }}>
      <div class="page">
        <div class="row">
          <span class="muted">Spans of one service and name below the same ancestors are one box; its width is their time. Click to enlarge.</span>
          {top && <button onClick={() => setTop(null)}>Show all</button>}
        </div>
        <svg class="flame" ref={ref} height={levels * ROW} role="group" aria-label="Flame graph">
          {width > 0 && boxes.map(({ box, x, width: size, level }) => {
            const label = box === root ? "all roots" : `${box.service} ${box.name}`;
            const told = `${label}: ${duration(box.total)} in ${plural(box.spans, "span")}, ${percent(box.total / Math.max(root.total, 1e-9))}${box.errors ? `, ${plural(box.errors, "error")}` : ""}`;
            return (
              <g key={`${level} ${x}`} onClick={() => open(box)} onKeyDown={(event) => { if (event.key === "Enter") open(box); }} tabindex={size > 24 ? 0 : -1} role="button" aria-label={told}>
                <title>{told}</title>
                <rect x={x + 0.5} y={level * ROW} width={Math.max(size - 1, 0.7)} height={ROW - 2} rx="2" fill={box === root ? "var(--raised)" : `color-mix(in srgb, ${colorOf(box.service)} 62%, white)`} stroke={box.errors ? "var(--error)" : "none"} stroke-width="1.5" />
                {size > 34 && <text x={x + 5} y={level * ROW + 14}>{clip(`${label} ${duration(box.total)}`, size - 10)}</text>}
              </g>
            );
          })}
        </svg>
      </div>
    </div>
  );
}

function clip(label: string, width: number): string {
  const most = Math.floor(width / 6.3);
  return label.length <= most ? label : `${label.slice(0, Math.max(most - 1, 1))}…`;
}
