//! Misuse of a debug allocator: each error is reported correctly, and nothing else is.

use std::ptr::NonNull;

use zigalloc::heap::DebugAllocator;
use zigalloc::heap::debug::ReportKind;
use zigalloc::{Alignment, Allocator};

use crate::node::Node;
use crate::program::{Misuse, Via};
use crate::reports::{self, Told};
use crate::shadow::Block;
use crate::table::Handle;
use crate::world::{World, real};

/// The byte that fills the rest of a small block's slot.
const SLACK: u8 = 0xFD;

/// Memory that is never a block.
static FOREIGN: [u64; 64] = [0; 64];

impl World {
    pub(crate) fn debug(&self, level: usize) -> Option<&'static DebugAllocator<Handle>> {
        match &self.levels[level].node {
            Some(Node::Debug(debug)) => Some(debug.get()),
            _ => None,
        }
    }

    /// Misuses the debug allocator of a level.
    pub(crate) fn misuse(&mut self, level: usize, block: u8, kind: Misuse, via: Via, n: u8) {
        let Some(debug) = self.debug(level) else { return };
        let config = *debug.config();
        let allocator = real(&self.levels[level]);
        let own: Vec<usize> = (0..self.blocks.len()).filter(|&i| self.blocks[i].level == level).collect();
        let n = usize::from(n);
        if kind == Misuse::Foreign {
            let memory = NonNull::from(&FOREIGN).cast::<u8>();
            let memory = NonNull::slice_from_raw_parts(memory, 1 + n);
            pass(allocator, via, memory, Alignment::_8);
            return self.expect(kind, memory.addr().get(), &[ReportKind::InvalidFree], |_| true);
        }
        if kind == Misuse::Stale {
            return self.stale(level, block, via);
        }
        let Some(&index) = own.get(usize::from(block) % own.len().max(1)) else { return };
        let block = self.blocks[index];
        let address = block.memory.addr().get();
        match kind {
            Misuse::FreeTwice => {
                self.free(index);
                if self.log.has_failed() {
                    return;
                }
                pass(allocator, via, block.slice(), block.alignment);
                self.expect(kind, address, &[ReportKind::DoubleFree], |_| true);
            }
            Misuse::Inside if block.len > 1 => {
                let skip = 1 + n % (block.len - 1);
                // SAFETY: inside the block.
                let memory = unsafe { block.memory.add(skip) };
                let memory = NonNull::slice_from_raw_parts(memory, block.len - skip);
                pass(allocator, via, memory, block.alignment);
                let is_small = |told: &Told| told.inside.is_none_or(|inside| inside == address);
                self.expect(kind, address + skip, &[ReportKind::InvalidFree], is_small);
            }
            Misuse::WrongLength if config.safety => {
                let wrong = if n % 2 == 0 { block.len + 1 + n } else { block.len.saturating_sub(n).max(1) };
                if wrong == block.len {
                    return;
                }
                self.forget(index);
                // This frees the block, with its recorded length.
                pass(
                    allocator,
                    Via::Free,
                    NonNull::slice_from_raw_parts(block.memory, wrong),
                    block.alignment,
                );
                let is_known = |told: &Told| told.recorded_len == Some(block.len);
                self.expect(kind, address, &[ReportKind::WrongLength], is_known);
            }
            Misuse::WrongAlignment if config.safety => {
                let log2 = (block.alignment.log2() + 1 + n as u8 % 5) % 12;
                let Ok(wrong) = Alignment::from_log2(log2) else { return };
                if wrong == block.alignment {
                    return;
                }
                self.forget(index);
                pass(allocator, Via::Free, block.slice(), wrong);
                self.expect(kind, address, &[ReportKind::WrongAlignment], |_| true);
            }
            Misuse::Overrun if config.safety => {
                let slot = block.len.max(block.alignment.to_byte_units()).next_power_of_two();
                // Blocks up to a quarter of a page are small if two fit, with their metadata.
                if slot > config.page_size / 8 || slot == block.len {
                    return;
                }
                let offset = block.len + n % (slot - block.len);
                // SAFETY: in the block's slot, which nothing else uses. (It is an error all the same.)
                unsafe { block.memory.add(offset).write(!SLACK) };
                self.check_block(&block, block.len);
                self.forget(index);
                pass(allocator, Via::Free, block.slice(), block.alignment);
                let is_there = |told: &Told| told.overrun == Some(offset);
                self.expect(kind, address, &[ReportKind::Overrun], is_there);
            }
            _ => {}
        }
    }

    /// Frees or resizes a block that was freed earlier. If its address is in use again, this is not an error.
    fn stale(&mut self, level: usize, block: u8, via: Via) {
        let Some(config) = self.debug(level).map(|debug| *debug.config()) else { return };
        let freed = &self.levels[level].freed;
        let Some(&(block, is_known)) = freed.get(usize::from(block) % freed.len().max(1)) else { return };
        let address = block.memory.addr().get();
        let probe = self.levels[level].probe.get();
        if probe.contains(address, 1) {
            return;
        }
        pass(real(&self.levels[level]), via, block.slice(), block.alignment);
        let both = [ReportKind::DoubleFree, ReportKind::InvalidFree];
        // Where nothing is forgotten, the kind of error is known.
        let kinds = if is_known && config.never_unmap && config.retain_metadata { &both[..1] } else { &both };
        self.expect(Misuse::Stale, address, kinds, |_| true);
    }

    /// Removes the block from the program's.
    fn forget(&mut self, index: usize) {
        let block = self.blocks.swap_remove(index);
        self.check_block(&block, block.len);
        self.levels[block.level].probe.get().forget(block.memory.addr().get());
        self.levels[block.level].freed.push((Block { ..block }, true));
    }

    fn expect(&self, misuse: Misuse, address: usize, kinds: &[ReportKind], is_right: impl Fn(&Told) -> bool) {
        self.log.reach(match misuse {
            Misuse::FreeTwice => "a block freed twice",
            Misuse::Stale => "a stale block",
            Misuse::WrongLength => "a wrong length",
            Misuse::WrongAlignment => "a wrong alignment",
            Misuse::Inside => "an address inside of a block",
            Misuse::Foreign => "a foreign address",
            Misuse::Overrun => "an overrun",
        });
        let told = reports::take();
        let right = match &told[..] {
            [told] => kinds.contains(&told.kind) && told.address == address && is_right(told),
            _ => false,
        };
        if !right {
            self.log.fail(format_args!("{misuse:?} at {address:#x} is reported as {told:x?}"));
        }
    }
}

/// Makes a call with an invalid block. It must change nothing.
fn pass(allocator: Allocator<'_>, via: Via, memory: NonNull<[u8]>, alignment: Alignment) {
    let new_len = memory.len() + 1;
    // SAFETY: an error, but the debug allocator detects it.
    unsafe {
        match via {
            Via::Free => allocator.raw_free(memory, alignment, 0),
            Via::Resize => drop(allocator.raw_resize(memory, alignment, new_len, 0)),
            Via::Remap => drop(allocator.raw_remap(memory, alignment, new_len, 0)),
        }
    }
}
