import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import "./style.css";
import "uplot/dist/uPlot.min.css";
import { useJson } from "./api";
import { Keys, Shell } from "./shell";
import { Compare } from "./pages/compare";
import { Empty } from "./pages/empty";
import { Explore } from "./pages/explore";
import { FilePage } from "./pages/file";
import { Search } from "./pages/search";
import { Services } from "./pages/services";
import { Storage } from "./pages/storage";
import { TracePage } from "./pages/trace";
import { go, href, useRoute, type Route } from "./router";
import { CHOICES, length } from "./range";
import type { SearchAnswer } from "./types";
import { Failure } from "./parts";
import { applyTheme } from "./theme";

function Page({ route }: { route: Route }) {
  const [page = "", id = ""] = route.path;
  switch (page) {
    case "":
      return <Home />;
    case "search":
      return <Search params={route.params} />;
    case "trace":
      return <TracePage key={id} id={id} params={route.params} />;
    case "file":
      return <FilePage key={id} id={id} params={route.params} />;
    case "compare":
      return <Compare params={route.params} />;
    case "services":
      return <Services params={route.params} view="list" />;
    case "map":
      return <Services params={route.params} view="map" />;
    case "explore":
      return <Explore params={route.params} />;
    case "storage":
      return <Storage params={route.params} />;
    case "send":
      return <Empty />;
    default:
      return <Failure error={new Error(`there is no page ${page}`)} />;
  }
}

/** The search over the shortest range that holds the newest trace; how to send spans where there is none. */
function Home() {
  const [again, setAgain] = useState(0);
  const found = useJson<SearchAnswer>("api/search", { q: "{ }", limit: 1, spss: 1 }, again);
  const newest = found.data?.traces[0];
  useEffect(() => {
    if (newest) {
      const age = Date.now() - Number(newest.startTimeUnixNano) / 1e6;
      const since = ["1h", ...CHOICES].find((choice) => length(choice) >= Math.max(age * 1.05, 3600e3)) ?? "30d";
      const range = age > length("30d") ? { start: Math.floor(Date.now() - age - 3600e3), end: Math.ceil(Date.now() - age + 3600e3) } : { since };
      go(href(["search"], range), true);
      return;
    }
    if (found.loading) return;
    const timer = setTimeout(() => setAgain((count) => count + 1), 1500);
    return () => clearTimeout(timer);
  }, [newest, found.loading, again]);
  if (found.error) return <Failure error={found.error} />;
  return found.data && !newest ? <Empty isWaiting /> : null;
}

const TITLES: Record<string, string> = {
  search: "Search", trace: "Trace", file: "File", compare: "Compare", services: "Services", map: "Map", explore: "Explore",
  storage: "Storage", send: "Send traces",
};

function App() {
  const route = useRoute();
  const [page = "", id = ""] = route.path;
  useEffect(() => {
    document.title = `${TITLES[page] ?? "spanlake"}${id ? ` ${id.replace(/^0+/, "").slice(0, 8)}` : ""} · spanlake`;
  }, [page, id]);
  return (
    <Shell route={route}>
      <Page route={route} />
      <Keys />
    </Shell>
  );
}

applyTheme();
const root = document.getElementById("app");
if (root) render(<App />, root);
