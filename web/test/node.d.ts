// What the tests use of Node.
declare module "node:test" {
  export default function test(name: string, body: () => void | Promise<void>): void;
}
declare module "node:assert/strict" {
  const assert: {
    equal<T>(found: T, expected: T): void;
    deepEqual<T>(found: T, expected: T): void;
    throws(body: () => unknown, expected: RegExp): void;
  };
  export default assert;
}
