//! Allocators when memory is short: they make a second, smaller attempt, and do not request what no machine has.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::heap::{
    ArenaAllocator, FixedBufferAllocator, MemoryPool, MemoryPoolExtra, SharedArenaAllocator,
};
use zigalloc::trace::{LoggedCall, LoggingAllocator, Sink};
use zigalloc::{Alignment, Allocator, Error};

/// A buffer on the heap, aligned to a page.
#[repr(align(4096))]
struct Buffer<const N: usize>([MaybeUninit<u8>; N]);

impl<const N: usize> Buffer<N> {
    fn new() -> Box<Buffer<N>> {
        // SAFETY: a buffer may be uninitialised.
        unsafe { Box::new_uninit().assume_init() }
    }
}

fn alloc(allocator: Allocator<'_>, len: usize, alignment: usize) -> Option<NonNull<u8>> {
    let alignment = Alignment::from_byte_units(alignment);
    // SAFETY: no length in these tests is zero.
    let memory = unsafe { allocator.raw_alloc(len, alignment, 0) }?;
    assert!(alignment.check(memory.addr().get()));
    // SAFETY: the first and the last byte of the block.
    unsafe {
        memory.write(1);
        memory.add(len - 1).write(2);
    }
    Some(memory)
}

type With = fn(Allocator<'_>, &mut dyn FnMut(Allocator<'_>));

fn arena(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    body(ArenaAllocator::init(child).allocator());
}

fn arena_over_arena(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    let below = ArenaAllocator::init(child);
    body(ArenaAllocator::init(below.allocator()).allocator());
}

fn shared_arena(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    // SAFETY: there is one thread.
    let child = unsafe { zigalloc::SyncAllocator::new_unchecked(child) };
    body(*SharedArenaAllocator::init(child).allocator());
}

/// AR-03: if one and a half times the need is refused, exactly the need is requested.
#[rstest]
#[case::arena(arena)]
#[case::arena_over_arena(arena_over_arena)]
#[case::shared_arena(shared_arena)]
fn block_that_fits_exactly_is_served(#[case] with: With) {
    let mut buffer = Buffer::<300_000>::new();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer.0);
    with(fixed_buffer.allocator(), &mut |allocator| {
        assert!(alloc(allocator, 250_000, 1).is_some());
        // The next one is placed beside it.
        assert!(alloc(allocator, 40_000, 8).is_some());
        assert!(alloc(allocator, 40_000, 8).is_none());
        assert!(alloc(allocator, 1000, 64).is_some());
    });
}

/// AR-03: the second attempt requests no more than the alignment can need: in a buffer of that length it succeeds at
/// every position; in one a byte shorter, it fails at the position that needs most padding.
#[rstest]
#[case::arena(arena, 2 * size_of::<usize>())]
#[case::shared_arena(shared_arena, 3 * size_of::<usize>())]
fn second_attempt_requests_exactly_the_need(
    #[case] with: With,
    #[case] header: usize,
    #[values(1, 8, 16, 64, 1024)] alignment: usize,
) {
    const LEN: usize = 1000;
    const WORD: usize = size_of::<usize>();
    let least = header + LEN + (alignment - alignment.min(WORD));
    let mut buffer = Buffer::<8192>::new();
    let mut served = |start: usize, len: usize| {
        let fixed_buffer = FixedBufferAllocator::init(&mut buffer.0[start..start + len]);
        let mut served = false;
        with(fixed_buffer.allocator(), &mut |allocator| {
            served = alloc(allocator, LEN, alignment).is_some();
            assert!(alloc(allocator, LEN, alignment).is_none());
        });
        served
    };
    // Every position, or a few in Miri.
    let starts = (0..2 * alignment).step_by(if cfg!(miri) { WORD.max(alignment / 4) } else { WORD });
    assert!(starts.clone().all(|start| served(start, least)));
    // Both arenas have even sizes here; the shared one always does.
    assert!(starts.clone().all(|start| !served(start, least - 2)));
}

/// AR-05: if both attempts are refused, nothing changes.
#[rstest]
#[case::arena(arena)]
#[case::arena_over_arena(arena_over_arena)]
fn refused_second_attempt_changes_nothing(#[case] with: With) {
    let mut buffer = Buffer::<10_000>::new();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer.0);
    with(fixed_buffer.allocator(), &mut |allocator| {
        let first = alloc(allocator, 10, 1).unwrap();
        assert!(alloc(allocator, 20_000, 1).is_none());
        let second = alloc(allocator, 10, 1).unwrap();
        assert_eq!(second.addr().get() - first.addr().get(), 10);
    });
}

/// If one and a half times the length overflows, the length itself is requested, up to the longest block.
#[test]
fn second_attempt_never_exceeds_the_longest_block() {
    let asked = |len: usize, alignment: usize| {
        let logging = LoggingAllocator::init(Allocator::FAILING, Requests(Vec::new()));
        let arena = ArenaAllocator::init(logging.allocator());
        assert!(alloc(arena.allocator(), len, alignment).is_none());
        drop(arena);
        logging.into_sink().0
    };
    const HALF: usize = isize::MAX as usize;
    const HEADER: usize = 2 * size_of::<usize>();
    assert_eq!(asked(1000, 1).len(), 2);
    let longest = HALF - HEADER;
    assert_eq!(asked(longest, 1).last(), Some(&HALF));
    assert!(asked(longest + 1, 1).iter().all(|len| *len > HALF), "not a second time");
    assert!(asked(1, 1 << (usize::BITS - 1)).iter().all(|len| *len > HALF), "not a second time");
    assert!(asked(usize::MAX, 1).is_empty());
}

/// A pool can grow by a single item.
#[test]
fn pool_creates_a_single_item_that_fits() {
    type Item = [u8; 250_000];
    let mut buffer = Buffer::<300_000>::new();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer.0);
    let pool = MemoryPool::<Item, _>::init(fixed_buffer.allocator());
    assert!(pool.create().is_ok());
    assert_eq!(pool.create(), Err(Error::OutOfMemory));
    drop(pool);
    let preheated = MemoryPoolExtra::<Item, 0, false, _>::init_preheated(fixed_buffer.allocator(), 1);
    assert!(preheated.expect("memory for one").create().is_ok());
}

/// The text's buffer grows to exactly what is needed if there is no memory for more.
#[test]
fn print_succeeds_if_the_text_fits() {
    let mut buffer = Buffer::<200>::new();
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer.0);
    let allocator = fixed_buffer.allocator();
    let text = "x".repeat(180);
    let printed = allocator.print(format_args!("{text}{}", 7)).expect("181 bytes of 200");
    // SAFETY: a text that has been written.
    assert_eq!(unsafe { printed.as_ref() }[179..], *b"x7");
    assert_eq!(fixed_buffer.end_index(), 181);
    // SAFETY: a live block, not used afterwards.
    unsafe { allocator.free(printed) };
    assert!(allocator.print(format_args!("{text}{text}")).is_err());
    assert_eq!(fixed_buffer.end_index(), 0);
}

/// Records the requested lengths, whatever the result.
struct Requests(Vec<usize>);

impl Sink for Requests {
    fn write(&mut self, call: &LoggedCall) -> std::fmt::Result {
        if let LoggedCall::Alloc { len, .. } = call {
            self.0.push(*len);
        }
        Ok(())
    }
}

/// MP-05: more items than addresses are refused by arithmetic; from 1 GiB on, a third of the missing bytes is
/// requested in one piece.
#[rstest]
#[case::all(usize::MAX, &[])]
#[case::twice_as_many_bytes_as_addresses(usize::MAX / 64 + 1, &[])]
#[cfg_attr(target_pointer_width = "64", case::all_addresses(usize::MAX / 64, &[usize::MAX / 64 * 64 / 3]))]
#[case::one_gibibyte((1 << 30) / 64, &[(1 << 30) / 3])]
#[case::less((1 << 30) / 64 - 1, &[(64 + 8 + 32) * 3 / 2, 64 + 16])]
#[cfg_attr(
    not(target_pointer_width = "64"),
    ignore = "the expected lengths are those of a system of 64 bits"
)]
fn impossible_preheat_is_refused_before_the_first_item(#[case] count: usize, #[case] asked: &[usize]) {
    let logging = LoggingAllocator::init(Allocator::FAILING, Requests(Vec::new()));
    let pool = MemoryPool::<[u64; 8], _>::init(logging.allocator());
    assert_eq!(pool.preheat(count), Err(Error::OutOfMemory));
    assert_eq!(pool.create(), Err(Error::OutOfMemory));
    drop(pool);
    let requests = logging.into_sink().0;
    let (preheat, create) = requests.split_at(requests.len() - 2);
    assert_eq!((preheat, create), (asked, &[156, 80][..]));
}

#[cfg(all(feature = "std", target_pointer_width = "64"))]
mod with_std {
    #[cfg(any(unix, windows))]
    use zigalloc::heap::{C_ALLOCATOR, RUST_ALLOCATOR};
    use zigalloc::heap::{PAGE_ALLOCATOR, SMP_ALLOCATOR};
    use zigalloc::trace::CountingAllocator;
    use zigalloc::{Handle, SyncAllocator};

    use super::*;

    /// MP-05: this also holds where the system hands out more memory than it has. No item is made.
    #[rstest]
    #[case::page(PAGE_ALLOCATOR)]
    #[cfg_attr(not(miri), case::smp(SMP_ALLOCATOR))]
    #[cfg_attr(all(any(unix, windows), not(miri)), case::c(C_ALLOCATOR))]
    #[cfg_attr(all(any(unix, windows), not(miri)), case::rust(RUST_ALLOCATOR))]
    fn preheat_beyond_all_memory_fails(#[case] child: SyncAllocator<'static>) {
        fn check<C: Handle, const GROWABLE: bool>(child: C, count: usize) {
            type Item = [u64; 4];
            let pool = MemoryPoolExtra::<Item, 0, GROWABLE, C>::init(child);
            assert_eq!(pool.preheat(count), Err(Error::OutOfMemory), "{count}");
            assert_eq!(pool.add_capacity(count), Err(Error::OutOfMemory), "{count}");
            assert!(
                MemoryPoolExtra::<Item, 0, GROWABLE, C>::init_preheated(child, count).is_err(),
                "{count}"
            );
            assert!(MemoryPoolExtra::<Item, 0, GROWABLE, C>::init_capacity(child, count).is_err(), "{count}");
            assert_eq!(pool.create().is_ok(), GROWABLE);
        }
        // The last has 2^50 bytes.
        for count in [usize::MAX, usize::MAX / 32 + 1, usize::MAX / 32, isize::MAX as usize / 32, 1 << 45] {
            let counting = CountingAllocator::init(child);
            check::<_, true>(counting.allocator(), count);
            check::<_, false>(counting.allocator(), count);
            assert!(counting.snapshot().total_bytes < 1000, "{}", counting.snapshot());
        }
    }

    /// MP-05: the advance request changes no address: in a new arena, in an enlarged newest node, or where there is
    /// room.
    #[test]
    #[cfg_attr(miri, ignore = "it needs too much memory for Miri")]
    #[cfg_attr(
        not(target_os = "linux"),
        ignore = "it maps 5 GiB, which this system may not give before they are touched"
    )]
    fn large_preheat_makes_the_items_of_small_ones() {
        const LEN: usize = 5 << 30;
        const MIB: usize = 1 << 20;
        type Item = [u8; 32 * MIB];
        // SAFETY: the length is not zero. A typed request would fill the memory.
        let memory = unsafe { PAGE_ALLOCATOR.raw_alloc(LEN, Alignment::_8, 0) };
        let Some(memory) = memory else { panic!("this system has no {LEN} bytes of addresses") };
        // Offsets of the items: some created singly, then `count` preheated in one call or in one call each.
        let offsets = |before: usize, count: usize, at_once: bool| {
            // SAFETY: the memory is used by nothing else; a buffer may be uninitialised.
            let buffer = unsafe { std::slice::from_raw_parts_mut(memory.cast().as_ptr(), LEN) };
            let fixed_buffer = FixedBufferAllocator::init(buffer);
            let pool = MemoryPoolExtra::<Item, 0, false, _>::init(fixed_buffer.allocator());
            pool.preheat(before).unwrap();
            if at_once {
                pool.preheat(count).unwrap();
            } else {
                (0..count).for_each(|_| pool.preheat(1).unwrap());
            }
            let items = std::iter::from_fn(|| pool.create().ok());
            let offsets: Vec<usize> =
                items.map(|item: NonNull<Item>| item.addr().get() - memory.addr().get()).collect();
            assert_eq!(offsets.len(), before + count);
            (offsets, fixed_buffer.end_index())
        };
        for (before, count) in [(0, 32), (1, 40), (33, 40), (0, 100)] {
            assert_eq!(offsets(before, count, true), offsets(before, count, false), "{before} and {count}");
        }
        // SAFETY: the block from above.
        unsafe { PAGE_ALLOCATOR.raw_free(NonNull::slice_from_raw_parts(memory, LEN), Alignment::_8, 0) };
    }
}
