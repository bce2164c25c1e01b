//! Which public types are `Send`, `Sync`, `Copy`, `Unpin` and unwind-safe.
//!
//! Auto traits follow from private fields, so a harmless-looking change can add or remove one. Here each type has one
//! row with all of them, positive and negative, which the compiler checks: a wrong row does not compile. A public
//! type without a row fails [`every_public_type_has_a_row`].

use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

#[cfg(feature = "std")]
use zigalloc::adapters::FromGlobalAlloc;
use zigalloc::adapters::{GlobalAllocator, Malloc, MallocError};
use zigalloc::heap::arena::{Checkpoint, Scope, State};
#[cfg(feature = "std")]
use zigalloc::heap::debug::{Operation, Report, ReportKind, Trace};
use zigalloc::heap::{
    ArenaAllocator, BufferFirstAllocator, FixedBufferAllocator, MemoryPool, MemoryPoolExtra,
    MemoryPoolUnmanaged, PoolBox, ResetMode, SbrkAllocator, SharedArenaAllocator, StackFallbackAllocator,
};
use zigalloc::testing::{
    CheckError, FailingAllocator, FailingConfig, FailurePoint, UnreliableAllocator, UnreliableConfig,
    ValidationAllocator,
};
use zigalloc::trace::{Calls, CountingAllocator, Counts, FmtSink, LoggedCall};
use zigalloc::{
    AlignedPtr, AlignedSlice, Alignment, AlignmentError, Allocator, CompareOperator, Error, NoSentinel,
    Sentinel, SentinelSlice, SyncAllocator, VTable,
};

/// `Type: [Send !Sync …]` as the assertions of static_assertions.
macro_rules! rows {
    ($($type:ty: [$($traits:tt)+])+) => { $(rows!(@row $type, $($traits)+);)+ };
    (@row $type:ty, ! $trait:ident $($rest:tt)*) => {
        static_assertions::assert_not_impl_any!($type: $trait);
        rows!(@row $type, $($rest)*);
    };
    (@row $type:ty, $trait:ident $($rest:tt)*) => {
        static_assertions::assert_impl_all!($type: $trait);
        rows!(@row $type, $($rest)*);
    };
    (@row $type:ty,) => {};
}

type Alone = Allocator<'static>;
type Shared = SyncAllocator<'static>;

// Plain values.
rows! {
    Alignment:                     [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    AlignmentError:                [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    CompareOperator:               [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    Error:                         [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    ResetMode:                     [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    MallocError:                   [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    NoSentinel:                    [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    FailingConfig:                 [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    UnreliableConfig:              [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    FailurePoint:                  [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    Calls:                         [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    Counts:                        [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    LoggedCall:                    [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
}

// Types that contain a value have the value's traits.
rows! {
    Sentinel<u8>:                  [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    Sentinel<Cell<u8>>:            [Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
    Sentinel<Rc<u8>>:             [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    CheckError<Error>:             [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    CheckError<Rc<u8>>:           [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    FmtSink<String>:               [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
}

// Pointers stay in their thread and can be copied, whatever they point to.
rows! {
    AlignedPtr<u8, 64>:           [!Send !Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    AlignedPtr<String, 0>:        [!Send !Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    AlignedPtr<Cell<u8>, 0>:      [!Send !Sync  Copy Unpin !UnwindSafe !RefUnwindSafe]
    AlignedSlice<u8, 64>:         [!Send !Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    AlignedSlice<String, 0>:      [!Send !Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    AlignedSlice<Cell<u8>, 0>:    [!Send !Sync  Copy Unpin !UnwindSafe !RefUnwindSafe]
    SentinelSlice<u8>:            [!Send !Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    SentinelSlice<String, 64>:    [!Send !Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    SentinelSlice<Cell<u8>>:      [!Send !Sync  Copy Unpin !UnwindSafe !RefUnwindSafe]
    Checkpoint:                   [!Send !Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
}

// Handles.
rows! {
    VTable:                        [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    Allocator<'static>:           [!Send !Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    SyncAllocator<'static>:        [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
}

// Allocator states are never `Copy`. Those with handles change through `&self`, so they are not `Sync` (except the
// shared arena); they are `Send` if their child's handle is.
rows! {
    FixedBufferAllocator<'static>: [Send !Sync !Copy Unpin !UnwindSafe !RefUnwindSafe]
    ArenaAllocator<Shared>:        [Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
    ArenaAllocator<Alone>:        [!Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
    State:                        [!Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
    Scope<'static, Shared>:        [Send !Sync !Copy Unpin !UnwindSafe !RefUnwindSafe]
    Scope<'static, Alone>:        [!Send !Sync !Copy Unpin !UnwindSafe !RefUnwindSafe]
    SharedArenaAllocator<'static>: [Send  Sync !Copy Unpin !UnwindSafe  RefUnwindSafe]
    FailingAllocator<Shared>:      [Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
    FailingAllocator<Alone>:      [!Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
}

// Under a lock, whatever the source is.
rows! {
    SbrkAllocator<FixedBufferAllocator<'static>>:
                                   [Send  Sync !Copy Unpin !UnwindSafe !RefUnwindSafe]
}
#[cfg(all(feature = "std", target_os = "linux", target_env = "gnu"))]
rows! {
    zigalloc::heap::ProcessBreak:  [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
}
#[cfg(all(target_arch = "wasm32", not(target_os = "emscripten")))]
rows! {
    zigalloc::heap::MemoryGrow:    [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
}

// A buffer and a fallback: `Send` if the fallback's handle is. The second stores its blocks inside itself.
rows! {
    BufferFirstAllocator<'static, Shared>:
                                   [Send !Sync !Copy Unpin !UnwindSafe !RefUnwindSafe]
    BufferFirstAllocator<'static, Alone>:
                                  [!Send !Sync !Copy Unpin !UnwindSafe !RefUnwindSafe]
    StackFallbackAllocator<8, Shared>:
                                   [Send !Sync !Copy !Unpin UnwindSafe !RefUnwindSafe]
    StackFallbackAllocator<8, Alone>:
                                  [!Send !Sync !Copy !Unpin UnwindSafe !RefUnwindSafe]
}

// A pool has its arena's traits, whatever its items are; a box stays with the pool that it borrows.
rows! {
    MemoryPool<u8, Shared>:        [Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
    MemoryPool<u8, Alone>:        [!Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
    MemoryPoolUnmanaged<u8>:      [!Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
    MemoryPoolExtra<Rc<Cell<u8>>, 64, false, Shared>:
                                   [Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
    PoolBox<'static, u8>:         [!Send !Sync !Copy Unpin !UnwindSafe !RefUnwindSafe]
}

// A wrapper without state, or with atomic state, has the traits of what it wraps.
rows! {
    UnreliableAllocator<Shared>:   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    UnreliableAllocator<Alone>:   [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    Malloc<Shared>:                [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    Malloc<Alone>:                [!Send !Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    CountingAllocator<Shared>:     [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    CountingAllocator<Alone>:     [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    ValidationAllocator<Shared>:   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    ValidationAllocator<Alone>:   [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    ValidationAllocator<ArenaAllocator<Shared>>:
                                   [Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
}

// Types that keep records on the global heap.
#[cfg(feature = "alloc")]
rows! {
    zigalloc::testing::StrictConfig:
                                   [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::testing::LedgerAllocator<Shared>:
                                   [Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
    zigalloc::testing::LedgerAllocator<Alone>:
                                  [!Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
}

// Adapters have the traits of what they adapt.
rows! {
    GlobalAllocator:               [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
}
#[cfg(feature = "std")]
rows! {
    FromGlobalAlloc<std::alloc::System>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    FromGlobalAlloc<Cell<u8>>:     [Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
}
#[cfg(feature = "allocator-api2-02")]
mod adapters_02 {
    use super::*;
    use zigalloc::adapters::allocator_api2_02::FromAllocator;
    rows! {
        FromAllocator<Shared>:     [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        FromAllocator<Alone>:     [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    }
}
#[cfg(feature = "allocator-api2-04")]
mod adapters_04 {
    use super::*;
    use zigalloc::adapters::allocator_api2_04::FromAllocator;
    rows! {
        FromAllocator<Shared>:     [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        FromAllocator<Alone>:     [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    }
}
#[cfg(feature = "nightly")]
mod adapters_nightly {
    use super::*;
    use zigalloc::adapters::nightly::FromAllocator;
    rows! {
        FromAllocator<Shared>:     [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        FromAllocator<Alone>:     [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    }
}

// A lock that owns its child has the traits of a mutex; a handle that owns its allocator those of its pointer.
#[cfg(feature = "std")]
rows! {
    zigalloc::OwnedThreadSafeAllocator<ArenaAllocator<Shared>>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::OwnedThreadSafeAllocator<ArenaAllocator<Alone>>:
                                  [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::OwnedThreadSafeAllocator<Rc<u8>>:
                                  [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
}
#[cfg(feature = "alloc")]
rows! {
    zigalloc::OwningHandle<Rc<ArenaAllocator<Shared>>>:
                                  [!Send !Sync !Copy Unpin !UnwindSafe !RefUnwindSafe]
    zigalloc::OwningHandle<std::sync::Arc<ArenaAllocator<Shared>>>:
                                  [!Send !Sync !Copy Unpin !UnwindSafe !RefUnwindSafe]
    zigalloc::OwningHandle<std::sync::Arc<SharedArenaAllocator<'static>>>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
}

// Types that need an operating system.
#[cfg(feature = "std")]
rows! {
    zigalloc::ThreadSafeAllocator<'static>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::heap::PageAllocator: [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::heap::SmpAllocator:  [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::heap::DebugAllocator<Shared>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::heap::DebugAllocator<Alone>:
                                  [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::heap::DebugConfig:   [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::heap::SafeAllocator<Shared>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::heap::SafeAllocator<Alone>:
                                  [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::heap::SafeOptions:   [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::heap::Check:         [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    Operation:                     [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    Report:                        [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    ReportKind:                    [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    Trace:                         [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
}

#[cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]
rows! {
    zigalloc::heap::CAllocator:    [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::heap::RawCAllocator: [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
}

#[cfg(feature = "alloc")]
rows! {
    zigalloc::heap::RustAllocator: [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
}

// Under a lock: the child's traits, if the sink is `Send`.
#[cfg(feature = "std")]
rows! {
    zigalloc::trace::LoggingAllocator<Shared, FmtSink<String>>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::trace::LoggingAllocator<Alone, FmtSink<String>>:
                                  [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::trace::IoSink<Vec<u8>>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
}

// The lock's traits, whatever the child is.
#[cfg(feature = "lock_api")]
rows! {
    zigalloc::LockedAllocator<'static, spin::Mutex<()>>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::LockedAllocator<'static, parking_lot::RawMutex>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::LockedAllocator<'static, Cell<bool>>:
                                   [Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    zigalloc::LockedAllocator<'static, Rc<()>>:
                                  [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
}

#[cfg(feature = "log")]
rows! {
    zigalloc::trace::LogSink:      [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
}

// Containers are as their elements and their handle.
#[cfg(feature = "collections")]
mod containers {
    use super::*;
    use zigalloc::collections::{
        ArrayGetOrPut, ArrayHashMap, ArrayList, ArrayListUnmanaged, ArrayMapParts, AutoContext,
        AutoHashMapUnmanaged, Bound, BoundArrayList, BoundHashMap, BoundSlot, BufMap, BufSet, Deque,
        DequeParts, DequeUnmanaged, DoublyLinkedList, DoublyLinkedNode, ElementNotFound, Entry, FieldLayout,
        GetOrPut, HashMap, KV, MapParts, MultiArrayList, MultiArrayListUnmanaged, MultiParts, Natural,
        NoAllocator, Owned, PriorityQueue, SinglyLinkedList, SinglyLinkedNode, Slot, StringContext, Unbound,
        Writer,
    };
    type Auto = AutoContext;
    type Parts = MapParts<u8, u8, Auto, Slot>;
    rows! {
        ArrayList<'static, u8, Shared>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        ArrayList<'static, u8>:   [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        ArrayList<'static, Rc<u8>, Shared>:
                                  [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        ArrayListUnmanaged<u8>:    [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        ArrayListUnmanaged<Cell<u8>>:
                                   [Send !Sync !Copy Unpin !UnwindSafe !RefUnwindSafe]
        BoundArrayList<'static, u8, Shared>:
                                   [Send  Sync !Copy Unpin !UnwindSafe  RefUnwindSafe]
        BoundArrayList<'static, u8>:
                                  [!Send !Sync !Copy Unpin !UnwindSafe  RefUnwindSafe]
        Bound<'static, u8, Alone>:
                                  [!Send !Sync !Copy Unpin !UnwindSafe  RefUnwindSafe]
        Writer<'static, ArrayList<'static, u8, Shared>>:
                                   [Send  Sync !Copy Unpin !UnwindSafe  RefUnwindSafe]
        HashMap<'static, u8, u8, Auto, Shared>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        HashMap<'static, u8, u8>: [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        // Bound, it is in the thread that has the handle, whatever the handle is.
        AutoHashMapUnmanaged<u8, u8>:
                                   [Send  Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
        BoundHashMap<'static, u8, u8>:
                                  [!Send !Sync !Copy Unpin !UnwindSafe !RefUnwindSafe]
        BoundSlot<'static, Parts>:
                                  [!Send !Sync !Copy Unpin !UnwindSafe !RefUnwindSafe]
        Slot:                      [Send  Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
        MapParts<u8, u8, Auto, Shared>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        ArrayHashMap<'static, u8, u8, Auto, Shared>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        ArrayHashMap<'static, u8, u8>:
                                  [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        ArrayMapParts<u8, u8, Auto, Shared>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        GetOrPut<'static, u8, u8>: [Send  Sync !Copy Unpin !UnwindSafe  RefUnwindSafe]
        ArrayGetOrPut<'static, u8, u8>:
                                   [Send  Sync !Copy Unpin !UnwindSafe  RefUnwindSafe]
        Entry<'static, u8, u8>:    [Send  Sync !Copy Unpin !UnwindSafe  RefUnwindSafe]
        KV<u8, u8>:                [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
        AutoContext:               [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
        StringContext:             [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
        Owned<u8>:                 [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        Unbound<u8>:               [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        NoAllocator:               [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
        PriorityQueue<'static, u8, Natural, Shared>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        PriorityQueue<'static, u8>:
                                  [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        Natural:                   [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
        ElementNotFound:           [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
        Deque<'static, u8, Shared>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        Deque<'static, u8>:       [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        DequeUnmanaged<Rc<u8>>:   [!Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
        DequeParts<Cell<u8>, Shared>:
                                   [Send !Sync !Copy Unpin !UnwindSafe !RefUnwindSafe]
        MultiArrayList<'static, (u8, u16), Shared>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        MultiArrayList<'static, (u8, u16)>:
                                  [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        MultiArrayListUnmanaged<(u8, u16)>:
                                   [Send  Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
        MultiParts<(Rc<u8>,), Shared>:
                                  [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        MultiParts<(Cell<u8>,), Shared>:
                                   [Send !Sync !Copy Unpin  UnwindSafe !RefUnwindSafe]
        FieldLayout:               [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
        BufMap<'static, Shared>:   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        BufMap<'static>:          [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        BufSet<'static, Shared>:   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        // Intrusive: others have pointers to it.
        DoublyLinkedList:         [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        DoublyLinkedNode:         [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        SinglyLinkedList:         [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        SinglyLinkedNode:         [!Send !Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    }
}

// Iterators over a slice.
mod iterators {
    use super::*;
    use zigalloc::mem::split::{
        Any, Scalar, Sequence, SplitBackwardsIterator, SplitIterator, TokenIterator, WindowIterator,
    };
    rows! {
        Scalar<u8>:                [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
        Any<'static, u8>:          [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
        Sequence<'static, u8>:     [Send  Sync  Copy Unpin  UnwindSafe  RefUnwindSafe]
        SplitIterator<'static, u8, Scalar<u8>>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        SplitBackwardsIterator<'static, u8, Scalar<u8>>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        TokenIterator<'static, u8, Scalar<u8>>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
        WindowIterator<'static, u8>:
                                   [Send  Sync !Copy Unpin  UnwindSafe  RefUnwindSafe]
    }
}

/// Finds the types in the sources, so that a new one cannot be missed.
#[cfg_attr(
    any(miri, target_family = "wasm"),
    ignore = "it reads files of the repository, which a program in Miri or WebAssembly cannot"
)]
#[test]
fn every_public_type_has_a_row() {
    let rows = include_str!("auto_traits.rs");
    let mut files = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut types = Vec::new();
    while let Some(path) = files.pop() {
        if path.ends_with("capi") {
            // These types are for C.
            continue;
        }
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let source = std::fs::read_to_string(path).unwrap();
        for line in source.lines() {
            let declaration = ["struct ", "enum ", "union "]
                .iter()
                .find_map(|kind| line.strip_prefix("pub ")?.strip_prefix(kind));
            let name =
                declaration.and_then(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next());
            types.extend(name.map(str::to_owned));
        }
    }
    assert!(types.len() > 15, "the sources were not found: {types:?}");
    for name in types {
        let row = |line: &str| {
            let line = line.trim_start().trim_start_matches("zigalloc::");
            let line = ["heap::", "testing::", "trace::"]
                .iter()
                .fold(line, |line, module| line.trim_start_matches(module));
            line.strip_prefix(&name).is_some_and(|rest| rest.starts_with([':', '<']))
        };
        assert!(
            rows.lines().any(row),
            "the public type {name} has no row in tests/all/contract/auto_traits.rs"
        );
    }
}
