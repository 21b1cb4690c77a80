// Text of numbers, durations and times.
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return "–";
  const size = Math.abs(ms);
  if (size === 0) return "0";
  if (size < 0.001) return `${digits(ms * 1e6)} ns`;
  if (size < 1) return `${digits(ms * 1e3)} µs`;
  if (size < 1000) return `${digits(ms)} ms`;
  if (size < 60_000) return `${digits(ms / 1000)} s`;
  if (size < 3_600_000) return `${Math.floor(ms / 60_000)} m ${Math.round((ms % 60_000) / 1000)} s`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.round((ms % 3_600_000) / 60_000)} m`;
}

export function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1).replace(/\.0$/, "");
  return value.toFixed(2).replace(/\.?0+$/, "");
}

export function count(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e9) return `${digits(value / 1e9)} G`;
  if (size >= 1e6) return `${digits(value / 1e6)} M`;
  if (size >= 1e4) return `${digits(value / 1e3)} k`;
  return value.toLocaleString("en");
}

export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

export function rate(perSecond: number): string {
  if (perSecond === 0) return "0";
  if (perSecond >= 1) return `${count(Number(digits(perSecond)))}/s`;
  return perSecond * 60 >= 0.1 ? `${digits(perSecond * 60)}/min` : `${digits(perSecond * 3600)}/h`;
}

export function percent(share: number): string {
  if (share === 0) return "0 %";
  return share < 0.001 ? "<0.1 %" : `${digits(share * 100)} %`;
}

export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(value, 1)) / 3), units.length - 1);
  return `${digits(value / 1000 ** power)} ${units[power]}`;
}

const pad = (value: number, length = 2) => String(value).padStart(length, "0");

export function clock(ms: number, withMillis = false): string {
  const date = new Date(ms);
  const seconds = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return withMillis ? `${seconds}.${pad(date.getMilliseconds(), 3)}` : seconds;
}

export function day(ms: number): string {
  const date = new Date(ms);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

export function moment(ms: number, withMillis = false): string {
  return day(ms) === day(Date.now()) ? clock(ms, withMillis) : `${day(ms)} ${clock(ms, withMillis)}`;
}

/** Labels of the ticks of a time axis, given in seconds: in 24 hours, the first one of each day with its date. */
export function timeLabels(ticks: number[]): string[] {
  const isShort = (ticks[1] ?? 0) - (ticks[0] ?? 0) < 60;
  const thisYear = day(Date.now()).slice(0, 5);
  const days = ticks.map((tick) => day(tick * 1000).replace(thisYear, ""));
  const isOneDay = new Set(days).size === 1;
  return ticks.map((tick, at) => {
    const text = isShort ? clock(tick * 1000) : clock(tick * 1000).slice(0, 5);
    return !isOneDay && days[at] !== days[at - 1] ? `${text}\n${days[at]}` : text;
  });
}

/** Milliseconds of a time that was typed: 2026-11-29 14:05, 14:05, or one in RFC 3339. */
export function readMoment(text: string): number | null {
  const typed = text.trim();
  const full = /^\d{1,2}:\d{2}/.test(typed) ? `${day(Date.now())}T${typed.padStart(typed.indexOf(":") === 1 ? typed.length + 1 : 0, "0")}` : typed.replace(" ", "T");
  const found = Date.parse(full.length === 10 ? `${full}T00:00` : full);
  return Number.isNaN(found) ? null : found;
}

/** A span's duration as TraceQL writes it, from milliseconds. */
export function traceqlDuration(ms: number): string {
  const us = Math.max(0, Math.round(ms * 1000));
  if (us % 1_000_000 === 0) return `${us / 1_000_000}s`;
  return us % 1000 === 0 ? `${us / 1000}ms` : `${us}us`;
}
