//! C's `malloc` family over an allocator.

use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use rstest::rstest;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use zigalloc::adapters::{Malloc, MallocError};
use zigalloc::heap::{FixedBufferAllocator, PAGE_ALLOCATOR, page_size};
use zigalloc::testing::{
    FailingAllocator, FailingConfig, LedgerAllocator, check_all_allocation_failures, test_allocator,
    test_allocator_aligned, test_allocator_aligned_shrink, test_allocator_large_alignment,
    test_allocator_strict,
};
use zigalloc::{Alignment, Allocator, Error, SyncAllocator, VTable, state};
use zigalloc_support::{Call, Random, Recorder, seeds};

assert_impl_all!(Malloc<SyncAllocator<'static>>: Send, Sync, Copy);
assert_not_impl_any!(Malloc<Allocator<'static>>: Send, Sync);

const NULL: *mut u8 = ptr::null_mut();

/// Calls the function over a recorder over a ledger, which must get all its blocks back, each with the right length and
/// alignment.
fn with_recorder(test: impl FnOnce(Malloc<Allocator<'_>>, &Recorder<'_>)) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let recorder = Recorder::new(ledger.allocator());
    test(Malloc::new(recorder.allocator()), &recorder);
    ledger.assert_no_leaks();
}

/// The lengths and alignments of the calls, without addresses: `alloc 116 16`.
fn requests(recorder: &Recorder<'_>) -> String {
    let line = |call: &Call| match *call {
        Call::Alloc { len, alignment, .. } => format!("alloc {len} {}", alignment.to_byte_units()),
        Call::Resize { len, new_len, .. } => format!("resize {len} {new_len}"),
        Call::Remap { len, new_len, alignment, .. } => {
            format!("remap {len} {new_len} {}", alignment.to_byte_units())
        }
        Call::Free { len, alignment, .. } => format!("free {len} {}", alignment.to_byte_units()),
    };
    recorder.take().iter().map(line).collect::<Vec<_>>().join(", ")
}

/// OT-06: the word before a block, as a program of Zig 0.17.1 prints its packed struct for a size of 100 bytes and an
/// alignment of 16.
#[test]
fn header_is_zigs() {
    with_recorder(|c, recorder| {
        let memory = c.malloc(100).unwrap();
        // SAFETY: the header of a live block.
        let header = unsafe { memory.cast::<u64>().sub(1).read() };
        assert_eq!(header, 0x8e40_0000_0000_1904);
        let Call::Alloc { result: Some(address), .. } = recorder.take()[0] else { panic!("no block") };
        assert_eq!(memory.addr().get(), address + 16);
        // SAFETY: a live block.
        assert_eq!(unsafe { c.child_block(memory) }.unwrap().0.addr().get(), address);
        // SAFETY: a live block, not used afterwards.
        unsafe { c.free(memory.as_ptr()) };

        let memory = c.aligned_alloc(256, 5).unwrap();
        // SAFETY: the header of a live block.
        let header = unsafe { memory.cast::<u64>().sub(1).read() };
        assert_eq!(header, 0x8e40_0000_0000_0000 | 5 << 6 | 8);
        // SAFETY: a live block, not used afterwards.
        unsafe { c.free(memory.as_ptr()) };
    });
}

/// OT-06: what each function asks of the child.
#[test]
fn calls_that_reach_the_child() {
    with_recorder(|c, recorder| {
        // SAFETY: live blocks, each freed once.
        unsafe {
            c.free(c.malloc(100).unwrap().as_ptr());
            assert_eq!(requests(recorder), "alloc 116 16, free 116 16");
            c.free(c.calloc(3, 7).unwrap().as_ptr());
            assert_eq!(requests(recorder), "alloc 37 16, free 37 16");
            // An alignment below the header's is the header's.
            c.free(c.aligned_alloc(1, 100).unwrap().as_ptr());
            assert_eq!(requests(recorder), "alloc 116 16, free 116 16");
            c.free(c.memalign(64, 100).unwrap().as_ptr());
            assert_eq!(requests(recorder), "alloc 164 64, free 164 64");
            c.free(c.posix_memalign(4096, 1).unwrap().as_ptr());
            assert_eq!(requests(recorder), "alloc 4097 4096, free 4097 4096");
            let page = page_size();
            c.free(c.valloc(1).unwrap().as_ptr());
            assert_eq!(requests(recorder), format!("alloc {0} {page}, free {0} {page}", page + 1));
            c.free(c.realloc(NULL, 10).unwrap().unwrap().as_ptr());
            assert_eq!(requests(recorder), "alloc 26 16, free 26 16");
            c.free(NULL);
            assert_eq!(c.malloc_usable_size(NULL), 0);
            c.free_sized(NULL, 7);
            c.free_aligned_sized(NULL, 3, 7);
            assert_eq!(c.realloc(NULL, 0), Ok(None));
            assert_eq!(requests(recorder), "", "null is no block");
        }
    });
}

/// OT-06: a size of 0 is a block, and 0 bytes from `realloc` free one.
#[test]
fn empty_blocks_are_distinct_and_freed() {
    with_recorder(|c, recorder| {
        let empty = [c.malloc(0), c.calloc(0, 8), c.calloc(8, 0)].map(Result::unwrap);
        let aligned = c.aligned_alloc(128, 0).unwrap();
        assert!(empty[0] != empty[1] && empty[1] != empty[2] && aligned.addr().get() % 128 == 0);
        assert_eq!(requests(recorder), "alloc 16 16, alloc 16 16, alloc 16 16, alloc 128 128");
        // SAFETY: live blocks, each used until it is freed.
        unsafe {
            assert_eq!(c.malloc_usable_size(empty[0].as_ptr()), 0);
            let grown = c.realloc(empty[0].as_ptr(), 40).unwrap().unwrap();
            assert_eq!(c.realloc(grown.as_ptr(), 0), Ok(None));
            c.free_sized(empty[1].as_ptr(), 0);
            assert_eq!(c.reallocarray(empty[2].as_ptr(), 0, usize::MAX), Ok(None));
            c.free_aligned_sized(aligned.as_ptr(), 128, 0);
        }
    });
}

/// OT-06: exactly what was requested, as `free_sized` needs it; nothing is rounded up.
#[test]
fn usable_size_is_the_requested_one() {
    with_recorder(|c, _| {
        for size in (0..70).chain([1000, 4096, 100_001]) {
            let memory = c.malloc(size).unwrap();
            assert_eq!(memory.addr().get() % 16, 0);
            // SAFETY: a live block until it is freed.
            unsafe {
                assert_eq!(c.malloc_usable_size(memory.as_ptr()), size);
                let longer = c.realloc(memory.as_ptr(), size + 3).unwrap().unwrap();
                assert_eq!(c.malloc_usable_size(longer.as_ptr()), size + 3);
                c.free_sized(longer.as_ptr(), size + 3);
            }
        }
    });
}

/// OT-06: `remap` comes first, then a new block, a copy and a free; the alignment stays.
#[rstest]
#[case(16)]
#[case(64)]
#[case(512)]
fn realloc_remaps_or_copies(#[case] alignment: usize, #[values(false, true)] refuses: bool) {
    with_recorder(|c, recorder| {
        recorder.refuse_resize.set(refuses);
        let mut memory = c.aligned_alloc(alignment, 30).unwrap();
        // SAFETY: 30 bytes of a new block.
        unsafe { memory.write_bytes(0xA5, 30) };
        recorder.take();
        let (old, longer, shorter) = (30 + alignment, 1000 + alignment, 20 + alignment);
        for (old, new, size) in [(old, longer, 1000), (longer, shorter, 20)] {
            // SAFETY: a live block, which is followed when it moves.
            memory = unsafe { c.realloc(memory.as_ptr(), size) }.unwrap().unwrap();
            assert_eq!(memory.addr().get() % alignment, 0);
            for n in 0..size.min(30) {
                // SAFETY: the bytes that were written, of which `realloc` keeps those that fit.
                assert_eq!(unsafe { memory.add(n).read() }, 0xA5);
            }
            // Pages refuse to move what is aligned to more than a page, and nothing here is.
            let expected = match refuses {
                true => {
                    format!("remap {old} {new} {alignment}, alloc {new} {alignment}, free {old} {alignment}")
                }
                false => format!("remap {old} {new} {alignment}"),
            };
            assert_eq!(requests(recorder), expected);
        }
        // SAFETY: a live block, not used afterwards.
        unsafe { c.free_aligned_sized(memory.as_ptr(), alignment, 20) };
    });
}

/// OT-06: in place at the end of a buffer, else a copy.
#[test]
fn realloc_grows_in_place_if_the_child_can() {
    let mut buffer = [MaybeUninit::uninit(); 2000];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let c = Malloc::new(fixed_buffer.allocator());
    let (first, last) = (c.malloc(10).unwrap(), c.malloc(10).unwrap());
    // SAFETY: live blocks, which are followed when they move.
    unsafe {
        assert_eq!(c.realloc(last.as_ptr(), 100), Ok(Some(last)));
        assert_ne!(c.realloc(first.as_ptr(), 100), Ok(Some(first)));
        assert_eq!(c.malloc_usable_size(last.as_ptr()), 100);
    }
}

/// OT-06: a failed `realloc` leaves the block as it was.
#[test]
fn realloc_without_memory_changes_nothing() {
    with_recorder(|c, recorder| {
        let memory = c.malloc(50).unwrap();
        // SAFETY: 50 bytes of a new block.
        unsafe { memory.write_bytes(0x3C, 50) };
        recorder.refuse_alloc.set(true);
        recorder.refuse_resize.set(true);
        // SAFETY: a live block; after each failure it is the same.
        unsafe {
            for size in [51, 49, usize::MAX >> 16, usize::MAX - 15, usize::MAX] {
                assert_eq!(c.realloc(memory.as_ptr(), size), Err(Error::OutOfMemory), "{size}");
            }
            assert_eq!(c.reallocarray(memory.as_ptr(), usize::MAX / 2, 3), Err(Error::OutOfMemory));
            assert_eq!(c.malloc_usable_size(memory.as_ptr()), 50);
            assert!((0..50).all(|n| memory.add(n).read() == 0x3C));
            c.free_sized(memory.as_ptr(), 50);
        }
    });
}

/// OT-06: sizes that overflow, with the header or as a product, or that the header cannot hold, reach no child.
#[test]
fn impossible_sizes_are_out_of_memory() {
    with_recorder(|c, recorder| {
        for size in [usize::MAX, usize::MAX - 1, usize::MAX - 15, usize::MAX - 16, usize::MAX / 2 + 1] {
            assert_eq!(c.malloc(size), Err(Error::OutOfMemory));
            assert_eq!(c.aligned_alloc(4096, size), Err(MallocError::OutOfMemory));
            assert_eq!(c.calloc(size, 2), Err(Error::OutOfMemory));
            assert_eq!(c.calloc(2, size), Err(Error::OutOfMemory));
            // SAFETY: null.
            assert_eq!(unsafe { c.realloc(NULL, size) }, Err(Error::OutOfMemory));
        }
        let top = 1 << (usize::BITS - 1);
        assert_eq!(c.aligned_alloc(top, top), Err(MallocError::OutOfMemory));
        if usize::BITS == 64 {
            assert_eq!(requests(recorder), "");
            // The longest size that the header holds.
            let size = usize::MAX >> 16;
            assert_eq!(c.malloc(size), Err(Error::OutOfMemory));
            assert_eq!(requests(recorder), format!("alloc {} 16", size + 16));
        }
        // The page allocator serves no such alignment.
        assert_eq!(c.aligned_alloc(top, 1), Err(MallocError::OutOfMemory));
    });
}

/// OT-06: Zig asserts that alignments are powers of two; here, as in POSIX, they are EINVAL.
#[test]
fn impossible_alignments_are_invalid() {
    with_recorder(|c, recorder| {
        for alignment in [0, 3, 24, 48, usize::MAX] {
            assert_eq!(c.aligned_alloc(alignment, 1), Err(MallocError::InvalidAlignment));
            assert_eq!(c.memalign(alignment, 1), Err(MallocError::InvalidAlignment));
            assert_eq!(c.posix_memalign(alignment, 1), Err(MallocError::InvalidAlignment));
        }
        for alignment in [1, 2, size_of::<usize>() / 2] {
            assert_eq!(c.posix_memalign(alignment, 1), Err(MallocError::InvalidAlignment));
        }
        assert_eq!(requests(recorder), "");
    });
}

/// OT-06: `calloc` writes the zeros itself.
#[test]
fn calloc_zeroes_reused_memory() {
    let mut buffer = [MaybeUninit::new(0xFF_u8); 200];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let memory = Malloc::new(fixed_buffer.allocator()).calloc(10, 10).unwrap();
    // SAFETY: 100 bytes, which `calloc` has initialised.
    assert!((0..100).all(|n| unsafe { memory.add(n).read() } == 0));
}

#[test]
#[should_panic = "Malloc::free_sized: the block has 10 bytes, aligned to 16; it is freed with 11, aligned to 16"]
fn free_sized_compares_the_size() {
    let mut buffer = [MaybeUninit::uninit(); 100];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let c = Malloc::new(fixed_buffer.allocator());
    // SAFETY: a live block.
    unsafe { c.free_sized(c.malloc(10).unwrap().as_ptr(), 11) };
}

#[rstest]
#[case(64, 10, 32)]
#[case(16, 10, 3)]
#[should_panic = "Malloc::free_aligned_sized: "]
fn free_aligned_sized_compares_the_alignment(
    #[case] alignment: usize,
    #[case] size: usize,
    #[case] freed: usize,
) {
    let mut buffer = [MaybeUninit::uninit(); 200];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let c = Malloc::new(fixed_buffer.allocator());
    // SAFETY: a live block.
    unsafe { c.free_aligned_sized(c.aligned_alloc(alignment, size).unwrap().as_ptr(), freed, size) };
}

#[derive(Clone, Copy)]
enum Function {
    Free,
    Realloc,
    UsableSize,
}

/// A pointer that is none of its blocks is found before the child gets it.
#[rstest]
#[case("Malloc::free: ", Function::Free)]
#[case("Malloc::realloc: ", Function::Realloc)]
#[case("Malloc::malloc_usable_size: ", Function::UsableSize)]
fn other_pointers_are_found_by_the_canary(
    #[case] begins: &str,
    #[case] function: Function,
    // Nothing; an alignment of 8; another canary.
    #[values(0, 0x8e40_0000_0000_1903, 0x8e80_0000_0000_1904, u64::MAX)] word: u64,
) {
    let mut words = [0, word, 0, 0];
    // Derived from the whole array, so that the word in front may be read.
    let memory = words.as_mut_ptr().wrapping_add(2).cast();
    let c = Malloc::new(Allocator::FAILING);
    // SAFETY: the word before the address is readable, and it is no header, which is noticed.
    let call = std::panic::AssertUnwindSafe(|| unsafe {
        match function {
            Function::Free => c.free(memory),
            Function::Realloc => _ = c.realloc(memory, 1),
            Function::UsableSize => _ = c.malloc_usable_size(memory),
        }
    });
    let panic = std::panic::catch_unwind(call).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.starts_with(begins) && message.contains("is not a block"), "{message}");
}

/// Blocks of many sizes with contents; returns the first failure after freeing everything.
fn program(c: Malloc<Allocator<'_>>) -> Result<(), Error> {
    let mut blocks: Vec<(NonNull<u8>, usize)> = Vec::new();
    let mut result = Ok(());
    for n in 1..6_usize {
        let made = match n % 3 {
            0 => c.calloc(n, 30),
            1 => c.malloc(n * 30),
            _ => c.aligned_alloc(32 << n, n * 30).map_err(|error| {
                assert_eq!(error, MallocError::OutOfMemory);
                Error::OutOfMemory
            }),
        };
        let Ok(memory) = made else {
            result = made.map(|_| ());
            break;
        };
        // SAFETY: a new block of this size.
        unsafe { memory.write_bytes(n as u8, n * 30) };
        blocks.push((memory, n * 30));
        let (old, size) = blocks[n / 2];
        // SAFETY: a live block, which is followed if it moves.
        match unsafe { c.realloc(old.as_ptr(), 2 * size) } {
            Ok(moved) => {
                let moved = moved.unwrap();
                // SAFETY: the first half is what was written.
                unsafe { moved.add(size).write_bytes(moved.read(), size) };
                blocks[n / 2] = (moved, 2 * size);
            }
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    for (n, &(memory, size)) in blocks.iter().enumerate() {
        // SAFETY: a live block of this size, whose bytes are all written, and which is freed once.
        unsafe {
            assert!((0..size).all(|at| memory.add(at).read() == n as u8 + 1), "block {n}");
            assert_eq!(c.malloc_usable_size(memory.as_ptr()), size);
            c.free(memory.as_ptr());
        }
    }
    result
}

/// OT-06: each call of the child fails once, and nothing is lost.
#[rstest]
#[case(0)]
#[case(usize::MAX)]
fn out_of_memory_at_each_call_loses_nothing(#[case] resize_fail_index: usize) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    check_all_allocation_failures(ledger.allocator(), |child| {
        let failing =
            FailingAllocator::init(child, FailingConfig { resize_fail_index, ..FailingConfig::default() });
        program(Malloc::new(failing.allocator()))
    })
    .unwrap();
    ledger.assert_no_leaks();
}

/// An allocator whose blocks are those of `Malloc`, so that the tests of allocators apply to it.
struct OnMalloc<'c>(Malloc<Allocator<'c>>);

impl OnMalloc<'_> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: zigalloc::no_resize, remap: Self::remap, free: Self::free };

    fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract because those of `Malloc` keep C's.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        if !alignment.is_valid() {
            return None;
        }
        this.0.aligned_alloc(alignment.to_byte_units(), len).ok()
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: a live block, by our caller.
        assert_eq!(unsafe { this.0.malloc_usable_size(memory) }, len);
        // SAFETY: a live block, whose old pointer is not used after a success, by our caller.
        let moved = unsafe { this.0.realloc(memory, new_len) }.ok()??;
        assert!(alignment.check_ptr(moved.as_ptr()));
        Some(moved)
    }

    unsafe extern "C" fn free(ctx: *mut (), memory: *mut u8, len: usize, alignment: Alignment, _: usize) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: a live block, not used afterwards, by our caller.
        unsafe { this.0.free_aligned_sized(memory, alignment.to_byte_units(), len) };
    }
}

/// OT-06: the blocks pass the conformance tests of allocators.
#[rstest]
#[case::basic(test_allocator)]
#[case::aligned(test_allocator_aligned)]
#[case::large_alignment(test_allocator_large_alignment)]
#[case::aligned_shrink(test_allocator_aligned_shrink)]
#[cfg_attr(miri, ignore = "the strict kit takes minutes under Miri; the program above has the same calls")]
#[case::strict(test_allocator_strict)]
fn blocks_conform(#[case] kit: fn(Allocator<'_>)) {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    kit(OnMalloc(Malloc::new(ledger.allocator())).allocator());
    ledger.assert_no_leaks();
}

/// OT-06: random calls of all functions, beside a model of the blocks and their bytes.
#[test]
fn random_programs_keep_every_byte() {
    for seed in 0..seeds(20) {
        let mut random = Random::new(seed);
        with_recorder(|c, recorder| {
            let mut blocks: Vec<(NonNull<u8>, Vec<u8>)> = Vec::new();
            for step in 0..if cfg!(miri) { 60 } else { 400 } {
                recorder.refuse_resize.set(random.chance(100));
                let size = random.below(300);
                // SAFETY: live blocks with the size that the model has, followed when they move.
                unsafe {
                    match random.below(6) {
                        0..=2 => {
                            let memory = match random.below(4) {
                                0 => c.malloc(size).unwrap(),
                                1 => {
                                    let memory = c.calloc(size, 1).unwrap();
                                    assert!((0..size).all(|n| memory.add(n).read() == 0));
                                    memory
                                }
                                2 => c.realloc(NULL, size + 1).unwrap().unwrap(),
                                _ => c.posix_memalign(8 << random.below(6), size).unwrap(),
                            };
                            memory.write_bytes(step as u8, size);
                            blocks.push((memory, vec![step as u8; size]));
                        }
                        3 | 4 if !blocks.is_empty() => {
                            let at = random.below(blocks.len());
                            let (memory, bytes) = &mut blocks[at];
                            let kept = bytes.len().min(size + 1);
                            *memory = c.realloc(memory.as_ptr(), size + 1).unwrap().unwrap();
                            assert!((0..kept).all(|n| memory.add(n).read() == bytes[n]));
                            memory.write_bytes(step as u8, size + 1);
                            *bytes = vec![step as u8; size + 1];
                        }
                        _ if !blocks.is_empty() => {
                            let at = random.below(blocks.len());
                            let (memory, bytes) = blocks.swap_remove(at);
                            assert!(bytes.iter().enumerate().all(|(n, &byte)| memory.add(n).read() == byte));
                            c.free(memory.as_ptr());
                        }
                        _ => {}
                    }
                }
            }
            for (memory, bytes) in blocks {
                // SAFETY: live blocks, each freed once.
                unsafe {
                    assert!(bytes.iter().enumerate().all(|(n, &byte)| memory.add(n).read() == byte));
                    c.free(memory.as_ptr());
                }
            }
        });
    }
}

/// The address of the call reaches the child, for its reports.
#[test]
fn call_sites_reach_the_child() {
    with_recorder(|c, recorder| {
        let here = zigalloc::return_address();
        let memory = c.malloc(1).unwrap();
        // SAFETY: a live block, not used afterwards.
        unsafe { c.free(memory.as_ptr()) };
        let sites: Vec<usize> = recorder.take().iter().map(Call::ret_addr).collect();
        assert!(
            here == 0 || (here < sites[0] && sites[0] < sites[1] && sites[1] - here < 4000),
            "{here} {sites:?}"
        );
    });
}

#[test]
fn debug_shows_the_child() {
    let text = format!("{:?}", Malloc::new(zigalloc::heap::PageAllocator));
    assert_eq!(text, "Malloc { child_allocator: PageAllocator }");
}
