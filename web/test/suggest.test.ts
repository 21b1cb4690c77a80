import assert from "node:assert/strict";
import test from "node:test";
import { alike, attributesIn, distance } from "../src/suggest";

test("the attributes of a query are found, texts and numbers are not", () => {
  const query = '{ span.http.methd = "span.x" && .region =~ `event.y` && resource."my key" != 1.5 && duration > .5s } | by(parent.span.a) | quantile_over_time(duration, .95)';
  assert.deepEqual(attributesIn(query).map((word) => word.text), ["span.http.methd", ".region", 'resource."my key"', "parent.span.a"]);
});

test("distance counts changed, added, missing and swapped characters", () => {
  assert.deepEqual([distance("abc", "abc"), distance("abc", "abd"), distance("abc", "ab"), distance("abc", "acb"), distance("", "abc")], [0, 1, 1, 1, 3]);
});

test("the nearest names are suggested, far ones are not", () => {
  const names = ["http.method", "http.route", "db.system", "http.methods"];
  assert.deepEqual(alike("http.methd", names), ["http.method", "http.methods"]);
  assert.deepEqual(alike("HTTP.METHOD", names)[0], "http.method");
  assert.deepEqual(alike("customer.tier", names), []);
});
