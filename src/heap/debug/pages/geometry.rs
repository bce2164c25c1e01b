//! The layout of a page, which is computed from the configuration.
//!
//! A page of a class holds `slot_count` slots of the same size, followed by their metadata, which ends at the end of the
//! page:
//!
//! ```text
//!   ┌────────┬────────┬──▷   ┌────────┬───────────┬─────────┬────────────┬────────┐
//!   │ slot 0 │ slot 1 │      │ header │ used bits │ lengths │ alignments │ traces │
//!   └────────┴────────┴──▷   └────────┴───────────┴─────────┴────────────┴────────┘
//!   0                        header offset                                 page_size
//! ```
//!
//! The used bits are whole words. Lengths and alignments exist only with safety. A length has as many bytes as the
//! largest small block needs. A slot has two traces, of its allocation and of its free, in this order. As in Zig, a
//! trace has a word for each frame, so that a page has as many slots; only the first one is used, since it identifies
//! the stack.

use super::bucket::{HEADER, Header};
use crate::alignment::{Alignment, Message};
use crate::heap::debug::config::{DebugConfig, MAX_PAGE_SIZE, MAX_STACK_TRACE_FRAMES};

/// One bit less than the logarithm of a page size.
pub(crate) const MAX_CLASSES: usize = MAX_PAGE_SIZE.ilog2() as usize - 1;

pub(crate) const WORD: usize = size_of::<usize>();
/// The minimum number of slots of a page, which decides the last class.
const MIN_SLOTS: usize = 2;

/// The pages of one configuration.
#[derive(Debug)]
pub(crate) struct Geometry {
    pub(crate) page_size: usize,
    /// How many addresses a trace has.
    pub(crate) frames: usize,
    /// Whether lengths and alignments are stored.
    pub(crate) safety: bool,
    pub(crate) canary: usize,
    /// How many classes there are. Blocks of a higher one are large.
    pub(crate) class_count: usize,
    /// How many bytes a stored length has: 1, 2 or 4.
    pub(crate) length_size: usize,
    classes: [Class; MAX_CLASSES],
}

/// The pages of one class. Its number is the log2 of the slots' size in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Class {
    pub(crate) slot_count: usize,
    /// Where the header starts.
    pub(crate) header: usize,
    // Where the parts after it start, counted from the header.
    pub(crate) lengths: usize,
    pub(crate) alignments: usize,
    pub(crate) traces: usize,
}

impl Geometry {
    #[track_caller]
    pub(crate) const fn new(config: &DebugConfig) -> Geometry {
        match Geometry::try_new(config, "DebugConfig: ") {
            Ok(geometry) => geometry,
            Err(message) => message.panic(),
        }
    }

    /// The error says which option is invalid. Its text starts with `options`.
    #[allow(clippy::result_large_err, reason = "a text without a heap, once in the life of an allocator")]
    pub(crate) const fn try_new(config: &DebugConfig, options: &str) -> Result<Geometry, Message> {
        let DebugConfig { page_size, stack_trace_frames: frames, .. } = *config;
        let start = Message::new().text(options);
        if !page_size.is_power_of_two() {
            return Err(start.text("page_size of ").number(page_size).text(" bytes is not a power of two"));
        }
        if page_size > MAX_PAGE_SIZE {
            let start = start.text("page_size of ").number(page_size);
            return Err(start.text(" bytes is above the limit of ").number(MAX_PAGE_SIZE));
        }
        if frames > MAX_STACK_TRACE_FRAMES {
            let start = start.text("stack_trace_frames of ").number(frames);
            return Err(start.text(" is above the limit of ").number(MAX_STACK_TRACE_FRAMES));
        }
        let too_small = start
            .text("page_size of ")
            .number(page_size)
            .text(" bytes is too small for two blocks of each class with traces of ")
            .number(frames)
            .text(" addresses");
        if page_size < 4 {
            return Err(too_small);
        }
        // With two slots at least, the largest has a quarter of a page: the other two quarters are for
        // the metadata.
        let class_count = config.page_size.ilog2() as usize - MIN_SLOTS.ilog2() as usize;
        let mut geometry = Geometry {
            page_size: config.page_size,
            frames: config.stack_trace_frames,
            safety: config.safety,
            canary: config.canary,
            class_count,
            // The largest length has one bit more than its logarithm, which is `class_count - 1`.
            length_size: match class_count {
                0..=8 => 1,
                9..=16 => 2,
                _ => 4,
            },
            classes: [Class { slot_count: 0, header: 0, lengths: 0, alignments: 0, traces: 0 }; MAX_CLASSES],
        };
        let mut index = 0;
        while index < class_count {
            let Some(slot_count) = geometry.search(index) else { return Err(too_small) };
            let alignments = geometry.alignments(slot_count);
            geometry.classes[index] = Class {
                slot_count,
                header: (geometry.page_size - geometry.metadata(slot_count)) & !(align_of::<Header>() - 1),
                lengths: geometry.lengths(slot_count),
                alignments,
                traces: geometry.traces(slot_count),
            };
            index += 1;
        }
        Ok(geometry)
    }

    #[inline]
    pub(crate) const fn class(&self, index: usize) -> &Class {
        debug_assert!(index < self.class_count);
        &self.classes[index]
    }

    /// The class of a block; a large block's is `class_count` or above. `len` is not zero.
    #[inline]
    pub(crate) const fn class_of(&self, len: usize, alignment: Alignment) -> usize {
        let of_len = (usize::BITS - (len - 1).leading_zeros()) as usize;
        let of_alignment = alignment.log2() as usize;
        if of_len > of_alignment { of_len } else { of_alignment }
    }

    pub(crate) const fn page_alignment(&self) -> Alignment {
        Alignment::from_byte_units(self.page_size)
    }

    /// How many slots a class has, or `None` if the page is too small for two. Zig's search, which is not
    /// quite one for the largest number that fits: it never tries its upper bound.
    const fn search(&self, index: usize) -> Option<usize> {
        if self.metadata(MIN_SLOTS) >= self.page_size {
            return None;
        }
        let mut lower = MIN_SLOTS;
        let mut upper = (self.page_size - self.metadata(lower)) >> index;
        while upper > lower {
            let proposed = lower + (upper - lower) / 2;
            if proposed == lower {
                break;
            }
            if self.fits(index, proposed) {
                lower = proposed;
            } else {
                upper = proposed - 1;
            }
        }
        if self.fits(index, lower) { Some(lower) } else { None }
    }

    const fn fits(&self, index: usize, slot_count: usize) -> bool {
        let header = align(slot_count << index, align_of::<Header>());
        header + self.metadata(slot_count) <= self.page_size
    }

    const fn lengths(&self, slot_count: usize) -> usize {
        align(HEADER + slot_count.div_ceil(usize::BITS as usize) * WORD, self.length_size)
    }

    const fn alignments(&self, slot_count: usize) -> usize {
        self.lengths(slot_count) + self.length_size * slot_count
    }

    const fn traces(&self, slot_count: usize) -> usize {
        let end = if self.safety {
            self.alignments(slot_count) + slot_count
        } else {
            HEADER + slot_count.div_ceil(usize::BITS as usize) * WORD
        };
        align(end, WORD)
    }

    const fn metadata(&self, slot_count: usize) -> usize {
        self.traces(slot_count) + 2 * self.frames * WORD * slot_count
    }
}

const fn align(n: usize, alignment: usize) -> usize {
    n.next_multiple_of(alignment)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use rstest::rstest;

    use super::*;

    fn geometry(page_size: usize, safety: bool, frames: usize) -> Geometry {
        let config = DebugConfig { page_size, safety, stack_trace_frames: frames, ..DebugConfig::DEFAULT };
        Geometry::new(&config)
    }

    const K: usize = 1024;

    /// TR-60, DA-05, DA-06: the recorded numbers of slots.
    #[rstest]
    #[case(128 * K, true, 6, &[1308, 1295, 1270, 1222, 1138, 999, 803, 576, 367, 214, 116, 61, 30, 14, 6, 2])]
    #[case(
        128 * K, true, 0,
        &[31764, 25567, 18390, 11778, 6851, 3729, 1951, 999, 505, 254, 126, 62, 30, 14, 6, 2]
    )]
    #[case(
        128 * K, false, 0,
        &[116480, 61664, 31766, 16128, 8126, 4079, 2043, 1022, 510, 254, 126, 62, 30, 14, 6, 2]
    )]
    #[case(128 * K, true, 10, &[798, 792, 784, 764, 731, 670, 575, 450, 312, 194, 109, 59, 30, 14, 6, 2])]
    #[case(4 * K, true, 0, &[984, 792, 570, 364, 212, 115, 59, 30, 14, 6, 2])]
    #[case(4 * K, true, 6, &[40, 40, 38, 37, 35, 29, 24, 17, 11, 6, 2])]
    #[cfg_attr(
        not(target_pointer_width = "64"),
        ignore = "the expected values were recorded on a 64-bit system"
    )]
    fn slot_counts(
        #[case] page_size: usize,
        #[case] safety: bool,
        #[case] frames: usize,
        #[case] expected: &[usize],
    ) {
        let geometry = geometry(page_size, safety, frames);
        let found: Vec<usize> = (0..geometry.class_count).map(|i| geometry.class(i).slot_count).collect();
        assert_eq!(found, expected);
    }

    /// DA-04, DA-07: the recorded offsets of the header.
    #[cfg_attr(
        not(target_pointer_width = "64"),
        ignore = "the expected values were recorded on a 64-bit system"
    )]
    #[test]
    fn header_offsets() {
        let geometry = geometry(128 * K, true, 6);
        let found: Vec<usize> = (0..16).map(|i| geometry.class(i).header).collect();
        let expected = [
            1376, 2664, 5144, 9896, 18232, 32008, 51432, 73944, 94656, 109816, 119536, 124992, 128056,
            129640, 130432, 130832,
        ];
        assert_eq!(found, expected);
    }

    /// DA-01: a class is a power of two, and the alignment counts as the length does.
    #[rstest]
    #[case(1, 1, 0)]
    #[case(2, 1, 1)]
    #[case(3, 1, 2)]
    #[case(1, 8, 3)]
    #[case(5, 8, 3)]
    #[case(9, 8, 4)]
    #[case(1024, 1, 10)]
    #[case(1025, 1, 11)]
    #[case(8, 2048, 11)]
    #[case(usize::MAX, 1, usize::BITS as usize)]
    fn classes(#[case] len: usize, #[case] alignment: usize, #[case] class: usize) {
        let geometry = geometry(4 * K, true, 0);
        assert_eq!(geometry.class_of(len, Alignment::from_byte_units(alignment)), class);
    }

    /// DA-01, DC-12: half a page has no room beside another half and their metadata.
    #[rstest]
    #[case(4 * K, 11)]
    #[case(64 * K, 15)]
    #[case(128 * K, 16)]
    #[case(256 * K, 17)]
    #[case(MAX_PAGE_SIZE, MAX_CLASSES)]
    fn class_counts(#[case] page_size: usize, #[case] expected: usize) {
        assert_eq!(geometry(page_size, true, 0).class_count, expected);
    }

    /// DA-03, DA-05: in every page, nothing overlaps and nothing reaches past the end.
    #[rstest]
    #[cfg_attr(miri, ignore = "it is arithmetic without memory, in which Miri finds nothing")]
    fn every_part_has_its_place(
        #[values(K, 2 * K, 4 * K, 64 * K, 128 * K, 1024 * K)] page_size: usize,
        #[values(true, false)] safety: bool,
        #[values(0, 1, 6, 10, 20)] frames: usize,
    ) {
        if page_size == K && frames == 20 {
            return; // does not fit, see below
        }
        let geometry = geometry(page_size, safety, frames);
        for index in 0..geometry.class_count {
            let class = geometry.class(index);
            let n = class.slot_count;
            assert!(n >= 2 && n << index <= class.header);
            assert_eq!(class.header % align_of::<Header>(), 0);
            assert_eq!((class.traces % WORD, class.lengths % geometry.length_size), (0, 0));
            assert!(HEADER + n.div_ceil(usize::BITS as usize) * WORD <= class.lengths);
            if safety {
                assert!(1 << index < 1_u64 << (8 * geometry.length_size), "a length fits");
                assert_eq!(class.lengths + n * geometry.length_size, class.alignments);
                assert!(class.alignments + n <= class.traces);
            }
            assert!(class.header + class.traces + 2 * n * frames * WORD <= page_size);
        }
    }

    #[rstest]
    #[cfg_attr(miri, ignore = "it is arithmetic without memory, in which Miri finds nothing")]
    #[case(4 * K + 1, 0, "page_size of 4097 bytes is not a power of two")]
    #[case(8192 * K, 0, "page_size of 8388608 bytes is above the limit of 4194304")]
    #[case(4 * K, 33, "stack_trace_frames of 33 is above the limit of 32")]
    #[case(2, 0, "page_size of 2 bytes is too small")]
    #[cfg_attr(
        target_pointer_width = "32",
        ignore = "the metadata of 32-bit systems fits into a page of 64 bytes"
    )]
    #[case(64, 0, "too small for two blocks of each class with traces of 0 addresses")]
    #[case(K, 32, "too small for two blocks of each class with traces of 32 addresses")]
    fn what_does_not_fit_is_refused(#[case] page_size: usize, #[case] frames: usize, #[case] message: &str) {
        let refused = std::panic::catch_unwind(|| geometry(page_size, true, frames)).unwrap_err();
        let text = refused.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| refused.downcast_ref::<String>().cloned()).unwrap();
        assert!(text.starts_with("DebugConfig: ") && text.contains(message), "{text}");
    }
}
