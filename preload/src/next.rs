//! The other implementations of `malloc` in the process: glibc's own, and the next one in line.
//!
//! glibc's is for this library itself: Rust's standard library and the lookup of symbols allocate from it, so that they
//! never reach the functions that this library exports. The next in line is the allocator `c`: what the program would
//! use without this library, which may be another that is preloaded.

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::{CStr, c_void};
use core::ptr::NonNull;

use zigalloc::{Alignment, SyncAllocator, VTable};

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(memory: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_free(memory: *mut c_void);
}

/// glibc's own heap.
struct Glibc;

#[global_allocator]
static GLOBAL: Glibc = Glibc;

// SAFETY: glibc's functions, whichever `malloc` the process uses. Blocks are aligned to 16 bytes, others to what is asked.
unsafe impl GlobalAlloc for Glibc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= 16 {
            // SAFETY: no preconditions.
            return unsafe { __libc_malloc(layout.size()) }.cast();
        }
        // SAFETY: the alignment is a power of two.
        unsafe { __libc_memalign(layout.align(), layout.size()) }.cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= 16 {
            // SAFETY: no preconditions.
            return unsafe { __libc_calloc(1, layout.size()) }.cast();
        }
        // SAFETY: as required here.
        let memory = unsafe { self.alloc(layout) };
        if !memory.is_null() {
            // SAFETY: a new block of this size.
            unsafe { memory.write_bytes(0, layout.size()) };
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, _layout: Layout) {
        // SAFETY: a live block of glibc's heap, not used afterwards, by our caller.
        unsafe { __libc_free(memory.cast()) };
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if layout.align() <= 16 {
            // SAFETY: a live block of glibc's heap, and a size that is not zero, by our caller.
            return unsafe { __libc_realloc(memory.cast(), new_size) }.cast();
        }
        // SAFETY: the sizes are valid for this alignment, by our caller.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(new_size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both blocks are at least that long, and disjoint.
            unsafe { new.copy_from_nonoverlapping(memory, layout.size().min(new_size)) };
            // SAFETY: a live block, not used afterwards.
            unsafe { __libc_free(memory.cast()) };
        }
        new
    }
}

/// The functions of the next `malloc` in line.
#[derive(Clone, Copy)]
pub(crate) struct Next {
    pub(crate) malloc: unsafe extern "C" fn(usize) -> *mut c_void,
    pub(crate) calloc: unsafe extern "C" fn(usize, usize) -> *mut c_void,
    pub(crate) realloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    pub(crate) free: unsafe extern "C" fn(*mut c_void),
    pub(crate) memalign: unsafe extern "C" fn(usize, usize) -> *mut c_void,
    pub(crate) usable_size: unsafe extern "C" fn(*mut c_void) -> usize,
}

/// The address of a function, which the process has.
fn function(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: a string that ends with a zero.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) })
}

impl Next {
    /// Looks the functions up. `dlsym` may allocate, which reaches this library's own functions.
    pub(crate) fn find() -> Option<Next> {
        use core::mem::transmute as function_at;
        let names =
            [c"malloc", c"calloc", c"realloc", c"free", c"memalign", c"malloc_usable_size"].map(function);
        let [Some(malloc), Some(calloc), Some(realloc), Some(free), Some(memalign), Some(usable_size)] =
            names
        else {
            return None;
        };
        // SAFETY: the functions of these names have these types in every `malloc` that can be preloaded.
        Some(unsafe {
            Next {
                malloc: function_at::<NonNull<c_void>, unsafe extern "C" fn(usize) -> *mut c_void>(malloc),
                calloc: function_at::<NonNull<c_void>, unsafe extern "C" fn(usize, usize) -> *mut c_void>(
                    calloc,
                ),
                realloc: function_at::<
                    NonNull<c_void>,
                    unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
                >(realloc),
                free: function_at::<NonNull<c_void>, unsafe extern "C" fn(*mut c_void)>(free),
                memalign: function_at::<NonNull<c_void>, unsafe extern "C" fn(usize, usize) -> *mut c_void>(
                    memalign,
                ),
                usable_size: function_at::<NonNull<c_void>, unsafe extern "C" fn(*mut c_void) -> usize>(
                    usable_size,
                ),
            }
        })
    }

    /// As a child of the allocators that count.
    pub(crate) fn allocator(&'static self) -> SyncAllocator<'static> {
        // SAFETY: the functions keep the contract because a `malloc` does, from any thread.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    const VTABLE: VTable = VTable {
        alloc: Self::alloc,
        resize: zigalloc::no_resize,
        remap: Self::remap,
        free: Self::free_block,
    };

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let next = unsafe { zigalloc::state::<Next>(ctx) };
        if !alignment.is_valid() || isize::try_from(len).is_err() {
            return None;
        }
        let memory = if alignment <= Alignment::_16 {
            // SAFETY: no preconditions.
            unsafe { (next.malloc)(len) }
        } else {
            // SAFETY: the alignment is a power of two.
            unsafe { (next.memalign)(alignment.to_byte_units(), len) }
        };
        NonNull::new(memory.cast())
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        _: usize,
        alignment: Alignment,
        new_len: usize,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let next = unsafe { zigalloc::state::<Next>(ctx) };
        if alignment > Alignment::_16 || isize::try_from(new_len).is_err() {
            return None;
        }
        // SAFETY: a live block of `malloc`, by our caller; the length is not zero.
        NonNull::new(unsafe { (next.realloc)(memory.cast(), new_len) }.cast())
    }

    unsafe extern "C" fn free_block(ctx: *mut (), memory: *mut u8, _: usize, _: Alignment, _: usize) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let next = unsafe { zigalloc::state::<Next>(ctx) };
        // SAFETY: a live block, not used afterwards, by our caller.
        unsafe { (next.free)(memory.cast()) };
    }
}
