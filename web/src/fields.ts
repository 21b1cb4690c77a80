// Names and values of fields, as the server has them stored; remembered for a minute.
import { getJson } from "./api";
import { bounds, type Range } from "./range";
import { attribute, quoted } from "./traceql";

interface Scopes {
  scopes: { name: string; tags: string[] }[];
}
interface Values {
  tagValues: { type: string; value: string }[];
}

const cached = new Map<string, { at: number; answer: Promise<unknown> }>();

function remembered<T>(path: string, query: Record<string, string | number>): Promise<T> {
  const key = `${path} ${JSON.stringify(query)}`;
  const known = cached.get(key);
  if (known && Date.now() - known.at < 60_000) return known.answer as Promise<T>;
  const answer = getJson<T>(path, query);
  cached.set(key, { at: Date.now(), answer });
  answer.catch(() => cached.delete(key));
  return answer;
}

/** The range to the whole minute, so that what was asked a moment ago is remembered. */
function coarse(range: Range): { start: number; end: number } {
  const { start, end } = bounds(range);
  return { start: Math.floor(start / 60_000) * 60, end: Math.ceil(end / 60_000) * 60 };
}

export async function fieldNames(range: Range): Promise<{ label: string; scope: string }[]> {
  const { scopes } = await remembered<Scopes>("api/v2/search/tags", coarse(range));
  return scopes.flatMap(({ name, tags }) =>
    tags.map((tag) => ({ label: name === "intrinsic" ? tag : attribute(name, tag), scope: name })),
  );
}

export async function fieldValues(field: string, range: Range): Promise<string[]> {
  const path = `api/v2/search/tag/${encodeURIComponent(field)}/values`;
  const { tagValues } = await remembered<Values>(path, { ...coarse(range), limit: 200 });
  return tagValues.map(({ type, value }) => (type === "string" ? quoted(value) : value));
}
