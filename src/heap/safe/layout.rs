//! Sizes: what follows from the options.

use super::options::SafeOptions;
use crate::alignment::Alignment;

pub(super) const WORD: usize = size_of::<usize>();

/// The size of a bucket's header, and the offset of its first block.
pub(super) const HEADER: usize = 16;

/// The size of a footer without its extension, and its alignment.
pub(super) const FOOTER: usize = 8;

/// Lengths from here on do not fit the 13 bits of a footer. Those values encode the high bits of the alignment of an
/// extended footer instead.
pub(super) const EXTENDED_START: u16 = 0x1FFF - ((usize::BITS as u16 - 1) >> 2);

/// The sizes of an allocator's parts, in bytes unless their names say otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) bucket_size: u32,
    bucket_size_log2: u8,
    /// How many entries a segment of the table has.
    pub(super) entry_count: usize,
    /// Whether blocks have room for traces.
    pub(super) has_traces: bool,
    /// The room for a trace: in Zig a count and the frames; here one word is used.
    trace_len: usize,
    /// A footer with its extension.
    extended_len: usize,
    /// The footer of a block in a bucket, with its traces; then that of an extended one.
    bucket_footer_len: [u32; 2],
    /// A request that could take this much of a bucket, or more, is large.
    threshold: usize,
    pub(super) canary: u32,
}

/// Rounds up to the alignment of a footer.
pub(super) const fn round(len: usize) -> Option<usize> {
    match len.checked_add(FOOTER - 1) {
        Some(sum) => Some(sum & !(FOOTER - 1)),
        None => None,
    }
}

impl Layout {
    /// # Panics
    /// If an option is out of range.
    #[track_caller]
    pub(super) const fn new(options: &SafeOptions) -> Layout {
        options.check();
        let trace_words = options.stack_trace_frames + (options.stack_trace_frames != 0) as usize;
        // Zig's safe modes store which field of the union `container` is active.
        let tag = if options.safe_mode_footers { WORD } else { 0 };
        let extended_len = FOOTER + 2 * WORD + tag;
        let trace_len = trace_words * WORD;
        let short = (FOOTER + 2 * trace_len + FOOTER - 1) & !(FOOTER - 1);
        let long = (extended_len + 2 * trace_len + FOOTER - 1) & !(FOOTER - 1);
        Layout {
            bucket_size: 1 << options.bucket_size_log2,
            bucket_size_log2: options.bucket_size_log2,
            entry_count: (1 << options.block_size_log2) / WORD,
            has_traces: trace_words != 0,
            trace_len,
            extended_len,
            bucket_footer_len: [short as u32, long as u32],
            threshold: (1 << options.bucket_size_log2) / 4 * 3,
            canary: options.canary,
        }
    }

    pub(super) const fn bucket_alignment(&self) -> Alignment {
        Alignment::from_byte_units(1 << self.bucket_size_log2)
    }

    pub(super) const fn bucket_mask(&self) -> usize {
        self.bucket_size as usize - 1
    }

    /// The length of a footer in a bucket, with its traces.
    #[inline(always)]
    pub(super) const fn footer_len(&self, is_extended: bool) -> u32 {
        self.bucket_footer_len[is_extended as usize]
    }

    /// The length of a large block's footer, with its trace.
    pub(super) const fn large_footer_len(&self) -> usize {
        self.extended_len + self.trace_len
    }

    /// The length of the child's block for a large block.
    pub(super) const fn large_len(&self, len: usize) -> Option<usize> {
        match round(len) {
            Some(rounded) => rounded.checked_add(self.large_footer_len()),
            None => None,
        }
    }

    /// The offset of a trace in a footer: that of the allocation, or that of the free.
    pub(super) const fn trace_offset(&self, is_extended: bool, is_of_free: bool) -> usize {
        let start = if is_extended { self.extended_len } else { FOOTER };
        start + is_of_free as usize * self.trace_len
    }

    /// Whether a block is one of the child, and not in a bucket. `None` if the sum overflows.
    #[inline(always)]
    pub(super) const fn is_large(&self, len: usize, alignment: Alignment) -> Option<bool> {
        let waste = alignment.to_byte_units() - 1;
        let Some(rounded) = round(len) else { return None };
        let Some(with_footer) = rounded.checked_add(self.footer_len(true) as usize) else { return None };
        match waste.checked_add(with_footer) {
            Some(most) => Some(most >= self.threshold),
            None => None,
        }
    }
}

/// Whether a block in a bucket needs an extended footer.
#[inline(always)]
pub(super) const fn requires_extended(len: usize, alignment: Alignment) -> bool {
    len >= EXTENDED_START as usize || alignment.log2() > 3
}

/// The alignment of a block's memory: at least a footer's, so that the footer is at a fixed offset.
#[inline(always)]
pub(super) const fn block_alignment(alignment: Alignment) -> Alignment {
    if alignment.log2() < 3 { Alignment::_8 } else { alignment }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use rstest::rstest;

    use super::*;

    /// SA-05, SA-07, TR-26, TR-27: sizes as in Zig 0.17.1, by the number of frames and the build mode.
    #[rstest]
    #[case(0, true, [8, 32], 32, 5976 + 128)]
    #[case(0, false, [8, 24], 24, 6112)]
    #[case(7, true, [136, 160], 96, 5976)]
    fn sizes(
        #[case] stack_trace_frames: usize,
        #[case] safe_mode_footers: bool,
        #[case] bucket: [u32; 2],
        #[case] large: usize,
        #[case] longest_small: usize,
    ) {
        let options = SafeOptions {
            stack_trace_frames,
            safe_mode_footers,
            bucket_size_log2: 13,
            block_size_log2: 12,
            ..SafeOptions::DEFAULT
        };
        let layout = Layout::new(&options);
        assert_eq!([layout.footer_len(false), layout.footer_len(true)], bucket);
        assert_eq!(layout.large_footer_len(), large);
        assert_eq!(layout.entry_count, 512);
        assert_eq!(layout.is_large(longest_small, Alignment::_1), Some(false));
        assert_eq!(layout.is_large(longest_small + 1, Alignment::_1), Some(true));
        assert_eq!(layout.is_large(usize::MAX, Alignment::_1), None);
        assert_eq!(layout.is_large(1, Alignment::from_byte_units(1 << 63)), Some(true));
        assert_eq!(layout.large_len(7000), Some(7000 + large));
        assert_eq!(layout.large_len(usize::MAX - 20), None);
    }
}
