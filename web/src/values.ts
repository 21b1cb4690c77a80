// Values of attributes.
import type { AnyValue, KeyValue } from "./types";

export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };
export type Attributes = Map<string, Value>;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function hexOf(bytes: Uint8Array): string {
  let found = "";
  for (const byte of bytes) found += HEX[byte];
  return found;
}

/** Bytes in base64 as hexadecimal digits. */
export function hex(base64: string): string {
  return hexOf(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)));
}

/** A 64-bit integer: a number where no digit is lost, else its digits. */
export function integer(value: string | number | bigint): Value {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

/** A value in the JSON of OTLP. */
export function valueOf(value: AnyValue | undefined): Value {
  if (!value) return null;
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.intValue !== undefined) return integer(value.intValue);
  if (value.doubleValue !== undefined) return Number(value.doubleValue);
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.bytesValue !== undefined) return `0x${hex(value.bytesValue)}`;
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(valueOf);
  if (value.kvlistValue) return Object.fromEntries(attributesOf(value.kvlistValue.values));
  return null;
}

export function attributesOf(entries: KeyValue[] | undefined): Attributes {
  return new Map((entries ?? []).map((entry) => [entry.key, valueOf(entry.value)]));
}

export function text(value: Value): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
