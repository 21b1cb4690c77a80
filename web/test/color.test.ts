import assert from "node:assert/strict";
import test from "node:test";
import { colorOf } from "../src/color";

const SERVICES = ["frontend", "gateway", "checkout", "cart", "catalog", "inventory", "payment", "fraud", "shipping", "notifications", "recommendations", "search", "assistant"];

test("the services of the demo have colours that are told apart", () => {
  const hues = SERVICES.map((name) => colorOf(name).match(/^oklch\((\d+)% [\d.]+ (\d+)\)$/)?.slice(1).map(Number) ?? []);
  const alike = hues.flatMap(([tone = 0, hue = 0], at) => hues.slice(0, at).filter(([other, one = 0]) => {
    const apart = Math.abs(hue - one);
    return other === tone && Math.min(apart, 360 - apart) < 20;
  }));
  assert.deepEqual(alike, []);
});
