/** lirc_mode2: decoders of an infrared receiver, by BPF_PROG_ATTACH (Linux 4.18). */
import { BPF_LIRC_MODE2 } from "../abi/bpf.gen.ts";
import { O_RDWR } from "../abi/defines.ts";
import { EINVAL, ENODEV } from "../abi/errno.gen.ts";
import { NotSupportedError } from "../errors.ts";
import { bpfCall, bpfTry } from "../syscall/bpf.ts";
import { dupFd } from "../syscall/fd.ts";
import { openFile } from "../syscall/files.ts";
import { attachAction, errnoOf, missing } from "./attempt.ts";
import { Link } from "./link.ts";
import type { Attacher, LircOptions } from "./types.ts";

export const lirc: Attacher<LircOptions> = {
  options: ["device"],
  attach(prog, _target, options) {
    const path = options.device ?? missing(prog, "device", '"/dev/lirc0"');
    const what = `infrared receiver "${path}"`;
    const device = openFile(path, O_RDWR);
    const attr = { target_fd: device.number, attach_type: BPF_LIRC_MODE2 };
    try {
      bpfCall("BPF_PROG_ATTACH", { ...attr, attach_bpf_fd: prog.fd }, attachAction(prog, what));
    } catch (error) {
      device.close();
      // The attach type is unknown to kernels without the option; a file that is no receiver has no such call.
      if (![EINVAL, ENODEV].includes(errnoOf(error))) throw error;
      throw new NotSupportedError("programs of infrared receivers", {
        message: `Cannot ${attachAction(prog, what)}: the kernel has no such programs, or the file is no receiver`,
        since: "4.18",
        hint: "the kernel needs CONFIG_BPF_LIRC_MODE2",
        cause: error,
      });
    }
    const kept = dupFd(prog.fd);
    return new Link({
      what,
      kept: [device, kept],
      lasting: true,
      // An error means that someone else has detached it.
      undo: () => void bpfTry("BPF_PROG_DETACH", { ...attr, attach_bpf_fd: kept.number }),
    });
  },
};
