//! Types for which memory of zeros is a value.

use core::cell::{Cell, UnsafeCell};
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::num::Wrapping;
use core::ptr::NonNull;
use core::sync::atomic;

/// A type that may be made of zero bytes: what `std.mem.zeroes` can make in Zig.
///
/// It is the bound of `Allocator::alloc_zeroed_owned`, whose elements are there without being written one by one.
///
/// # Safety
/// A `T` all of whose bytes are 0 is valid. A `NonNull`, a reference or an enum without a variant 0 is not; a
/// `#[repr(C)]` struct is if each of its fields is.
///
/// Not in Zig, where `zeroes` looks at the type.
///
/// ```
/// # #[cfg(feature = "collections")] {
/// # use zigalloc::heap::PAGE_ALLOCATOR;
/// use zigalloc::interface::Zeroable;
///
/// #[repr(C)]
/// struct Header { len: u32, flags: u16 }
/// // SAFETY: zero is a value of both fields.
/// unsafe impl Zeroable for Header {}
///
/// let headers = PAGE_ALLOCATOR.alloc_zeroed_owned::<Header>(10)?;
/// assert!(headers.iter().all(|header| header.len == 0 && header.flags == 0));
/// # }
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Arrays and options of pointers are made of zeros too:
///
/// ```
/// # #[cfg(feature = "collections")] {
/// # use std::{cell::Cell, ptr::NonNull, sync::atomic::AtomicU32};
/// # use zigalloc::{heap::PAGE_ALLOCATOR, interface::Zeroable};
/// fn is_zeroable<T: Zeroable>() {}
///
/// is_zeroable::<[Option<NonNull<u8>>; 4]>();
/// is_zeroable::<Cell<[f64; 3]>>();
/// let hits = PAGE_ALLOCATOR.alloc_zeroed_owned::<AtomicU32>(256)?;
/// hits[b'z' as usize].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
/// assert_eq!(hits.iter().map(|hits| hits.load(std::sync::atomic::Ordering::Relaxed)).sum::<u32>(), 1);
/// # }
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A reference is not:
///
/// ```compile_fail,E0277
/// # fn is_zeroable<T: zigalloc::interface::Zeroable>() {}
/// is_zeroable::<&u32>();
/// ```
#[diagnostic::on_unimplemented(
    message = "zero bytes are not known to be a valid `{Self}`",
    note = "implement `Zeroable`, or use `alloc_filled` or `alloc_with`"
)]
pub unsafe trait Zeroable {}

macro_rules! zeroable {
    ($($type:ty),*) => {
        $(
            // SAFETY: 0 is a value of it, made of zero bytes.
            unsafe impl Zeroable for $type {}
        )*
    };
}

zeroable!((), bool, char, f32, f64, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
#[cfg(target_has_atomic = "8")]
zeroable!(atomic::AtomicU8, atomic::AtomicI8, atomic::AtomicBool);
#[cfg(target_has_atomic = "16")]
zeroable!(atomic::AtomicU16, atomic::AtomicI16);
#[cfg(target_has_atomic = "32")]
zeroable!(atomic::AtomicU32, atomic::AtomicI32);
#[cfg(target_has_atomic = "64")]
zeroable!(atomic::AtomicU64, atomic::AtomicI64);
#[cfg(target_has_atomic = "ptr")]
zeroable!(atomic::AtomicUsize, atomic::AtomicIsize);

// SAFETY: a null pointer is a value of a raw pointer.
unsafe impl<T> Zeroable for *const T {}
// SAFETY: a null pointer is a value of a raw pointer.
unsafe impl<T> Zeroable for *mut T {}
// SAFETY: `None` is null: Rust guarantees it for these.
unsafe impl<T> Zeroable for Option<NonNull<T>> {}
// SAFETY: null is `None`, which the layout of these types guarantees.
unsafe impl<T> Zeroable for Option<&T> {}
// SAFETY: null is `None`, which the layout of these types guarantees.
unsafe impl<T> Zeroable for Option<&mut T> {}
// SAFETY: each element may be zero, and there is nothing between them.
unsafe impl<T: Zeroable, const N: usize> Zeroable for [T; N] {}
// SAFETY: any bytes are a value of it, zeros too.
unsafe impl<T> Zeroable for MaybeUninit<T> {}
// SAFETY: the same bytes as a `T`.
unsafe impl<T: Zeroable> Zeroable for ManuallyDrop<T> {}
// SAFETY: the same bytes as a `T`.
unsafe impl<T: Zeroable> Zeroable for Cell<T> {}
// SAFETY: the same bytes as a `T`.
unsafe impl<T: Zeroable> Zeroable for UnsafeCell<T> {}
// SAFETY: the same bytes as a `T`.
unsafe impl<T: Zeroable> Zeroable for Wrapping<T> {}
// SAFETY: it has no bytes.
unsafe impl<T> Zeroable for PhantomData<T> {}
