// Addresses of the page: everything that is shown is in the fragment, as in #/trace/ab12?span=3, so that it can be
// linked to, and so that queries do not appear in the logs of servers.
import { useEffect, useState } from "preact/hooks";

export type Params = Record<string, string>;

export interface Route {
  path: string[];
  params: Params;
}

export function parseHash(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return {
    path: path.split("/").filter(Boolean).map(decodeURIComponent),
    params: Object.fromEntries(new URLSearchParams(query)),
  };
}

export function href(path: string[], params: Record<string, string | number | undefined | false> = {}): string {
  const kept = Object.entries(params).filter(([, value]) => value !== undefined && value !== "" && value !== false);
  const query = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${query ? `?${query}` : ""}`;
}

export function go(to: string, replace = false): void {
  if (to === location.hash) return;
  if (replace) {
    history.replaceState(null, "", to);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = to;
  }
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseHash(location.hash));
  useEffect(() => {
    const changed = () => setRoute(parseHash(location.hash));
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  return route;
}
