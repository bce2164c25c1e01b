//! The page size: its range for the target and its value on the running kernel.
//!
//! The smallest and largest page size of the target's kernels are compile-time constants; the page size of the running
//! kernel is a function. On x86-64 all three are 4096 bytes; an AArch64 Linux can have pages of 4, 16 or 64 KiB.
//!
//! Ports the page-size declarations of `lib/std/heap.zig` of Zig 0.15.2. In Zig, a program can override them
//! (`std.options`), and a target that is missing from the table does not compile. Here, such a target has pages of 4
//! to 64 KiB.

#[cfg(feature = "std")]
use core::sync::atomic::{AtomicUsize, Ordering};

/// The smallest page size of the target in bytes. Every page of the [page allocator](crate::heap::page_allocator) is
/// aligned to at least this.
///
/// Ports `std.heap.page_size_min` of Zig 0.15.2.
///
/// ```
/// # use zigalloc::heap::{PAGE_SIZE_MAX, PAGE_SIZE_MIN};
/// assert!(PAGE_SIZE_MIN.is_power_of_two() && PAGE_SIZE_MIN <= PAGE_SIZE_MAX);
/// ```
///
/// Addresses that are less than this apart may share a page; those that are the largest page size apart never do:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{heap::{PAGE_SIZE_MAX, PAGE_SIZE_MIN, page_size}, mem::align_backward};
/// let page = |address: usize| align_backward(address, page_size());
/// assert_ne!(page(0), page(PAGE_SIZE_MAX));
/// assert_eq!(page(PAGE_SIZE_MIN - 1), 0);
/// ```
#[doc(alias = "page_size_min")]
pub const PAGE_SIZE_MIN: usize = RANGE.0;

/// The largest page size of the target in bytes.
///
/// Ports `std.heap.page_size_max` of Zig 0.15.2.
///
/// An array that is at least a page long on every kernel:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::heap::{PAGE_SIZE_MAX, page_size};
/// static PAGE: [u8; PAGE_SIZE_MAX] = [0; PAGE_SIZE_MAX];
/// assert!(PAGE.len() >= page_size());
/// ```
#[doc(alias = "page_size_max")]
pub const PAGE_SIZE_MAX: usize = RANGE.1;

const RANGE: (usize, usize) = {
    const K: usize = 1024;
    if cfg!(target_family = "wasm") {
        (64 * K, 64 * K)
    } else if cfg!(target_vendor = "apple") {
        if cfg!(target_arch = "aarch64") { (16 * K, 16 * K) } else { (4 * K, 4 * K) }
    } else if cfg!(any(target_os = "linux", target_os = "android")) {
        if cfg!(any(
            target_arch = "x86",
            target_arch = "x86_64",
            target_arch = "arm",
            target_arch = "csky",
            target_arch = "riscv32",
            target_arch = "riscv64",
            target_arch = "s390x",
            target_arch = "sparc",
            target_arch = "xtensa",
        )) {
            (4 * K, 4 * K)
        } else if cfg!(target_arch = "m68k") {
            (4 * K, 8 * K)
        } else if cfg!(target_arch = "sparc64") {
            (8 * K, 8 * K)
        } else if cfg!(any(target_arch = "hexagon", target_arch = "powerpc", target_arch = "powerpc64")) {
            (4 * K, 256 * K)
        } else {
            // AArch64, LoongArch, MIPS.
            (4 * K, 64 * K)
        }
    } else if cfg!(target_os = "netbsd") {
        if cfg!(target_arch = "aarch64") {
            (4 * K, 64 * K)
        } else if cfg!(any(
            target_arch = "mips",
            target_arch = "mips64",
            target_arch = "powerpc",
            target_arch = "powerpc64"
        )) {
            (4 * K, 16 * K)
        } else if cfg!(target_arch = "sparc") {
            (4 * K, 8 * K)
        } else if cfg!(target_arch = "sparc64") {
            (8 * K, 8 * K)
        } else if cfg!(target_arch = "m68k") {
            (2 * K, 8 * K)
        } else {
            (4 * K, 4 * K)
        }
    } else if cfg!(all(target_os = "openbsd", target_arch = "mips64")) {
        (4 * K, 16 * K)
    } else if cfg!(all(
        any(target_arch = "sparc", target_arch = "sparc64"),
        any(target_os = "openbsd", target_os = "solaris", target_os = "illumos", target_os = "haiku")
    )) {
        (8 * K, 8 * K)
    } else if cfg!(any(
        windows,
        target_os = "uefi",
        target_os = "freebsd",
        target_os = "dragonfly",
        target_os = "openbsd",
        target_os = "solaris",
        target_os = "illumos",
        target_os = "fuchsia",
        target_os = "haiku",
        target_os = "hurd"
    )) {
        (4 * K, 4 * K)
    } else {
        (4 * K, 64 * K)
    }
};

const _: () =
    assert!(PAGE_SIZE_MIN.is_power_of_two() && PAGE_SIZE_MAX.is_power_of_two() && RANGE.0 <= RANGE.1);

/// Returns the page size of the running kernel in bytes: a constant where the target has only one page size,
/// otherwise [`default_query_page_size`].
///
/// Ports `std.heap.pageSize` of Zig 0.15.2.
///
/// # Panics
/// As [`default_query_page_size`].
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::heap::{PAGE_SIZE_MAX, PAGE_SIZE_MIN, page_size};
/// assert!((PAGE_SIZE_MIN..=PAGE_SIZE_MAX).contains(&page_size()));
/// ```
///
/// The number of pages of a file's length:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::heap::page_size;
/// let pages = |len: usize| len.div_ceil(page_size());
/// assert_eq!((pages(0), pages(1), pages(page_size()), pages(page_size() + 1)), (0, 1, 1, 2));
/// ```
#[doc(alias = "pageSize")]
#[must_use]
#[cfg(feature = "std")]
#[inline]
pub fn page_size() -> usize {
    if PAGE_SIZE_MIN == PAGE_SIZE_MAX { PAGE_SIZE_MIN } else { default_query_page_size() }
}

/// Queries the operating system for the page size in bytes, and caches the result.
///
/// Ports `std.heap.defaultQueryPageSize` of Zig 0.15.2. On WebAssembly, which has no such query, the result is the
/// constant; Zig does not compile there.
///
/// # Panics
/// If the operating system reports a size outside [`PAGE_SIZE_MIN`] to [`PAGE_SIZE_MAX`]: the program was compiled
/// for other kernels.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::heap::{default_query_page_size, page_size};
/// assert_eq!(default_query_page_size(), page_size());
/// ```
#[doc(alias = "defaultQueryPageSize")]
#[doc(alias = "queryPageSize")]
#[must_use]
#[cfg(feature = "std")]
pub fn default_query_page_size() -> usize {
    /// 0 before the first call. Threads that query at the same time store the same value.
    static CACHED: AtomicUsize = AtomicUsize::new(0);
    match CACHED.load(Ordering::Relaxed) {
        0 => {
            let size = query();
            assert!(
                size.is_power_of_two() && (PAGE_SIZE_MIN..=PAGE_SIZE_MAX).contains(&size),
                "default_query_page_size: the system has pages of {size} bytes, \
                 the limits are {PAGE_SIZE_MIN} and {PAGE_SIZE_MAX}"
            );
            CACHED.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}

#[cfg(all(feature = "std", unix))]
fn query() -> usize {
    // SAFETY: `sysconf` has no preconditions. An error (-1) becomes a number that the caller's assertion refuses.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

#[cfg(all(feature = "std", windows))]
fn query() -> usize {
    use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};
    let mut info = SYSTEM_INFO::default();
    // SAFETY: the argument is valid for a write.
    unsafe { GetSystemInfo(&mut info) };
    info.dwPageSize as usize
}

/// The page size of the back end.
#[cfg(all(feature = "std", not(any(unix, windows))))]
fn query() -> usize {
    PAGE_SIZE_MIN
}
