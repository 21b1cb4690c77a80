// Small parts that several pages show.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./api";
import { colorOf } from "./color";
import { moment, readMoment } from "./format";
import { CHOICES, bounds, type Range } from "./range";

export function Failure({ error }: { error: Error }) {
  return <div class="page"><ErrorNotice error={error} /></div>;
}

export function ErrorNotice({ error }: { error: Error | undefined }) {
  if (!error) return null;
  const status = error instanceof ApiError && error.status >= 500 ? ` (${error.status})` : "";
  return <div class="notice error" role="alert">{`${error.message}${status}`}</div>;
}

export function Progress({ on }: { on: boolean }) {
  return <div class={`progress${on ? " on" : ""}`} role="progressbar" aria-label="Loading" aria-hidden={!on} />;
}

export function Dot({ service }: { service: string }) {
  return <span class="dot" style={{ background: colorOf(service) }} aria-hidden="true" />;
}

export function ServiceName({ name }: { name: string }) {
  return <span class="nowrap"><Dot service={name} /> {name || "(no service)"}</span>;
}

export function RangePicker({ range, onChange }: { range: Range; onChange: (range: Range) => void }) {
  const [open, setOpen] = useState(false);
  const anchor = useRef<HTMLDivElement>(null);
  const now = bounds(range);
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [problem, setProblem] = useState("");
  useEffect(() => {
    if (!open) return;
    setFrom(moment(now.start));
    setTo(moment(now.end));
    setProblem("");
    const outside = (event: Event) => { if (!anchor.current?.contains(event.target as Node)) setOpen(false); };
    const escape = (event: KeyboardEvent) => { if (event.key === "Escape") setOpen(false); };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("keydown", escape);
    return () => { document.removeEventListener("pointerdown", outside); document.removeEventListener("keydown", escape); };
  }, [open]);
  const choose = (next: Range) => { setOpen(false); onChange(next); };
  const apply = () => {
    const start = readMoment(from);
    const end = readMoment(to);
    if (start === null || end === null) setProblem("a time is written like 2026-11-29 14:05, or 14:05 for today");
    else if (end <= start) setProblem("the end is not after the start");
    else choose({ start, end });
  };
  return (
    <div class="anchor" ref={anchor}>
      <button aria-haspopup="dialog" aria-expanded={open} onClick={() => setOpen(!open)} title="Time range">
        {"since" in range ? `Last ${range.since}` : `${moment(range.start)} – ${moment(range.end)}`} ▾
      </button>
      {open && (
        <div class="popover" role="dialog" aria-label="Time range">
          <div class="choices">
            {CHOICES.map((since) => <button key={since} aria-pressed={"since" in range && range.since === since} onClick={() => choose({ since })}>{since}</button>)}
          </div>
          <form class="row" onSubmit={(event) => { event.preventDefault(); apply(); }}>
            <label class="field grow">From<input value={from} onInput={(event) => setFrom(event.currentTarget.value)} /></label>
            <label class="field grow">To<input value={to} onInput={(event) => setTo(event.currentTarget.value)} /></label>
            <button type="submit">Apply</button>
          </form>
          {problem && <span class="error" role="alert">{problem}</span>}
          <div class="row">
            <button onClick={() => choose(shifted(now, -1))} aria-label="Earlier">‹ Earlier</button>
            <button onClick={() => choose(shifted(now, 1))} aria-label="Later">Later ›</button>
            <button onClick={() => choose(widened(now))}>Wider</button>
          </div>
        </div>
      )}
    </div>
  );
}

function shifted({ start, end }: { start: number; end: number }, steps: number): Range {
  const by = (end - start) * steps;
  return { start: Math.floor(start + by), end: Math.ceil(end + by) };
}

function widened({ start, end }: { start: number; end: number }): Range {
  const by = (end - start) / 2;
  return { start: Math.floor(start - by), end: Math.ceil(end + by) };
}

export function Copy({ text, label = "Copy" }: { text: string | (() => string); label?: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(typeof text === "string" ? text : text()).catch(() => undefined);
    setDone(true);
    setTimeout(() => setDone(false), 1200);
  };
  return <button onClick={copy}>{done ? "Copied" : label}</button>;
}

/** The width of an element in pixels, as it changes. */
export function useWidth<T extends HTMLElement | SVGElement>(): [{ current: T | null }, number] {
  const ref = useRef<T>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.getBoundingClientRect().width));
    observer.observe(element);
    setWidth(element.getBoundingClientRect().width);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** Draws again when the colours change. */
export function useTheme(): string {
  const [now, setNow] = useState(document.documentElement.dataset["theme"] ?? "light");
  useEffect(() => {
    const changed = () => setNow(document.documentElement.dataset["theme"] ?? "light");
    window.addEventListener("spanlake-theme", changed);
    return () => window.removeEventListener("spanlake-theme", changed);
  }, []);
  return now;
}
