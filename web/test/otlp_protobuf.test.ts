import assert from "node:assert/strict";
import test from "node:test";
import { spansOfAnswer } from "../src/trace/otlp_protobuf";

const bytes = (text: string) => [...new TextEncoder().encode(text)];

function varint(value: bigint): number[] {
  const found: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) found.push(Number(rest & 127n) | 128);
  return [...found, Number(rest)];
}

const field = (number: number, content: number[]) => [...varint(BigInt(number * 8 + 2)), ...varint(BigInt(content.length)), ...content];
const number = (at: number, value: bigint) => [...varint(BigInt(at * 8)), ...varint(value)];
const fixed = (at: number, view: DataView) => [...varint(BigInt(at * 8 + 1)), ...new Uint8Array(view.buffer)];

function time(at: number, value: bigint): number[] {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, value, true);
  return fixed(at, view);
}

function double(at: number, value: number): number[] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value, true);
  return fixed(at, view);
}

const attribute = (key: string, value: number[]) => [...field(1, bytes(key)), ...field(2, value)];

function answer(...fields: number[][]): Uint8Array {
  const span = [...field(1, Array(16).fill(0xab)), ...field(2, Array(8).fill(1)), ...field(5, bytes("GET ü")), ...number(6, 2n), ...time(7, 5_000_000n), ...time(8, 7_500_000n), ...fields.flat()];
  const resource = field(1, field(1, attribute("service.name", field(1, bytes("shop")))));
  const scope = field(2, [...field(2, span), ...field(1, field(1, bytes("http")))]);
  return Uint8Array.from(field(1, field(1, [...scope, ...resource])));
}

test("a span is read", () => {
  const [span, other] = spansOfAnswer(answer(field(15, [...field(2, bytes("no")), ...number(3, 2n)])));
  assert.equal(other, undefined);
  assert.deepEqual([span?.traceId, span?.id, span?.name, span?.kind], ["ab".repeat(16), "01".repeat(8), "GET ü", "server"]);
  assert.deepEqual([span?.startNs, span?.duration, span?.status, span?.message], [5_000_000n, 2.5, "error", "no"]);
  assert.deepEqual([span?.service, span?.scope.name], ["shop", "http"]);
});

test("attributes of all types, events and links are read", () => {
  const values: [string, number[]][] = [
    ["text", field(1, bytes("x"))], ["yes", number(2, 1n)], ["negative", number(3, -7n)], ["large", number(3, 2n ** 62n)], ["float", double(4, 0.5)],
    ["list", field(5, [...field(1, number(3, 1n)), ...field(1, field(1, bytes("b")))])], ["map", field(6, field(1, attribute("a", number(3, 1n))))], ["raw", field(7, [1, 255])], ["none", []],
  ];
  const event = field(11, [...time(1, 6_000_000n), ...field(2, bytes("retry")), ...field(3, attribute("n", number(3, 2n)))]);
  const link = field(13, [...field(1, Array(16).fill(2)), ...field(2, Array(8).fill(3))]);
  const [span] = spansOfAnswer(answer(...values.map(([key, value]) => field(9, attribute(key, value))), event, link, [...varint(16n * 8n + 5n), 1, 0, 0, 0], number(99, 1n)));
  assert.deepEqual([...(span?.attributes ?? [])], [
    ["text", "x"], ["yes", true], ["negative", -7], ["large", "4611686018427387904"], ["float", 0.5], ["list", [1, "b"]], ["map", { a: 1 }], ["raw", "0x01ff"], ["none", null],
  ]);
  assert.deepEqual(span?.events, [{ name: "retry", after: 1, attributes: new Map([["n", 2]]) }]);
  assert.deepEqual(span?.links, [{ traceId: "02".repeat(16), spanId: "03".repeat(8), attributes: new Map() }]);
});

test("an answer that is cut off is refused", () => {
  const whole = answer();
  assert.throws(() => spansOfAnswer(whole.subarray(0, whole.length - 3)), /not a trace/);
  assert.deepEqual(spansOfAnswer(new Uint8Array()), []);
});
