//! What aya-ebpf's macros emit, written out: maps in `maps`, programs by section, a licence, helpers as numbers.
#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::mem;

/// `struct bpf_map_def` of aya-ebpf-bindings.
#[repr(C)]
pub struct bpf_map_def {
    type_: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    id: u32,
    pinning: u32,
}

#[repr(transparent)]
pub struct HashMap<K, V> {
    def: UnsafeCell<bpf_map_def>,
    _k: PhantomData<K>,
    _v: PhantomData<V>,
}

unsafe impl<K: Sync, V: Sync> Sync for HashMap<K, V> {}

impl<K, V> HashMap<K, V> {
    pub const fn with_max_entries(max_entries: u32, flags: u32) -> HashMap<K, V> {
        HashMap {
            def: UnsafeCell::new(bpf_map_def {
                type_: 1,
                key_size: mem::size_of::<K>() as u32,
                value_size: mem::size_of::<V>() as u32,
                max_entries,
                map_flags: flags,
                id: 0,
                pinning: 0,
            }),
            _k: PhantomData,
            _v: PhantomData,
        }
    }

    #[inline]
    pub fn get_ptr_mut(&self, key: &K) -> Option<*mut V> {
        let lookup: extern "C" fn(*mut c_void, *const c_void) -> *mut c_void = unsafe { mem::transmute(1usize) };
        let value = lookup(self.def.get() as *mut _, key as *const _ as *const c_void);
        (!value.is_null()).then_some(value as *mut V)
    }

    #[inline]
    pub fn insert(&self, key: &K, value: &V, flags: u64) -> Result<(), i64> {
        let update: extern "C" fn(*mut c_void, *const c_void, *const c_void, u64) -> i64 =
            unsafe { mem::transmute(2usize) };
        match update(self.def.get() as *mut _, key as *const _ as *const _, value as *const _ as *const _, flags) {
            0 => Ok(()),
            error => Err(error),
        }
    }
}

#[repr(C)]
pub struct xdp_md {
    data: u32,
    data_end: u32,
}

pub struct XdpContext {
    ctx: *mut xdp_md,
}

impl XdpContext {
    fn at<T>(&self, offset: usize) -> Option<*const T> {
        let (start, end) = unsafe { ((*self.ctx).data as usize, (*self.ctx).data_end as usize) };
        (start + offset + mem::size_of::<T>() <= end).then_some((start + offset) as *const T)
    }
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Seen {
    packets: u64,
    bytes: [u8; 24],
}

#[link_section = "maps"]
#[export_name = "SEEN"]
static SEEN: HashMap<u32, Seen> = HashMap::with_max_entries(64, 0);

#[no_mangle]
static LIMIT: u64 = 100;

#[no_mangle]
static mut CALLS: u64 = 0;

#[no_mangle]
#[link_section = "xdp"]
pub extern "C" fn count(ctx: *mut xdp_md) -> u32 {
    try_count(XdpContext { ctx }).unwrap_or(0)
}

fn try_count(ctx: XdpContext) -> Option<u32> {
    unsafe { CALLS += 1 };
    let key = u32::from_be(unsafe { ctx.at::<u32>(0)?.read_unaligned() });
    let limit = unsafe { core::ptr::read_volatile(&LIMIT) };
    if let Some(seen) = SEEN.get_ptr_mut(&key) {
        let seen = unsafe { &mut *seen };
        seen.packets += 1;
        return Some(if seen.packets > limit { 1 } else { seen.bytes[checked(key)] as u32 });
    }
    let mut fresh = Seen { packets: 1, ..Default::default() };
    fresh.bytes.iter_mut().zip(40u8..).for_each(|(byte, value)| *byte = value);
    SEEN.insert(&key, &fresh, 0).ok()?;
    Some(2)
}

#[inline(never)]
fn checked(key: u32) -> usize {
    (key & 15) as usize
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[link_section = "license"]
#[no_mangle]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
