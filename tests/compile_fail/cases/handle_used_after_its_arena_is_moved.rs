//! error[E0505]: ziglang/zig#12986 and #20123: an arena that is moved into a struct while its handle, which
//! knows the old address, is in use.

use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
use zigalloc::{Allocator, SyncAllocator};

struct Parser<'a> {
    _arena: ArenaAllocator<SyncAllocator<'static>>,
    _allocator: Allocator<'a>,
}

fn main() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let allocator = arena.allocator();
    let _parser = Parser { _arena: arena, _allocator: allocator };
}
