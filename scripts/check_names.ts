/**
 * Goal: the repository stands on its own, and what it cites can be found.
 *
 * Rules, for every text file:
 * - No absolute path of somebody's machine: below the folders work and root of /, or somebody's home (me, you, user and
 *   name are nobody).
 * - A kernel commit is cited as `Linux commit <12 hex digits> ("subject") (in vX.Y)`; a commit of another project as
 *   `PROJECT commit <hex> ("subject")`.
 * - A link into a kernel tree names a version (tag), not a branch that moves.
 */
import { filesBelow, runCheck, textOf } from "./lib/problems.ts";
import type { Problem } from "./lib/problems.ts";
import { lineAt } from "./lib/source.ts";

const TEXT = /(\.(ts|c|h|md|json|toml|sh|py)|\/(test|run|setup|init|initramfs|common|kernel-tests))$/;

/** Put together from parts, so that this file does not name them itself. */
const MACHINE_PATH = new RegExp(
  String.raw`(?<![\w.$}\])-])/(?:` + ["work", "root", "(?:home|Users)/(?!(?:me|you|user|name)\\b)\\w+"].join("|") +
    String.raw`)/[\w.-]+`,
  "g",
);
const COMMIT = /\b(\w+)?[ \t]+commit[ \t]+([0-9a-f]{7,40})\b([^\n]*(?:\n[ \t]*(?:\*|\/\/|#)?[^\n]*)?)/g;
const KERNEL_LINK = /https?:\/\/(?:github\.com\/torvalds\/linux|elixir\.bootlin\.com\/linux|git\.kernel\.org)\S*/g;

/** The problems of the repository at `root`. */
export function checkNames(root: string): Problem[] {
  return filesBelow(root, ".", TEXT).flatMap((file) => {
    const text = textOf(root, file);
    return [...machinePaths(file, text), ...citations(file, text), ...links(file, text)];
  });
}

function machinePaths(file: string, text: string): Problem[] {
  return [...text.matchAll(MACHINE_PATH)].map((match) => ({
    file,
    line: lineAt(text, match.index),
    text: `names the path "${match[0]}" of one machine`,
  }));
}

function citations(file: string, text: string): Problem[] {
  const problems: Problem[] = [];
  for (const [, project = "", hash = "", rest = ""] of text.matchAll(COMMIT)) {
    const line = lineAt(text, text.indexOf(hash));
    const tail = rest.replace(/\n[ \t]*(?:\*|\/\/|#)?[ \t]*/, " ");
    if (!/^[A-Za-z]/.test(project)) {
      problems.push({ file, line, text: `commit ${hash}: whose? Write "Linux commit ${hash}"` });
    } else if (!/^ \("[^"]*"?/.test(tail)) {
      problems.push({ file, line, text: `commit ${hash}: its subject is missing, ("…")` });
    } else if (project === "Linux" && hash.length !== 12) {
      problems.push({ file, line, text: `commit ${hash}: 12 hex digits` });
    } else if (project === "Linux" && /"\)/.test(tail) && !/"\) \(in v\d+\.\d+/.test(tail)) {
      problems.push({ file, line, text: `commit ${hash}: the version is missing, (in vX.Y)` });
    }
  }
  return problems;
}

function links(file: string, text: string): Problem[] {
  return [...text.matchAll(KERNEL_LINK)].filter(([link]) =>
    !/[/=]v\d+\.\d+|\/c\/[0-9a-f]{7}|\/commit\/[0-9a-f]{7}|id=[0-9a-f]{7}/.test(link)
  ).map(
    (match) => ({ file, line: lineAt(text, match.index), text: `"${match[0]}" names no version of the kernel` }),
  );
}

if (import.meta.main) runCheck("names", checkNames);
