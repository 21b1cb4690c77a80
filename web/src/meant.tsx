// "Did you mean": suggestions for a query that found nothing or is not understood; a click runs the query that was meant.
import { useLoad } from "./api";
import { ErrorNotice } from "./parts";
import type { Range } from "./range";
import { corrections, suggestions, type Suggestion } from "./suggest";

interface Props {
  query: string;
  range: Range;
  onRun: (query: string) => void;
}

/** The server's error about a query. */
export function Misunderstood({ query, range, error, onRun }: Props & { error: Error }) {
  return (
    <>
      <ErrorNotice error={error} />
      <Meant id={`${query} ${error.message}`} load={() => corrections(query, error.message, range)} onRun={onRun} />
    </>
  );
}

/** Why a query may have found nothing. */
export function NothingFound({ query, range, onRun }: Props) {
  return <Meant id={`${query} ${JSON.stringify(range)}`} load={() => suggestions(query, range)} onRun={onRun} />;
}

function Meant({ id, load, onRun }: { id: string; load: () => Promise<Suggestion[]>; onRun: (query: string) => void }) {
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
