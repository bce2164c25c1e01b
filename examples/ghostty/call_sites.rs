//! A wrapper that counts calls by return address and can refuse one allocation: an example of a custom allocator.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::ptr::{self, NonNull};

use zigalloc::{Alignment, Allocator, AsAllocator, VTable, block, state};

/// The number of calls of each vtable function, in the order of the table.
type Calls = [usize; 4];

const ALLOC: usize = 0;
const RESIZE: usize = 1;
const REMAP: usize = 2;
const FREE: usize = 3;

pub(crate) struct CallSites<A: AsAllocator> {
    underlying: A,
    /// The index of the allocation to refuse, if any.
    refused: Option<usize>,
    by_return_address: RefCell<HashMap<usize, Calls>>,
}

impl<A: AsAllocator> CallSites<A> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    pub(crate) fn new(underlying: A) -> CallSites<A> {
        CallSites { underlying, refused: None, by_return_address: RefCell::default() }
    }

    /// Like `new`, but allocation number `n`, and only that one, fails.
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

    /// Counts a call, and returns the allocator to forward it to.
    fn called(&self, function: usize, ret_addr: usize) -> Allocator<'_> {
        self.by_return_address.borrow_mut().entry(ret_addr).or_default()[function] += 1;
        self.underlying.allocator()
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let underlying = this.called(ALLOC, ret_addr);
        if this.refused.is_some_and(|n| this.total()[ALLOC] == n + 1) {
            return None;
        }
        // SAFETY: `len` is not zero, by our caller, whose thread is the one that `underlying` is for.
        unsafe { underlying.raw_alloc(len, alignment, ret_addr) }
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block of that allocator, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
        unsafe { this.called(RESIZE, ret_addr).raw_resize(memory, alignment, new_len, ret_addr) }
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: as in `resize`.
        unsafe { this.called(REMAP, ret_addr).raw_remap(memory, alignment, new_len, ret_addr) }
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block of that allocator, not used afterwards, by our caller; one thread, as in `alloc`.
        unsafe { this.called(FREE, ret_addr).raw_free(memory, alignment, ret_addr) };
    }
}

// SAFETY: 1. The functions forward all calls or refuse, so they keep the contract if the underlying allocator does.
// 2. The state and the underlying allocator are accessed only through `self`. 3. It is not `Sync`. 4. All handles have
// the same state, `self`, and table.
unsafe impl<A: AsAllocator> AsAllocator for CallSites<A> {
    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions forward all calls or refuse, so they keep the contract if the underlying allocator
        // does.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }
}

impl<A: AsAllocator> fmt::Display for CallSites<A> {
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
        line(&self.total(), &format!("in total, from {} places", sites.len()))
    }
}

/// The function, file and line of an address. Paths are shortened to their last two components.
fn place(address: usize) -> String {
    let mut text = format!("{address:#x}");
    // The address is after the call, and may belong to the next line.
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
