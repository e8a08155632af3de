/** flow_dissector (link since Linux 5.8) and sk_lookup (5.9): programs on a network namespace. */
import { EINVAL } from "../abi/errno.gen.ts";
import { dupFd } from "../syscall/fd.ts";
import { openFile } from "../syscall/files.ts";
import { createLink } from "./attempt.ts";
import { Link } from "./link.ts";
import type { Attacher, NetnsOptions } from "./types.ts";

export const netns: Attacher<NetnsOptions> = {
  options: ["netns"],
  attach(prog, _target, options) {
    // Namespaces belong to threads, and JavaScript may run on another than the process's first.
    const where = options.netns ?? "/proc/thread-self/ns/net";
    const what = `network namespace ${typeof where === "string" ? `"${where}"` : where}`;
    using namespace = typeof where === "string" ? openFile(where) : dupFd(where);
    const attr = { target_fd: namespace.number, attach_type: prog.expectedAttachType };
    const link = createLink(
      prog,
      what,
      attr,
      (errno) => errno === EINVAL ? "it is no network namespace, or the kernel is older than 5.9" : undefined,
    );
    return new Link({ what, links: [link] });
  },
};
