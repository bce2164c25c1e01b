//! Allocators that watch what is asked of them.

#![allow(dead_code, unreachable_pub)]

use std::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;

use zigalloc::{Alignment, Allocator, AsAllocator, VTable, state};

/// One call of a vtable function, with its result. Lengths are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Alloc {
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
        result: Option<usize>,
    },
    Resize {
        address: usize,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
        result: bool,
    },
    Remap {
        address: usize,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
        result: Option<usize>,
    },
    Free {
        address: usize,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    },
}

impl Call {
    /// The return address that the function got.
    pub fn ret_addr(&self) -> usize {
        match *self {
            Call::Alloc { ret_addr, .. }
            | Call::Resize { ret_addr, .. }
            | Call::Remap { ret_addr, .. }
            | Call::Free { ret_addr, .. } => ret_addr,
        }
    }
}

/// Passes every call on to a child and writes it down.
pub struct Recorder<'c> {
    child_allocator: Allocator<'c>,
    calls: RefCell<Vec<Call>>,
    /// Answer every resize and remap with "no", without asking the child.
    pub refuse_resize: Cell<bool>,
    /// Answer every alloc with null, without asking the child.
    pub refuse_alloc: Cell<bool>,
}

impl<'c> Recorder<'c> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    pub fn new(child: impl Into<Allocator<'c>>) -> Recorder<'c> {
        Recorder {
            child_allocator: child.into(),
            calls: RefCell::default(),
            refuse_resize: Cell::new(false),
            refuse_alloc: Cell::new(false),
        }
    }

    pub fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions pass everything on, or refuse.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// The calls since the last `take`.
    pub fn take(&self) -> Vec<Call> {
        self.calls.take()
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let result = match this.refuse_alloc.get() {
            true => None,
            // SAFETY: the length is what our caller passed; the handles stay in one thread.
            false => unsafe { this.child_allocator.raw_alloc(len, alignment, ret_addr) },
        };
        let address = result.map(|memory| memory.addr().get());
        this.calls.borrow_mut().push(Call::Alloc { len, alignment, ret_addr, result: address });
        result
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let result = !this.refuse_resize.get()
            // SAFETY: a live block of the child, by our caller; one thread.
            && unsafe { this.child_allocator.raw_resize(block(memory, len), alignment, new_len, ret_addr) };
        let address = memory.addr();
        this.calls.borrow_mut().push(Call::Resize { address, len, alignment, new_len, ret_addr, result });
        result
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let address = memory.addr();
        let result = match this.refuse_resize.get() {
            true => None,
            // SAFETY: a live block of the child, by our caller; one thread.
            false => unsafe {
                this.child_allocator.raw_remap(block(memory, len), alignment, new_len, ret_addr)
            },
        };
        let moved = result.map(|memory| memory.addr().get());
        this.calls.borrow_mut().push(Call::Remap {
            address,
            len,
            alignment,
            new_len,
            ret_addr,
            result: moved,
        });
        result
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        this.calls.borrow_mut().push(Call::Free { address: memory.addr(), len, alignment, ret_addr });
        // SAFETY: a live block of the child, by our caller; one thread.
        unsafe { this.child_allocator.raw_free(block(memory, len), alignment, ret_addr) };
    }
}

// SAFETY: 1. as `allocator` says. 2. The type is not `Send`.
unsafe impl AsAllocator for Recorder<'_> {
    fn allocator(&self) -> Allocator<'_> {
        Recorder::allocator(self)
    }
}

/// A block from a function's arguments. Unlike [`zigalloc::block`], it notices a null.
pub fn block(memory: *mut u8, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(NonNull::new(memory).expect("a block is never null"), len)
}

/// Calls in one line, as tables of expected calls write them: `alloc 51 @0`, `alloc 51 null`,
/// `resize 51→134 (r)` if refused and `(R)` if granted, `free 51`. Offsets count from `base`.
pub fn text(calls: &[Call], base: usize) -> String {
    let text = calls.iter().map(|call| match *call {
        Call::Alloc { len, result: Some(address), .. } => format!("alloc {len} @{}", address - base),
        Call::Alloc { len, result: None, .. } => format!("alloc {len} null"),
        Call::Resize { len, new_len, result, .. } => {
            format!("resize {len}→{new_len} ({})", if result { 'R' } else { 'r' })
        }
        Call::Remap { len, new_len, result: Some(address), .. } => {
            format!("remap {len}→{new_len} @{}", address - base)
        }
        Call::Remap { len, new_len, result: None, .. } => format!("remap {len}→{new_len} null"),
        Call::Free { len, .. } => format!("free {len}"),
    });
    text.collect::<Vec<_>>().join(", ")
}

/// The boundary that a [`Bump`]'s memory begins at.
pub const BUMP_ALIGNMENT: usize = 1 << 16;

/// A child with memory of its own that gives no byte out twice.
///
/// It panics, and so aborts, if a block comes back with another address, length or alignment than
/// it has, or twice. Its memory is not initialised, so Miri sees who reads what nobody wrote.
pub struct Bump {
    base: NonNull<u8>,
    layout: Layout,
    end: Cell<usize>,
    /// Offset, length and alignment of each live block, oldest first.
    live: RefCell<Vec<(usize, usize, Alignment)>>,
    /// Resize the last block while there is room; otherwise refuse every resize.
    pub grants_growth: Cell<bool>,
    /// How many times it was asked for memory: `alloc`, `resize` and `remap` together.
    pub requests: Cell<usize>,
    /// The request that it refuses, counted from 0.
    pub refused_request: Cell<Option<usize>>,
    /// The first of the requests that it refuses all.
    pub refuses_from: Cell<usize>,
}

impl Bump {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// `len` bytes of memory, of which the first `start` are never used.
    pub fn new(start: usize, len: usize) -> Bump {
        let layout = Layout::from_size_align(len.max(1), BUMP_ALIGNMENT).unwrap();
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { std::alloc::alloc(layout) }).expect("no memory for the test");
        Bump {
            base,
            layout,
            end: Cell::new(start),
            live: RefCell::default(),
            grants_growth: Cell::new(false),
            requests: Cell::new(0),
            refused_request: Cell::new(None),
            refuses_from: Cell::new(usize::MAX),
        }
    }

    pub fn allocator(&self) -> Allocator<'_> {
        // SAFETY: blocks are disjoint parts of memory that lives as long as `self`.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// Where offsets count from.
    pub fn base(&self) -> usize {
        self.base.addr().get()
    }

    /// How many blocks are live.
    pub fn live(&self) -> usize {
        self.live.borrow().len()
    }

    fn refuses(&self) -> bool {
        let request = self.requests.replace(self.requests.get() + 1);
        self.refused_request.get() == Some(request) || request >= self.refuses_from.get()
    }

    /// The place of a live block in the list, which must have exactly this length and alignment.
    fn find(&self, memory: NonNull<[u8]>, alignment: Alignment) -> usize {
        let block = (memory.addr().get().wrapping_sub(self.base()), memory.len(), alignment);
        let live = self.live.borrow();
        live.iter().position(|other| *other == block).unwrap_or_else(|| {
            panic!("(offset, length, alignment) {block:?} is not a live block; live are {live:?}")
        })
    }

    fn set_len(&self, memory: NonNull<[u8]>, alignment: Alignment, new_len: usize) -> bool {
        assert!(new_len > 0, "a length of 0 reached an allocator");
        let index = self.find(memory, alignment);
        let (start, len, _) = self.live.borrow()[index];
        let room = self.layout.size() - start;
        let last = start + len == self.end.get();
        if self.refuses() || !self.grants_growth.get() || !last || new_len > room {
            return false;
        }
        self.end.set(start + new_len);
        self.live.borrow_mut()[index].1 = new_len;
        true
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        assert!(len > 0, "a length of 0 reached an allocator");
        if this.refuses() || !alignment.is_valid() {
            return None;
        }
        let start = alignment.forward_checked(this.base() + this.end.get())? - this.base();
        let end = start.checked_add(len).filter(|&end| end <= this.layout.size())?;
        this.end.set(end);
        this.live.borrow_mut().push((start, len, alignment));
        // SAFETY: `start` is below the size.
        Some(unsafe { this.base.add(start) })
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        unsafe { state::<Self>(ctx) }.set_len(block(memory, len), alignment, new_len)
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let memory = block(memory, len);
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        unsafe { state::<Self>(ctx) }.set_len(memory, alignment, new_len).then_some(memory.cast())
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let index = this.find(block(memory, len), alignment);
        this.live.borrow_mut().remove(index);
    }
}

impl Drop for Bump {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { std::alloc::dealloc(self.base.as_ptr(), self.layout) };
    }
}

// SAFETY: 1. as `allocator` says. 2. The type is not `Send`.
unsafe impl AsAllocator for Bump {
    fn allocator(&self) -> Allocator<'_> {
        Bump::allocator(self)
    }
}

/// How many seeds of `all` a test of random programs takes. Miri gets one: its programs are short, and take long.
pub fn seeds(all: u64) -> u64 {
    if cfg!(miri) { 1 } else { all }
}

/// Numbers that look random and are the same in every run (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number from `range`, its end included.
    pub fn at_most(&mut self, range: std::ops::RangeInclusive<usize>) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize;
        range.start() + number % (range.end() - range.start() + 1)
    }
}

/// A block that knows what its bytes should be.
pub struct Filled {
    pub memory: NonNull<[u8]>,
    pub alignment: Alignment,
    tag: u8,
}

impl Filled {
    /// Writes every byte of a new block.
    pub fn new(memory: NonNull<[u8]>, alignment: Alignment, tag: u8) -> Filled {
        assert!(alignment.check(memory.addr().get()), "{memory:?} is not aligned to {alignment:?}");
        let mut filled = Filled { memory, alignment, tag };
        filled.fill(0);
        filled
    }

    /// The bytes from `from` up to `to`, of which byte 0 is the tag, in pieces.
    fn content(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, &'static [u8])> {
        // Pieces are copied and compared as a whole, which Miri does as fast as any processor.
        static COUNTING: [u8; 512] = {
            let mut bytes = [0; 512];
            let mut n = 0;
            while n < bytes.len() {
                bytes[n] = n as u8;
                n += 1;
            }
            bytes
        };
        let tag = self.tag;
        (from..to).step_by(256).map(move |index| {
            let first = usize::from(tag.wrapping_add(index as u8));
            (index, &COUNTING[first..][..256.min(to - index)])
        })
    }

    fn fill(&mut self, from: usize) {
        for (index, bytes) in self.content(from, self.memory.len()) {
            // SAFETY: inside the block.
            unsafe {
                self.memory
                    .cast::<u8>()
                    .add(index)
                    .copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len())
            };
        }
    }

    /// Reads every byte of the block.
    pub fn check(&self) {
        for (index, bytes) in self.content(0, self.memory.len()) {
            // SAFETY: inside the block, and written by `fill`; nothing changes it meanwhile.
            let found = unsafe {
                std::slice::from_raw_parts(self.memory.cast::<u8>().add(index).as_ptr(), bytes.len())
            };
            assert_eq!(found, bytes, "bytes {index}… of {:?}", self.memory);
        }
    }

    /// The block after a resize: what was in it is still there, the rest is written.
    pub fn resized(&mut self, ptr: NonNull<u8>, new_len: usize) {
        let old_len = self.memory.len();
        self.memory = NonNull::slice_from_raw_parts(ptr, new_len.min(old_len));
        self.check();
        self.memory = NonNull::slice_from_raw_parts(ptr, new_len);
        self.fill(old_len.min(new_len));
    }
}

/// One random request after another: blocks are allocated, resized, remapped, freed, and always have
/// the bytes that were written to them, so no two of them overlap. Returns how many blocks there were.
pub fn run_random_program(allocator: Allocator<'_>, random: &mut Random, steps: usize) -> usize {
    let mut blocks: Vec<Filled> = Vec::new();
    let mut count = 0;
    for step in 0..steps {
        let len = random.at_most(1..=70);
        match (random.at_most(0..=9), blocks.is_empty()) {
            (0..=3, _) | (_, true) => {
                let alignment = Alignment::from_log2(random.at_most(0..=6) as u8).unwrap();
                // SAFETY: `len` is not zero.
                if let Some(ptr) = unsafe { allocator.raw_alloc(len, alignment, 0) } {
                    let memory = NonNull::slice_from_raw_parts(ptr, len);
                    blocks.push(Filled::new(memory, alignment, step as u8));
                    count += 1;
                }
            }
            (kind, false) => {
                // The last block is the interesting one.
                let index = match random.at_most(0..=1) {
                    0 => blocks.len() - 1,
                    _ => random.at_most(0..=blocks.len() - 1),
                };
                let Filled { memory, alignment, .. } = blocks[index];
                // SAFETY: a live block with matching length and alignment; `len` is not zero.
                let resized = unsafe {
                    match kind {
                        4..=5 => allocator.raw_resize(memory, alignment, len, 0).then_some(memory.cast()),
                        6..=7 => allocator.raw_remap(memory, alignment, len, 0),
                        _ => {
                            blocks[index].check();
                            allocator.raw_free(memory, alignment, 0);
                            blocks.remove(index);
                            continue;
                        }
                    }
                };
                if let Some(ptr) = resized {
                    blocks[index].resized(ptr, len);
                }
            }
        }
    }
    blocks.iter().for_each(Filled::check);
    count
}

/// Whether this program runs in an emulator whose name begins so.
pub fn in_emulator(name: &str) -> bool {
    std::env::var("ZIGALLOC_TEST_RUNNER").is_ok_and(|runner| runner.starts_with(name))
}

/// A command that runs this program. In an emulator for programs of another processor, it does so too.
pub fn this_program() -> std::process::Command {
    let program = std::env::current_exe().unwrap();
    let runner = std::env::var("ZIGALLOC_TEST_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(emulator) = words.next() else { return std::process::Command::new(program) };
    let mut command = std::process::Command::new(emulator);
    command.args(words).arg(program);
    command
}

/// Runs one test of this binary again in a process of its own, in which [`alone`] is `case`.
pub fn run_alone(test: &str, case: &str) -> std::process::Output {
    this_program().args(["--exact", test, "--nocapture"]).env("ZIGALLOC_TEST_CASE", case).output().unwrap()
}

/// The case that [`run_alone`] has started this process for.
pub fn alone() -> Option<String> {
    std::env::var("ZIGALLOC_TEST_CASE").ok()
}

/// Asserts that a process has aborted, not exited or been stopped, and said why.
#[track_caller]
pub fn assert_aborted(output: &std::process::Output, message: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(message), "{message:?} is not in:\n{stderr}");
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        const SIGABRT: i32 = 6;
        assert_eq!(output.status.signal(), Some(SIGABRT), "{}", output.status);
    }
    assert!(!output.status.success());
}

/// What every allocator owes for one alignment: blocks of many lengths that are aligned, distinct and
/// writable, and whose bytes stay when `remap` makes them longer and shorter. Returns how many of the
/// 13 × 6 calls of `remap` did.
pub(crate) fn keeps_contents(allocator: Allocator<'_>, alignment: Alignment) -> usize {
    /// Which bytes to look at: all of a short block, both ends and some of a long one.
    fn places(len: usize) -> impl Iterator<Item = usize> {
        let many = if cfg!(miri) { 3 } else { 500 };
        (0..len).step_by(1 + len / many).chain([len - 1])
    }
    unsafe fn fill(memory: NonNull<u8>, len: usize, seed: usize) {
        // SAFETY: the caller's block is so long.
        places(len).for_each(|n| unsafe { memory.add(n).write((n * 7 + seed) as u8) });
    }
    unsafe fn assert_filled(memory: NonNull<u8>, len: usize, kept: usize, seed: usize) {
        for n in places(len).filter(|n| *n < kept) {
            // SAFETY: `kept` bytes of the caller's block are left of those that `fill` has written.
            assert_eq!(unsafe { memory.add(n).read() }, (n * 7 + seed) as u8, "byte {n} of {len}");
        }
    }

    let lengths = [1, 2, 7, 8, 15, 16, 24, 100, 1000, 4095, 4096, 4097, 10_000];
    let blocks = lengths.map(|len| {
        // SAFETY: `len` is not zero, and a new block is `len` bytes.
        unsafe {
            let memory = allocator.raw_alloc(len, alignment, 0).expect("there is memory");
            assert!(
                alignment.check_ptr(memory.as_ptr()),
                "{memory:?} for {len} bytes aligned to {alignment}"
            );
            fill(memory, len, len);
            memory
        }
    });
    let mut remapped = 0;
    for (mut memory, seed) in blocks.into_iter().zip(lengths) {
        let mut len = seed;
        for new_len in [len + 1, 3 * len, if cfg!(miri) { 5 } else { 50 } * len, len, len.div_ceil(2), 1] {
            // SAFETY: a live block with matching length and alignment, which is followed when it moves.
            unsafe {
                let block = NonNull::slice_from_raw_parts(memory, len);
                let Some(new) = allocator.raw_remap(block, alignment, new_len, 0) else {
                    assert_filled(memory, len, len, seed);
                    continue;
                };
                assert!(
                    alignment.check_ptr(new.as_ptr()),
                    "{new:?} for {new_len} bytes aligned to {alignment}"
                );
                assert_filled(new, len, len.min(new_len), seed);
                (memory, len) = (new, new_len);
                fill(memory, len, seed);
                remapped += 1;
            }
        }
        // SAFETY: a live block with matching length and alignment.
        unsafe { allocator.raw_free(NonNull::slice_from_raw_parts(memory, len), alignment, 0) };
    }
    remapped
}

/// A logarithm that no word has, as a C program could pass it.
pub(crate) fn alignment_from_c(log2: u8) -> Alignment {
    // SAFETY: `Alignment` is a transparent byte for which every value is allowed.
    unsafe { std::mem::transmute(log2) }
}

/// A block on its way to another thread.
pub(crate) struct Sent(pub(crate) NonNull<[u8]>);
// SAFETY: whoever sends it does not keep it.
unsafe impl Send for Sent {}

impl Sent {
    pub(crate) fn received(self) -> NonNull<[u8]> {
        self.0
    }
}
