// The rows of a long list that are in sight: only those are in the document, so that a list of any length scrolls at once.
import { useLayoutEffect, useRef, useState } from "preact/hooks";

const BEYOND = 12; // rows that are drawn above and below what is in sight
const STEP = 4; // rows that are scrolled before others are drawn

export function useWindow(count: number, rowHeight: number) {
  const pane = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0); // the first row in sight, rounded down to a multiple of STEP
  const [height, setHeight] = useState(600);
  useLayoutEffect(() => {
    const element = pane.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    setHeight(element.clientHeight);
    return () => observer.disconnect();
  }, []);
  const shown = Math.ceil(height / rowHeight);
  return {
    pane,
    shown,
    first: Math.max(0, Math.min(top, count) - BEYOND),
    last: Math.min(count, top + shown + STEP + BEYOND),
    onScroll: (event: { currentTarget: HTMLElement }) => setTop(Math.floor(event.currentTarget.scrollTop / rowHeight / STEP) * STEP),
  };
}
