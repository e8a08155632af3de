// Remembers when a thread started something, unless it was before.
typedef unsigned int u32; typedef unsigned long long u64;
static void *(*lookup)(void *map, const void *key) = (void *)1;
static long (*update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static u64 (*now)(void) = (void *)5;
static u64 (*pid_tgid)(void) = (void *)14;
extern char map[];
struct key { u32 pid, tid; u64 id; };

u64 started(u64 *ctx)
{
	u64 id = pid_tgid(), *found;
	struct key key = { .pid = id >> 32, .tid = id, .id = ctx[2] };

	found = lookup(map, &key);
	if (found) {
		*found += 1;
		return 1;
	}
	u64 time = now();
	update(map, &key, &time, 0);
	return 0;
}
