//! The part of libghostty-vt's C interface that is used here, loaded while the program runs.

use std::ffi::c_int;
use std::path::Path;
use std::ptr;

use zigalloc::{Allocator, SyncAllocator};

/// Something could not be allocated.
#[derive(Debug)]
pub(crate) struct OutOfMemory;

/// `GhosttyTerminal` and `GhosttyFormatter`: pointers to what only the library knows.
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

/// `GhosttyFormatterTerminalOptions`. Structs that may grow begin with their size.
#[repr(C)]
struct FormatterOptions {
    size: usize,
    emit: c_int,
    unwrap: bool,
    trim: bool,
    extra: TerminalExtra,
    selection: *const (),
}

/// The functions, with the types of its header; `const GhosttyAllocator *` is `*const Allocator`.
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
    /// The file is libghostty-vt, of a version with the functions and structs above.
    pub(crate) unsafe fn open(path: &Path) -> Result<Library, String> {
        let describe = |error: libloading::Error| format!("{}: {error}", path.display());
        // SAFETY: its initialisation does nothing that this program could disturb.
        let library = unsafe { libloading::Library::new(path) }.map_err(describe)?;
        // It stays loaded until the end, so the functions may be copied out of their symbols.
        let library: &'static libloading::Library = Box::leak(Box::new(library));
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the function has this type, says its header.
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

    /// A terminal in memory of `allocator`; `None` is the library's own. The library keeps the address of
    /// the handle, hence the lifetime: the handle stays where it is while there is a terminal.
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

/// # Panics
/// If the function failed, and not for want of memory.
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
    /// Bytes from a program, as through a pseudo-terminal. Want of memory is not reported.
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

    /// All rows, those that have scrolled away too, as plain text.
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
        // SAFETY: a live terminal, which outlives the formatter; the allocator is the terminal's. The text
        // is read before it is freed, with its length.
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
        // SAFETY: a live terminal, which nobody uses afterwards.
        unsafe { (self.library.terminal_free)(self.handle) };
    }
}
