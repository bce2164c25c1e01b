//! Where calls came from.

use core::fmt;

use crate::symbol::{self, STACK};

/// What an allocator's reports have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReportOptions {
    /// The allocator that makes them.
    pub(crate) maker: Maker,
    /// How many frames a report shows of each stack; 0 if traces are not stored.
    pub(crate) stack_trace_frames: usize,
    /// The libraries whose functions are left out.
    pub(crate) skip_frames: &'static [&'static str],
}

/// The types of allocators that make reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// [`DebugAllocator`](crate::heap::DebugAllocator).
    Debug,
    /// [`SafeAllocator`](crate::heap::SafeAllocator).
    Safe,
}

impl Maker {
    /// The name of the type, with which each report begins.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Maker::Debug => "DebugAllocator",
            Maker::Safe => "SafeAllocator",
        }
    }

    /// The name of the type of its options.
    fn options(self) -> &'static str {
        match self {
            Maker::Debug => "DebugConfig",
            Maker::Safe => "SafeOptions",
        }
    }
}

/// Where a call came from: an address in the calling function, then the return addresses of that function's callers.
///
/// Its text has a line for each address: function, file and line with the feature `backtrace`, otherwise the number.
/// Functions of this crate and of the libraries in [`skip_frames`](crate::heap::DebugConfig::skip_frames) are skipped; the first
/// [`stack_trace_frames`](crate::heap::DebugConfig::stack_trace_frames) of the others are shown, so the first line is in the
/// program's own code. Symbols are looked up when the text is formatted.
///
/// Where a leaked block was allocated:
///
/// ```
/// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
/// let config = DebugConfig { stack_trace_frames: 1, report: |_| (), ..DebugConfig::DEFAULT };
/// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
/// let memory = debug.allocator().alloc::<u8>(100)?;
/// assert_eq!(debug.detect_leaks(), 1);
/// let leak = debug.first_report().unwrap();
/// println!("not freed: what was allocated at\n{}", leak.allocation);
/// assert!(leak.first_free.addresses().is_empty(), "it was not freed");
/// # unsafe { debug.allocator().free(memory) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    stack: [usize; STACK],
    /// How many are shown; 0 if traces are not stored.
    frames: usize,
    skip: &'static [&'static str],
    maker: Maker,
}

impl Trace {
    /// The trace of an event that was not stored, or did not happen.
    ///
    /// ```
    /// # use zigalloc::heap::debug::Trace;
    /// assert!(Trace::UNKNOWN.addresses().is_empty());
    /// ```
    pub const UNKNOWN: Trace = Trace { stack: [0; STACK], frames: 0, skip: &[], maker: Maker::Debug };

    /// The first [`stack_trace_frames`](crate::heap::DebugConfig::stack_trace_frames) addresses of the whole [stack](Trace::stack),
    /// of which the first is in the calling function. Empty if it is not known.
    ///
    /// ```
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// # use zigalloc::return_address;
    /// let config = DebugConfig { stack_trace_frames: 1, report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// let here = return_address();
    /// # if here == 0 { return Ok(()) }
    /// let memory = debug.allocator().alloc_advanced_with_ret_addr::<u8, 0>(100, here)?;
    /// debug.detect_leaks();
    /// let allocation = debug.first_report().unwrap().allocation;
    /// assert_eq!(allocation.addresses(), [here]);
    /// # unsafe { debug.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    pub fn addresses(&self) -> &[usize] {
        let stack = self.stack();
        &stack[..self.frames.max(1).min(stack.len())]
    }

    /// All addresses that are known, including those of functions that the text skips: at most 64.
    ///
    /// ```
    /// # use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
    /// let config = DebugConfig { stack_trace_frames: 1, report: |_| (), ..DebugConfig::DEFAULT };
    /// let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    /// let memory = debug.allocator().alloc::<u8>(100)?;
    /// debug.detect_leaks();
    /// let allocation = debug.first_report().unwrap().allocation;
    /// assert!(allocation.stack().starts_with(allocation.addresses()));
    /// // With the feature `backtrace` the callers are known too, although a report shows one frame.
    /// assert!(cfg!(not(feature = "backtrace")) || allocation.stack().len() > 1);
    /// # unsafe { debug.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    pub fn stack(&self) -> &[usize] {
        let known = self.stack.iter().position(|&address| address == 0);
        &self.stack[..known.unwrap_or(STACK)]
    }

    pub(crate) fn new(options: &ReportOptions, stack: &[usize]) -> Trace {
        let ReportOptions { stack_trace_frames: frames, skip_frames: skip, maker } = *options;
        let mut trace = Trace { frames, skip, maker, ..Trace::UNKNOWN };
        trace.stack.iter_mut().zip(stack).for_each(|(to, from)| *to = *from);
        trace
    }

    /// What distinguishes the text of this trace from that of others.
    #[cfg(feature = "backtrace")]
    pub(crate) fn shown(&self, look: &mut symbol::Shown) -> std::vec::Vec<usize> {
        look.of(self.stack(), self.frames.max(1))
    }

    /// Writes `title` and, below it, the lines.
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, title: &str) -> fmt::Result {
        write!(f, "\n  {title}:")?;
        if !self.stack().is_empty() {
            return self.for_each_line(|line| write!(f, "\n    {line}"));
        }
        let options = self.maker.options();
        match (self.frames, cfg!(feature = "backtrace")) {
            (0, _) => write!(
                f,
                " not stored; {options}::stack_trace_frames, which is 0, is how many frames to store"
            ),
            (_, true) => f.write_str(
                " unknown; no frame was found, or it was in the lookup of symbols, which is not traced",
            ),
            (_, false) => write!(
                f,
                " unknown; the call gave no return address, and it takes the feature `backtrace` for \
                 {options}::stack_trace_frames to find one"
            ),
        }
    }

    fn for_each_line(&self, write: impl FnMut(&dyn fmt::Display) -> fmt::Result) -> fmt::Result {
        symbol::for_each_line(self.stack(), self.frames.max(1), self.skip, write)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x?}", self.addresses())
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        self.for_each_line(|line| {
            let newline = if core::mem::take(&mut first) { "" } else { "\n" };
            write!(f, "{newline}{line}")
        })
    }
}

/// Where a call in progress came from. A stack is long, so this refers to it, and only if there is more than one
/// address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSite<'t> {
    first: usize,
    /// All addresses, if there may be more than one.
    all: Option<&'t [usize; STACK]>,
    /// The word that stands for all of them, when they have been stored.
    id: Option<usize>,
}

impl<'t> CallSite<'t> {
    pub(crate) const UNKNOWN: CallSite<'static> = CallSite { first: 0, all: None, id: None };

    /// The stack of the call with this return address, or, if it is 0, of the one at `place`, as for
    /// [`symbol::fill_stack`]. The addresses are written to `stack` if they are to be stored. Walking the stack costs
    /// more than the rest of a call, so this does not if only the first address is shown, and is known.
    #[inline(always)]
    pub(crate) fn capture(
        ret_addr: usize,
        place: (usize, usize),
        options: &ReportOptions,
        stack: &'t mut Option<[usize; STACK]>,
    ) -> CallSite<'t> {
        let is_first_enough = match options.stack_trace_frames {
            0 => true,
            1 => options.skip_frames.is_empty() && ret_addr != 0,
            _ => false,
        };
        if is_first_enough || cfg!(not(feature = "backtrace")) {
            return CallSite { first: ret_addr, all: None, id: None };
        }
        let stack = stack.insert([0; STACK]);
        symbol::fill_stack(ret_addr, place, stack);
        CallSite { first: stack[0], all: Some(stack), id: None }
    }

    /// All addresses, if there is more than one.
    pub(crate) fn stack(&self) -> Option<&'t [usize]> {
        let stack = self.all.filter(|stack| stack[1] != 0)?;
        let known = stack.iter().position(|&address| address == 0);
        Some(&stack[..known.unwrap_or(STACK)])
    }

    pub(crate) fn set_id(&mut self, id: usize) {
        self.id = Some(id);
    }

    /// The word to store for it.
    pub(crate) fn word(&self) -> usize {
        self.id.unwrap_or(self.first)
    }

    pub(crate) fn trace(&self, options: &ReportOptions) -> Trace {
        match self.all {
            Some(stack) => Trace::new(options, stack),
            None => Trace::new(options, &[self.first]),
        }
    }
}
