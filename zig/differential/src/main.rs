//! This crate's side of `cargo xtask differential`: reads programs, runs them on this crate's allocators, and
//! prints the result of each step. `../differential.zig` is the other side; driver/src/program.rs defines
//! the format of programs.

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, Write as _};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use zigalloc::heap::{
    ArenaAllocator, BufferFirstAllocator, FixedBufferAllocator, MemoryPool, MemoryPoolAligned,
    MemoryPoolExtra, ResetMode, SafeOptions,
};
use zigalloc::{Alignment, SyncAllocator, ThreadSafeAllocator, VTable, state};
use zigalloc_support::Random;

/// Contains all memory; addresses are printed as offsets from its start. It has the same size and alignment as on the
/// other side.
const AREA_SIZE: usize = 1 << 26;
/// The same on both sides, since checksums depend on addresses.
const AREA_ADDRESS: usize = 1 << 40;

thread_local! {
    static OUTPUT: RefCell<String> = const { RefCell::new(String::new()) };
    /// Whether memory has been refused in this step. All further requests are then refused until the step ends, in
    /// place too: this crate's arenas retry for a smaller node, where Zig's fail.
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// Like `print!`, but the text is written after the program has ended.
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::OUTPUT.with_borrow_mut(|output| {
            std::fmt::Write::write_fmt(output, format_args!($($argument)*)).expect("a String takes any text")
        })
    };
}

mod once;
mod subject;

use once::Once;
use subject::{Arena, BufferFirst, Fixed, Locked, Pool, Safe, SharedArena, Subject};

/// The child of an arena: a bump allocator that prints its calls and sometimes refuses them.
struct Child {
    area: NonNull<u8>,
    end: Cell<usize>,
    /// The percentage of allocations that fail, and of resizes that succeed.
    fails: usize,
    grants: usize,
    /// The same generator as on the other side, which has it from its standard library.
    random: RefCell<Random>,
}

impl Child {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// The process has one thread, so the handle may have the type that a shared arena requires.
    fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: the functions keep the contract: blocks are disjoint parts of the area. Only one thread calls them.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    fn percent(&self) -> usize {
        self.random.borrow_mut().below(100)
    }

    fn offset(&self, memory: *mut u8) -> usize {
        memory.addr() - self.area.addr().get()
    }

    fn resizes(&self, name: char, memory: *mut u8, len: usize, alignment: Alignment, new_len: usize) -> bool {
        if REFUSED.get() {
            return false;
        }
        let granted = self.percent() < self.grants;
        let start = self.offset(memory);
        let is_last = start + len == self.end.get();
        let done = granted && is_last && new_len <= AREA_SIZE - start;
        if done {
            self.end.set(start + new_len);
        }
        say!(" {name} {start}+{len}:{}->{new_len}={}", alignment.log2(), u8::from(done));
        done
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // Print nothing and use no random number: Zig does not make this call. If it did, it would print it.
        if REFUSED.get() {
            return None;
        }
        let log2 = alignment.log2();
        let refused = this.percent() < this.fails;
        let start = alignment.forward(this.end.get());
        if refused || len > AREA_SIZE || start > AREA_SIZE - len {
            say!(" A {len}:{log2}=null");
            REFUSED.set(true);
            return None;
        }
        this.end.set(start + len);
        say!(" A {len}:{log2}={start}");
        // SAFETY: the block is inside the area.
        Some(unsafe { this.area.add(start) })
    }

    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        _: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        this.resizes('R', memory, memory_len, alignment, new_len)
    }

    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let done = this.resizes('M', memory, memory_len, alignment, new_len);
        if done { NonNull::new(memory) } else { None }
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        _: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let start = this.offset(memory);
        if start + memory_len == this.end.get() {
            this.end.set(start);
        }
        say!(" F {start}+{memory_len}:{}", alignment.log2());
    }
}

/// The words of a line.
struct Words<'l>(std::str::Split<'l, char>);

impl<'l> Words<'l> {
    fn of(line: &'l str) -> Words<'l> {
        Words(line.split(' '))
    }

    fn word(&mut self) -> &'l str {
        self.0.next().unwrap_or_default()
    }

    fn number(&mut self) -> usize {
        let word = self.word();
        word.parse().unwrap_or_else(|_| panic!("{word:?} is not a number"))
    }
}

/// The source of the programs.
type Lines<'i> = io::Lines<io::StdinLock<'i>>;

fn main() {
    let area = map_area();
    let mut lines = io::stdin().lock().lines();
    while let Some(line) = lines.next() {
        let line = line.expect("standard input can be read");
        let mut words = Words::of(&line);
        assert_eq!(words.word(), "program", "a program begins with its header");
        run_program(area, &mut words, &mut lines);
        let output = OUTPUT.take();
        io::stdout().write_all(output.as_bytes()).expect("standard output can be written");
    }
}

/// Maps the area at its address.
fn map_area() -> NonNull<u8> {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let address = std::ptr::without_provenance_mut(AREA_ADDRESS);
    // SAFETY: it maps new memory, and replaces none.
    let area = unsafe { libc::mmap(address, AREA_SIZE, access, flags | libc::MAP_FIXED_NOREPLACE, -1, 0) };
    assert_eq!(area.addr(), AREA_ADDRESS, "the area's address is taken");
    NonNull::new(area.cast()).expect("an address that is not 0")
}

/// Creates the subject that the header names, and runs the steps on it.
fn run_program(area: NonNull<u8>, header: &mut Words<'_>, lines: &mut Lines<'_>) {
    let name = header.word();
    let (start, len) = (header.number(), header.number());
    let (fails, grants, seed) = (header.number(), header.number(), header.number() as u64);
    let random = RefCell::new(Random::new(seed));
    // Only one subject has both a child and a buffer.
    let child_start = if name == "buffer_first" { start + len } else { start };
    let child = Child { area, end: Cell::new(child_start), fails, grants, random };
    assert!(start <= AREA_SIZE && len <= AREA_SIZE - start, "{start} + {len} is outside the area");
    // SAFETY: the buffer is inside the area. A subject uses either the child or the buffer, or the child starts
    // after the buffer.
    let buffer =
        unsafe { std::slice::from_raw_parts_mut(area.add(start).cast::<MaybeUninit<u8>>().as_ptr(), len) };
    let inner = ArenaAllocator::init(child.allocator());
    let steps = Steps { area, lines };
    if name == "buffer_first" {
        steps.run(BufferFirst(BufferFirstAllocator::init(buffer, child.allocator())));
        return say!("\n");
    }
    let mut fixed = FixedBufferAllocator::init(buffer);
    match name {
        "fixed" => steps.run(Fixed { fixed, shared: false }),
        "locked_fixed" => steps.run(Locked(Fixed { fixed, shared: false })),
        "shared_fixed" => steps.run(Fixed { fixed, shared: true }),
        "arena" => steps.run(Arena::over(child.allocator(), None)),
        "locked_arena" => steps.run(Locked(Arena::over(child.allocator(), None))),
        "arena_over_fixed" => {
            let once = Once(fixed.allocator());
            steps.run(Arena::over(once.allocator(), Some(&fixed)));
        }
        "arena_over_locked_fixed" => {
            let once = Once(fixed.allocator());
            // SAFETY: the buffer is otherwise used only to read its index, in this thread.
            let locked = unsafe { ThreadSafeAllocator::from_child(once.allocator().as_allocator()) };
            steps.run(Arena::over(locked.allocator(), Some(&fixed)));
        }
        "arena_over_arena" => {
            let once = Once(inner.allocator());
            steps.run(Arena::over(once.allocator(), None));
        }
        "shared_arena" => steps.run(SharedArena::over(child.allocator())),
        "safe" => {
            let options = SafeOptions { check_write_after_free: true, ..SafeOptions::DEFAULT };
            steps.run(Safe::over(*child.allocator(), options));
        }
        "safe_small" => {
            steps.run(Safe::over(
                *child.allocator(),
                SafeOptions {
                    check_write_after_free: false,
                    canary: 0x1234_5678,
                    bucket_size_log2: 8,
                    block_size_log2: 8,
                    ..SafeOptions::DEFAULT
                },
            ));
        }
        "shared_arena_over_shared_fixed" => {
            let once = Once(fixed.thread_safe_allocator().as_allocator());
            steps.run(SharedArena::over(once.allocator()));
        }
        "pool" => steps.run(Pool(MemoryPool::<u32, _>::init(child.allocator()))),
        "aligned_pool" => steps.run(Pool(MemoryPoolAligned::<[u8; 40], 64, _>::init(child.allocator()))),
        "preheated_pool" => {
            steps.run(Pool(MemoryPoolExtra::<[u8; 24], 0, false, _>::init(child.allocator())));
        }
        _ => panic!("unknown subject {name:?}"),
    }
    inner.deinit();
    say!("\n");
}

struct Slot {
    memory: NonNull<[u8]>,
    alignment: Alignment,
}

/// The steps of a program, up to its end.
struct Steps<'l, 'i> {
    area: NonNull<u8>,
    lines: &'l mut Lines<'i>,
}

impl Steps<'_, '_> {
    fn run(self, mut subject: impl Subject) {
        let mut slots: [Option<Slot>; 16] = [const { None }; 16];
        for line in self.lines.by_ref() {
            let line = line.expect("standard input can be read");
            let mut words = Words::of(&line);
            let step = words.word();
            REFUSED.set(false);
            match step {
                "alloc" => {
                    let slot = &mut slots[words.number()];
                    let len = words.number();
                    let alignment = alignment(words.number());
                    if slot.is_none() {
                        // SAFETY: the length is not zero.
                        let memory =
                            subject.with(|allocator| unsafe { allocator.raw_alloc(len, alignment, 0) });
                        say_place(self.area, memory);
                        *slot = memory.map(|memory| Slot { memory: slice(memory, len), alignment });
                        if let Some(slot) = slot {
                            subject.say_block(slot.memory);
                        }
                    }
                }
                "resize" => {
                    if let Some(Slot { memory, alignment }) = &mut slots[words.number()] {
                        let new_len = words.number();
                        // SAFETY: the slot is a live block, with matching length and alignment.
                        let done = subject.with(|allocator| unsafe {
                            allocator.raw_resize(*memory, *alignment, new_len, 0)
                        });
                        say!(" {done}");
                        if done {
                            *memory = slice(memory.cast(), new_len);
                        }
                        subject.say_block(*memory);
                    }
                }
                "remap" => {
                    if let Some(Slot { memory, alignment }) = &mut slots[words.number()] {
                        let new_len = words.number();
                        // SAFETY: as above.
                        let moved = subject.with(|allocator| unsafe {
                            allocator.raw_remap(*memory, *alignment, new_len, 0)
                        });
                        say_place(self.area, moved);
                        if let Some(moved) = moved {
                            *memory = slice(moved, new_len);
                        }
                        subject.say_block(*memory);
                    }
                }
                "free" => {
                    if let Some(Slot { memory, alignment }) = slots[words.number()].take() {
                        // SAFETY: as above, and the slot no longer contains it.
                        subject.with(|allocator| unsafe { allocator.raw_free(memory, alignment, 0) });
                    }
                }
                "reset" => {
                    let (mode, limit) = (words.number(), words.number());
                    slots = [const { None }; 16];
                    let done = subject.reset(match mode {
                        0 => ResetMode::FreeAll,
                        1 => ResetMode::RetainCapacity,
                        _ => ResetMode::RetainWithLimit(limit),
                    });
                    if let Some(done) = done {
                        say!(" {done}");
                    }
                }
                "owns" => {
                    if let Some(slot) = &slots[words.number()] {
                        subject.owns(slot.memory, words.number());
                    }
                }
                "promote" => subject.promote(),
                "preheat" => {
                    if let Some(done) = subject.preheat(words.number()) {
                        say!(" {done}");
                    }
                }
                "end" => break,
                _ => panic!("unknown step {step:?}"),
            }
            subject.say_state();
            say!("\n");
        }
        subject.say_end();
    }
}

fn say_place(area: NonNull<u8>, memory: Option<NonNull<u8>>) {
    match memory {
        Some(memory) => say!(" @{}", memory.addr().get() - area.addr().get()),
        None => say!(" null"),
    }
}

fn slice(memory: NonNull<u8>, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(memory, len)
}

fn alignment(log2: usize) -> Alignment {
    let log2 = u8::try_from(log2).expect("an alignment's logarithm is a byte");
    Alignment::from_log2(log2).expect("an alignment exists")
}
