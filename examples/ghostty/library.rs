//! The part of libghostty-vt's C interface that this example uses, loaded at run time.

use std::ffi::c_int;
use std::path::Path;
use std::ptr;

use zigalloc::{Allocator, SyncAllocator};

/// The library ran out of memory.
#[derive(Debug)]
pub(crate) struct OutOfMemory;

/// `GhosttyTerminal` and `GhosttyFormatter`: opaque pointers.
type Handle = *mut ();

const SUCCESS: c_int = 0;
const OUT_OF_MEMORY: c_int = -1;
const FORMAT_PLAIN: c_int = 0;

#[repr(C)]
struct ScreenExtra {
    size: usize,
    flags: [bool; 6],
}

#[repr(C)]
struct TerminalExtra {
    size: usize,
    flags: [bool; 6],
    screen: ScreenExtra,
}

/// `GhosttyFormatterTerminalOptions`. Extensible structs begin with their size.
#[repr(C)]
struct FormatterOptions {
    size: usize,
    emit: c_int,
    unwrap: bool,
    trim: bool,
    extra: TerminalExtra,
    selection: *const (),
}

/// The functions, with the types in the library's header; `const GhosttyAllocator *` is `*const Allocator`.
pub(crate) struct Library {
    terminal_new: unsafe extern "C" fn(*const Allocator<'_>, *mut Handle, u16, u16) -> c_int,
    terminal_free: unsafe extern "C" fn(Handle),
    terminal_vt_write: unsafe extern "C" fn(Handle, *const u8, usize),
    terminal_resize: unsafe extern "C" fn(Handle, u16, u16, u32, u32) -> c_int,
    formatter_new: unsafe extern "C" fn(*const Allocator<'_>, *mut Handle, Handle, FormatterOptions) -> c_int,
    formatter_format_alloc:
        unsafe extern "C" fn(Handle, *const Allocator<'_>, *mut *mut u8, *mut usize) -> c_int,
    formatter_free: unsafe extern "C" fn(Handle),
    free: unsafe extern "C" fn(*const Allocator<'_>, *mut u8, usize),
}

impl Library {
    /// # Safety
    /// The file must be a version of libghostty-vt with the functions and structs above.
    pub(crate) unsafe fn open(path: &Path) -> Result<Library, String> {
        let describe = |error: libloading::Error| format!("{}: {error}", path.display());
        // SAFETY: libghostty-vt has no initialisers that affect this program.
        let library = unsafe { libloading::Library::new(path) }.map_err(describe)?;
        // The library is never unloaded, so the function pointers stay valid.
        let library: &'static libloading::Library = Box::leak(Box::new(library));
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the function has this type, according to the library's header.
                *unsafe { library.get(concat!("ghostty_", $name, "\0").as_bytes()) }.map_err(describe)?
            };
        }
        Ok(Library {
            terminal_new: function!("terminal_new"),
            terminal_free: function!("terminal_free"),
            terminal_vt_write: function!("terminal_vt_write"),
            terminal_resize: function!("terminal_resize"),
            formatter_new: function!("formatter_terminal_new"),
            formatter_format_alloc: function!("formatter_format_alloc"),
            formatter_free: function!("formatter_free"),
            free: function!("free"),
        })
    }

    /// Creates a terminal with memory from `allocator`, or from the library's own allocator for `None`. The
    /// library keeps the address of the handle, so the terminal borrows it, and the handle cannot move.
    pub(crate) fn terminal<'a>(
        &'a self,
        allocator: Option<&'a SyncAllocator<'a>>,
        columns: u16,
        rows: u16,
    ) -> Result<Terminal<'a>, OutOfMemory> {
        let allocator: *const Allocator<'a> =
            allocator.map_or(ptr::null(), |allocator| &raw const **allocator);
        let mut handle = ptr::null_mut();
        // SAFETY: the handle lives as long as the result.
        check("terminal_new", unsafe { (self.terminal_new)(allocator, &mut handle, columns, rows) })?;
        Ok(Terminal { library: self, allocator, handle })
    }
}

/// Converts a result code.
///
/// # Panics
/// If the function failed for a reason other than lack of memory.
fn check(function: &str, result: c_int) -> Result<(), OutOfMemory> {
    match result {
        SUCCESS => Ok(()),
        OUT_OF_MEMORY => Err(OutOfMemory),
        _ => panic!("ghostty_{function}: result {result}"),
    }
}

pub(crate) struct Terminal<'a> {
    library: &'a Library,
    allocator: *const Allocator<'a>,
    handle: Handle,
}

impl Terminal<'_> {
    /// Writes output of a program, as through a pseudo-terminal. Running out of memory is not reported.
    pub(crate) fn write(&self, bytes: &[u8]) {
        for chunk in bytes.chunks(4096) {
            // SAFETY: a live terminal; the bytes are read only.
            unsafe { (self.library.terminal_vt_write)(self.handle, chunk.as_ptr(), chunk.len()) };
        }
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) -> Result<(), OutOfMemory> {
        // SAFETY: a live terminal.
        let result = unsafe { (self.library.terminal_resize)(self.handle, columns, rows, 8, 16) };
        check("terminal_resize", result)
    }

    /// Returns all rows as plain text, including those that have scrolled away.
    pub(crate) fn text(&self) -> Result<Vec<u8>, OutOfMemory> {
        let options = FormatterOptions {
            size: size_of::<FormatterOptions>(),
            emit: FORMAT_PLAIN,
            unwrap: false,
            trim: true,
            extra: TerminalExtra {
                size: size_of::<TerminalExtra>(),
                flags: [false; 6],
                screen: ScreenExtra { size: size_of::<ScreenExtra>(), flags: [false; 6] },
            },
            selection: ptr::null(),
        };
        let (mut formatter, mut memory, mut len) = (ptr::null_mut(), ptr::null_mut(), 0);
        // SAFETY: the terminal is live and outlives the formatter, and the allocator is the terminal's. The
        // text is read before it is freed, and freed with its length.
        unsafe {
            let result = (self.library.formatter_new)(self.allocator, &mut formatter, self.handle, options);
            check("formatter_terminal_new", result)?;
            let result =
                (self.library.formatter_format_alloc)(formatter, self.allocator, &mut memory, &mut len);
            (self.library.formatter_free)(formatter);
            check("formatter_format_alloc", result)?;
            let text = if len == 0 { Vec::new() } else { std::slice::from_raw_parts(memory, len).to_vec() };
            (self.library.free)(self.allocator, memory, len);
            Ok(text)
        }
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        // SAFETY: a live terminal, not used afterwards.
        unsafe { (self.library.terminal_free)(self.handle) };
    }
}
