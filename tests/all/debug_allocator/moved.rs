//! A large block that the child moves in `remap`: its memory at the old address is the child's again at once.

use rstest::rstest;
use zigalloc::heap::{Check, DebugAllocator, DebugConfig, RUST_ALLOCATOR};
use zigalloc::testing::LedgerAllocator;

#[derive(Clone, Copy, Debug)]
enum End {
    Flush,
    Deinit,
    Drop,
}

/// Soundness: with `never_unmap` and `retain_metadata`, the end gave the old address back to the child, which had ended that
/// block in its own `remap`. The ledger would name the breach; the C library aborted.
#[rstest]
fn moved_large_block_is_freed_once(
    #[values(false, true)] never_unmap: bool,
    #[values(false, true)] retain_metadata: bool,
    #[values(0, 1 << 30)] quarantine: usize,
    #[values(End::Flush, End::Deinit, End::Drop)] end: End,
) {
    let ledger = LedgerAllocator::init(RUST_ALLOCATOR);
    let config = DebugConfig {
        never_unmap,
        retain_metadata,
        quarantine,
        safety: true,
        thread_safe: false,
        report: |report| panic!("{report}"),
        ..DebugConfig::DEFAULT
    };
    let debug = DebugAllocator::with_config(ledger.allocator(), config);
    let allocator = debug.allocator();
    let first = allocator.alloc::<u8>(400_000).unwrap();
    // The C library cannot grow the first in place then.
    let second = allocator.alloc::<u8>(200_000).unwrap();
    // SAFETY: a live block, whose old pointer is not used afterwards.
    let moved = unsafe { allocator.remap(first, 3_000_000) }.unwrap_or(first);
    // SAFETY: live blocks, not used afterwards.
    unsafe { allocator.free(moved) };
    // SAFETY: as above.
    unsafe { allocator.free(second) };
    match end {
        End::Flush => {
            debug.flush_retained_metadata();
            assert_eq!(debug.deinit(), Check::Ok);
        }
        End::Deinit => assert_eq!(debug.deinit(), Check::Ok),
        End::Drop => drop(debug),
    }
    // What `never_unmap` alone keeps is leaked on purpose.
    if !never_unmap || retain_metadata {
        assert_eq!(ledger.live(), 0);
    }
}
