// "Did you mean": suggestions for a query that found nothing or is not understood; a click runs the query that was meant.
import { useLoad } from "./api";
import type { Suggestion } from "./suggest";

export function Meant({ id, load, onRun }: { id: string; load: () => Promise<Suggestion[]>; onRun: (query: string) => void }) {
  const found = useLoad(id, load);
  return (
    <>
      {(found.data ?? []).map(({ what, meant }) => (
        <div key={what} class="row">
          <span>{what}.</span>
          {meant.length > 0 && <span>Did you mean</span>}
          {meant.map(({ text, query }) => <button key={text} class="mono" onClick={() => onRun(query)}>{text}</button>)}
          {meant.length > 0 && "?"}
        </div>
      ))}
    </>
  );
}
