//! This crate's side of `cargo xtask differential --containers`: runs random programs on this crate's containers and
//! prints what each step did. `../../../containers.zig` is the other side, step for step. Arguments: the first seed, and
//! how many.

mod lists;
mod maps;

use std::fmt::Write as _;
use std::mem::MaybeUninit;

use zigalloc::collections::{AutoContext, StringContext};
use zigalloc::heap::FixedBufferAllocator;
use zigalloc::testing::{FailingAllocator, FailingConfig};
use zigalloc::{Allocator, Error};
use zigalloc_support::Random;

use lists::{list, multi, queue};
use maps::{array_map, hash_map};

/// A result that is an error is the greatest number.
const OOM: usize = usize::MAX;

fn or_oom<T, E>(result: Result<T, E>) -> usize {
    result.map_or(OOM, |_| 0)
}

/// What the program has printed.
struct Output(String);

impl Output {
    fn say(&mut self, name: &str, result: usize) {
        self.put(format_args!("{name} {result}"));
    }

    fn put(&mut self, args: std::fmt::Arguments<'_>) {
        self.0.write_fmt(args).expect("a String takes any text");
    }
}

struct Memory<'m> {
    failing: &'m FailingAllocator<Allocator<'m>>,
    random: Random,
    refuses: bool,
    out: Output,
}

impl Memory<'_> {
    /// Now and then the next allocation will fail, or the one after it.
    fn maybe_fail(&mut self) {
        let fail_index = match self.random.below(4) {
            0 => self.failing.alloc_index() + self.random.below(2),
            _ => OOM,
        };
        self.failing.set_fail_index(fail_index);
    }

    fn end(&mut self) {
        self.failing.set_fail_index(OOM);
        let failing = self.failing;
        self.out.put(format_args!(
            " | {} {} {}\n",
            failing.alloc_index(),
            failing.allocated_bytes(),
            failing.freed_bytes()
        ));
    }
}

trait Number: Copy + std::fmt::Display {
    fn from(number: usize) -> Self;
    fn to(self) -> usize;
}

macro_rules! numbers {
    ($($type:ty),*) => {
        $(impl Number for $type {
            fn from(number: usize) -> $type {
                number as $type
            }
            fn to(self) -> usize {
                self as usize
            }
        })*
    };
}
numbers!(u8, u32, u64, u128);

#[repr(align(64))]
struct Area([MaybeUninit<u8>; 1 << 20]);

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().expect("a number"));
    let (first, count) = (args.next().unwrap_or(0), args.next().unwrap_or(1));
    let steps = 80;
    let mut area: Box<Area> = Box::new(Area([MaybeUninit::uninit(); 1 << 20]));
    for seed in first..first + count {
        let fixed = FixedBufferAllocator::init(&mut area.0);
        let mut random = Random::new(seed);
        let refuses = random.below(2) == 0;
        let config =
            FailingConfig { resize_fail_index: if refuses { 0 } else { OOM }, ..FailingConfig::default() };
        let failing = FailingAllocator::init(fixed.allocator(), config);
        let mut memory = Memory { failing: &failing, random, refuses, out: Output(String::new()) };
        match seed % 11 {
            0 => list::<u8>(&mut memory, steps),
            1 => list::<u32>(&mut memory, steps),
            2 => list::<u64>(&mut memory, steps),
            3 => list::<u128>(&mut memory, steps),
            4 | 5 => queue(&mut memory, steps),
            6 => multi(&mut memory, steps),
            7 => hash_map::<u32, AutoContext>(&mut memory, steps)?,
            8 => hash_map::<&[u8], StringContext>(&mut memory, steps)?,
            9 => array_map::<u32, AutoContext>(&mut memory, steps)?,
            10 => array_map::<&[u8], StringContext>(&mut memory, steps)?,
            _ => unreachable!(),
        }
        print!("program {seed}\n{}", memory.out.0);
    }
    Ok(())
}
