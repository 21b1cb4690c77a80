// What surrounds every page: the bar with its links, the dialog for a token, and the keys.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { identity, setIdentity, useJson, whenTokenIsNeeded } from "./api";
import { go, href, type Route } from "./router";
import { theme, toggleTheme } from "./theme";

const PAGES: [string, string, string][] = [
  ["search", "Search", "s"],
  ["explore", "Explore", "e"],
  ["services", "Services", "v"],
  ["map", "Map", "m"],
  ["storage", "Storage", "o"],
];

/** The parameters that lead from one page to the next: the time range. */
function carried(route: Route): Record<string, string | undefined> {
  const { since, start, end } = route.params;
  return { since, start, end };
}

export function Shell({ route, children }: { route: Route; children: ComponentChildren }) {
  const [, redraw] = useState(0);
  const [page = "search"] = route.path;
  const current = page === "trace" || page === "file" ? "search" : page;
  return (
    <>
      <header class="bar">
        <a class="brand" href="#/"><Mark />spanlake</a>
        <nav aria-label="Pages">
          {PAGES.map(([name, title]) => (
            <a key={name} href={href([name], carried(route))} aria-current={name === current ? "page" : undefined}>{title}</a>
          ))}
        </nav>
        <span class="grow" />
        <ById />
        <a class="button extra" href="#/send">Send</a>
        <a class="button extra" href="docs">API</a>
        <button class="plain" onClick={() => { toggleTheme(); redraw((count) => count + 1); }} aria-label={theme() === "dark" ? "Light colours" : "Dark colours"} title="Dark or light">
          {theme() === "dark" ? "☀" : "☾"}
        </button>
        <IdentityButton />
      </header>
      <main id="main" tabIndex={-1}>{children}</main>
    </>
  );
}

function Mark() {
  return (
    <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" fill="var(--accent)">
      <rect x="1" y="2" width="10" height="3" rx="1" />
      <rect x="4" y="6.5" width="8" height="3" rx="1" opacity=".75" />
      <rect x="7" y="11" width="8" height="3" rx="1" opacity=".5" />
    </svg>
  );
}

function ById() {
  const [id, setId] = useState("");
  const typed = id.trim().replace(/-/g, "");
  return (
    <form onSubmit={(event) => { event.preventDefault(); if (/^[0-9a-fA-F]{1,32}$/.test(typed)) { go(href(["trace", typed.toLowerCase()])); setId(""); } }}>
      <input class="mono" value={id} onInput={(event) => setId(event.currentTarget.value)} placeholder="trace id" aria-label="Open the trace with this id" spellcheck={false} aria-invalid={typed && !/^[0-9a-fA-F]{1,32}$/.test(typed) ? "true" : undefined} />
    </form>
  );
}

interface Access {
  tenants: string[] | null;
}

function IdentityButton() {
  const [open, setOpen] = useState(false);
  const [refused, setRefused] = useState(false);
  const [now, setNow] = useState(identity());
  useEffect(() => whenTokenIsNeeded((wasRefused) => { setRefused(wasRefused); setOpen(true); }), []);
  return (
    <>
      <button onClick={() => { setRefused(false); setOpen(true); }} aria-label="Token and tenant" title="Token and tenant">
        {now.tenant || (now.token ? "Token ✓" : "Token")}
      </button>
      {open && <TokenDialog refused={refused} onClose={() => { setOpen(false); setNow(identity()); }} />}
    </>
  );
}

function TokenDialog({ refused, onClose }: { refused: boolean; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [given, setGiven] = useState(identity);
  const hadToken = identity().token !== "";
  const access = useJson<Access>(hadToken && !refused ? "api/access" : null);
  useEffect(() => dialog.current?.showModal(), []);
  const save = (next: typeof given) => { setIdentity(next); onClose(); window.dispatchEvent(new HashChangeEvent("hashchange")); location.reload(); };
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="token-title">
      <form method="dialog" onSubmit={(event) => { event.preventDefault(); save(given); }}>
        <h2 id="token-title">Token and tenant</h2>
        {refused && <p class="notice error" role="alert">The server refused this token.</p>}
        <label>Token
          <input type="password" autocomplete="off" value={given.token} autofocus onInput={(event) => setGiven({ ...given, token: event.currentTarget.value.trim() })} />
        </label>
        <label>Tenant, if the token has several
          {(access.data?.tenants?.length ?? 0) > 1 ? (
            <select aria-label="Tenant" value={given.tenant} onChange={(event) => setGiven({ ...given, tenant: event.currentTarget.value })}>
              <option value="">{access.data?.tenants?.[0]} (default)</option>
              {access.data?.tenants?.slice(1).map((tenant) => <option key={tenant}>{tenant}</option>)}
            </select>
          ) : <input value={given.tenant} spellcheck={false} onInput={(event) => setGiven({ ...given, tenant: event.currentTarget.value.trim() })} />}
        </label>
        <p class="muted">Kept in this tab until it is closed. No cookie is set.</p>
        <div class="row">
          <button class="primary" type="submit">Use</button>
          {(given.token || given.tenant) && <button type="button" onClick={() => save({ token: "", tenant: "" })}>Forget</button>}
          <span class="grow" />
          <button type="button" onClick={onClose}>Close</button>
        </div>
      </form>
    </dialog>
  );
}

function isTyping(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
}

/** Keys of all pages: g and a letter opens a page, ? tells the keys. */
export function Keys() {
  const [open, setOpen] = useState(false);
  const pending = useRef(false);
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      const page = PAGES.find(([, , key]) => key === event.key);
      if (pending.current && page) go(href([page[0]]));
      pending.current = event.key === "g";
      if (event.key === "?") setOpen(true);
      if (event.key === "/") {
        const box = document.querySelector<HTMLElement>("[data-find]");
        if (box) { event.preventDefault(); box.focus(); }
      }
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
  return open ? <KeyDialog onClose={() => setOpen(false)} /> : null;
}

function KeyDialog({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const keys: [string, string][] = [
    ...PAGES.map(([, title, key]): [string, string] => [`g ${key}`, title]),
    ["/", "Find box of the page"],
    ["Ctrl Enter", "Run the query"],
    ["↑ ↓", "Trace: previous, next span"],
    ["← →", "Trace: fold, unfold"],
    ["n  p", "Trace: next, previous match"],
    ["c", "Trace: critical path on or off"],
    ["Esc", "Trace: close the details, reset the zoom"],
  ];
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="keys-title">
      <form method="dialog">
        <h2 id="keys-title">Keys</h2>
        <div class="keys">{keys.map(([key, what]) => [<kbd key={key}>{key}</kbd>, <span key={what}>{what}</span>])}</div>
        <div><button type="submit" autofocus>Close</button></div>
      </form>
    </dialog>
  );
}
