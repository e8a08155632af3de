/**
 * What BTF does not say of kernel functions: which give a pointer that may be null (KF_RET_NULL), and which hand over a
 * reference (KF_ACQUIRE) that another one takes back (KF_RELEASE). From the BTF_ID_FLAGS lines of kernel/bpf/helpers.c,
 * cpumask.c, crypto.c, fs/bpf_fs_kfuncs.c, net/netfilter/nf_conntrack_bpf.c and drivers/hid/bpf/hid_bpf_dispatch.c, Linux 7.3.
 */

/** One row: what takes the reference back, if one is handed over. */
export interface KfuncFlags {
  readonly mayBeNull: boolean;
  readonly release: string | undefined;
}

const nullable: KfuncFlags = { mayBeNull: true, release: undefined };
const acquires = (release: string, mayBeNull = true): KfuncFlags => ({ mayBeNull, release });

/** By name; a function that is not here gives a pointer that is there, or none. */
export const KFUNC_FLAGS: Readonly<Record<string, KfuncFlags>> = {
  bpf_task_acquire: acquires("bpf_task_release"),
  bpf_task_from_pid: acquires("bpf_task_release"),
  bpf_task_from_vpid: acquires("bpf_task_release"),
  bpf_task_get_cgroup1: acquires("bpf_cgroup_release"),
  bpf_cgroup_acquire: acquires("bpf_cgroup_release"),
  bpf_cgroup_ancestor: acquires("bpf_cgroup_release"),
  bpf_cgroup_from_id: acquires("bpf_cgroup_release"),
  bpf_cpumask_create: acquires("bpf_cpumask_release"),
  bpf_cpumask_acquire: acquires("bpf_cpumask_release", false),
  bpf_crypto_ctx_create: acquires("bpf_crypto_ctx_release"),
  bpf_crypto_ctx_acquire: acquires("bpf_crypto_ctx_release"),
  bpf_get_task_exe_file: acquires("bpf_put_file"),
  bpf_lookup_user_key: acquires("bpf_key_put"),
  bpf_lookup_system_key: acquires("bpf_key_put"),
  bpf_xdp_ct_alloc: acquires("bpf_ct_insert_entry"),
  bpf_skb_ct_alloc: acquires("bpf_ct_insert_entry"),
  bpf_xdp_ct_lookup: acquires("bpf_ct_release"),
  bpf_skb_ct_lookup: acquires("bpf_ct_release"),
  bpf_ct_insert_entry: acquires("bpf_ct_release"),
  hid_bpf_allocate_context: acquires("hid_bpf_release_context"),
  hid_bpf_get_data: nullable,
  bpf_get_kmem_cache: nullable,
  bpf_dynptr_slice: nullable,
  bpf_dynptr_slice_rdwr: nullable,
};
