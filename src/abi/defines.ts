/**
 * Constants that the kernel defines as macros, which BTF and the generator cannot see. Each group names its header;
 * tests/abi/defines_test.ts compiles a C program that compares every value.
 * The opcodes' macros are in src/asm/opcodes.ts, those of perf_event.h in perf.ts, those of ELF in elf.ts.
 */

// <linux/bpf.h> Flags of BPF_PROG_ATTACH and of links of cgroups, tcx and netkit.
export const BPF_F_ALLOW_OVERRIDE = 1;
export const BPF_F_ALLOW_MULTI = 2;
export const BPF_F_REPLACE = 4;
export const BPF_F_BEFORE = 8;
export const BPF_F_AFTER = 16;
export const BPF_F_ID = 32;
export const BPF_F_PREORDER = 64;

// <linux/bpf.h> Flags of BPF_PROG_LOAD.
export const BPF_F_STRICT_ALIGNMENT = 1;
export const BPF_F_ANY_ALIGNMENT = 2;
export const BPF_F_TEST_RND_HI32 = 4;
export const BPF_F_TEST_STATE_FREQ = 8;
export const BPF_F_SLEEPABLE = 16;
export const BPF_F_XDP_HAS_FRAGS = 32;
export const BPF_F_XDP_DEV_BOUND_ONLY = 64;
export const BPF_F_TEST_REG_INVARIANTS = 128;

// <linux/bpf.h> Flags of BPF_LINK_CREATE for netfilter, of BPF_PROG_QUERY and of BPF_PROG_TEST_RUN.
export const BPF_F_NETFILTER_IP_DEFRAG = 1;
export const BPF_F_QUERY_EFFECTIVE = 1;
export const BPF_F_TEST_RUN_ON_CPU = 1;
export const BPF_F_TEST_XDP_LIVE_FRAMES = 2;
export const BPF_F_TEST_SKB_CHECKSUM_COMPLETE = 4;

// <linux/bpf.h> `src_reg` of a 64-bit immediate load and of a call: what its immediate means.
export const BPF_PSEUDO_MAP_FD = 1;
export const BPF_PSEUDO_MAP_IDX = 5;
export const BPF_PSEUDO_MAP_VALUE = 2;
export const BPF_PSEUDO_MAP_IDX_VALUE = 6;
export const BPF_PSEUDO_BTF_ID = 3;
export const BPF_PSEUDO_FUNC = 4;
export const BPF_PSEUDO_CALL = 1;
export const BPF_PSEUDO_KFUNC_CALL = 2;

// <linux/bpf.h> Sizes.
export const BPF_OBJ_NAME_LEN = 16;
export const BPF_TAG_SIZE = 8;
export const BPF_BUILD_ID_SIZE = 20;

// <linux/btf.h> BTF.
export const BTF_MAGIC = 0xeb9f;
export const BTF_VERSION = 1;
export const BTF_INT_SIGNED = 1;
export const BTF_INT_CHAR = 2;
export const BTF_INT_BOOL = 4;

// <linux/pkt_cls.h> Return values of traffic control programs, and flags of the bpf classifier.
export const TC_ACT_UNSPEC = -1;
export const TC_ACT_OK = 0;
export const TC_ACT_RECLASSIFY = 1;
export const TC_ACT_SHOT = 2;
export const TC_ACT_PIPE = 3;
export const TC_ACT_STOLEN = 4;
export const TC_ACT_QUEUED = 5;
export const TC_ACT_REPEAT = 6;
export const TC_ACT_REDIRECT = 7;
export const TC_ACT_TRAP = 8;
export const TCA_BPF_FLAG_ACT_DIRECT = 1;

// <linux/pkt_sched.h> Handles of queueing disciplines.
export const TC_H_ROOT = 0xffffffff;
export const TC_H_INGRESS = 0xfffffff1;
export const TC_H_CLSACT = 0xfffffff1;
export const TC_H_UNSPEC = 0;
export const TC_H_MIN_INGRESS = 65522;
export const TC_H_MIN_EGRESS = 65523;

// <linux/if_link.h> Flags of IFLA_XDP.
export const XDP_FLAGS_UPDATE_IF_NOEXIST = 1;
export const XDP_FLAGS_SKB_MODE = 2;
export const XDP_FLAGS_DRV_MODE = 4;
export const XDP_FLAGS_HW_MODE = 8;
export const XDP_FLAGS_REPLACE = 16;

// <linux/netlink.h> Netlink.
export const NETLINK_ROUTE = 0;
export const NETLINK_GENERIC = 16;
export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;
export const NLM_F_REQUEST = 1;
export const NLM_F_MULTI = 2;
export const NLM_F_ACK = 4;
export const NLM_F_ECHO = 8;
export const NLM_F_DUMP_INTR = 16;
export const NLM_F_ROOT = 256;
export const NLM_F_MATCH = 512;
export const NLM_F_DUMP = 768;
export const NLM_F_REPLACE = 256;
export const NLM_F_EXCL = 512;
export const NLM_F_CREATE = 1024;
export const NLM_F_APPEND = 2048;
export const NLM_F_CAPPED = 256;
export const NLM_F_ACK_TLVS = 512;
export const NLA_F_NESTED = 32768;
export const NLA_F_NET_BYTEORDER = 16384;
export const NETLINK_EXT_ACK = 11;
export const NETLINK_GET_STRICT_CHK = 12;

// <sys/socket.h> Sockets.
export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0x80000;
export const SOCK_NONBLOCK = 2048;
export const SOL_SOCKET = 1;
export const SO_ATTACH_BPF = 50;
export const SO_DETACH_BPF = 27;
export const SO_REUSEPORT = 15;
export const SO_ATTACH_REUSEPORT_EBPF = 52;
export const SOL_NETLINK = 270;

// <fcntl.h> Files. O_DIRECTORY, O_NOFOLLOW and O_DIRECT differ between machines and are not here.
export const AT_FDCWD = -100;
export const AT_EMPTY_PATH = 4096;
export const AT_REMOVEDIR = 512;
export const AT_SYMLINK_NOFOLLOW = 256;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 64;
export const O_EXCL = 128;
export const O_TRUNC = 512;
export const O_APPEND = 1024;
export const O_NONBLOCK = 2048;
export const O_CLOEXEC = 0x80000;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_DUPFD_CLOEXEC = 1030;
export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const LOCK_UN = 8;
export const R_OK = 4;
export const W_OK = 2;
export const X_OK = 1;
export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;

// <sys/stat.h> File types of `st_mode`.
export const S_IFMT = 61440;
export const S_IFDIR = 16384;
export const S_IFREG = 32768;
export const S_IFLNK = 40960;

// <sys/mman.h> mmap(2).
export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
export const MAP_SHARED = 1;
export const MAP_PRIVATE = 2;
export const MAP_FIXED = 16;
export const MAP_ANONYMOUS = 32;
export const MAP_POPULATE = 32768;
export const MAP_NORESERVE = 16384;
export const MAP_FIXED_NOREPLACE = 0x100000;
export const MADV_DONTNEED = 4;
export const MFD_CLOEXEC = 1;

// <sys/epoll.h> epoll(7).
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 1;
export const EPOLLOUT = 4;
export const EPOLLERR = 8;
export const EPOLLHUP = 16;
export const EPOLLET = 0x80000000;
export const EPOLL_CLOEXEC = 0x80000;

// <sys/eventfd.h> eventfd(2).
export const EFD_CLOEXEC = 0x80000;
export const EFD_NONBLOCK = 2048;
export const EFD_SEMAPHORE = 1;

// <sys/resource.h> Resource limits.
export const RLIMIT_MEMLOCK = 8;

// <linux/mount.h> fsopen(2), fsconfig(2), fsmount(2) and mount attributes.
export const FSOPEN_CLOEXEC = 1;
export const FSMOUNT_CLOEXEC = 1;
export const OPEN_TREE_CLOEXEC = 0x80000;
export const MOVE_MOUNT_F_EMPTY_PATH = 4;
export const MOUNT_ATTR_RDONLY = 1;
export const MOUNT_ATTR_NOSUID = 2;
export const MOUNT_ATTR_NODEV = 4;
export const MOUNT_ATTR_NOEXEC = 8;
export const FSCONFIG_SET_FLAG = 0;
export const FSCONFIG_SET_STRING = 1;
export const FSCONFIG_CMD_CREATE = 6;

// <linux/magic.h> File system types as statfs(2) gives them.
export const BPF_FS_MAGIC = 0xcafe4a11;
export const TRACEFS_MAGIC = 0x74726163;
export const DEBUGFS_MAGIC = 0x64626720;
export const CGROUP2_SUPER_MAGIC = 0x63677270;
export const SYSFS_MAGIC = 0x62656572;

// <linux/sched.h> Namespaces, for unshare(2) and setns(2).
export const CLONE_NEWNS = 0x20000;
export const CLONE_NEWCGROUP = 0x2000000;
export const CLONE_NEWUTS = 0x4000000;
export const CLONE_NEWIPC = 0x8000000;
export const CLONE_NEWUSER = 0x10000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;

// <linux/capability.h> Capabilities that BPF asks for.
export const CAP_NET_ADMIN = 12;
export const CAP_NET_RAW = 13;
export const CAP_SYS_PTRACE = 19;
export const CAP_SYS_ADMIN = 21;
export const CAP_SYS_RESOURCE = 24;
export const CAP_PERFMON = 38;
export const CAP_BPF = 39;
