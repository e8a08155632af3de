/**
 * What the editor knows: checked by `deno check`, which every test run does. The functions below are never called; each
 * `@ts-expect-error` fails the check when the error it expects is not there any more.
 */
import { assertEquals } from "@std/assert";
import { spinLock, timer } from "../../src/bytes/kernel_owned.ts";
import { array, bytes, str } from "../../src/bytes/composites.ts";
import { bool, i32, u16, u32, u64 } from "../../src/bytes/scalars.ts";
import type { Ctx } from "../../src/script/context.ts";
import * as kinds from "../../src/script/kinds.ts";
import type { bpf as Bpf } from "../../src/script/bpf.ts";
import { test } from "../support/harness.ts";

/** True only for the very same type: assignability both ways would let `any` pass. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function same<A, B>(_: Same<A, B>): void {}

/** Type-checked, never run. */
function define(bpf: typeof Bpf) {
  return bpf({
    maps: {
      started: kinds.hash(u64, { path: u64, ok: bool }),
      opens: kinds.ringbuf({ pid: u32, ret: i32, at: u64, comm: str(16), mac: bytes(6) }),
      total: kinds.counter(),
      byPid: kinds.counter(u32),
      latency: kinds.histogram({ dev: u32 }),
      perCpu: kinds.percpuArray(u64, 4),
      top: kinds.topK(str(16), 5),
      local: kinds.taskStorage({ at: u64 }),
      stacks: kinds.stackTraces(),
      timed: kinds.hash(u32, { guard: spinLock, n: u64, expiry: timer }),
      stacked: kinds.hash(u32, { stack: array(u64, 8), bytes: bytes(16) }),
    },
    globals: { path: str(32), target: u32, limit: kinds.constant(u64, 5n), pair: { a: u16, b: u64 } },
    types: { Header: { magic: u32, name: str(8) } },
    functions: {
      late(_, key: number, value: { n: number }) {
        return key + value.n;
      },
      named: (_, key: string) => key.length,
      weigh({ target, started }, size: number, factor: number) {
        same<typeof target, number>(true);
        return size * factor + (started.get(size)?.path ?? 0);
      },
    },
    programs: {
      "tracepoint:syscalls:sys_enter_openat"(ctx, scope) {
        const { started, target, limit, pair, pid, comm, weigh, Header, user } = scope;
        same<typeof ctx.filename, number>(true);
        // @ts-expect-error: a misspelt argument
        ctx.filname;
        same<typeof target, number>(true);
        same<typeof limit, number>(true);
        same<typeof pair.b, number>(true);
        started.set(pid(), { path: ctx.filename, ok: true });
        // @ts-expect-error: a field is missing
        started.set(pid(), { path: ctx.filename });
        // @ts-expect-error: the key is a number
        started.get(comm());
        same<ReturnType<typeof started.get>, { path: number; ok: boolean } | undefined>(true);
        // @ts-expect-error: the value may be undefined
        started.get(1).path;
        same<ReturnType<typeof weigh>, number>(true);
        weigh(1, 2);
        // @ts-expect-error: one argument is missing
        weigh(1);
        same<ReturnType<typeof user<typeof Header>>, { magic: number; name: string }>(true);
        // @ts-expect-error: no such builtin
        scope.nothing;
      },
      "tracepoint:syscalls:sys_exit_openat"(
        ctx,
        { opens, total, byPid, latency, perCpu, top, local, stacks, task, comm },
      ) {
        same<typeof ctx.ret, number>(true);
        // @ts-expect-error: strings do not go where numbers do
        opens.emit({ pid: comm(), ret: 1, at: 2, comm: comm(), mac: new Uint8Array(6) });
        // @ts-expect-error: no such field
        opens.emit({ pid: 1, ret: 1, at: 2, comm: comm(), mac: new Uint8Array(6), more: 1 });
        total.count();
        byPid.count(5);
        // @ts-expect-error: this counter has a key
        byPid.count();
        // @ts-expect-error: this one has none
        total.count(5);
        latency.add({ dev: 1 }, 100);
        // @ts-expect-error: the key is missing
        latency.add(100);
        same<ReturnType<typeof perCpu.get>, number | undefined>(true);
        top.count(comm());
        same<NonNullable<ReturnType<typeof local.get>>, { at: number }>(true);
        local.getOrCreate(task());
        same<ReturnType<typeof stacks.kernel>, number>(true);
      },
      "tp_btf:sched_switch"(ctx, { as, task }) {
        same<typeof ctx.prev.comm, string>(true);
        same<typeof ctx.preempt, boolean>(true);
        same<typeof ctx.next.real_parent.tgid, number>(true);
        same<ReturnType<typeof task>["pid"], number>(true);
        const sk = as(ctx.prev_state, "tcp_sock");
        same<typeof sk.snd_cwnd, number>(true);
        // What nobody listed is a number, and a pointer to more.
        const odd: number | undefined = as(5, "some_struct").field?.other?.deep;
        // @ts-expect-error: but not a string
        const text: string = as(5, "some_struct").field;
        return odd === 1 ? 1 : text.length;
      },
      "struct_ops:tcp_congestion_ops:cong_avoid"(ctx, $) {
        same<typeof ctx.acked, number>(true);
        same<typeof ctx.sk.sk_protocol, number>(true);
        // @ts-expect-error: no such argument
        ctx.ackd;
        $.target = ctx.acked;
        const { timed, lock, late } = $;
        for (const [key, value] of timed) {
          same<typeof key, number>(true);
          same<typeof value, { n: number }>(true);
          lock(value, () => {
            value.n += 1;
          });
          // @ts-expect-error: the kernel's own
          value.guard;
          timed.startTimer(value, 1000, late);
          // @ts-expect-error: it wants a string
          timed.startTimer(value, 1000, $.named);
          // @ts-expect-error: not a number
          timed.startTimer(value, 1000, 5);
        }
      },
      "perf_event"(_ctx, { signal, kernelStack, stacked, register, perCpu, exit, path, ipv6 }) {
        signal("SIGTERM");
        // @ts-expect-error: no such signal
        signal("SIGTERN");
        stacked.set(1, { stack: kernelStack(), bytes: ipv6("::1") });
        // @ts-expect-error: the argument is the name
        register(5);
        same<typeof path.length, number>(true);
        const other = perCpu("runqueues", 5);
        // @ts-expect-error: there may be no such CPU
        other.nr_running;
        if (path.slice(1).endsWith("x") && perCpu("runqueues").nr_running) exit(1);
      },
      xdp(ctx, { packet, XDP_DROP, XDP_PASS }) {
        same<typeof ctx.ingress_ifindex, number>(true);
        const eth = packet.at(0, "ethhdr");
        // @ts-expect-error: the packet may be too short
        eth.h_proto;
        return eth === undefined ? XDP_DROP : XDP_PASS;
      },
    },
  });
}

/** Wrong definitions, type-checked, never run. */
function wrong(bpf: typeof Bpf): void {
  bpf({
    programs: {
      // @ts-expect-error: programs return numbers
      xdp() {
        return "ok";
      },
    },
  });
  bpf({
    programs: {
      xdp(_, scope) {
        // @ts-expect-error: no such map, global or builtin, also where nothing is declared
        scope.nothing;
        // @ts-expect-error: nor a misspelt constant
        return scope.XDP_DORP;
      },
    },
  });
  // @ts-expect-error: a map is made by its kind
  bpf({ maps: { a: u32 }, programs: {} });
}

/** Host side, type-checked, never run. */
async function host(tracer: ReturnType<typeof define>): Promise<void> {
  for await (const event of tracer.maps.opens) {
    same<typeof event, { pid: number; ret: number; at: bigint; comm: string; mac: Uint8Array }>(true);
  }
  same<ReturnType<typeof tracer.maps.started.get>, { path: bigint; ok: boolean } | undefined>(true);
  // @ts-expect-error: 64-bit keys are bigint in the script
  tracer.maps.started.get(5);
  same<ReturnType<typeof tracer.maps.total.read>, bigint>(true);
  // @ts-expect-error: keyed, so there is no single result
  tracer.maps.byPid.read();
  for (const [pid, count] of tracer.maps.byPid) same<[typeof pid, typeof count], [number, bigint]>(true);
  same<ReturnType<typeof tracer.maps.perCpu.get>, bigint[] | undefined>(true);
  tracer.globals.target = 42;
  // @ts-expect-error: globals have types
  tracer.globals.target = "42";
  same<typeof tracer.globals.limit, bigint>(true);
  tracer.programs["tracepoint:syscalls:sys_enter_openat"];
  // @ts-expect-error: no such program
  tracer.programs["tracepoint:syscalls:sys_enter_open"];
}

/** Contexts by key, type-checked, never run. */
function contexts(): void {
  same<Ctx<"tracepoint:sched:sched_switch">["prev_comm"], string>(true);
  same<Ctx<"tp:sched:sched_switch">["prev_pid"], number>(true);
  same<Ctx<"tracepoint:syscalls:sys_enter_write">["count"], number>(true);
  same<Ctx<"uretprobe:/usr/bin/bash:readline">["ret"], number>(true);
  same<Ctx<"profile:hz:99">["addr"], number>(true);
  same<Ctx<"lsm:file_open">["ret"], number>(true);
  same<Ctx<"fexit:vfs_read">["count"], number>(true);
  same<Ctx<"tc:ingress">["ifindex"], number>(true);
  same<Ctx<"cgroup:connect4">["user_ip4"], number>(true);
  same<Ctx<"iter:task">["task"]["tgid"], number>(true);
  const unknown = {} as Ctx<"tracepoint:my:event">;
  same<NonNullable<typeof unknown.anything> extends number ? true : false, true>(true);
}

test("types of contexts, scopes and readers are what the script sees", () => {
  // The check is the type checker's; here only that the values are there to be checked.
  assertEquals([typeof define, typeof wrong, typeof host, typeof contexts], Array(4).fill("function"));
});
