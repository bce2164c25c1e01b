//! Placeholder.
use crate::alignment::Alignment;
use crate::vtable::{SyncAllocator, VTable, no_remap, no_resize};
use core::ptr;

const VTABLE: VTable = VTable { alloc: page_alloc, resize: no_resize, remap: no_remap, free: page_free };
/// The page allocator.
// SAFETY: stateless.
pub const PAGE_ALLOCATOR: SyncAllocator<'static> =
    unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &VTABLE) };

unsafe extern "C" fn page_alloc(_ctx: *mut (), len: usize, alignment: Alignment, _ra: usize) -> *mut u8 {
    match Alignment::_64.max(alignment).to_layout(len) {
        // SAFETY: len is not zero.
        Ok(layout) => unsafe { std::alloc::alloc(layout) },
        Err(_) => ptr::null_mut(),
    }
}
unsafe extern "C" fn page_free(_ctx: *mut (), memory: *mut u8, len: usize, alignment: Alignment, _ra: usize) {
    // SAFETY: the same layout.
    unsafe { std::alloc::dealloc(memory, Alignment::_64.max(alignment).to_layout(len).unwrap()) }
}
