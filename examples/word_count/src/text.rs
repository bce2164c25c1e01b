//! Splits files into chunks of text that end between two words, and chunks into words.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use allocator_api2::vec::Vec;
use crossbeam::channel::Sender;
use zigalloc::SyncAllocator;
use zigalloc::heap::PAGE_ALLOCATOR;

use crate::Failure;

/// A piece of a file, in separate pages. Dropping it returns them to the operating system, on any thread.
pub(crate) type Chunk = Vec<u8, SyncAllocator<'static>>;

/// The size of a chunk in bytes. A chunk with a longer word is larger.
const CHUNK_SIZE: usize = 64 << 10;

/// ASCII white space as defined by C's `isspace`, vertical tab included.
fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0B' | b'\x0C' | b'\r')
}

/// Splits text at white space. The bytes need not be text in any encoding.
pub(crate) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| is_white_space(byte)).filter(|word| !word.is_empty())
}

/// Sends a file chunk by chunk, so that several threads can count one large file. Returns the number of bytes read.
pub(crate) fn send(path: &Path, chunks: &Sender<Chunk>) -> Result<u64, Failure> {
    let failure = |error| Failure::File { path: path.to_path_buf(), error };
    let mut file = File::open(path).map_err(failure)?;
    let mut bytes = 0;
    let mut chunk = Chunk::new_in(PAGE_ALLOCATOR);
    let mut filled = 0;
    loop {
        if filled == chunk.len() {
            // The chunk is empty, or one word fills it: double its size.
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
            return Ok(bytes); // All workers have failed, and will report why.
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
