/**
 * What waggle needs of a JavaScript runtime: C calls and views of memory. `deno.ts`, `bun.ts` and `fake.ts` implement
 * it; nothing else in the library knows that runtimes differ.
 *
 * Addresses are plain numbers: user-space addresses stay below 2^56 on x86-64 and arm64 and, unless a program asks
 * mmap for more, below 2^48, which a double holds exactly; a BigInt would cost an allocation per call.
 */
export interface Runtime {
  readonly name: "deno" | "bun" | "fake";
  /** The machine: decides system call numbers and register layouts. */
  readonly arch: "x86_64" | "aarch64";
  /** Command line arguments of the script. */
  readonly args: readonly string[];

  /**
   * `syscall(2)` for results that fit 32 bits (fds, counts, errors). Returns the result, or `-errno`.
   * errno is read in the same turn, directly after the failing call. Arguments are integers; addresses come from
   * `Memory`. EINTR is not retried here.
   */
  syscall(nr: number, a?: number, b?: number, c?: number, d?: number, e?: number, f?: number): number;

  /** The same for results that are addresses or 64-bit sizes (mmap, lseek, read of more than 2 GiB). */
  syscall64(nr: number, a?: number, b?: number, c?: number, d?: number, e?: number, f?: number): number;

  /** An ArrayBuffer over memory that is not the runtime's: an mmap'ed region. Nothing is copied, nothing freed. */
  view(address: number, length: number): ArrayBuffer;

  /**
   * Waits in `epoll_pwait(epfd, events, maxEvents, timeoutMs)` without blocking the event loop. Resolves to the
   * number of events, or `-errno`.
   */
  epollWait(epfd: number, eventsAddress: number, maxEvents: number, timeoutMs: number): Promise<number>;

  /** Runs `handler` when the process gets a signal; returns a function that takes it back. */
  onSignal(signal: "SIGINT" | "SIGTERM", handler: () => void): () => void;

  /** Whether the script handles a signal otherwise, as far as the runtime tells (`process.on`). */
  hasListeners(signal: "SIGINT" | "SIGTERM"): boolean;

  /** What the command needs besides the kernel: files on any system, other programs, the exit status. */
  readonly host: Host;

  /** Ends what `epollWait` needs (a worker); a later call starts it again. */
  close(): void;
}

/** How another program ended. */
export interface CommandResult {
  /** Exit status; 128 if a signal ended it. */
  readonly status: number;
  readonly stdout: Uint8Array;
  readonly stderr: string;
}

/** The machine as any program sees it, by the runtime's own means. Failures are `WaggleError`s. */
export interface Host {
  /** `linux`, `darwin`, `win32`. */
  readonly platform: string;
  readFile(path: string): Uint8Array;
  /** The same, read only and mapped where the runtime can; the bytes stay until the process ends. */
  mapFile(path: string): Uint8Array;
  writeFile(path: string, bytes: Uint8Array): void;
  /** Makes a folder and those above it; one that exists is no error. */
  makeFolder(path: string): void;
  /** Makes a new folder for temporary files and returns its path. */
  tempFolder(): string;
  /** Removes a folder with everything in it. */
  removeFolder(path: string): void;
  /** Runs a program to its end, without input; undefined if there is none of that name. */
  run(command: string, args: readonly string[]): CommandResult | undefined;
  /** What the process will end with once nothing is left to do. */
  setExitStatus(status: number): void;
}
