// Run by tests/kernel/syscall: files, waiting and the end of the process, with no permission but FFI.
import { possibleCpus } from "../../../src/kernel/cpus.ts";
import { Epoll, EventFd } from "../../../src/syscall/epoll.ts";
import { readText } from "../../../src/syscall/files.ts";

const epoll = new Epoll();
const event = new EventFd();
epoll.add(event.number, 1);
setTimeout(() => event.signal(), 20);
const waited = await epoll.wait();
console.log(JSON.stringify({ kernel: readText("/proc/sys/kernel/osrelease").trim(), cpus: possibleCpus(), waited }));
// Nothing is closed: an idle waiter must not keep the process alive.
