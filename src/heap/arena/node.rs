//! The header of a node, and where blocks lie after it.

use core::ptr::NonNull;

use crate::alignment::Alignment;

/// The header of a block from the child. Zig's `BufNode`.
///
/// A node without room, of [`NODE_SIZE`] bytes, is not a block of the child. It marks that the arena is
/// [calling its child](super::ArenaAllocator::call_child).
#[repr(C)]
pub(super) struct Node {
    /// The block's length in bytes, header included.
    pub(super) size: usize,
    /// The next older node. If the lowest bit is set, it is a [spare](super::spare) one; the address of a node is even.
    next: Option<NonNull<Node>>,
}

impl Node {
    pub(super) const fn new(size: usize, next: Option<NonNull<Node>>) -> Node {
        Node { size, next }
    }

    /// The next node of the list, spare or not.
    #[inline]
    pub(super) fn next(&self) -> Option<NonNull<Node>> {
        self.next.map(|next| {
            // SAFETY: the address of a node is not 0 or 1.
            unsafe { NonNull::new_unchecked(next.as_ptr().map_addr(|address| address & !SPARE)) }
        })
    }

    /// The next node if it is a spare one.
    #[inline]
    pub(super) fn spare(&self) -> Option<NonNull<Node>> {
        self.next().filter(|_| self.next.is_some_and(|next| next.addr().get() & SPARE != 0))
    }

    pub(super) fn set_next(&mut self, next: Option<NonNull<Node>>) {
        self.next = next;
    }

    pub(super) fn set_spare(&mut self, spare: NonNull<Node>) {
        self.next = Some(spare.map_addr(|address| address | SPARE));
    }
}

/// The bit of `next` that says that the next node is spare.
const SPARE: usize = 1;
const _: () = assert!(align_of::<Node>() > SPARE);

pub(super) const NODE_SIZE: usize = size_of::<Node>();
pub(super) const NODE_ALIGNMENT: Alignment = Alignment::of::<Node>();
const _: () = assert!(NODE_SIZE == 2 * size_of::<usize>());

/// The length of a new node, in bytes, after a previous one with a capacity of `previous` bytes: the wanted length, and
/// half of that again. `None` if it overflows.
pub(super) fn roomy_size(previous: usize, len: usize, alignment: Alignment) -> Option<usize> {
    let request = len.checked_add(alignment.to_byte_units())?;
    let wanted = previous.checked_add(request)?.checked_add(NODE_SIZE + 16)?;
    wanted.checked_add(wanted / 2)
}

/// The length, in bytes, that a node needs for one block, whatever address the child gives it. `None` if no block can
/// be that long.
pub(super) fn least_size(len: usize, alignment: Alignment) -> Option<usize> {
    // The address after the header is a multiple of the header's alignment.
    let padding = alignment.to_byte_units() - NODE_ALIGNMENT.min(alignment).to_byte_units();
    let size = len.checked_add(padding)?.checked_add(NODE_SIZE)?;
    (size <= isize::MAX as usize).then_some(size)
}

/// Where a block would begin and end, in bytes after the node's header, if the node were large enough.
#[inline]
pub(super) fn place(
    node: NonNull<Node>,
    end_index: usize,
    len: usize,
    alignment: Alignment,
) -> Option<(usize, usize)> {
    let address = node.addr().get() + NODE_SIZE + end_index;
    let padding = address.wrapping_neg() & alignment.mask();
    let start = end_index.checked_add(padding)?;
    Some((start, start.checked_add(len)?))
}

/// Whether the block ends where the used part of the node ends.
#[inline]
pub(super) fn is_last(node: NonNull<Node>, end_index: usize, memory: *mut u8, memory_len: usize) -> bool {
    node.addr().get() + NODE_SIZE + end_index == memory.addr().wrapping_add(memory_len)
}

/// The block of the child that begins with this node's header and has `size` bytes.
pub(super) fn node_block(node: NonNull<Node>, size: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(node.cast(), size)
}
