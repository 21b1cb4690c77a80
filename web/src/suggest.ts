// What was meant where a query finds nothing or is not understood: names and values that are stored and look alike.
import { fieldNames, fieldValues } from "./fields";
import type { Range } from "./range";
import { errorPlace, quoted } from "./traceql";

export interface Suggestion {
  what: string; // what is wrong, as the beginning of a sentence
  meant: { text: string; query: string }[];
}

interface Word {
  text: string;
  from: number;
}

const MOST = 3;
const STRING = String.raw`"(?:[^"\\]|\\.)*"`;
const ATTRIBUTE = String.raw`(?:parent\.)?(?:span|resource|event|link|instrumentation)?\.(?:[A-Za-z_][\w.\-/]*|${STRING})`;
const SCOPE = /^(?:parent\.)?(?:span|resource|event|link|instrumentation)?\./;

/** The attributes that a query names, outside of texts. */
export function attributesIn(query: string): Word[] {
  const found: Word[] = [];
  for (const match of query.matchAll(new RegExp(`(${ATTRIBUTE})|${STRING}|\`[^\`]*\``, "g"))) {
    if (match[1]) found.push({ text: match[1], from: match.index });
  }
  return found;
}

/** The comparisons of a field with a text. */
function comparisonsIn(query: string): { field: string; value: Word }[] {
  const found: { field: string; value: Word }[] = [];
  for (const match of query.matchAll(new RegExp(`(${ATTRIBUTE}|\\bname|\\bstatusMessage)\\s*=\\s*(${STRING})`, "g"))) {
    const text = match[2] ?? "";
    found.push({ field: match[1] ?? "", value: { text, from: match.index + match[0].length - text.length } });
  }
  return found;
}

/** How many characters have to be changed, added, taken away or swapped with the next to make one text of another. */
export function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let least = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (isSame ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, (before[j - 2] ?? 0) + 1);
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The texts that are most like another one, nearest first. */
export function alike(wanted: string, choices: Iterable<string>, key: (choice: string) => string = (one) => one): string[] {
  const folded = wanted.toLowerCase();
  const near = [...choices].map((choice) => ({ choice, away: distance(folded, key(choice).toLowerCase()) }));
  const found = near.filter(({ choice, away }) => away <= Math.max(1, Math.floor(Math.min(folded.length, key(choice).length) / 3)));
  return found.sort((a, b) => a.away - b.away || a.choice.localeCompare(b.choice)).slice(0, MOST).map((one) => one.choice);
}

const keyOf = (name: string) => name.replace(SCOPE, "");

function replaced(query: string, word: Word, by: string): { text: string; query: string } {
  return { text: by, query: query.slice(0, word.from) + by + query.slice(word.from + word.text.length) };
}

/** Why a query may have found nothing. */
export async function suggestions(query: string, range: Range): Promise<Suggestion[]> {
  const names = (await fieldNames(range)).filter((one) => one.scope !== "intrinsic").map((one) => one.label);
  const unknown = attributesIn(query).filter(({ text }) => !isAmong(text, names));
  const found = unknown.map((word) => ({
    what: `No span has ${word.text} in this range`,
    meant: alike(keyOf(word.text), names, keyOf).map((name) => replaced(query, word, name)),
  }));
  const comparisons = comparisonsIn(query).filter(({ field }) => !unknown.some((word) => word.text === field));
  return [...found, ...(await Promise.all(comparisons.map((one) => ofValue(query, one, range)))).flat()];
}

function isAmong(name: string, names: string[]): boolean {
  const plain = name.replace(/^parent\./, "");
  return plain.startsWith(".") ? names.some((one) => keyOf(one) === plain.slice(1)) : names.includes(plain);
}

async function ofValue(query: string, { field, value }: { field: string; value: Word }, range: Range): Promise<Suggestion[]> {
  const values = await fieldValues(field, range);
  if (values.includes(value.text)) return [];
  const meant = alike(value.text.slice(1, -1), values.map((one) => one.replace(/^"|"$/g, "")));
  return [{ what: `No span has ${field} = ${value.text} in this range`, meant: meant.map((one) => replaced(query, value, quoted(one))) }];
}

/** What may be meant by the word at which the server does not understand a query. */
export async function corrections(query: string, message: string, range: Range): Promise<Suggestion[]> {
  const place = errorPlace(message);
  if (!place) return [];
  const start = query.split("\n").slice(0, place.line).reduce((sum, line) => sum + line.length + 1, 0) + place.column;
  const text = /^[\w.\-/:]+/.exec(query.slice(start))?.[0];
  if (!text) return [];
  const names = (await fieldNames(range)).map((one) => one.label);
  const scoped = names.filter((name) => keyOf(name) === text);
  const meant = scoped.length ? scoped.slice(0, MOST) : alike(text, names, keyOf);
  return meant.length ? [{ what: `${text} is not understood here`, meant: meant.map((name) => replaced(query, { text, from: start }, name)) }] : [];
}
