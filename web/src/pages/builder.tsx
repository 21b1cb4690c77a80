// The builder row: conditions that are chosen, written as a query.
import { useEffect, useState } from "preact/hooks";
import { fieldNames, fieldValues } from "../fields";
import type { Range } from "../range";
import { quoted } from "../traceql";

interface Chosen {
  service: string;
  name: string;
  status: string;
  least: string;
  field: string;
  op: string;
  value: string;
  column: string;
}

const NOTHING: Chosen = { service: "", name: "", status: "", least: "", field: "", op: "=", value: "", column: "" };

function written(chosen: Chosen): string {
  const isPlain = /^(-?\d+(\.\d+)?(ns|us|µs|ms|s|m|h)?|true|false|error|ok|unset|nil|server|client|internal|producer|consumer)$/.test(chosen.value) || /^".*"$/.test(chosen.value);
  const conditions = [
    chosen.service && `resource.service.name = ${chosen.service}`,
    chosen.name && `name = ${chosen.name}`,
    chosen.status && `status = ${chosen.status}`,
    chosen.least && `duration > ${chosen.least}`,
    chosen.field && chosen.value && `${chosen.field} ${chosen.op} ${isPlain ? chosen.value : quoted(chosen.value)}`,
  ].filter(Boolean);
  return `{ ${conditions.join(" && ")} }${chosen.column ? ` | select(${chosen.column})` : ""}`;
}

export function Builder({ range, onQuery }: { range: Range; query: string; onQuery: (query: string) => void }) {
  const [chosen, setChosen] = useState(NOTHING);
  const [services, setServices] = useState<string[]>([]);
  const [names, setNames] = useState<string[]>([]);
  const [fields, setFields] = useState<string[]>([]);
  const [values, setValues] = useState<string[]>([]);
  const key = JSON.stringify(range);
  useEffect(() => {
    void fieldValues("resource.service.name", range).then(setServices).catch(() => undefined);
    void fieldValues("name", range).then(setNames).catch(() => undefined);
    void fieldNames(range).then((found) => setFields(found.map((one) => one.label))).catch(() => undefined);
  }, [key]);
  useEffect(() => {
    if (fields.includes(chosen.field)) void fieldValues(chosen.field, range).then(setValues).catch(() => setValues([]));
  }, [chosen.field, fields, key]);
  const set = (changed: Partial<Chosen>, isRun = false) => {
    const next = { ...chosen, ...changed };
    setChosen(next);
    if (isRun) onQuery(written(next));
  };
  const choice = (title: string, name: "service" | "name" | "status", options: string[]) => (
    <label>{title}
      <select aria-label={title} value={chosen[name]} onChange={(event) => set({ [name]: event.currentTarget.value }, true)}>
        <option value="">any</option>
        {options.map((one) => <option key={one} value={one}>{one.replace(/^"|"$/g, "")}</option>)}
      </select>
    </label>
  );
  return (
    <form class="panel builder row" aria-label="Builder" onSubmit={(event) => { event.preventDefault(); onQuery(written(chosen)); }}>
      {choice("Service", "service", services)}
      {choice("Span name", "name", names)}
      {choice("Status", "status", ["error", "ok", "unset"])}
      <label>Longer than<input size={8} value={chosen.least} placeholder="100ms" onInput={(event) => set({ least: event.currentTarget.value.trim() })} /></label>
      <label>Attribute<input list="builder-fields" size={20} value={chosen.field} onInput={(event) => set({ field: event.currentTarget.value.trim() })} /></label>
      <label>is
        <select aria-label="Comparison" value={chosen.op} onChange={(event) => set({ op: event.currentTarget.value })}>
          {["=", "!=", "=~", "!~", ">", ">=", "<", "<="].map((one) => <option key={one}>{one}</option>)}
        </select>
      </label>
      <label>Value<input aria-label="Value" list="builder-values" size={16} value={chosen.value} onInput={(event) => set({ value: event.currentTarget.value })} /></label>
      <label>Column<input list="builder-fields" size={16} value={chosen.column} onInput={(event) => set({ column: event.currentTarget.value.trim() })} /></label>
      <button type="submit">Apply</button>
      <button type="button" onClick={() => { setChosen(NOTHING); onQuery("{ }"); }}>Clear</button>
      <datalist id="builder-fields">{fields.map((one) => <option key={one} value={one} />)}</datalist>
      <datalist id="builder-values">{values.map((one) => <option key={one} value={one.replace(/^"|"$/g, "")} />)}</datalist>
    </form>
  );
}
