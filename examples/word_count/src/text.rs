//! Files as chunks of text that end between two words, and chunks as words.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use allocator_api2::vec::Vec;
use crossbeam::channel::Sender;
use zigalloc::SyncAllocator;
use zigalloc::heap::PAGE_ALLOCATOR;

use crate::Failure;

/// A piece of a file, in pages of its own. The thread that drops it gives them back.
pub(crate) type Chunk = Vec<u8, SyncAllocator<'static>>;

/// How much of a file goes to a thread at once, in bytes. A word that is longer is not cut.
const CHUNK_SIZE: usize = 64 << 10;

/// White space of ASCII, as C's `isspace` has it: vertical tab included.
fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0B' | b'\x0C' | b'\r')
}

/// Everything between white space. The bytes need not be text in any encoding.
pub(crate) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| is_white_space(byte)).filter(|word| !word.is_empty())
}

/// Sends a file chunk by chunk, so that many threads count one large file. Returns how many bytes
/// were read.
pub(crate) fn send(path: &Path, chunks: &Sender<Chunk>) -> Result<u64, Failure> {
    let failure = |error| Failure::File { path: path.to_path_buf(), error };
    let mut file = File::open(path).map_err(failure)?;
    let mut bytes = 0;
    let mut chunk = Chunk::new_in(PAGE_ALLOCATOR);
    let mut filled = 0;
    loop {
        if filled == chunk.len() {
            // An empty chunk, or one word that fills it: twice as much may hold all of it.
            lengthen(&mut chunk, filled.max(CHUNK_SIZE))?;
        }
        let read = read(&mut file, &mut chunk[filled..]).map_err(failure)?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        filled += read;
        if filled < chunk.len() {
            continue;
        }
        let Some(last) = chunk.iter().rposition(|&byte| is_white_space(byte)) else {
            continue;
        };
        let end = last + 1;
        let mut rest = Chunk::new_in(PAGE_ALLOCATOR);
        lengthen(&mut rest, filled - end + CHUNK_SIZE)?;
        rest[..filled - end].copy_from_slice(&chunk[end..]);
        filled -= end;
        chunk.truncate(end);
        if chunks.send(std::mem::replace(&mut chunk, rest)).is_err() {
            return Ok(bytes); // No thread is left to count. Each will say why.
        }
    }
    chunk.truncate(filled);
    let _ = chunks.send(chunk); // As above.
    Ok(bytes)
}

/// Adds zero bytes at the end, for `read` to overwrite.
fn lengthen(chunk: &mut Chunk, additional: usize) -> Result<(), Failure> {
    let len = chunk.len() + additional;
    chunk.try_reserve_exact(additional).map_err(|_| Failure::OutOfMemory(len, "bytes of text"))?;
    chunk.resize(len, 0);
    Ok(())
}

fn read(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
