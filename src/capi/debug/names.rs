//! The names of `skip_frames`, as Rust has them.

use core::ffi::{CStr, c_char};
use core::ptr::NonNull;

use crate::allocator::Allocator;
use crate::capi::fatal;

/// A count above this is no list's: the field was not set.
const MAX_COUNT: usize = 1024;

/// A copy of the names that a C program passes, in memory of the debug allocator's child, so that the caller's list
/// need not outlive the call.
///
/// Nothing frees it by itself: a debug allocator has a reference to the list, and is moved into functions, which must
/// not free what their arguments refer to.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    owner: Allocator<'static>,
    /// They point into `text`.
    list: NonNull<[&'static str]>,
    text: NonNull<[u8]>,
}

impl Names {
    /// `None` if the owner is out of memory. Aborts if the list is invalid.
    ///
    /// # Safety
    /// `names` is null, or points to `count` pointers, if these are at most [`MAX_COUNT`], each of which is null or
    /// points to a string that ends with a zero.
    pub(super) unsafe fn copy(
        names: *const *const c_char,
        count: usize,
        owner: Allocator<'static>,
        function: &str,
    ) -> Option<Names> {
        if count > MAX_COUNT {
            fatal(
                function,
                format_args!(
                    "options->skip_frames_count is {count}; at most {MAX_COUNT} names can be skipped"
                ),
            );
        }
        if names.is_null() && count > 0 {
            fatal(function, format_args!("options->skip_frames is NULL, and its count is {count}"));
        }
        let name = |index: usize| {
            // SAFETY: the array has `count` pointers, by our caller, and the index is below that.
            let name = unsafe { names.add(index) };
            // SAFETY: one of the array's pointers.
            let name = unsafe { name.read() };
            // SAFETY: null or a string, which stays there during this call, by our caller.
            unsafe { read(name, index, function) }
        };
        let len = (0..count).map(|index| name(index).len()).sum();
        let list = owner.alloc::<&'static str>(count).ok()?;
        let Ok(text) = owner.alloc::<u8>(len) else {
            // SAFETY: it is from this owner, and was not given to anyone.
            unsafe { owner.free(list) };
            return None;
        };
        let mut end = text.cast::<u8>();
        for index in 0..count {
            let name = name(index);
            // SAFETY: the text has room for all names.
            unsafe { end.copy_from_nonoverlapping(NonNull::from(name.as_bytes()).cast(), name.len()) };
            // SAFETY: these bytes were copied just now, and remain until `free`.
            let copy = unsafe { core::slice::from_raw_parts(end.as_ptr(), name.len()) };
            // SAFETY: the copy of a `str`.
            let copy = unsafe { core::str::from_utf8_unchecked(copy) };
            // SAFETY: the list has room for `count` names, and the index is below that.
            let place = unsafe { list.cast::<&'static str>().add(index) };
            // SAFETY: a place in the list, which was not given to anyone.
            unsafe { place.write(copy) };
            // SAFETY: the text has room for all names.
            end = unsafe { end.add(name.len()) };
        }
        Some(Names { owner, list, text })
    }

    /// # Safety
    /// It is not used after [`free`](Self::free).
    pub(super) unsafe fn list(self) -> &'static [&'static str] {
        // SAFETY: `copy` has written all of it, and it is not written to again. It remains until `free`.
        unsafe { self.list.as_ref() }
    }

    /// # Safety
    /// It is called once, and neither the list nor what contains a reference to it is used afterwards, or is an
    /// argument of a function that has not returned.
    pub(super) unsafe fn free(self) {
        // SAFETY: a live block of this owner, not used afterwards, by our caller.
        unsafe { self.owner.free(self.list) };
        // SAFETY: another live block of this owner, not used afterwards, by our caller.
        unsafe { self.owner.free(self.text) };
    }
}

/// # Safety
/// `name` is null or points to a string that ends with a zero, and is there for `'a`.
unsafe fn read<'a>(name: *const c_char, index: usize, function: &str) -> &'a str {
    if name.is_null() {
        fatal(function, format_args!("options->skip_frames[{index}] is NULL"));
    }
    // SAFETY: `name` points to a string that ends with a zero and lives for `'a`, by our caller; null is rejected
    // above.
    let bytes = unsafe { CStr::from_ptr(name) };
    match bytes.to_str() {
        Ok("") => fatal(function, format_args!("options->skip_frames[{index}] is empty")),
        Ok(name) => name,
        Err(error) => fatal(
            function,
            format_args!("options->skip_frames[{index}] is not UTF-8 from byte {} on", error.valid_up_to()),
        ),
    }
}
