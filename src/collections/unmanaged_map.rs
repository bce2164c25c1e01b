//! [`HashMapUnmanaged`]: a map without an allocator. See the type.

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;

use allocator_api2_02::vec::Vec;

use super::array_hash_map::{ArrayHashMap, ArrayMapParts};
use super::hash_context::{AutoContext, StringContext};
use super::hash_map::{HashMap, MapParts};
use super::slot::Slot;
use super::store::{Allocates, Sealed, Unbound};
use crate::allocator::Allocator;

/// A map without an allocator and without a lifetime: Zig's `std.HashMapUnmanaged(K, V, Context, …)`.
///
/// It can be a field beside the arena that it lives in. To change it [`with`](Self::with) binds a handle for as long
/// as the result lives, which is a [`HashMap`] with all its methods. What needs no memory (`get`, `remove`,
/// `put_assume_capacity`) needs no binding.
///
/// # Guarantees
///
/// Those of [`HashMap`], but that dropping it does nothing, as in Zig: it knows no allocator. Bind it and call
/// [`deinit`](HashMap::deinit), or let the arena free it; then the entries are not dropped.
///
/// For why `with` is unsafe, see [`ArrayListUnmanaged`](super::ArrayListUnmanaged). The map has two words more than a
/// managed one's table, for the handle while it is bound.
///
/// Ports `std.HashMapUnmanaged` of Zig 0.15.2.
///
/// ```
/// use zigalloc::collections::{BoundHashMap, StringContext, StringHashMapUnmanaged};
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::{Error, SyncAllocator};
///
/// struct Config {
///     arena: ArenaAllocator<SyncAllocator<'static>>,
///     values: StringHashMapUnmanaged<i64, &'static str>,
/// }
///
/// impl Config {
///     fn values(&mut self) -> BoundHashMap<'_, &'static str, i64, StringContext> {
///         // SAFETY: always this arena, which is never reset; it is private, and ends with the map.
///         unsafe { self.values.with(self.arena.allocator()) }
///     }
/// }
///
/// let mut config =
///     Config { arena: ArenaAllocator::init(PAGE_ALLOCATOR), values: StringHashMapUnmanaged::new() };
/// config.values().put("port", 80)?;
/// assert_eq!(config.values.get("port"), Some(&80));
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "std.HashMapUnmanaged")]
pub type HashMapUnmanaged<K, V, C = AutoContext> =
    HashMap<'static, K, V, C, Slot, Unbound<MapParts<K, V, C, Slot>>>;

/// Zig's `std.AutoHashMapUnmanaged(K, V)`: a [`HashMapUnmanaged`] whose keys are hashed by Rust's `Hash`.
#[doc(alias = "std.AutoHashMapUnmanaged")]
pub type AutoHashMapUnmanaged<K, V> = HashMapUnmanaged<K, V, AutoContext>;

/// Zig's `std.StringHashMapUnmanaged(V)`: a [`HashMapUnmanaged`] whose keys are strings.
#[doc(alias = "std.StringHashMapUnmanaged")]
pub type StringHashMapUnmanaged<V, K> = HashMapUnmanaged<K, V, StringContext>;

/// A [`HashMapUnmanaged`] that is bound to an allocator: what [`with`](HashMapUnmanaged::with) returns.
pub type BoundHashMap<'l, K, V, C = AutoContext> =
    HashMap<'l, K, V, C, Slot, BoundSlot<'l, MapParts<K, V, C, Slot>>>;

impl<K, V, C> HashMapUnmanaged<K, V, C> {
    /// A map without entries and without memory. Zig: `.empty`.
    #[must_use]
    pub fn new() -> HashMapUnmanaged<K, V, C>
    where
        C: Default,
    {
        Self::with_context(C::default())
    }

    /// A map without entries and without memory, with a context of its own.
    #[must_use]
    pub const fn with_context(context: C) -> HashMapUnmanaged<K, V, C> {
        let table = hashbrown::HashTable::new_in(Slot::empty());
        HashMap::from_store(Unbound(ManuallyDrop::new(MapParts { table, context })))
    }

    /// Binds the map to its allocator, until the result is dropped.
    ///
    /// # Safety
    /// - `allocator` is the one that the map got its memory from, if it has any: a copy of the same handle, or another to
    ///   the same state.
    /// - What it gives stays valid as long as the map is used: until the map has freed it, the allocator is not ended or
    ///   reset. A map that is not used any more may be dropped, which does nothing.
    ///
    /// Zig passes the allocator to each function.
    #[inline]
    pub unsafe fn with<'l>(&'l mut self, allocator: impl Into<Allocator<'l>>) -> BoundHashMap<'l, K, V, C> {
        // SAFETY: the caller's facts.
        HashMap::from_store(unsafe { BoundSlot::new(self.parts_mut(), allocator.into()) })
    }
}

impl<K, V, C: Default> Default for HashMapUnmanaged<K, V, C> {
    fn default() -> Self {
        Self::new()
    }
}

/// What has places for a handle. Private, by the module that it is in.
pub trait Slots {
    fn slots(&self) -> impl Iterator<Item = &Slot>;
}

impl<K, V, C> Slots for MapParts<K, V, C, Slot> {
    #[inline]
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        core::iter::once(self.table.allocator())
    }
}

/// Where a bound map is held; see [`HashMapUnmanaged::with`]. At its end the map has no allocator again.
pub struct BoundSlot<'l, P: Slots> {
    parts: &'l mut P,
    handle: PhantomData<Allocator<'l>>,
}

impl<'l, P: Slots> BoundSlot<'l, P> {
    /// # Safety
    /// As [`HashMapUnmanaged::with`].
    #[inline]
    pub(super) unsafe fn new(parts: &'l mut P, handle: Allocator<'l>) -> BoundSlot<'l, P> {
        // SAFETY: the handle is there for `'l`, and this value clears the slots before that ends, or is leaked: then no
        // method that uses them is there until they are set again. It is not `Send`, so the thread stays.
        parts.slots().for_each(|slot| unsafe { slot.set(handle) });
        BoundSlot { parts, handle: PhantomData }
    }
}

impl<P: Slots> Drop for BoundSlot<'_, P> {
    #[inline]
    fn drop(&mut self) {
        self.parts.slots().for_each(Slot::clear);
    }
}

impl<P: Slots> Allocates<P> for BoundSlot<'_, P> {}

// SAFETY: the field, which is private.
unsafe impl<P: Slots> Sealed<P> for BoundSlot<'_, P> {
    #[inline(always)]
    fn get(&self) -> &P {
        self.parts
    }
    #[inline(always)]
    fn get_mut(&mut self) -> &mut P {
        self.parts
    }
}

impl<P: Slots> fmt::Debug for BoundSlot<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundSlot").finish_non_exhaustive()
    }
}

// ---- the same for maps in the order of insertion ----

/// An [`ArrayHashMap`] without an allocator and without a lifetime: Zig's `std.ArrayHashMapUnmanaged(K, V, Context,
/// …)`.
///
/// It is to [`ArrayHashMap`] what [`HashMapUnmanaged`] is to [`HashMap`].
///
/// Ports `std.ArrayHashMapUnmanaged` of Zig 0.15.2.
///
/// ```
/// use zigalloc::collections::AutoArrayHashMapUnmanaged;
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// let mut map = AutoArrayHashMapUnmanaged::new();
/// // SAFETY: the page allocator, here and below, which is always there.
/// unsafe { map.with(PAGE_ALLOCATOR) }.put("one", 1)?;
/// assert_eq!(map.get("one"), Some(&1));
/// unsafe { map.with(PAGE_ALLOCATOR) }.deinit();
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.ArrayHashMapUnmanaged")]
pub type ArrayHashMapUnmanaged<K, V, C = AutoContext> =
    ArrayHashMap<'static, K, V, C, Slot, Unbound<ArrayMapParts<K, V, C, Slot>>>;

/// Zig's `std.AutoArrayHashMapUnmanaged(K, V)`.
#[doc(alias = "std.AutoArrayHashMapUnmanaged")]
pub type AutoArrayHashMapUnmanaged<K, V> = ArrayHashMapUnmanaged<K, V, AutoContext>;

/// Zig's `std.StringArrayHashMapUnmanaged(V)`.
#[doc(alias = "std.StringArrayHashMapUnmanaged")]
pub type StringArrayHashMapUnmanaged<V, K> = ArrayHashMapUnmanaged<K, V, StringContext>;

/// An [`ArrayHashMapUnmanaged`] that is bound to an allocator.
pub type BoundArrayHashMap<'l, K, V, C = AutoContext> =
    ArrayHashMap<'l, K, V, C, Slot, BoundSlot<'l, ArrayMapParts<K, V, C, Slot>>>;

impl<K, V, C> ArrayHashMapUnmanaged<K, V, C> {
    /// A map without entries and without memory. Zig: `.empty`.
    #[must_use]
    pub fn new() -> ArrayHashMapUnmanaged<K, V, C>
    where
        C: Default,
    {
        Self::with_context(C::default())
    }

    /// A map without entries and without memory, with a context of its own.
    #[must_use]
    pub const fn with_context(context: C) -> ArrayHashMapUnmanaged<K, V, C> {
        ArrayHashMap::from_store(Unbound(ManuallyDrop::new(ArrayMapParts {
            keys: Vec::new_in(Slot::empty()),
            values: Vec::new_in(Slot::empty()),
            index: hashbrown::HashTable::new_in(Slot::empty()),
            context,
        })))
    }

    /// Binds the map to its allocator, until the result is dropped.
    ///
    /// # Safety
    /// As [`HashMapUnmanaged::with`].
    #[inline]
    pub unsafe fn with<'l>(
        &'l mut self,
        allocator: impl Into<Allocator<'l>>,
    ) -> BoundArrayHashMap<'l, K, V, C> {
        // SAFETY: the caller's facts.
        ArrayHashMap::from_store(unsafe { BoundSlot::new(self.parts_mut(), allocator.into()) })
    }
}

impl<K, V, C: Default> Default for ArrayHashMapUnmanaged<K, V, C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V, C> Slots for ArrayMapParts<K, V, C, Slot> {
    #[inline]
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        [self.keys.allocator(), self.values.allocator(), self.index.allocator()].into_iter()
    }
}
