//! The safe allocator.
#![cfg(feature = "std")]

mod conforms;
mod ends;
mod layout;
mod misuse;
mod options;
mod threads;
mod traces;
mod with_allocator;
mod zig;

use std::cell::RefCell;
use std::ptr::NonNull;

use zigalloc::heap::SafeOptions;
use zigalloc::heap::debug::{Report, ReportKind};
use zigalloc::{Alignment, Allocator};

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

/// The options of the recorded vectors, in a safe mode. Reports go to [`reports`], and do not abort.
const PLAIN: SafeOptions = SafeOptions {
    stack_trace_frames: 0,
    check_write_after_free: true,
    bucket_size_log2: 13,
    block_size_log2: 12,
    safe_mode_footers: true,
    abort: false,
    group_leaks: false,
    leak_limit: usize::MAX,
    report: remember,
    ..SafeOptions::DEFAULT
};

/// With a trace of one address, which does not depend on features if the call has one.
const TRACED: SafeOptions = SafeOptions { stack_trace_frames: 1, skip_frames: &[], ..PLAIN };

const fn align(bytes: usize) -> Alignment {
    Alignment::from_byte_units(bytes)
}

fn block(memory: NonNull<u8>, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(memory, len)
}

/// Makes a raw allocation.
fn try_alloc(allocator: Allocator<'_>, len: usize, alignment: usize) -> Option<NonNull<[u8]>> {
    // SAFETY: the length is not zero.
    let memory = unsafe { allocator.raw_alloc(len, align(alignment), 0xA110C) }?;
    // SAFETY: the block has that many bytes.
    unsafe { memory.write_bytes(0xEE, len) };
    Some(block(memory, len))
}

/// Makes a raw allocation that must succeed.
#[track_caller]
fn alloc(allocator: Allocator<'_>, len: usize, alignment: usize) -> NonNull<[u8]> {
    try_alloc(allocator, len, alignment).expect("there is memory")
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
) -> Option<NonNull<[u8]>> {
    // SAFETY: a block of the allocator, or an error that it detects.
    let new = unsafe { allocator.raw_remap(memory, align(alignment), new_len, 0x4E3A9) };
    new.map(|new| block(new, new_len))
}

fn address<T: ?Sized>(memory: NonNull<T>) -> usize {
    memory.addr().get()
}
