//! The trait of allocator-api2 0.4, in both directions, and other crates' allocators that implement it.
#![cfg(all(feature = "std", feature = "allocator-api2-04"))]

use allocator_api2_04::{alloc as api, boxed, vec};
use zigalloc::adapters::allocator_api2_04::FromAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

#[path = "from_trait.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests for another trait")]
mod from_trait;
#[path = "owning.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests for another trait")]
mod owning;
#[path = "to_trait.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests for another trait")]
mod to_trait;

/// Version 0.4.0 of that crate breaks a rule of `Layout` itself for requests of nearly the whole address space, so
/// none are made.
const HUGE_LENGTHS: bool = false;

#[test]
fn blink_alloc_conforms() {
    let mut blink = blink_alloc::BlinkAlloc::new();
    from_trait::kit_with(FromAllocator::from_ref(&blink).allocator(), HUGE_LENGTHS);
    // Borrowed memory is free again.
    blink.reset();
    from_trait::kit_with(FromAllocator::new(&blink).allocator(), HUGE_LENGTHS);
    from_trait::kit_with(
        ArenaAllocator::init(FromAllocator::from_ref(&blink).allocator()).allocator(),
        HUGE_LENGTHS,
    );
}

/// This crate's arena provides the other one's chunks, and a third arena uses the other one's blocks.
#[test]
fn blink_alloc_over_an_arena_conforms() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let blink = blink_alloc::BlinkAlloc::new_in(arena.allocator());
    from_trait::kit_with(FromAllocator::new(&blink).allocator(), HUGE_LENGTHS);
    from_trait::kit_with(
        ArenaAllocator::init(FromAllocator::new(&blink).allocator()).allocator(),
        HUGE_LENGTHS,
    );
}

#[test]
fn bump_scope_conforms() {
    let mut bump: bump_scope::Bump = bump_scope::Bump::try_new().unwrap();
    from_trait::kit(FromAllocator::from_ref(&bump).allocator());
    // Borrowed memory is free again.
    bump.reset();
    from_trait::kit(FromAllocator::new(&bump).allocator());
    from_trait::in_an_arena(FromAllocator::new(&bump).allocator());
}
