// Requests to the API that serves the page. A token is asked for when the server wants one, and kept for this tab.
import { useEffect, useRef, useState } from "preact/hooks";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const TOKEN = "spanlake.token";
const TENANT = "spanlake.tenant";

export interface Identity {
  token: string;
  tenant: string;
}

export function identity(): Identity {
  return { token: sessionStorage.getItem(TOKEN) ?? "", tenant: sessionStorage.getItem(TENANT) ?? "" };
}

type Asked = (wasRefused: boolean) => void;
let onAsked: Asked = () => undefined;
let waiting: { promise: Promise<void>; resolve: () => void } | null = null;

export function whenTokenIsNeeded(asked: Asked): void {
  onAsked = asked;
}

export function setIdentity({ token, tenant }: Identity): void {
  const store = (name: string, value: string) =>
    value ? sessionStorage.setItem(name, value) : sessionStorage.removeItem(name);
  store(TOKEN, token);
  store(TENANT, tenant);
  waiting?.resolve();
  waiting = null;
}

function tokenGiven(): Promise<void> {
  if (!waiting) {
    let resolve = () => undefined as void;
    const promise = new Promise<void>((done) => (resolve = done));
    waiting = { promise, resolve };
    onAsked(Boolean(identity().token));
  }
  return waiting.promise;
}

function headers(type: string): HeadersInit {
  const { token, tenant } = identity();
  return {
    Accept: type,
    ...(token ? { Authorization: `Bearer ${token}` } : {}),
    ...(tenant ? { "X-Scope-OrgID": tenant } : {}),
  };
}

export type Query = Record<string, string | number | undefined>;

export function url(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return `${path}${text ? `?${text}` : ""}`;
}

async function answerOf(path: string, type: string, signal?: AbortSignal): Promise<Response> {
  for (;;) {
    const response = await fetch(path, { headers: headers(type), credentials: "omit", signal: signal ?? null });
    if (response.ok) return response;
    if (response.status === 401) {
      await tokenGiven();
      continue;
    }
    throw new ApiError(response.status, (await response.text()).trim() || `the server answered ${response.status}`);
  }
}

export async function getText(path: string, query: Query = {}, signal?: AbortSignal): Promise<string> {
  return (await answerOf(url(path, query), "application/json", signal)).text();
}

export async function getBytes(path: string, type: string, signal?: AbortSignal): Promise<Uint8Array> {
  return new Uint8Array(await (await answerOf(path, type, signal)).arrayBuffer());
}

export async function getJson<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return JSON.parse(await getText(path, query, signal)) as T;
}

export interface Loaded<T> {
  data?: T;
  error?: Error;
  loading: boolean;
}

/** Loads again when `key` changes, or `again`; keeps the old data on show until the new is there. */
export function useLoad<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>, again = 0): Loaded<T> {
  const [state, setState] = useState<Loaded<T> & { key: string | null }>({ loading: key !== null, key: null });
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    if (key === null) return;
    const abort = new AbortController();
    setState((old) => ({ ...(old.data === undefined ? {} : { data: old.data }), loading: true, key: old.key }));
    latest
      .current(abort.signal)
      .then((data) => setState({ data, loading: false, key }))
      .catch((error: unknown) => {
        if (!abort.signal.aborted) setState({ error: error as Error, loading: false, key });
      });
    return () => abort.abort();
  }, [key, again]);
  return state;
}

export function useJson<T>(path: string | null, query: Query = {}, again = 0): Loaded<T> {
  const key = path === null ? null : url(path, query);
  return useLoad<T>(key, (signal) => getJson<T>(path ?? "", query, signal), again);
}
