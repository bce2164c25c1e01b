//! Zig's containers, with Zig's names and fallible growth.
//!
//! They are thin layers over maintained libraries: lists and boxes over allocator-api2's `Vec` and `Box`, maps over
//! hashbrown's `HashTable`. Implemented here is what those lack: the heap of [`PriorityQueue`], the ring of [`Deque`],
//! the parallel arrays of [`MultiArrayList`], and the [intrusive lists](linked_list).
//!
//! ```
//! use zigalloc::collections::{ArrayList, StringHashMap};
//! use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
//!
//! let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
//! let mut words = ArrayList::init(arena.allocator());
//! let mut counts: StringHashMap<'_, u32> = StringHashMap::init(arena.allocator());
//! for word in ["to", "be", "or", "not", "to", "be"] {
//!     let result = counts.get_or_put(word.as_bytes())?;
//!     if !result.found_existing {
//!         words.append(word)?;
//!     }
//!     *result.value_ptr += 1;
//! }
//! assert_eq!(*words, ["to", "be", "or", "not"]);
//! assert_eq!(counts.get("be"), Some(&2));
//! # Ok::<(), zigalloc::Error>(())
//! ```
//!
//! | Zig 0.15.2 | here |
//! |---|---|
//! | `std.array_list.Managed(T)` | [`ArrayList<T>`](ArrayList) |
//! | `std.ArrayList(T)`, `std.ArrayListUnmanaged(T)` | [`ArrayListUnmanaged<T>`](ArrayListUnmanaged) |
//! | `std.HashMap(K, V, C, …)` | [`HashMap<K, V, C>`](HashMap); `C` is a [`HashContext`] |
//! | `std.AutoHashMap(K, V)`, `std.StringHashMap(V)` | [`AutoHashMap<K, V>`](AutoHashMap), [`StringHashMap<V>`](StringHashMap) |
//! | `std.HashMapUnmanaged` … | [`HashMapUnmanaged`], [`AutoHashMapUnmanaged`], [`StringHashMapUnmanaged`] |
//! | `std.ArrayHashMap(K, V, C, …)` | [`ArrayHashMap<K, V, C>`](ArrayHashMap) |
//! | `std.AutoArrayHashMap`, `std.StringArrayHashMap` | [`AutoArrayHashMap`], [`StringArrayHashMap`] |
//! | `std.ArrayHashMapUnmanaged` … | [`ArrayHashMapUnmanaged`], [`AutoArrayHashMapUnmanaged`], [`StringArrayHashMapUnmanaged`] |
//! | `std.PriorityQueue(T, C, f)` | [`PriorityQueue<T, C>`](PriorityQueue); `C` is a closure or a [`Compare`] |
//! | `std.Deque(T)` (0.16) | [`Deque<T>`](Deque), [`DequeUnmanaged<T>`](DequeUnmanaged) |
//! | `std.MultiArrayList(T)` | [`MultiArrayList<T>`](MultiArrayList), [`MultiArrayListUnmanaged<T>`](MultiArrayListUnmanaged); [`fields!`](crate::fields) |
//! | `std.DoublyLinkedList`, `std.SinglyLinkedList` | [`DoublyLinkedList`], [`SinglyLinkedList`] |
//! | `@fieldParentPtr` | [`field_parent_ptr`] |
//! | `std.BufMap`, `std.BufSet` | [`BufMap`], [`BufSet`] |
//! | `std.SegmentedList`, `std.PriorityDequeue`, `std.Treap`, `std.bit_set` | none |
//!
//! # Where the allocator is
//!
//! | | the container | Zig's form |
//! |---|---|---|
//! | **managed** | carries a handle and frees its memory when dropped: `ArrayList::init(allocator)` | `…Managed` |
//! | **unmanaged** | has no handle and no lifetime, so it can be a field beside its arena; dropping it does nothing | `…Unmanaged` |
//! | **bound** | an unmanaged one with a handle, while a guard lives: `unsafe { list.with(allocator) }` | an allocator argument |
//!
//! All three are one type with different stores, so they have the same methods. Methods that allocate or free require a
//! store that [`Allocates`] and do not compile on an unmanaged container:
//!
//! ```compile_fail,E0599
//! # use zigalloc::collections::ArrayListUnmanaged;
//! let mut list = ArrayListUnmanaged::EMPTY;
//! list.append(1)?; // not bound: call `with(allocator)` first
//! # Ok::<(), zigalloc::Error>(())
//! ```
//!
//! By default the handle is an [`Allocator`](crate::Allocator). With a [`SyncAllocator`](crate::SyncAllocator), a
//! container can be sent to another thread:
//!
//! ```
//! use zigalloc::SyncAllocator;
//! use zigalloc::collections::ArrayList;
//! use zigalloc::heap::PAGE_ALLOCATOR;
//!
//! let mut list: ArrayList<'_, u32, SyncAllocator<'_>> = ArrayList::init(PAGE_ALLOCATOR);
//! list.append(1)?;
//! let list = std::thread::spawn(move || list.append(2).map(|()| list)).join().unwrap()?;
//! assert_eq!(*list, [1, 2]);
//! # Ok::<(), zigalloc::Error>(())
//! ```
//!
//! # Errors and panics
//!
//! Methods that allocate return `Result<_, Error>`, and one that fails has no visible effect. What Zig asserts (an
//! index in bounds, enough capacity for `…_assume_capacity`) panics here in every build.
//!
//! If an element's destructor, a comparison, a hash, a closure or the allocator panics, the container can still be used
//! and dropped. If one of them exits the process, a thread-local container is dropped in the middle of the call. It may
//! leak elements then, but drops none twice.
//!
//! # Comparison with Zig
//!
//! `cargo xtask differential --containers` runs random programs on Zig 0.15.2's containers and on these, in which
//! allocations and in-place growth fail at random. For lists, priority queues and [`MultiArrayList`], each step must
//! have the same result, elements, order and capacity, and the same number of allocations and of bytes allocated and
//! freed. For maps, it must have the same result and entries, and for [`ArrayHashMap`] the same order.
//!
//! # Without an operating system
//!
//! The feature `collections` does not need `std` or a heap. But allocator-api2's `Vec` and hashbrown link the crate
//! `alloc`, so a program without `std` needs a `#[global_allocator]`, if only one that always fails.

mod array_hash_map;
mod array_hash_map_put;
mod array_list;
mod array_list_add;
mod array_list_memory;
mod buf;
mod deque;
mod fields;
mod grow;
mod hash_context;
mod hash_map;
mod hash_map_put;
pub mod linked_list;
mod multi_array_list;
mod no_allocator;
mod owned;
mod priority_queue;
mod room;
mod slot;
mod store;
mod unmanaged_list;
mod unmanaged_map;

// Stable rustdoc drops the aliases of an item in a private module, but not those of its re-export.
pub use allocator_api2_02::boxed::Box;
pub use allocator_api2_02::vec::Vec;
#[doc(alias = "std.ArrayHashMap")]
pub use array_hash_map::ArrayHashMap;
#[doc(alias = "std.AutoArrayHashMap")]
pub use array_hash_map::AutoArrayHashMap;
#[doc(alias = "std.StringArrayHashMap")]
pub use array_hash_map::StringArrayHashMap;
pub use array_hash_map::{ArrayGetOrPut, ArrayMapParts};
#[doc(alias = "std.ArrayList")]
#[doc(alias = "std.array_list.Managed")]
#[doc(alias = "Managed")]
#[doc(alias = "ArrayListManaged")]
pub use array_list::ArrayList;
pub use array_list_add::Writer;
#[doc(alias = "std.BufMap")]
pub use buf::BufMap;
#[doc(alias = "std.BufSet")]
pub use buf::BufSet;
#[doc(alias = "std.Deque")]
pub use deque::Deque;
pub use deque::{BoundDeque, DequeParts, DequeUnmanaged};
pub use fields::{Field, FieldLayout, Fields};
pub use hash_context::{AutoContext, HashContext, StringContext};
#[doc(alias = "std.AutoHashMap")]
pub use hash_map::AutoHashMap;
#[doc(alias = "GetOrPutResult")]
pub use hash_map::GetOrPut;
#[doc(alias = "std.HashMap")]
pub use hash_map::HashMap;
#[doc(alias = "std.StringHashMap")]
pub use hash_map::StringHashMap;
pub use hash_map::{Entry, KV, MapParts};
pub use linked_list::{
    DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode, field_parent_ptr,
};
#[doc(alias = "std.MultiArrayList")]
pub use multi_array_list::MultiArrayList;
pub use multi_array_list::{BoundMultiArrayList, MultiArrayListUnmanaged, MultiParts};
pub use no_allocator::NoAllocator;
#[doc(alias = "defer")]
#[doc(alias = "errdefer")]
pub use owned::OwnedBox;
pub use owned::str_from_utf8;
#[doc(alias = "std.PriorityQueue")]
pub use priority_queue::PriorityQueue;
pub use priority_queue::{Compare, ElementNotFound, Natural};
pub use slot::Slot;
pub use store::{Allocates, Owned, Store, Unbound};
#[doc(alias = "std.ArrayListUnmanaged")]
#[doc(alias = "std.ArrayList")]
pub use unmanaged_list::ArrayListUnmanaged;
pub use unmanaged_list::{Bound, BoundArrayList};
#[doc(alias = "std.ArrayHashMapUnmanaged")]
pub use unmanaged_map::ArrayHashMapUnmanaged;
#[doc(alias = "std.AutoArrayHashMapUnmanaged")]
pub use unmanaged_map::AutoArrayHashMapUnmanaged;
#[doc(alias = "std.AutoHashMapUnmanaged")]
pub use unmanaged_map::AutoHashMapUnmanaged;
#[doc(alias = "std.HashMapUnmanaged")]
pub use unmanaged_map::HashMapUnmanaged;
#[doc(alias = "std.StringArrayHashMapUnmanaged")]
pub use unmanaged_map::StringArrayHashMapUnmanaged;
#[doc(alias = "std.StringHashMapUnmanaged")]
pub use unmanaged_map::StringHashMapUnmanaged;
pub use unmanaged_map::{BoundArrayHashMap, BoundHashMap, BoundSlot};
