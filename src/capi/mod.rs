//! The C library: what `include/zigalloc.h` declares. Rust programs have no use for it.
//!
//! The header is the documentation; here is why each function may do what it does.
//!
//! # What C cannot say
//!
//! A handle's lifetime is `'static` in this module, and pointers come without any. That they live long
//! enough, and that calls which need an allocator exclusively get it so, is what the header asks of
//! its readers. What can be seen is checked: a pointer that is null, a table with a hole, a mode or an
//! alignment that does not exist. These end the program with a message that names the function.
//!
//! # Where the state is
//!
//! `zigalloc_*_create` puts an allocator into memory of the allocator that it is given, together with the
//! handle to give it back to: an [`Owned`]. C has the address, of an incomplete type.
//!
//! # Handles outlive a reset
//!
//! In Rust, whatever borrows an allocator exclusively ends its handles. C programs keep handles in
//! variables and go on using them after a reset. So the context of a handle is derived from the pointer
//! that the state was created with (`Owned::handle`), and from no reference in between.
//!
//! # Panics
//!
//! None crosses the border: each function is `extern "C"`, which aborts instead.

use core::fmt;
use core::ptr::{self, NonNull};
use std::io::Write as _;

use crate::allocator::{Allocator, AsAllocator, SyncAllocator};
use crate::vtable::VTable;

pub mod arena;
pub mod buffer_first;
pub mod debug;
pub mod failing_at;
pub mod fixed_buffer;
pub mod pool;
#[cfg(test)]
mod tests;
pub mod thread_safe;
pub mod trace;

/// A handle as it comes from C, where the pointers can be anything.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RawAllocator {
    ctx: *mut (),
    vtable: *const VTable,
}

const _: () = assert!(size_of::<RawAllocator>() == size_of::<Allocator<'_>>());
// A table is looked through for null before it is taken for one.
const _: () = assert!(size_of::<VTable>() == size_of::<[*const (); 4]>());

impl RawAllocator {
    /// The handle, if none of its pointers is null.
    ///
    /// # Safety
    /// `vtable` is null or points to a table that is never changed or freed. If all of its functions are
    /// there, they keep the contract for as long as anything uses them.
    unsafe fn check(self, function: &str, parameter: &str) -> Allocator<'static> {
        if self.vtable.is_null() {
            fatal(function, format_args!("{parameter}.vtable is NULL"));
        }
        // SAFETY: there are four words, each of which may be anything.
        let functions = unsafe { self.vtable.cast::<[*const (); 4]>().read() };
        for (name, entry) in ["alloc", "resize", "remap", "free"].iter().zip(functions) {
            if entry.is_null() {
                fatal(function, format_args!("{parameter}.vtable->{name} is NULL"));
            }
        }
        // SAFETY: a table that is never changed or freed, by our caller; no function is null.
        let vtable = unsafe { &*self.vtable };
        // SAFETY: its functions keep the contract, by our caller.
        unsafe { Allocator::from_raw_parts(self.ctx, vtable) }
    }
}

/// An allocator in memory of another one.
#[derive(Debug)]
pub struct Owned<T> {
    /// Where the memory is from.
    owner: Allocator<'static>,
    state: T,
}

impl<T> Owned<T> {
    /// Null if the owner has no memory.
    fn create(owner: Allocator<'static>, state: T) -> *mut Owned<T> {
        owner.create_with(Owned { owner, state }).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// # Safety
    /// `this` is null or from `create`, and neither destroyed nor in use exclusively meanwhile.
    unsafe fn get<'a>(this: *const Owned<T>, function: &str) -> &'a T {
        if this.is_null() {
            fatal(function, "the first argument is NULL");
        }
        // SAFETY: alive, and not in use exclusively, by our caller.
        unsafe { &(*this).state }
    }

    /// # Safety
    /// `this` is null or from `create`, not destroyed, and in use by nobody else meanwhile.
    unsafe fn get_mut<'a>(this: *mut Owned<T>, function: &str) -> &'a mut T {
        if this.is_null() {
            fatal(function, "the first argument is NULL");
        }
        // SAFETY: alive, and not used by anything else, by our caller.
        unsafe { &mut (*this).state }
    }

    /// Ends the allocator and gives its memory back. Null is nothing to destroy.
    ///
    /// # Safety
    /// As for `get_mut`; and nobody uses it, or a handle to it, afterwards.
    unsafe fn destroy(this: *mut Owned<T>) {
        if !this.is_null() {
            // SAFETY: this function's own requirement; it is not null.
            drop(unsafe { Owned::into_inner(this) });
        }
    }

    /// Gives back the memory that the allocator was in, and returns it.
    ///
    /// # Safety
    /// As for `get_mut`; and nobody uses it, or a handle to it, afterwards. `this` is not null.
    unsafe fn into_inner(this: *mut Owned<T>) -> T {
        // SAFETY: alive and not used afterwards, by our caller, so it may be moved out.
        let Owned { owner, state } = unsafe { this.read() };
        // SAFETY: not null, by our caller.
        let this = unsafe { NonNull::new_unchecked(this) };
        // SAFETY: `create` has allocated it from this owner.
        unsafe { owner.destroy(this) };
        state
    }

    /// The handle to the allocator that C gets: the same as `handle`, and valid until the allocator is
    /// destroyed, whatever borrows it in between.
    ///
    /// # Safety
    /// `this` is from `create` and `handle` is a handle to its state.
    unsafe fn detach(this: *mut Owned<T>, handle: Allocator<'_>) -> Allocator<'static> {
        // SAFETY: `this` is from `create`, by our caller.
        let state = unsafe { &raw mut (*this).state };
        let ctx = state.cast::<()>().with_addr(handle.ptr().addr());
        // SAFETY: the functions of the table make shared references from the context, and this pointer may be used for
        // that until the allocator is destroyed.
        unsafe { Allocator::from_raw_parts(ctx, handle.vtable()) }
    }
}

impl<T: AsAllocator> Owned<T> {
    /// The allocator's handle for C.
    ///
    /// # Safety
    /// As for `get`.
    unsafe fn handle(this: *mut Owned<T>, function: &str) -> Allocator<'static> {
        // SAFETY: this function's own requirement.
        let state = unsafe { Owned::get(this, function) };
        // SAFETY: `this` is not null, so it is from `create`; the handle is to its state.
        unsafe { Owned::detach(this, state.allocator()) }
    }
}

/// Ends the program, since the call has no way to say what is wrong with it.
#[cold]
fn fatal(function: &str, mistake: impl fmt::Display) -> ! {
    // Nobody is left to hear that the stream is closed.
    let _ = writeln!(std::io::stderr(), "{function}: {mistake}");
    std::process::abort()
}

// ---- the allocators without state ----

#[unsafe(no_mangle)]
pub extern "C" fn zigalloc_page_allocator() -> SyncAllocator<'static> {
    crate::heap::PAGE_ALLOCATOR
}

#[cfg(any(unix, windows, target_os = "wasi"))]
#[unsafe(no_mangle)]
pub extern "C" fn zigalloc_c_allocator() -> SyncAllocator<'static> {
    crate::heap::C_ALLOCATOR
}

#[cfg(any(unix, windows, target_os = "wasi"))]
#[unsafe(no_mangle)]
pub extern "C" fn zigalloc_raw_c_allocator() -> SyncAllocator<'static> {
    crate::heap::RAW_C_ALLOCATOR
}

#[unsafe(no_mangle)]
pub extern "C" fn zigalloc_smp_allocator() -> SyncAllocator<'static> {
    crate::heap::SMP_ALLOCATOR
}

#[unsafe(no_mangle)]
pub extern "C" fn zigalloc_rust_allocator() -> SyncAllocator<'static> {
    crate::heap::RUST_ALLOCATOR
}

#[unsafe(no_mangle)]
pub extern "C" fn zigalloc_failing_allocator() -> SyncAllocator<'static> {
    SyncAllocator::FAILING
}

/// Bytes.
#[unsafe(no_mangle)]
pub extern "C" fn zigalloc_smp_slab_bytes() -> usize {
    crate::heap::SmpAllocator::slab_bytes()
}

/// The library's version, which a program can compare with the header's.
#[unsafe(no_mangle)]
pub extern "C" fn zigalloc_version() -> *const core::ffi::c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
