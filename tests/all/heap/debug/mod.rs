//! The debug allocator.
#![cfg(feature = "std")]

mod conforms;
mod kept;
mod large;
mod layout;
mod leak_groups;
mod leaks;
mod misuse;
mod options;
mod owed;
mod plain;
mod threads;
mod traces;
mod with_allocator;
mod zig;

use std::cell::RefCell;
use std::ptr::NonNull;

use zigalloc::heap::DebugConfig;
use zigalloc::heap::debug::{Report, ReportKind};
use zigalloc::{Alignment, Allocator, VTable, state};

thread_local! {
    static REPORTS: RefCell<Vec<Report>> = const { RefCell::new(Vec::new()) };
}

fn remember(report: &Report) {
    REPORTS.with_borrow_mut(|reports| reports.push(*report));
}

/// Takes what this thread's allocators have reported since the last call.
fn reports() -> Vec<Report> {
    REPORTS.take()
}

fn kinds() -> Vec<ReportKind> {
    reports().iter().map(|report| report.kind).collect()
}

/// Every check on, one report per leak, and reports go to [`reports`].
const CONFIG: DebugConfig = DebugConfig {
    stack_trace_frames: 1,
    safety: true,
    group_leaks: false,
    leak_limit: usize::MAX,
    report: remember,
    page_size: PAGE,
    ..DebugConfig::DEFAULT
};

/// The default; or, since Miri is slow with long blocks, the least that the lengths in the tests allow.
const PAGE: usize = if cfg!(miri) { 16 << 10 } else { DebugConfig::DEFAULT.page_size };

/// The page size of the recorded vectors.
const SMALL_PAGES: DebugConfig = DebugConfig { stack_trace_frames: 0, page_size: 4096, ..CONFIG };

const fn align(bytes: usize) -> Alignment {
    Alignment::from_byte_units(bytes)
}

fn block(memory: NonNull<u8>, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(memory, len)
}

/// Makes a raw allocation that must succeed.
#[track_caller]
fn alloc(allocator: Allocator<'_>, len: usize, alignment: usize) -> NonNull<[u8]> {
    // SAFETY: the length is not zero.
    let memory = unsafe { allocator.raw_alloc(len, align(alignment), 0xA110C) };
    block(memory.expect("there is memory"), len)
}

/// Makes a raw free.
fn free(allocator: Allocator<'_>, memory: NonNull<[u8]>, alignment: usize) {
    // SAFETY: a block of the allocator, or an error that it detects.
    unsafe { allocator.raw_free(memory, align(alignment), 0xF4EE) };
}

fn resize(allocator: Allocator<'_>, memory: NonNull<[u8]>, alignment: usize, new_len: usize) -> bool {
    // SAFETY: a block of the allocator, or an error that it detects.
    unsafe { allocator.raw_resize(memory, align(alignment), new_len, 0x4E512E) }
}

fn remap(
    allocator: Allocator<'_>,
    memory: NonNull<[u8]>,
    alignment: usize,
    new_len: usize,
) -> Option<NonNull<u8>> {
    // SAFETY: a block of the allocator, or an error that it detects.
    unsafe { allocator.raw_remap(memory, align(alignment), new_len, 0x4E3A9) }
}

fn address<T: ?Sized>(memory: NonNull<T>) -> usize {
    memory.addr().get()
}

/// A child that moves a block at every remap and refuses every resize.
struct Moves<'c>(Allocator<'c>);

impl Moves<'_> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: zigalloc::no_resize, remap: Self::remap, free: Self::free };

    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract, as the child does.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: `len` is not zero, by our caller; one thread.
        unsafe { this.0.raw_alloc(len, alignment, ret_addr) }
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `new_len` is not zero, by our caller.
        let new = unsafe { Self::alloc(ctx, new_len, alignment, ret_addr) }?;
        // SAFETY: both blocks are live and have as many bytes.
        unsafe { new.as_ptr().copy_from_nonoverlapping(memory, len.min(new_len)) };
        // SAFETY: a live block, which is not used afterwards, by our caller.
        unsafe { Self::free(ctx, memory, len, alignment, ret_addr) };
        Some(new)
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { zigalloc::block(memory, len) };
        // SAFETY: a live block of the child, by our caller; one thread.
        unsafe { this.0.raw_free(memory, alignment, ret_addr) };
    }
}
