//! The fields of an item, for [`MultiArrayList`](super::MultiArrayList).

use core::alloc::Layout;
use core::ptr::NonNull;

use crate::error::Error;

/// A field of an item: its offset, size and alignment in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldLayout {
    pub(super) offset: usize,
    pub(super) size: usize,
    pub(super) align: usize,
}

impl FieldLayout {
    /// The field of type `F` at `offset` bytes.
    #[must_use]
    pub const fn new<F>(offset: usize) -> FieldLayout {
        FieldLayout { offset, size: size_of::<F>(), align: align_of::<F>() }
    }
}

/// An item whose fields can be stored in separate arrays. Implemented for tuples of up to eight fields, and by
/// [`fields!`](crate::fields) for structs.
///
/// # Safety
/// [`FIELDS`](Self::FIELDS) lists each field of the type once, with its offset, size and alignment, and
/// [`Types`](Self::Types) its type. An item is its fields and padding, nothing else; and safe code may change each
/// field on its own, to any value of its type.
pub unsafe trait Fields: Sized {
    /// The types of the fields, as a tuple. A list of items is `Send` and `Sync` if this and the item are.
    type Types;

    /// The fields, whose indices are those of [`Field`].
    const FIELDS: &'static [FieldLayout];
}

/// The field with index `I` of an item.
///
/// # Safety
/// `FIELDS[I]` is a field of the type `Type`.
#[diagnostic::on_unimplemented(message = "`{Self}` has no field with index {I}")]
pub unsafe trait Field<const I: usize>: Fields {
    /// The field's type.
    type Type;
}

/// The most fields an item may have.
pub(super) const MAX_FIELDS: usize = 32;

/// The indices of the fields in the order of a block: the most aligned first, as Zig puts them.
///
/// ```compile_fail,E0080
/// struct Item { a0: (), a1: (), a2: (), a3: (), a4: (), a5: (), a6: (), a7: (), b0: (), b1: (), b2: (),
///     b3: (), b4: (), b5: (), b6: (), b7: (), c0: (), c1: (), c2: (), c3: (), c4: (), c5: (), c6: (), c7: (),
///     d0: (), d1: (), d2: (), d3: (), d4: (), d5: (), d6: (), d7: (), e0: () }
/// zigalloc::fields!(Item { a0: () = 0, a1: () = 1, a2: () = 2, a3: () = 3, a4: () = 4, a5: () = 5,
///     a6: () = 6, a7: () = 7, b0: () = 8, b1: () = 9, b2: () = 10, b3: () = 11, b4: () = 12, b5: () = 13,
///     b6: () = 14, b7: () = 15, c0: () = 16, c1: () = 17, c2: () = 18, c3: () = 19, c4: () = 20, c5: () = 21,
///     c6: () = 22, c7: () = 23, d0: () = 24, d1: () = 25, d2: () = 26, d3: () = 27, d4: () = 28, d5: () = 29,
///     d6: () = 30, d7: () = 31, e0: () = 32 });
/// drop(zigalloc::collections::MultiArrayListUnmanaged::<Item>::new().pop());
/// ```
pub(super) const fn order<T: Fields>() -> [usize; MAX_FIELDS] {
    assert!(T::FIELDS.len() <= MAX_FIELDS, "an item of a MultiArrayList has more than 32 fields");
    let mut order = [0; MAX_FIELDS];
    let mut n = 0;
    while n < T::FIELDS.len() {
        // By insertion, so that fields of the same alignment stay in their order.
        let mut at = n;
        while at > 0 && T::FIELDS[order[at - 1]].align < T::FIELDS[n].align {
            order[at] = order[at - 1];
            at -= 1;
        }
        order[at] = n;
        n += 1;
    }
    order
}

/// How many bytes an item has without padding.
pub(super) const fn item_size<T: Fields>() -> usize {
    let (mut n, mut size) = (0, 0);
    while n < T::FIELDS.len() {
        size += T::FIELDS[n].size;
        n += 1;
    }
    size
}

/// The bytes per item of the arrays before that of a field. Times the capacity, it is the array's offset.
pub(super) const fn bytes_before<T: Fields, const I: usize>() -> usize {
    let order = order::<T>();
    let (mut n, mut bytes) = (0, 0);
    while order[n] != I {
        bytes += T::FIELDS[order[n]].size;
        n += 1;
    }
    bytes
}

/// The alignment of a block: that of the most aligned field, which is first. (It is above the item's own if that is
/// `repr(packed)`.)
pub(super) const fn alignment<T: Fields>() -> usize {
    let (mut n, mut max) = (0, 1);
    while n < T::FIELDS.len() {
        if T::FIELDS[n].align > max {
            max = T::FIELDS[n].align;
        }
        n += 1;
    }
    max
}

/// The address of a block without bytes.
pub(super) const fn dangling<T: Fields>() -> NonNull<u8> {
    match NonNull::new(core::ptr::without_provenance_mut(alignment::<T>())) {
        Some(address) => address,
        None => unreachable!(),
    }
}

/// The block for `capacity` items: all arrays one after the other.
pub(super) fn layout<T: Fields>(capacity: usize) -> Result<Layout, Error> {
    let size = item_size::<T>().checked_mul(capacity).ok_or(Error::OutOfMemory)?;
    Layout::from_size_align(size, alignment::<T>()).map_err(|_| Error::OutOfMemory)
}

macro_rules! tuples {
    ($(($($index:tt $type:ident),+))*) => {
        $(
            tuples!(@fields ($($type,)+) $($index $type)+);
        )*
    };
    (@fields $tuple:tt $($index:tt $type:ident)+) => {
        // SAFETY: the fields of the tuple, all of them.
        unsafe impl<$($type),+> Fields for ($($type,)+) {
            type Types = Self;
            const FIELDS: &'static [FieldLayout] =
                &[$(FieldLayout::new::<$type>(core::mem::offset_of!(Self, $index))),+];
        }
        tuples!(@each $tuple [$($type),+] $($index $type)+);
    };
    (@each $tuple:tt $all:tt) => {};
    (@each $tuple:tt [$($all:ident),+] $index:tt $type:ident $($rest:tt)*) => {
        // SAFETY: that field of the tuple.
        unsafe impl<$($all),+> Field<$index> for ($($all,)+) {
            type Type = $type;
        }
        tuples!(@each $tuple [$($all),+] $($rest)*);
    };
}

tuples! {
    (0 A)
    (0 A, 1 B)
    (0 A, 1 B, 2 C)
    (0 A, 1 B, 2 C, 3 D)
    (0 A, 1 B, 2 C, 3 D, 4 E)
    (0 A, 1 B, 2 C, 3 D, 4 E, 5 F)
    (0 A, 1 B, 2 C, 3 D, 4 E, 5 F, 6 G)
    (0 A, 1 B, 2 C, 3 D, 4 E, 5 F, 6 G, 7 H)
}

/// Makes a struct an item of a [`MultiArrayList`](crate::collections::MultiArrayList). Each field is listed with its
/// type and its index, counted from 0.
///
/// All fields, at most 32, must be listed with their exact types, or it does not compile. The struct has no parameters
/// and does not implement `Drop`. Code that can use the list can change each field on its own, also if the field is
/// private.
///
/// ```
/// use zigalloc::collections::MultiArrayList;
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// struct Node {
///     tag: u8,
///     data: u64,
/// }
/// zigalloc::fields!(Node { tag: u8 = 0, data: u64 = 1 });
///
/// let mut list = MultiArrayList::init(PAGE_ALLOCATOR);
/// list.append(Node { tag: 1, data: 10 })?;
/// list.append(Node { tag: 2, data: 20 })?;
/// // Zig: `list.items(.tag)`
/// assert_eq!((list.items::<0>(), list.items::<1>()), (&[1, 2][..], &[10, 20][..]));
/// assert_eq!(list.get(1), Node { tag: 2, data: 20 });
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// ```compile_fail
/// struct Node { tag: u8, data: u64 }
/// zigalloc::fields!(Node { tag: u8 = 0 });
/// ```
///
/// ```compile_fail,E0308
/// struct Node { text: &'static [u8; 4] }
/// type Bytes = &'static [u8];
/// zigalloc::fields!(Node { text: Bytes = 0 });
/// ```
///
/// ```compile_fail,E0119
/// struct File { descriptor: i32 }
/// impl Drop for File { fn drop(&mut self) {} }
/// zigalloc::fields!(File { descriptor: i32 = 0 });
/// ```
#[macro_export]
macro_rules! fields {
    ($item:ident { $($field:ident : $type:ty = $index:literal),+ $(,)? }) => {
        const _: () = {
            // All fields, and no others, and the indices count from 0. The types are exactly these: a field's own type
            // is inferred first, so nothing is coerced, as a `&[u8; 4]` would be to a `&[u8]`.
            fn _type_of<T>(_: &T) -> ::core::marker::PhantomData<fn(T) -> T> {
                ::core::marker::PhantomData
            }
            fn _all_fields(item: $item) {
                let $item { $($field),+ } = item;
                $(
                    let _type = _type_of(&$field);
                    let _: ::core::marker::PhantomData<fn($type) -> $type> = _type;
                )+
            }
            // A second implementation for a struct that implements `Drop`. (Taking it apart, above, does not compile
            // only if a field is moved out.)
            trait _DoesNotDrop {}
            #[allow(drop_bounds)]
            impl<T: ::core::ops::Drop> _DoesNotDrop for T {}
            impl _DoesNotDrop for $item {}
            let mut _n = 0;
            $(
                assert!($index == _n, "the indices of fields! count from 0");
                _n += 1;
            )+
        };
        // SAFETY: all fields of the struct, as the function above shows.
        unsafe impl $crate::collections::Fields for $item {
            type Types = ($($type,)+);
            const FIELDS: &'static [$crate::collections::FieldLayout] =
                &[$($crate::collections::FieldLayout::new::<$type>(::core::mem::offset_of!($item, $field))),+];
        }
        $(
            // SAFETY: the field at that index, with its type.
            unsafe impl $crate::collections::Field<$index> for $item {
                type Type = $type;
            }
        )+
    };
}
