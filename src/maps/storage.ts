/**
 * Storage maps: values that belong to a kernel object and go with it. BPF_MAP_TYPE_SK_STORAGE (5.2), INODE_STORAGE
 * (5.10), TASK_STORAGE (5.11), CGRP_STORAGE (6.2). From user space the key is a descriptor of the object.
 */
import { BPF_MAP_TYPE_TASK_STORAGE } from "../abi/bpf.gen.ts";
import type { Codec } from "../bytes/codec.ts";
import { Fd } from "../syscall/fd.ts";
import { openFile } from "../syscall/files.ts";
import { pidfdOpen } from "../syscall/process.ts";
import type { MapParams } from "./base.ts";
import { type FdLike, fdNumber } from "./fd_map.ts";
import { u32Codec } from "./codecs.ts";
import { BpfMap, type UpdateOptions } from "./map.ts";

/** The owner of a value: a descriptor (socket, file, pidfd, cgroup directory), a process id, or a path. */
export type StorageOwner = FdLike | { readonly pid: number } | { readonly path: string };

/** A storage map. */
export class StorageMap<V = unknown> extends BpfMap<StorageOwner, V> {
  constructor(fd: Fd, params: MapParams, valueCodec: Codec<V>) {
    super(fd, params, u32Codec as unknown as Codec<StorageOwner>, valueCodec);
  }

  override get(owner: StorageOwner, options?: { lock?: boolean }): V | undefined {
    return this.#with(owner, (fd) => super.get(fd, options));
  }

  override has(owner: StorageOwner): boolean {
    return this.#with(owner, (fd) => super.has(fd));
  }

  override set(owner: StorageOwner, value: V): this {
    return this.#with(owner, (fd) => super.set(fd, value));
  }

  override update(owner: StorageOwner, value: V, options?: UpdateOptions): boolean {
    return this.#with(owner, (fd) => super.update(fd, value, options));
  }

  override delete(owner: StorageOwner): boolean {
    return this.#with(owner, (fd) => super.delete(fd));
  }

  /** Opens what the owner names for the time of one call. */
  #with<R>(owner: StorageOwner, fn: (fd: number) => R): R {
    if (typeof owner === "object" && owner !== null && !(owner instanceof Fd)) {
      if ("pid" in owner) {
        if (this.type !== BPF_MAP_TYPE_TASK_STORAGE) {
          throw new TypeError(`Cannot encode key: map "${this.name}" is a ${this.typeName}, its keys are no processes`);
        }
        using pidfd = pidfdOpen(owner.pid);
        return fn(pidfd.number);
      }
      if ("path" in owner) {
        using file = openFile(owner.path);
        return fn(file.number);
      }
    }
    return fn(fdNumber(owner, "key"));
  }
}
