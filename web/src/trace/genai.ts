// Calls of language models, by OpenTelemetry's semantic conventions for generative AI, of their newer form (messages in
// one attribute as JSON) and their older ones (events, numbered attributes).
import { count, digits } from "../format";
import { text, type Attributes, type Value } from "../values";
import type { Span } from "./model";

export interface Turn {
  role: string;
  text: string;
}

const FACTS: [string, string[]][] = [
  ["provider", ["gen_ai.provider.name", "gen_ai.system"]],
  ["operation", ["gen_ai.operation.name"]],
  ["model", ["gen_ai.response.model", "gen_ai.request.model"]],
  ["agent", ["gen_ai.agent.name"]],
  ["tool", ["gen_ai.tool.name"]],
  ["temperature", ["gen_ai.request.temperature"]],
  ["max tokens", ["gen_ai.request.max_tokens"]],
  ["input tokens", ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"]],
  ["output tokens", ["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"]],
  ["finish", ["gen_ai.response.finish_reasons"]],
];

export function modelFacts(span: Span): [string, string][] {
  const facts: [string, string][] = [];
  for (const [name, keys] of FACTS) {
    const key = keys.find((one) => span.attributes.has(one));
    if (key) facts.push([name, shown(span.attributes.get(key) ?? null)]);
  }
  const output = Number(span.attributes.get("gen_ai.usage.output_tokens"));
  if (output > 0 && span.duration > 0) facts.push(["tokens/s", digits(output / (span.duration / 1000))]);
  return facts;
}

function shown(value: Value): string {
  if (Array.isArray(value)) return value.map(text).join(", ");
  return typeof value === "number" && Number.isInteger(value) ? count(value) : text(value);
}

export function conversation(span: Span): Turn[] {
  const turns = [
    ...messages(span.attributes.get("gen_ai.system_instructions"), "system"),
    ...messages(span.attributes.get("gen_ai.input.messages") ?? span.attributes.get("gen_ai.prompt"), "user"),
    ...numbered(span.attributes, "gen_ai.prompt"),
    ...messages(span.attributes.get("gen_ai.output.messages") ?? span.attributes.get("gen_ai.completion"), "assistant"),
    ...numbered(span.attributes, "gen_ai.completion"),
  ];
  for (const event of span.events) {
    const found = /^gen_ai\.(system|user|assistant|tool)\.message$/.exec(event.name);
    const content = event.attributes.get("content") ?? event.attributes.get("gen_ai.prompt") ?? event.attributes.get("gen_ai.completion");
    if (found && content !== undefined) turns.push({ role: found[1] ?? "user", text: text(content) });
  }
  return turns;
}

function parsed(value: Value): Value {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value) as Value;
  } catch {
    return value;
  }
}

function messages(value: Value | undefined, role: string): Turn[] {
  if (value === undefined || value === null) return [];
  const found = parsed(value);
  const list = Array.isArray(found) ? found : [found];
  return list.map((one) => message(one, role)).filter((turn) => turn.text);
}

function message(value: Value, role: string): Turn {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { role, text: text(value) };
  const parts = value["parts"];
  const said = Array.isArray(parts) ? parts.map(part).join("\n") : part(value);
  return { role: typeof value["role"] === "string" ? value["role"] : role, text: said };
}

function part(value: Value): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return text(value);
  const said = value["content"] ?? value["text"] ?? value["response"] ?? value["result"];
  if (value["type"] === "tool_call") return `${text(value["name"] ?? "tool")}(${text(value["arguments"] ?? "")})`;
  return said === undefined || said === null ? JSON.stringify(value) : text(said);
}

function numbered(attributes: Attributes, prefix: string): Turn[] {
  const turns: Turn[] = [];
  for (let at = 0; at < 100; at++) {
    const content = attributes.get(`${prefix}.${at}.content`);
    if (content === undefined) break;
    turns.push({ role: text(attributes.get(`${prefix}.${at}.role`) ?? "user"), text: text(content) });
  }
  return turns;
}
