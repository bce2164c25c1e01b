//! The stacks of calls, each stored once.
//!
//! A program's calls make a tree, whose root is `main`. A frame is a node of that tree, an address and the node of its
//! caller, and a stack is the node of its innermost frame. So a block stores one word, and the first call from a new
//! place adds a few nodes. Since the whole stack is stored, a report can skip the functions of libraries; their names
//! are looked up only when it is printed.
//!
//! The memory for the tree comes from the operating system, so that the child gets the same calls as in Zig.
//!
//! A node is identified by a number that is computed from its address and its caller's number. Its highest bit is set,
//! which is rare in an address of code. A word that is not the number of a node is the only address that is known.

use super::Locked;
use crate::allocator::Allocator;
use crate::heap::PAGE_ALLOCATOR;
use crate::heap::debug::report::{CallSite, Trace};
use crate::symbol::STACK;

/// The maximum number of nodes. (That is at most 48 MiB with 64-bit words, and half as much again while the table
/// grows.) If a program has more different stacks, only the first address of the others is stored.
const MOST: usize = 1 << 20;

const TAG: usize = 1 << (usize::BITS - 1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    address: usize,
    /// The number of the caller's node, or 0.
    caller: usize,
}

impl Node {
    /// The number of this node, if no other has it.
    fn number(self) -> usize {
        mixed(mixed(self.caller) ^ self.address) | TAG
    }
}

fn mixed(word: usize) -> usize {
    let product = (word as u64 ^ 0x5851_F42D_4C95_7F2D).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (product ^ (product >> 29)) as usize
}

/// Whether the page allocator asks the operating system. Where it asks the global heap, that may be on top of the debug
/// allocator, which is locked.
const PAGES_ARE_THE_SYSTEMS: bool = cfg!(all(
    not(any(miri, target_os = "emscripten", target_env = "newlib")),
    any(unix, windows, target_arch = "wasm32")
));

impl<'d> Locked<'d> {
    /// The allocator of the tree's memory, which never changes.
    pub(crate) fn memory_of_stacks(&self) -> Allocator<'d> {
        if PAGES_ARE_THE_SYSTEMS { *PAGE_ALLOCATOR } else { self.child }
    }

    /// Stores the stack of a call, so that its word identifies the whole stack. If there is no memory for that, the
    /// word is the first address.
    #[inline]
    pub(crate) fn store(&mut self, site: &mut CallSite<'_>) {
        if let Some(stack) = site.stack() {
            if let Some(id) = self.number_of(stack) {
                site.set_id(id);
            }
        }
    }

    fn number_of(&mut self, stack: &[usize]) -> Option<usize> {
        let mut caller = 0;
        for &address in stack.iter().rev() {
            let node = Node { address, caller };
            let mut number = node.number();
            caller = loop {
                match self.state.stacks.lookup(number) {
                    Some(found) if found == node => break number,
                    // Another node has it.
                    Some(_) => number = mixed(number) | TAG,
                    None if self.state.stacks.len() == MOST => return None,
                    None => {
                        let memory = self.memory_of_stacks();
                        // SAFETY: always this one, which this thread may call.
                        unsafe { self.state.stacks.reserve(memory) }?;
                        self.state.stacks.insert(number, node);
                        break number;
                    }
                }
            };
        }
        Some(caller)
    }

    /// The trace that a stored word identifies.
    pub(crate) fn trace_of(&self, word: usize) -> Trace {
        let mut stack = [0; STACK];
        let mut next = word;
        for address in &mut stack {
            let Some(node) = self.state.stacks.lookup(next) else { break };
            (*address, next) = (node.address, node.caller);
        }
        if stack[0] == 0 {
            stack[0] = word;
        }
        Trace::new(self.config, &stack)
    }
}
