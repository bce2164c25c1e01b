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
use super::table::Table;
use crate::allocator::Allocator;
use crate::heap::PAGE_ALLOCATOR;
use crate::heap::report::{CallSite, ReportOptions, Trace};
use crate::symbol::STACK;

/// The maximum number of nodes. (That is at most 48 MiB with 64-bit words, and half as much again while the table
/// grows.) If a program has more different stacks, only the first address of the others is stored.
const MOST: usize = 1 << 20;

const TAG: usize = 1 << (usize::BITS - 1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
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
pub(in crate::heap) const PAGES_ARE_THE_SYSTEMS: bool = cfg!(all(
    not(any(miri, target_os = "emscripten", target_env = "newlib")),
    any(unix, windows, target_arch = "wasm32")
));

/// The tree.
#[derive(Debug)]
pub(in crate::heap) struct Stacks {
    nodes: Table<Node, false>,
}

impl Stacks {
    /// An empty tree, without memory.
    pub(in crate::heap) const fn new() -> Stacks {
        Stacks { nodes: Table::new(0) }
    }

    /// The allocator of the tree's memory, which never changes.
    pub(in crate::heap) fn memory(child: Allocator<'_>) -> Allocator<'_> {
        if PAGES_ARE_THE_SYSTEMS { *PAGE_ALLOCATOR } else { child }
    }

    /// Stores the stack of a call, so that its word identifies the whole stack. If there is no memory for that, the
    /// word is the first address.
    ///
    /// # Safety
    /// `child` is the same in every call for this tree, and this thread may call it (one-thread).
    #[inline]
    pub(in crate::heap) unsafe fn store(&mut self, site: &mut CallSite<'_>, child: Allocator<'_>) {
        if let Some(stack) = site.stack() {
            // SAFETY: by our caller.
            if let Some(id) = unsafe { self.number_of(stack, child) } {
                site.set_id(id);
            }
        }
    }

    /// # Safety
    /// As for [`store`](Self::store).
    unsafe fn number_of(&mut self, stack: &[usize], child: Allocator<'_>) -> Option<usize> {
        let mut caller = 0;
        for &address in stack.iter().rev() {
            let node = Node { address, caller };
            let mut number = node.number();
            caller = loop {
                match self.nodes.lookup(number) {
                    Some(found) if found == node => break number,
                    // Another node has it.
                    Some(_) => number = mixed(number) | TAG,
                    None if self.nodes.len() == MOST => return None,
                    None => {
                        // SAFETY: always this memory, which this thread may use, by our caller.
                        unsafe { self.nodes.reserve(Stacks::memory(child)) }?;
                        self.nodes.insert(number, node);
                        break number;
                    }
                }
            };
        }
        Some(caller)
    }

    /// The trace that a stored word identifies.
    pub(in crate::heap) fn trace_of(&self, word: usize, options: &ReportOptions) -> Trace {
        let mut stack = [0; STACK];
        let mut next = word;
        for address in &mut stack {
            let Some(node) = self.nodes.lookup(next) else { break };
            (*address, next) = (node.address, node.caller);
        }
        if stack[0] == 0 {
            stack[0] = word;
        }
        Trace::new(options, &stack)
    }

    /// Frees the memory. The tree is empty afterwards.
    ///
    /// # Safety
    /// As for [`store`](Self::store).
    pub(in crate::heap) unsafe fn release(&mut self, child: Allocator<'_>) {
        // SAFETY: the memory of every other call, which this thread may use, by our caller.
        unsafe { self.nodes.release(Stacks::memory(child)) };
    }
}

impl Locked<'_> {
    /// Stores the stack of a call.
    #[inline]
    pub(crate) fn store(&mut self, site: &mut CallSite<'_>) {
        let child = self.child;
        // SAFETY: always this child, which this thread may call.
        unsafe { self.state.stacks.store(site, child) };
    }

    /// The trace that a stored word identifies.
    pub(crate) fn trace_of(&self, word: usize) -> Trace {
        self.state.stacks.trace_of(word, &self.config.report_options())
    }
}
