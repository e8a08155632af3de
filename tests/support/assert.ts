/**
 * Assertions with the names and signatures of `@std/assert`, over `node:assert`, which both runtimes carry. The import
 * map points `@std/assert` here, so tests need no registry; pointing it at JSR instead is one line in `deno.json`.
 */
import nodeAssert from "node:assert";

/** A class whose instances can be thrown, abstract ones included. */
// deno-lint-ignore no-explicit-any -- a constructor type that accepts any arguments cannot be written without it
type ErrorClass<E extends Error = Error> = abstract new (...args: any[]) => E;

/** Fails unless `condition` is truthy. */
export function assert(
  condition: unknown,
  message = "Condition is not truthy",
): asserts condition {
  if (!condition) {
    throw new nodeAssert.AssertionError({
      message,
      actual: condition,
      expected: true,
      operator: "==",
    });
  }
}

/** Fails unless `condition` is falsy. */
export function assertFalse(
  condition: unknown,
  message = "Condition is not falsy",
): asserts condition is false {
  assert(!condition, message);
}

/** Fails unless both values are deeply and strictly equal, prototypes included. */
export function assertEquals<T>(
  actual: T,
  expected: T,
  message?: string,
): void {
  nodeAssert.deepStrictEqual(actual, expected, message);
}

/** Fails if both values are deeply and strictly equal. */
export function assertNotEquals<T>(
  actual: T,
  expected: T,
  message?: string,
): void {
  nodeAssert.notDeepStrictEqual(actual, expected, message);
}

/** Fails unless `Object.is(actual, expected)`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is T {
  nodeAssert.strictEqual(actual, expected, message);
}

/** Fails if `Object.is(actual, expected)`. */
export function assertNotStrictEquals<T>(
  actual: T,
  expected: T,
  message?: string,
): void {
  nodeAssert.notStrictEqual(actual, expected, message);
}

/** Fails if the value is `null` or `undefined`. */
export function assertExists<T>(
  actual: T,
  message = "Value is null or undefined",
): asserts actual is NonNullable<T> {
  assert(actual !== null && actual !== undefined, message);
}

/** Fails unless the value is an instance of `type`. */
export function assertInstanceOf<T>(
  actual: unknown,
  // deno-lint-ignore no-explicit-any -- as for ErrorClass
  type: abstract new (...args: any[]) => T,
  message?: string,
): asserts actual is T {
  assert(
    actual instanceof type,
    message ?? `Expected an instance of ${type.name}, got ${describe(actual)}`,
  );
}

/** Fails unless the text matches the pattern. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  message?: string,
): void {
  assert(
    expected.test(actual),
    message ?? `Expected ${JSON.stringify(actual)} to match ${expected}`,
  );
}

/** Fails if the text matches the pattern. */
export function assertNotMatch(
  actual: string,
  expected: RegExp,
  message?: string,
): void {
  assert(
    !expected.test(actual),
    message ?? `Expected ${JSON.stringify(actual)} not to match ${expected}`,
  );
}

/** Fails unless `actual` contains `expected`. */
export function assertStringIncludes(
  actual: string,
  expected: string,
  message?: string,
): void {
  assert(
    actual.includes(expected),
    message ??
      `Expected ${JSON.stringify(actual)} to include ${JSON.stringify(expected)}`,
  );
}

/** Fails unless each item of `expected` is deeply equal to some item of `actual`. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  message?: string,
): void {
  const have = Array.from(actual);
  const missing = Array.from(expected).filter((item) => !have.some((other) => deepEqual(other, item)));
  assert(
    missing.length === 0,
    message ??
      `Missing ${missing.map(describe).join(", ")} in ${describe(have)}`,
  );
}

/** Fails unless every own property of `expected` is in `actual`, compared deeply. */
export function assertObjectMatch(
  actual: object,
  expected: object,
  message?: string,
): void {
  nodeAssert.deepStrictEqual(pick(actual, expected), expected, message);
}

/** Fails unless `actual > expected`. */
export function assertGreater<T extends number | bigint>(
  actual: T,
  expected: T,
  message?: string,
): void {
  assert(actual > expected, message ?? `Expected ${actual} > ${expected}`);
}

/** Fails unless `actual >= expected`. */
export function assertGreaterOrEqual<T extends number | bigint>(
  actual: T,
  expected: T,
  message?: string,
): void {
  assert(actual >= expected, message ?? `Expected ${actual} >= ${expected}`);
}

/** Fails unless `actual < expected`. */
export function assertLess<T extends number | bigint>(
  actual: T,
  expected: T,
  message?: string,
): void {
  assert(actual < expected, message ?? `Expected ${actual} < ${expected}`);
}

/** Fails unless `actual <= expected`. */
export function assertLessOrEqual<T extends number | bigint>(
  actual: T,
  expected: T,
  message?: string,
): void {
  assert(actual <= expected, message ?? `Expected ${actual} <= ${expected}`);
}

/** Fails unless the numbers differ by at most `tolerance` (default: a ten-millionth of `expected`). */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
): void {
  const limit = tolerance ?? Math.abs(expected) * 1e-7;
  assert(
    Object.is(actual, expected) || Math.abs(actual - expected) <= limit,
    message ?? `Expected ${actual} to be within ${limit} of ${expected}`,
  );
}

/** Fails unless `fn` throws an instance of `type` whose message includes `includes`; returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  type?: ErrorClass<E>,
  includes?: string,
  message?: string,
): E {
  let thrown: unknown;
  try {
    fn();
  } catch (error) {
    thrown = error;
    return checkError(thrown, type, includes, message);
  }
  return fail(
    message ?? `Expected a thrown ${type?.name ?? "error"}, nothing was thrown`,
  );
}

/** Fails unless the promise rejects with an instance of `type` whose message includes `includes`; returns the error. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  type?: ErrorClass<E>,
  includes?: string,
  message?: string,
): Promise<E> {
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    return fail(
      `Expected a rejected promise, got a synchronous throw: ${describe(error)}`,
    );
  }
  try {
    await promise;
  } catch (error) {
    return checkError(error, type, includes, message);
  }
  return fail(
    message ??
      `Expected a rejection with ${type?.name ?? "an error"}, the promise was fulfilled`,
  );
}

/** Fails always. */
export function fail(message = "Failed"): never {
  throw new nodeAssert.AssertionError({ message, operator: "fail" });
}

/** Fails: the line must not be reached. */
export function unreachable(reason = "Unreachable"): never {
  return fail(reason);
}

function checkError<E extends Error>(
  error: unknown,
  type?: ErrorClass<E>,
  includes?: string,
  message?: string,
): E {
  assert(
    error instanceof Error,
    message ?? `Expected an Error, got ${describe(error)}`,
  );
  if (type !== undefined && !(error instanceof type)) {
    throw new nodeAssert.AssertionError({
      message: message ??
        `Expected ${type.name}, got ${error.name}: ${error.message}\n${error.stack ?? ""}`,
      operator: "throws",
    });
  }
  if (includes !== undefined) {
    assertStringIncludes(error.message, includes, message);
  }
  return error as E;
}

function deepEqual(a: unknown, b: unknown): boolean {
  try {
    nodeAssert.deepStrictEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

function pick(from: unknown, shape: unknown): unknown {
  if (!isPlain(shape) || from === null || typeof from !== "object") return from;
  const out: Record<string, unknown> = {};
  for (const key of Object.keys(shape)) {
    if (key in from) {
      out[key] = pick((from as Record<string, unknown>)[key], shape[key]);
    }
  }
  return out;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" &&
    Object.getPrototypeOf(value) === Object.prototype;
}

function describe(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (typeof value === "bigint") return `${value}n`;
  try {
    return JSON.stringify(
      value,
      (_, v) => (typeof v === "bigint" ? `${v}n` : v),
    ) ?? String(value);
  } catch {
    return String(value);
  }
}
