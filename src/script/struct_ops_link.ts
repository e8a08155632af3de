/**
 * struct_ops maps attach as a whole: the kernel's struct is written into the map, which registers it at once (before
 * Linux 6.4 and for sections without `.link`), or by a link.
 */
import { BPF_STRUCT_OPS } from "../abi/bpf.gen.ts";
import { Link } from "../attach/link.ts";
import type { LoadedMap } from "../load/map.ts";
import type { StructOpsMap } from "../load/struct_ops.ts";
import { linkCreate } from "../syscall/bpf_link.ts";
import { mapDelete, mapUpdate } from "../syscall/bpf_map.ts";

const KEY = new Uint8Array(4);

/** Registers a struct_ops; disposing the link takes it back. */
export function attachStructOps(map: LoadedMap, structOps: StructOpsMap): Link {
  const what = `struct_ops "${map.name}"`;
  const fd = map.fd.number;
  mapUpdate(fd, KEY, structOps.value);
  if (!structOps.spec.structOps!.link) return new Link({ what, lasting: true, undo: () => void mapDelete(fd, KEY) });
  return new Link({ what, links: [linkCreate({ prog_fd: fd, attach_type: BPF_STRUCT_OPS })] });
}
