//! An allocator that counts who calls it, and can refuse one allocation: a wrapper as anyone may write one.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::ptr::{self, NonNull};

use zigalloc::{Alignment, Allocator, AllocatorState, VTable};

/// How often each function of the table was called, in its order.
type Calls = [usize; 4];

const ALLOC: usize = 0;
const RESIZE: usize = 1;
const REMAP: usize = 2;
const FREE: usize = 3;

pub(crate) struct CallSites<A: AllocatorState> {
    underlying: A,
    /// The number of the allocation that is refused, if any.
    refused: Option<usize>,
    by_return_address: RefCell<HashMap<usize, Calls>>,
}

impl<A: AllocatorState> CallSites<A> {
    const VTABLE: VTable = VTable {
        alloc: sites_alloc::<A>,
        resize: sites_resize::<A>,
        remap: sites_remap::<A>,
        free: sites_free::<A>,
    };

    pub(crate) fn new(underlying: A) -> CallSites<A> {
        CallSites { underlying, refused: None, by_return_address: RefCell::default() }
    }

    /// The same, but allocation number `n` fails, and only that one.
    pub(crate) fn refusing(underlying: A, n: usize) -> CallSites<A> {
        CallSites { refused: Some(n), ..CallSites::new(underlying) }
    }

    fn total(&self) -> Calls {
        let mut total = Calls::default();
        for calls in self.by_return_address.borrow().values() {
            total.iter_mut().zip(calls).for_each(|(total, calls)| *total += calls);
        }
        total
    }

    /// # Safety
    /// `ctx` is that of a handle to a live `CallSites`.
    unsafe fn called<'a>(ctx: *mut (), function: usize, ret_addr: usize) -> &'a CallSites<A> {
        // SAFETY: the caller's promise; it is used by shared references only.
        let this = unsafe { &*ctx.cast_const().cast::<CallSites<A>>() };
        this.by_return_address.borrow_mut().entry(ret_addr).or_default()[function] += 1;
        this
    }
}

// SAFETY: the state, and the allocator under it, are reached through `self` only. The functions pass
// everything on, so the contract is kept if the allocator below keeps it.
unsafe impl<A: AllocatorState> AllocatorState for CallSites<A> {
    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: as above; the handle borrows `self`.
        unsafe { Allocator::from_raw_parts(ptr::from_ref(self).cast_mut().cast(), &Self::VTABLE) }
    }
}

impl<A: AllocatorState> fmt::Display for CallSites<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_return_address = self.by_return_address.borrow();
        let mut sites: Vec<(usize, Calls)> =
            by_return_address.iter().map(|(site, calls)| (*site, *calls)).collect();
        sites.sort_by_key(|(site, calls)| (std::cmp::Reverse(calls.iter().sum::<usize>()), *site));
        writeln!(f, "{:>9} {:>9} {:>9} {:>9}  return address", "alloc", "resize", "remap", "free")?;
        let mut line = |calls: &Calls, site: &str| {
            let [alloc, resize, remap, free] = calls;
            writeln!(f, "{alloc:>9} {resize:>9} {remap:>9} {free:>9}  {site}")
        };
        const SHOWN: usize = 20;
        for (site, calls) in sites.iter().take(SHOWN) {
            line(calls, &place(*site))?;
        }
        line(&self.total(), &format!("in all, from {} places", sites.len()))
    }
}

/// The function, file and line of an address. Names of files are shortened to their last two parts.
fn place(address: usize) -> String {
    let mut text = format!("{address:#x}");
    // The address is behind the call, and may be in the next line.
    backtrace::resolve(ptr::without_provenance_mut(address - 1), |symbol| {
        let Some(name) = symbol.name() else { return };
        text = name.to_string();
        if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
            let parts: Vec<_> = file.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
            let file: Vec<_> = parts.into_iter().rev().collect();
            text = format!("{text} at {}:{line}", file.join("/"));
        }
    });
    text
}

unsafe extern "C" fn sites_alloc<A: AllocatorState>(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 1: the context is that of the handle. All else is the caller's promise.
    let this = unsafe { CallSites::<A>::called(ctx, ALLOC, ret_addr) };
    if this.refused.is_some_and(|n| this.total()[ALLOC] == n + 1) {
        return ptr::null_mut();
    }
    // SAFETY: as above.
    let memory = unsafe { this.underlying.allocator().raw_alloc(len, alignment, ret_addr) };
    memory.map_or(ptr::null_mut(), NonNull::as_ptr)
}

unsafe extern "C" fn sites_resize<A: AllocatorState>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> bool {
    // SAFETY: as in `sites_alloc`.
    unsafe {
        let child = CallSites::<A>::called(ctx, RESIZE, ret_addr).underlying.allocator();
        child.raw_resize(block(memory, memory_len), alignment, new_len, ret_addr)
    }
}

unsafe extern "C" fn sites_remap<A: AllocatorState>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: as in `sites_alloc`.
    let memory = unsafe {
        let child = CallSites::<A>::called(ctx, REMAP, ret_addr).underlying.allocator();
        child.raw_remap(block(memory, memory_len), alignment, new_len, ret_addr)
    };
    memory.map_or(ptr::null_mut(), NonNull::as_ptr)
}

unsafe extern "C" fn sites_free<A: AllocatorState>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    ret_addr: usize,
) {
    // SAFETY: as in `sites_alloc`.
    unsafe {
        let child = CallSites::<A>::called(ctx, FREE, ret_addr).underlying.allocator();
        child.raw_free(block(memory, memory_len), alignment, ret_addr);
    }
}

/// # Safety
/// `memory` is not null, as clause 3 says of a block.
unsafe fn block(memory: *mut u8, memory_len: usize) -> NonNull<[u8]> {
    // SAFETY: the caller's promise.
    NonNull::slice_from_raw_parts(unsafe { NonNull::new_unchecked(memory) }, memory_len)
}
