//! `FixedBufferAllocator`, both flavours: every offset, boolean and null as in Zig 0.15.2.

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rstest::rstest;
use zigalloc::heap::FixedBufferAllocator;
use zigalloc::{Alignment, Allocator, Error, SlicePtr, testing};
use zigalloc_support::{
    Filled, Random, Recorder, Sent, alone, assert_aborted, run_alone, run_random_program, seeds, text,
};

/// 64 bytes at a multiple of 64.
#[repr(align(64))]
struct Aligned<const N: usize>([MaybeUninit<u8>; N]);

impl<const N: usize> Aligned<N> {
    fn new() -> Aligned<N> {
        Aligned([MaybeUninit::uninit(); N])
    }
}

/// The flavour of the handle. On a single thread, both behave the same.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flavour {
    Plain,
    ThreadSafe,
}
use Flavour::{Plain, ThreadSafe};

impl Flavour {
    fn of<'a>(self, fixed_buffer: &'a mut FixedBufferAllocator<'_>) -> Allocator<'a> {
        match self {
            Plain => fixed_buffer.allocator(),
            ThreadSafe => fixed_buffer.thread_safe_allocator().as_allocator(),
        }
    }
}

/// An allocator in one flavour over a buffer, with blocks as offsets.
struct Subject<'b> {
    fixed_buffer: FixedBufferAllocator<'b>,
    flavour: Flavour,
}

impl<'b> Subject<'b> {
    fn new(buffer: &'b mut [MaybeUninit<u8>], flavour: Flavour) -> Subject<'b> {
        Subject { fixed_buffer: FixedBufferAllocator::init(buffer), flavour }
    }

    fn allocator(&mut self) -> Allocator<'_> {
        self.flavour.of(&mut self.fixed_buffer)
    }

    /// Returns a live block, given its offset.
    fn block(&self, offset: usize, len: usize) -> NonNull<[u8]> {
        // SAFETY: the offsets in these tests are inside the buffer.
        let ptr = unsafe { self.fixed_buffer.buffer().cast::<u8>().add(offset) };
        NonNull::slice_from_raw_parts(ptr, len)
    }

    fn alloc(&mut self, len: usize, alignment: Alignment) -> Option<usize> {
        // SAFETY: no length in these tests is zero, unless the test explains why.
        let ptr = unsafe { self.allocator().raw_alloc(len, alignment, 0) }?;
        assert!(alignment.check(ptr.addr().get()), "{ptr:?} is not aligned to {alignment:?}");
        Some(ptr.addr().get() - self.fixed_buffer.buffer().addr().get())
    }

    fn resize(&mut self, (offset, len): (usize, usize), new_len: usize) -> bool {
        let memory = self.block(offset, len);
        // SAFETY: the tests pass live blocks.
        unsafe { self.allocator().raw_resize(memory, Alignment::_1, new_len, 0) }
    }

    fn remap(&mut self, (offset, len): (usize, usize), new_len: usize) -> bool {
        let memory = self.block(offset, len);
        // SAFETY: the tests pass live blocks.
        let remapped = unsafe { self.allocator().raw_remap(memory, Alignment::_1, new_len, 0) };
        assert!(remapped.is_none_or(|ptr| ptr == memory.cast()), "it cannot move a block");
        remapped.is_some()
    }

    fn free(&mut self, (offset, len): (usize, usize)) {
        let memory = self.block(offset, len);
        // SAFETY: the tests pass live blocks.
        unsafe { self.allocator().raw_free(memory, Alignment::_1, 0) }
    }

    fn end(&self) -> usize {
        self.fixed_buffer.end_index()
    }
}

// ---- recorded from Zig ----

/// FB-02, FB-03, FB-04, FB-05, FB-08: recorded from the plain flavour of 0.15.2 and both flavours of 0.17.1.
#[rstest]
fn results_match_zig(#[values(Plain, ThreadSafe)] flavour: Flavour) {
    let mut buffer = Aligned::<64>::new();
    let mut subject = Subject::new(&mut buffer.0, flavour);
    assert_eq!((subject.alloc(1, Alignment::_1), subject.end()), (Some(0), 1));
    assert_eq!((subject.alloc(4, Alignment::_4), subject.end()), (Some(4), 8));
    assert_eq!((subject.resize((4, 4), 6), subject.end()), (true, 10));
    assert_eq!((subject.resize((0, 1), 1), subject.end()), (true, 10));
    assert_eq!((subject.resize((0, 1), 2), subject.end()), (false, 10));
    subject.free((4, 6));
    assert_eq!(subject.end(), 4);
    subject.free((0, 1));
    assert_eq!(subject.end(), 4, "the padding after it was not freed");
    assert_eq!((subject.alloc(60, Alignment::_1), subject.end()), (Some(4), 64));
    assert_eq!((subject.alloc(1, Alignment::_1), subject.end()), (None, 64));
    assert_eq!((subject.resize((4, 60), 10), subject.end()), (true, 14));
    assert_eq!((subject.remap((4, 10), 61), subject.end()), (false, 14));
    assert_eq!((subject.resize((4, 10), 60), subject.end()), (true, 64));
}

// ---- Zig's own tests ----

/// FB-06: the counterpart of Zig's test "reset".
#[test]
fn reset() {
    let mut buffer = Aligned::<8>::new();
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer.0);
    let x = fixed_buffer.allocator().create_with(0xEEEE_EEEE_EEEE_EEEE_u64).unwrap();
    assert_eq!(fixed_buffer.allocator().create::<u64>().unwrap_err(), Error::OutOfMemory);
    fixed_buffer.reset();
    let y = fixed_buffer.allocator().create_with(u64::MAX).unwrap();
    // SAFETY: both are in the buffer's one word.
    unsafe {
        assert_eq!(x.read(), y.read());
        assert_eq!(y.read(), u64::MAX);
    }
}

/// FB-03, FB-04: the counterpart of Zig's test "reuse memory on realloc".
#[rstest]
fn reuse_memory_on_realloc(#[values(Plain, ThreadSafe)] flavour: Flavour) {
    let mut buffer = [MaybeUninit::uninit(); 10];
    // SAFETY: live blocks of the allocator, each used until it is reallocated.
    unsafe {
        let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
        let allocator = flavour.of(&mut fixed_buffer);
        let slice0 = allocator.alloc::<u8>(5).unwrap();
        let slice1 = allocator.realloc(slice0, 10).unwrap();
        assert_eq!((slice1.cast(), slice1.len()), (slice0.cast::<u8>(), 10));
        assert_eq!(allocator.realloc(slice1, 11).unwrap_err(), Error::OutOfMemory);
    }
    // SAFETY: as above.
    unsafe {
        let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
        let allocator = flavour.of(&mut fixed_buffer);
        let slice0 = allocator.dupe(&[1u8, 2]).unwrap();
        let slice1 = allocator.alloc::<u8>(2).unwrap();
        let slice2 = allocator.realloc(slice0, 4).unwrap();
        assert_ne!(slice2.cast::<u8>(), slice0.cast());
        assert_ne!(slice2.cast::<u8>(), slice1.cast());
        assert_eq!([slice2.cast::<u8>().read(), slice2.cast::<u8>().add(1).read()], [1, 2]);
    }
}

// ---- individual behaviours ----

/// FB-01: the end of the buffer is not part of it; an empty slice there is.
#[test]
fn owns_addresses_inside_only() {
    let mut array = [MaybeUninit::uninit(); 30];
    let ptr = NonNull::from(&mut array).cast::<u8>();
    let fixed_buffer = FixedBufferAllocator::init(&mut array[10..20]);
    for (offset, owned) in [(0, false), (9, false), (10, true), (19, true), (20, false), (29, false)] {
        assert_eq!(fixed_buffer.owns_ptr(ptr.as_ptr().wrapping_add(offset)), owned, "{offset}");
    }
    assert!(!fixed_buffer.owns_ptr(std::ptr::null()));

    let slices = [
        ((10, 10), true),
        ((10, 0), true),
        ((20, 0), true),
        ((15, 5), true),
        ((9, 5), false),
        ((9, 0), false),
        ((10, 11), false),
        ((15, 6), false),
        ((21, 0), false),
        ((10, usize::MAX), false),
        ((15, usize::MAX - 15), false),
    ];
    for ((offset, len), owned) in slices {
        // SAFETY: inside the array.
        let slice = NonNull::slice_from_raw_parts(unsafe { ptr.add(offset) }, len);
        assert_eq!(fixed_buffer.owns_slice(slice), owned, "{offset}, {len}");
    }
}

/// FB-01: an empty buffer owns no address.
#[test]
fn empty_buffer_owns_nothing() {
    let mut fixed_buffer = FixedBufferAllocator::init(&mut []);
    assert!(!fixed_buffer.owns_ptr(fixed_buffer.buffer().as_ptr().cast()));
    assert!(fixed_buffer.owns_slice(fixed_buffer.buffer()));
    assert!(fixed_buffer.is_last_allocation(fixed_buffer.buffer()));
    for flavour in [Plain, ThreadSafe] {
        assert!(flavour.of(&mut fixed_buffer).alloc::<u8>(1).is_err());
        assert!(flavour.of(&mut fixed_buffer).alloc::<u8>(0).is_ok());
    }
    fixed_buffer.reset();
    assert_eq!(fixed_buffer.end_index(), 0);
}

/// FB-02: the address is aligned, not the offset: every position of the buffer, every alignment up to a page.
#[rstest]
fn addresses_are_aligned_at_every_offset(#[values(Plain, ThreadSafe)] flavour: Flavour) {
    #[repr(align(4096))]
    struct Page([MaybeUninit<u8>; 2 * 4096 + 64]);
    let mut page = Box::new(Page([MaybeUninit::uninit(); 2 * 4096 + 64]));
    for place in (0..64).step_by(if cfg!(miri) { 9 } else { 1 }) {
        for log2 in 0..=12 {
            let alignment = Alignment::from_log2(log2).unwrap();
            let mut subject = Subject::new(&mut page.0[place..], flavour);
            let mut end = 0;
            for len in [3, 1, 5] {
                let offset = (place + end).next_multiple_of(1 << log2) - place;
                let fits = offset + len <= subject.fixed_buffer.buffer().len();
                assert_eq!(subject.alloc(len, alignment), fits.then_some(offset), "{place}, {alignment:?}");
                end = if fits { offset + len } else { end };
                assert_eq!(subject.end(), end);
            }
        }
    }
}

/// FB-02: the last byte of the buffer can be allocated, and no more, whatever the padding.
#[rstest]
fn last_byte_is_served(#[values(Plain, ThreadSafe)] flavour: Flavour) {
    let mut buffer = Aligned::<64>::new();
    for (first, alignment, room) in
        [(1, 1, 63), (1, 8, 56), (33, 16, 16), (60, 4, 4), (64, 1, 0), (49, 16, 0)]
    {
        let alignment = Alignment::from_byte_units(alignment);
        for len in 1..=65 {
            let mut subject = Subject::new(&mut buffer.0, flavour);
            subject.alloc(first, Alignment::_1).unwrap();
            assert_eq!(subject.alloc(len, alignment).is_some(), len <= room, "{first}, {len}:{alignment:?}");
            assert_eq!(subject.end(), if len <= room { 64 - room + len } else { first });
        }
    }
}

/// FB-02, FB-03, FB-04: lengths and alignments that overflow give null or false, in every state. Zig panics.
#[rstest]
fn overflowing_lengths_are_refused(
    #[values(Plain, ThreadSafe)] flavour: Flavour,
    #[values(isize::MAX as usize, isize::MAX as usize + 1, usize::MAX - 64, usize::MAX - 1, usize::MAX)]
    len: usize,
) {
    for log2 in [0, 3, usize::BITS as u8 - 2, usize::BITS as u8 - 1] {
        a_length_overflows(flavour, len, log2);
    }
}

fn a_length_overflows(flavour: Flavour, len: usize, log2: u8) {
    let mut buffer = Aligned::<64>::new();
    let mut subject = Subject::new(&mut buffer.0[1..], flavour);
    let alignment = Alignment::from_log2(log2).unwrap();
    for used in [0, 1, 10, 63] {
        subject.fixed_buffer.reset();
        if used > 0 {
            subject.alloc(used, Alignment::_1).unwrap();
            assert!(!subject.resize((0, used), len));
            assert!(!subject.remap((0, used), len));
        }
        assert_eq!(subject.alloc(len, alignment), None);
        assert_eq!(subject.end(), used);
    }
}

/// FB-02: a raw request of zero bytes gets an address, as in Zig. Clause non-zero forbids it; it is harmless.
#[rstest]
fn raw_request_of_zero_bytes_gets_a_pointer(#[values(Plain, ThreadSafe)] flavour: Flavour) {
    let mut buffer = Aligned::<64>::new();
    let mut subject = Subject::new(&mut buffer.0, flavour);
    assert_eq!(subject.alloc(0, Alignment::_1), Some(0));
    subject.alloc(64, Alignment::_1).unwrap();
    assert_eq!(subject.alloc(0, Alignment::_1), Some(64));
    assert_eq!(subject.alloc(0, Alignment::_64), Some(64));
}

/// An alignment out of range gives null.
#[rstest]
fn invalid_alignment_returns_null(#[values(Plain, ThreadSafe)] flavour: Flavour) {
    let mut buffer = Aligned::<64>::new();
    let mut subject = Subject::new(&mut buffer.0, flavour);
    for log2 in [usize::BITS as u8, usize::BITS as u8 + 1, 255] {
        // SAFETY: any byte is an `Alignment` as C passes it.
        let alignment = unsafe { std::mem::transmute::<u8, Alignment>(log2) };
        assert_eq!(subject.alloc(1, alignment), None, "{log2}");
    }
    assert_eq!(subject.end(), 0);
}

/// FB-03, FB-04: the possible lengths of the last block, and of other blocks.
#[rstest]
fn resize_and_remap_of_last_and_other_blocks(
    #[values(Plain, ThreadSafe)] flavour: Flavour,
    #[values(false, true)] remap: bool,
) {
    let change = |subject: &mut Subject<'_>, block, new_len| match remap {
        true => subject.remap(block, new_len),
        false => subject.resize(block, new_len),
    };
    let mut buffer = Aligned::<64>::new();
    for new_len in 1..=65 {
        let mut subject = Subject::new(&mut buffer.0, flavour);
        subject.alloc(10, Alignment::_1).unwrap();
        subject.alloc(20, Alignment::_1).unwrap();
        assert_eq!(change(&mut subject, (0, 10), new_len), new_len <= 10);
        assert_eq!(subject.end(), 30);
        let granted = new_len <= 54;
        assert_eq!(change(&mut subject, (10, 20), new_len), granted, "{new_len}");
        assert_eq!(subject.end(), if granted { 10 + new_len } else { 30 });
    }
}

/// TR-42, FB-05: only the last block gives its bytes back. After a padded block is freed, the block before it is no
/// longer recognised as the last.
#[rstest]
fn free_takes_back_the_last_block_only(#[values(Plain, ThreadSafe)] flavour: Flavour) {
    let mut buffer = Aligned::<64>::new();
    let mut subject = Subject::new(&mut buffer.0, flavour);
    subject.alloc(3, Alignment::_1).unwrap();
    subject.alloc(5, Alignment::_1).unwrap();
    subject.free((0, 3));
    assert_eq!(subject.end(), 8, "not the last one");
    subject.free((3, 5));
    assert_eq!(subject.end(), 3);

    assert_eq!(subject.alloc(1, Alignment::_8), Some(8));
    assert!(subject.fixed_buffer.is_last_allocation(subject.block(8, 1)));
    subject.free((8, 1));
    assert_eq!(subject.end(), 8);
    assert!(!subject.fixed_buffer.is_last_allocation(subject.block(0, 3)));
}

/// FB-03, FB-05: with debug assertions, a foreign block aborts, and the message identifies it.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "only builds with debug assertions check this")]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn foreign_block_aborts() {
    let mut buffer = Aligned::<64>::new();
    let mut subject = Subject::new(&mut buffer.0[..32], Plain);
    match alone().as_deref() {
        Some("resize") => _ = subject.resize((32, 8), 4),
        Some("remap") => _ = subject.remap((30, 8), 4),
        Some("free") => subject.free((40, 8)),
        _ => {
            for case in ["resize", "remap", "free"] {
                let output = run_alone("heap::fixed_buffer::foreign_block_aborts", case);
                assert_aborted(&output, "is not from this buffer");
            }
        }
    }
}

/// FB-08: the thread-safe flavour does not check where a block is from, and ignores a foreign one.
#[test]
fn thread_safe_flavour_ignores_foreign_blocks() {
    let mut buffer = Aligned::<64>::new();
    let mut subject = Subject::new(&mut buffer.0[..32], ThreadSafe);
    subject.alloc(10, Alignment::_1).unwrap();
    assert!(!subject.resize((40, 8), 9));
    subject.free((40, 8));
    assert_eq!(subject.end(), 10);
}

/// The return address is not used.
#[rstest]
fn return_address_is_ignored(#[values(Plain, ThreadSafe)] flavour: Flavour) {
    let mut buffer = Aligned::<64>::new();
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer.0);
    let allocator = flavour.of(&mut fixed_buffer);
    for ret_addr in [0, 1, usize::MAX] {
        // SAFETY: a live block, and no length is zero.
        unsafe {
            let memory = allocator.raw_alloc(8, Alignment::_8, ret_addr).unwrap();
            let memory = NonNull::slice_from_raw_parts(memory, 8);
            assert!(allocator.raw_resize(memory, Alignment::_8, 16, ret_addr));
            allocator.raw_free(memory.with_len(16), Alignment::_8, ret_addr);
        }
    }
    assert_eq!(fixed_buffer.end_index(), 0);
}

/// Buffers of 0 to 3 words at every position: no byte outside is written, and none is wasted.
#[rstest]
fn tiny_buffers_are_not_overrun(#[values(Plain, ThreadSafe)] flavour: Flavour) {
    const WORD: usize = size_of::<usize>();
    let mut array = Aligned::<64>::new();
    const STEP: usize = if cfg!(miri) { 5 } else { 1 };
    for place in (0..2 * WORD).step_by(STEP) {
        for len in (0..=3 * WORD).step_by(STEP) {
            let mut fixed_buffer = FixedBufferAllocator::init(&mut array.0[place..place + len]);
            let allocator = flavour.of(&mut fixed_buffer);
            let mut count = 0;
            while let Ok(word) = allocator.create_with(usize::MAX) {
                // SAFETY: a word of the buffer.
                assert_eq!(unsafe { word.read() }, usize::MAX);
                count += 1;
            }
            let first = place.next_multiple_of(WORD);
            assert_eq!(count, (place + len).saturating_sub(first) / WORD, "{place}, {len}");
            let mut bytes = 0;
            while allocator.create_with(1u8).is_ok() {
                bytes += 1;
            }
            assert!(bytes < 2 * WORD);
            assert_eq!(fixed_buffer.end_index(), len);
        }
    }
}

/// Lengths of zero never reach the allocator, in any state.
#[rstest]
fn zero_lengths_do_not_reach_the_allocator(
    #[values(Plain, ThreadSafe)] flavour: Flavour,
    #[values("fresh", "in use", "full", "reset")] state: &str,
) {
    let mut buffer = Aligned::<64>::new();
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer.0);
    let used = match state {
        "in use" => 5,
        "full" => 64,
        _ => 0,
    };
    flavour.of(&mut fixed_buffer).alloc::<u8>(used).unwrap();
    if state == "reset" {
        flavour.of(&mut fixed_buffer).alloc::<u8>(30).unwrap();
        fixed_buffer.reset();
    }
    let recorder = Recorder::new(flavour.of(&mut fixed_buffer));
    let allocator = recorder.allocator();
    let bytes = allocator.alloc::<u8>(0).unwrap();
    let words = allocator.alloc::<u64>(0).unwrap();
    let pages = allocator.aligned_alloc::<u8, 4096>(0).unwrap();
    assert!(Alignment::of::<u64>().check(words.addr().get()) && pages.as_ptr().addr() % 4096 == 0);
    // SAFETY: blocks of this allocator; empty ones can be freed any number of times.
    unsafe {
        assert!(!allocator.resize(bytes, 1));
        assert!(allocator.resize(bytes, 0));
        assert!(allocator.remap(words, 1).is_none());
        assert_eq!(allocator.realloc(words, 0).unwrap().len(), 0);
        allocator.free(bytes);
        allocator.free(words);
        allocator.free(pages);
    }
    assert_eq!(text(&recorder.take(), 0), "");
    drop(recorder);
    assert_eq!(fixed_buffer.end_index(), used);
}

/// FB-02, FB-03, FB-05: random requests: no two blocks overlap.
#[rstest]
fn random_programs_do_not_overlap(#[values(Plain, ThreadSafe)] flavour: Flavour) {
    (1..=seeds(3)).for_each(|seed| a_random_program(flavour, seed));
}

fn a_random_program(flavour: Flavour, seed: u64) {
    let mut buffer = vec![MaybeUninit::uninit(); 4000];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer[seed as usize..]);
    let mut random = Random::new(seed);
    let (rounds, steps) = if cfg!(miri) { (3, 60) } else { (20, 500) };
    let mut count = 0;
    for _ in 0..rounds {
        count += run_random_program(flavour.of(&mut fixed_buffer), &mut random, steps);
        fixed_buffer.reset();
    }
    assert!(count > rounds * steps / 20);
}

// ---- threads ----

/// FB-07, FB-08: threads that allocate at the same time get disjoint blocks, which together fill the buffer.
#[rstest]
fn threads_share_the_buffer_many_seeds(#[values(2, 8)] threads: usize) {
    const BLOCKS: usize = if cfg!(miri) { 6 } else { 2000 };
    let mut buffer = vec![MaybeUninit::uninit(); threads * BLOCKS * 5];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let allocator = fixed_buffer.thread_safe_allocator();
    thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let blocks: Vec<_> = (0..BLOCKS)
                    .map(|_| allocator.alloc::<u8>(5).unwrap())
                    // SAFETY: new blocks, which are not freed.
                    .map(|memory| unsafe { Filled::new(memory, Alignment::_1, thread as u8) })
                    .collect();
                blocks.iter().for_each(Filled::check);
            });
        }
    });
    assert_eq!(fixed_buffer.end_index(), threads * BLOCKS * 5);
}

/// TR-41, FB-08: threads allocate, resize and free: bytes that one thread gives back and another gets are never used by
/// both at once. Without the acquire or the release, Miri reports a race here.
#[rstest]
fn threads_reuse_bytes_many_seeds(#[values(2, 8)] threads: usize) {
    let steps = if cfg!(miri) { 12 } else { 3000 };
    let mut buffer = [MaybeUninit::uninit(); 200];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let allocator = fixed_buffer.thread_safe_allocator();
    let served = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..threads {
            let served = &served;
            scope.spawn(move || {
                for step in 0..steps {
                    let Ok(memory) = allocator.alloc::<u8>(4) else { continue };
                    served.fetch_add(1, Ordering::Relaxed);
                    // SAFETY: a new block, which is freed at the end.
                    let mut block = unsafe { Filled::new(memory, Alignment::_1, (thread * 16) as u8) };
                    for new_len in [8, 2] {
                        // SAFETY: a live block with matching length.
                        if unsafe { allocator.resize(block.memory(), new_len) } {
                            // SAFETY: it has this length now.
                            unsafe { block.resized(block.memory().cast(), new_len) };
                        }
                    }
                    block.check();
                    if step % 4 != 3 {
                        // SAFETY: a live block with its current length, not used afterwards.
                        unsafe { allocator.free(block.memory()) };
                    }
                }
            });
        }
    });
    assert!(served.into_inner() > 0);
    assert!(fixed_buffer.end_index() <= 200);
}

/// As large as the buffer in Zig's tests.
fn conformance_buffer() -> Box<[MaybeUninit<u8>]> {
    Box::new_uninit_slice(800_000 * size_of::<u64>())
}

fn test_all(allocator: Allocator<'_>) {
    testing::test_allocator(allocator);
    testing::test_allocator_aligned(allocator);
    testing::test_allocator_large_alignment(allocator);
    testing::test_allocator_aligned_shrink(allocator);
}

/// FB-02, FB-03, FB-05, T1, T2, T3, T4: the conformance functions, under a wrapper that checks more.
#[test]
fn fixed_buffer_allocator() {
    let mut buffer = conformance_buffer();
    let validated = testing::validation_wrap(FixedBufferAllocator::init(&mut buffer));
    test_all(validated.allocator());
}

/// FB-08, T1, T2, T3, T4: the conformance functions, through the thread-safe flavour.
#[test]
fn thread_safe_version() {
    let mut buffer = conformance_buffer();
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    test_all(*fixed_buffer.thread_safe_allocator());
}

/// FB-08: one thread's last use of freed bytes happens-before another thread's use of them.
///
/// The threads take turns by a flag with relaxed ordering, so only the allocator orders the two uses. If it did not,
/// Miri would report a race, whatever the seed.
#[rstest]
#[case::free_then_alloc(4, None, false)]
#[case::free_then_grow(4, None, true)]
#[case::shrink_then_alloc(8, Some(4), false)]
fn freed_bytes_change_threads_many_seeds(
    #[case] len: usize,
    #[case] shrunk: Option<usize>,
    #[case] takes_by_growing: bool,
) {
    let mut buffer = [MaybeUninit::uninit(); 12];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let allocator = fixed_buffer.thread_safe_allocator();
    let has_given = AtomicBool::new(false);
    thread::scope(|scope| {
        let grown = takes_by_growing.then(|| Sent(allocator.alloc::<u8>(4).unwrap()));
        scope.spawn(|| {
            // SAFETY: a new block, which is freed or made shorter after the last look at it.
            let block = unsafe { Filled::new(allocator.alloc::<u8>(len).unwrap(), Alignment::_1, 1) };
            block.check();
            match shrunk {
                // SAFETY: a live block with matching length.
                Some(len) => assert!(unsafe { allocator.resize(block.memory(), len) }),
                // SAFETY: a live block with matching length, not used afterwards.
                None => unsafe { allocator.free(block.memory()) },
            }
            has_given.store(true, Ordering::Relaxed);
        });
        let has_given = &has_given;
        scope.spawn(move || {
            while !has_given.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            // Use the whole value, since a closure would capture the pointer alone.
            let grown = grown;
            let memory = match grown {
                None => allocator.alloc::<u8>(4).unwrap(),
                Some(Sent(memory)) => {
                    // SAFETY: a live block with matching length.
                    while !unsafe { allocator.resize(memory, 8) } {
                        thread::yield_now();
                    }
                    memory.with_len(8)
                }
            };
            // SAFETY: a live block, which is this thread's.
            unsafe { Filled::new(memory, Alignment::_1, 2) }.check();
        });
    });
}
