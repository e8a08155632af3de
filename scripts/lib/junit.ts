/** Counts and failures of a test run, read from the JUnit XML that `deno test` and `bun test` write. */

/** What one suite came to. */
export interface SuiteResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** One text for each failure. */
  readonly failures: readonly string[];
}

/** Reads a report; undefined if the text is not one, as after a crash. */
export function parseJunit(xml: string): SuiteResult | undefined {
  if (!/<testsuites\b/.test(xml) || !/<\/testsuites>\s*$/.test(xml)) return undefined;
  let passed = 0;
  let skipped = 0;
  const failures: string[] = [];
  for (
    const [, attributes = "", body = ""] of xml.matchAll(
      /<testcase\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([^]*?)<\/testcase>)/g,
    )
  ) {
    const problem = /<(failure|error)\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([^]*?)<\/\1>)/.exec(body);
    if (problem !== null) {
      failures.push(
        `${attribute(attributes, "classname") || attribute(attributes, "file")}: ${attribute(attributes, "name")}\n${
          unescapeXml(problem[3]?.trim() || attribute(problem[2] ?? "", "message"))
        }`,
      );
    } else if (/<skipped\b/.test(body)) skipped += 1;
    else passed += 1;
  }
  return { passed, failed: failures.length, skipped, failures };
}

/** The names of the tests that passed. */
export function passedTests(xml: string): string[] {
  const names: string[] = [];
  for (
    const [, attributes = "", body = ""] of xml.matchAll(
      /<testcase\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([^]*?)<\/testcase>)/g,
    )
  ) {
    if (!/<(failure|error|skipped)\b/.test(body)) names.push(attribute(attributes, "name"));
  }
  return names;
}

/** Adds results up. */
export function sumResults(results: readonly SuiteResult[]): SuiteResult {
  return {
    passed: results.reduce((sum, result) => sum + result.passed, 0),
    failed: results.reduce((sum, result) => sum + result.failed, 0),
    skipped: results.reduce((sum, result) => sum + result.skipped, 0),
    failures: results.flatMap((result) => result.failures),
  };
}

/** The line that ends a run: "N passed, N failed", and ", N skipped" if there are any. */
export function summaryLine({ passed, failed, skipped }: SuiteResult): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

function attribute(text: string, name: string): string {
  return unescapeXml(new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1] ?? "");
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  return text.replaceAll(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return ENTITIES[name] ?? whole;
  });
}
