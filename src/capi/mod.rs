//! The C library that `include/zigalloc.h` declares. Not for use from Rust.
//!
//! The header is the documentation; this module explains why each function is sound.
//!
//! # What C cannot express
//!
//! In this module handles have the lifetime `'static` and pointers have none. The header requires its users to keep
//! them alive long enough, and to give exclusive access where a call needs it. What can be checked is checked: null
//! pointers, tables with null entries, modes and alignments that do not exist. These abort with a message that names
//! the function.
//!
//! # Where the state is stored
//!
//! `zigalloc_*_create` puts an allocator into memory from the allocator that it is passed, together with the handle
//! that frees that memory: an [`Owned`]. C gets a pointer to it, of an incomplete type.
//!
//! # Handles survive a reset
//!
//! In Rust, an exclusive borrow of an allocator ends its handles. C programs keep handles in variables and use them
//! after a reset. So the context of a handle is derived from the pointer that the state was created with
//! (`Owned::handle`), not from a reference.
//!
//! # Panics
//!
//! No panic reaches C: each function is `extern "C"`, so a panic aborts.

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
pub mod malloc;
pub mod pool;
#[cfg(test)]
mod tests;
pub mod thread_safe;
pub mod trace;

/// A handle as C passes it: its pointers can be anything.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RawAllocator {
    ctx: *mut (),
    vtable: *const VTable,
}

const _: () = assert!(size_of::<RawAllocator>() == size_of::<Allocator<'_>>());
// A table is checked for null entries before it is treated as a `VTable`.
const _: () = assert!(size_of::<VTable>() == size_of::<[*const (); 4]>());

impl RawAllocator {
    /// Returns the handle if none of its pointers is null; aborts otherwise.
    ///
    /// # Safety
    /// `vtable` is null or points to a table that is never changed or freed. If all of its functions are present,
    /// they keep the contract for as long as the handle is used.
    unsafe fn check(self, function: &str, parameter: &str) -> Allocator<'static> {
        if self.vtable.is_null() {
            fatal(function, format_args!("{parameter}.vtable is NULL"));
        }
        // SAFETY: the table has four words, which may have any value.
        let functions = unsafe { self.vtable.cast::<[*const (); 4]>().read() };
        for (name, entry) in ["alloc", "resize", "remap", "free"].iter().zip(functions) {
            if entry.is_null() {
                fatal(function, format_args!("{parameter}.vtable->{name} is NULL"));
            }
        }
        // SAFETY: the table is never changed or freed, by our caller; no function is null.
        let vtable = unsafe { &*self.vtable };
        // SAFETY: its functions keep the contract, by our caller.
        unsafe { Allocator::from_raw_parts(self.ctx, vtable) }
    }
}

/// An allocator that is stored in memory of another one.
#[derive(Debug)]
pub struct Owned<T> {
    /// The allocator that the memory is from.
    owner: Allocator<'static>,
    state: T,
}

impl<T> Owned<T> {
    /// Returns null if the owner is out of memory.
    fn create(owner: Allocator<'static>, state: T) -> *mut Owned<T> {
        owner.create_with(Owned { owner, state }).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    /// # Safety
    /// `this` is null or from `create`. It is not destroyed or accessed exclusively during `'a`.
    unsafe fn get<'a>(this: *const Owned<T>, function: &str) -> &'a T {
        if this.is_null() {
            fatal(function, "the first argument is NULL");
        }
        // SAFETY: alive and not accessed exclusively, by our caller.
        unsafe { &(*this).state }
    }

    /// # Safety
    /// `this` is null or from `create`. It is not destroyed or accessed by anything else during `'a`.
    unsafe fn get_mut<'a>(this: *mut Owned<T>, function: &str) -> &'a mut T {
        if this.is_null() {
            fatal(function, "the first argument is NULL");
        }
        // SAFETY: alive and not accessed by anything else, by our caller.
        unsafe { &mut (*this).state }
    }

    /// Destroys the allocator and frees its memory. Does nothing for null.
    ///
    /// # Safety
    /// As for `get_mut`; neither the allocator nor a handle to it is used afterwards.
    unsafe fn destroy(this: *mut Owned<T>) {
        if !this.is_null() {
            // SAFETY: not null, alive and not used afterwards, by our caller.
            drop(unsafe { Owned::into_inner(this) });
        }
    }

    /// Moves the allocator out and frees the memory that it was in.
    ///
    /// # Safety
    /// As for `get_mut`; neither `this` nor a handle to it is used afterwards. `this` is not null.
    unsafe fn into_inner(this: *mut Owned<T>) -> T {
        // SAFETY: alive and not used afterwards, by our caller, so it may be moved out.
        let Owned { owner, state } = unsafe { this.read() };
        // SAFETY: not null, by our caller.
        let this = unsafe { NonNull::new_unchecked(this) };
        // SAFETY: `create` allocated it from this owner.
        unsafe { owner.destroy(this) };
        state
    }

    /// Returns the handle for C: equivalent to `handle`, but valid until the allocator is destroyed, even across
    /// exclusive borrows.
    ///
    /// # Safety
    /// `this` is from `create`, and `handle` is a handle to its state.
    unsafe fn detach(this: *mut Owned<T>, handle: Allocator<'_>) -> Allocator<'static> {
        // SAFETY: `this` is from `create`, by our caller.
        let state = unsafe { &raw mut (*this).state };
        let ctx = state.cast::<()>().with_addr(handle.ptr().addr());
        // SAFETY: the functions of the table make shared references from the context, and this pointer is valid for
        // that until the allocator is destroyed.
        unsafe { Allocator::from_raw_parts(ctx, handle.vtable()) }
    }
}

impl<T: AsAllocator> Owned<T> {
    /// Returns the allocator's handle for C.
    ///
    /// # Safety
    /// As for `get`.
    unsafe fn handle(this: *mut Owned<T>, function: &str) -> Allocator<'static> {
        // SAFETY: `this` is null, which `get` rejects, or alive, by our caller.
        let state = unsafe { Owned::get(this, function) };
        // SAFETY: `this` is not null, so it is from `create`; the handle is to its state.
        unsafe { Owned::detach(this, state.allocator()) }
    }
}

/// Aborts with a message: the call has no way to report an error.
#[cold]
fn fatal(function: &str, mistake: impl fmt::Display) -> ! {
    // If standard error is closed, the message is lost.
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

/// Returns a number of bytes.
#[unsafe(no_mangle)]
pub extern "C" fn zigalloc_smp_slab_bytes() -> usize {
    crate::heap::SmpAllocator::slab_bytes()
}

/// Returns a number of bytes.
#[unsafe(no_mangle)]
pub extern "C" fn zigalloc_smp_kept_bytes() -> usize {
    crate::heap::SmpAllocator::kept_bytes()
}

/// Takes a number of bytes.
#[unsafe(no_mangle)]
pub extern "C" fn zigalloc_smp_set_kept_limit(bytes: usize) {
    crate::heap::SmpAllocator::set_kept_limit(bytes);
}

/// Returns a number of bytes.
#[unsafe(no_mangle)]
pub extern "C" fn zigalloc_smp_trim() -> usize {
    crate::heap::SmpAllocator::trim()
}

/// Returns the library's version, to compare with the header's.
#[unsafe(no_mangle)]
pub extern "C" fn zigalloc_version() -> *const core::ffi::c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
