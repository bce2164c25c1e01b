//! A Huffman coder: a priority queue builds the tree, whose depths are the lengths of a canonical code. A coded text is
//! its length, the lengths of the codes, and the bits.
//!
//! The port shows lists, a queue and owned slices as results. In Zig the caller frees a result with `defer`, and
//! `errdefer` frees a half-made one; here both are drops. Integers convert with `as` where Zig has `@intCast`.

use std::cmp::Ordering;
use std::fmt;
use std::io::{self, Write};

use zigalloc::collections::{ArrayList, OwnedBox, PriorityQueue};
use zigalloc::heap::{Check, DebugAllocator, PAGE_ALLOCATOR};
use zigalloc::{Allocator, Error};

/// A leaf is a symbol, any other node has two children: indices in the list of nodes.
enum Node {
    Symbol(u8),
    Children([usize; 2]),
}

struct Candidate {
    weight: usize,
    node: usize,
}

/// The lightest is first; of equals, the older one.
fn compare_candidates(a: &Candidate, b: &Candidate) -> Ordering {
    a.weight.cmp(&b.weight).then(a.node.cmp(&b.node))
}

/// The longest code.
const MAX_LEN: u8 = 24;

#[derive(Clone, Copy, Default)]
struct Code {
    bits: u32,
    len: u8,
}

#[derive(Debug, thiserror::Error)]
#[error("{self:?}")]
enum CodeError {
    InvalidCode,
    TooLong,
    EndOfStream,
    OutOfMemory(#[from] Error),
}

/// A code for each byte that occurs in a text.
struct Table<'a> {
    codes: [Code; 256],
    /// The symbols that have a code, in the order of their codes.
    symbols: OwnedBox<'a, [u8]>,
}

impl<'a> Table<'a> {
    fn init(allocator: Allocator<'a>, text: &[u8]) -> Result<Table<'a>, CodeError> {
        let mut lens = [0; 256];
        measure(allocator, text, &mut lens)?;
        Table::from_lens(allocator, &lens)
    }

    /// Makes the canonical code: shorter codes are first, and those of one length are in the order of symbols.
    fn from_lens(allocator: Allocator<'a>, lens: &[u8; 256]) -> Result<Table<'a>, CodeError> {
        let mut symbols = ArrayList::init(allocator);
        for (symbol, len) in (0..=255).zip(*lens) {
            if len > MAX_LEN {
                return Err(CodeError::TooLong);
            }
            if len > 0 {
                symbols.append(symbol)?;
            }
        }
        symbols.sort_unstable_by_key(|symbol: &u8| (lens[usize::from(*symbol)], *symbol));
        let mut codes = [Code::default(); 256];
        let mut next = 0;
        let mut previous = 0;
        for symbol in &symbols {
            let len = lens[usize::from(*symbol)];
            next <<= len - previous;
            if next >> len != 0 {
                return Err(CodeError::InvalidCode);
            }
            codes[usize::from(*symbol)] = Code { bits: next, len };
            next += 1;
            previous = len;
        }
        Ok(Table { codes, symbols: symbols.to_owned_slice()? })
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for symbol in self.symbols.iter() {
            let code = self.codes[usize::from(*symbol)];
            write!(out, "  {symbol:02x} ")?;
            for i in 0..code.len {
                let bit = code.bits >> (code.len - 1 - i) & 1;
                write!(out, "{bit}")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// Sets the length of each symbol's code.
fn measure(allocator: Allocator<'_>, text: &[u8], lens: &mut [u8; 256]) -> Result<(), Error> {
    let mut weights = [0; 256];
    for byte in text {
        weights[usize::from(*byte)] += 1;
    }
    let mut nodes = ArrayList::init(allocator);
    let mut queue = PriorityQueue::init(allocator, compare_candidates);
    for (symbol, weight) in (0..=255).zip(weights) {
        if weight > 0 {
            queue.add(Candidate { weight, node: nodes.len() })?;
            nodes.append(Node::Symbol(symbol))?;
        }
    }
    while let Some(first) = queue.remove_or_null() {
        let Some(second) = queue.remove_or_null() else {
            set_lens(&nodes, first.node, u8::from(nodes.len() == 1), lens);
            break;
        };
        queue.add(Candidate { weight: first.weight + second.weight, node: nodes.len() })?;
        nodes.append(Node::Children([first.node, second.node]))?;
    }
    Ok(())
}

fn set_lens(nodes: &[Node], node: usize, depth: u8, lens: &mut [u8; 256]) {
    match nodes[node] {
        Node::Symbol(symbol) => lens[usize::from(symbol)] = depth,
        Node::Children(children) => {
            for child in children {
                set_lens(nodes, child, depth + 1, lens);
            }
        }
    }
}

struct BitWriter<'a> {
    bytes: ArrayList<'a, u8>,
    free: u8,
}

impl BitWriter<'_> {
    fn write(&mut self, bits: u32, len: u8) -> Result<(), Error> {
        for i in 0..len {
            if self.free == 0 {
                self.bytes.append(0)?;
                self.free = 8;
            }
            self.free -= 1;
            let bit = (bits >> (len - 1 - i) & 1) as u8;
            *self.bytes.last_mut().unwrap() |= bit << self.free;
        }
        Ok(())
    }
}

struct BitReader<'b> {
    bytes: &'b [u8],
    index: usize,
}

impl BitReader<'_> {
    fn read(&mut self, len: u8) -> Result<u32, CodeError> {
        let mut bits = 0;
        for _ in 0..len {
            let byte = self.bytes.get(self.index / 8).ok_or(CodeError::EndOfStream)?;
            bits = bits << 1 | u32::from(byte >> (7 - self.index % 8) & 1);
            self.index += 1;
        }
        Ok(bits)
    }
}

/// Returns the coded text.
fn encode<'a>(allocator: Allocator<'a>, text: &[u8]) -> Result<OwnedBox<'a, [u8]>, CodeError> {
    let table = Table::init(allocator, text)?;
    let mut writer = BitWriter { bytes: ArrayList::init(allocator), free: 0 };
    let len = u32::try_from(text.len()).map_err(|_| CodeError::TooLong)?;
    writer.write(len, 32)?;
    writer.write(table.symbols.len() as u32, 16)?;
    for symbol in table.symbols.iter() {
        writer.write(u32::from(*symbol), 8)?;
        writer.write(u32::from(table.codes[usize::from(*symbol)].len), 8)?;
    }
    for byte in text {
        let code = table.codes[usize::from(*byte)];
        writer.write(code.bits, code.len)?;
    }
    Ok(writer.bytes.to_owned_slice()?)
}

/// Returns the text.
fn decode<'a>(allocator: Allocator<'a>, coded: &[u8]) -> Result<OwnedBox<'a, [u8]>, CodeError> {
    let mut reader = BitReader { bytes: coded, index: 0 };
    let len = reader.read(32)? as usize;
    let mut lens = [0; 256];
    for _ in 0..reader.read(16)? {
        let symbol = reader.read(8)? as usize;
        lens[symbol] = reader.read(8)? as u8;
    }
    let table = Table::from_lens(allocator, &lens)?;
    let mut text = ArrayList::init(allocator);
    while text.len() < len {
        text.append(decode_symbol(&table, &mut reader)?)?;
    }
    Ok(text.to_owned_slice()?)
}

fn decode_symbol(table: &Table<'_>, reader: &mut BitReader<'_>) -> Result<u8, CodeError> {
    let mut code = Code::default();
    for symbol in table.symbols.iter() {
        let candidate = table.codes[usize::from(*symbol)];
        let bits = reader.read(candidate.len - code.len)?;
        code = Code { bits: code.bits << (candidate.len - code.len) | bits, len: candidate.len };
        if code.bits == candidate.bits {
            return Ok(*symbol);
        }
    }
    Err(CodeError::InvalidCode)
}

/// Zig's `{x}` of a slice.
struct Hex<'b>(&'b [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

const TEXTS: [&[u8]; 5] =
    [b"", b"aaaaaaaa", b"abracadabra", b"she sells sea shells by the sea shore", b"\x00\xff\x00\xff\x00\x7f"];

const DAMAGED: [&[u8]; 5] = [
    b"\x00\x00",
    b"\x00\x00\x00\x01\x00\x00",
    b"\x00\x00\x00\x01\x00\x01a\x21\x00",
    b"\x00\x00\x00\x01\x00\x03a\x01b\x01c\x01\x00",
    b"\x00\x00\x00\x02\x00\x01a\x01\x40",
];

fn run(allocator: Allocator<'_>, out: &mut dyn Write) -> Result<(), Box<dyn std::error::Error>> {
    for text in TEXTS {
        let coded = encode(allocator, text)?;
        let decoded = decode(allocator, &coded)?;
        writeln!(out, "{} bytes, {} coded: {}", text.len(), coded.len(), Hex(&coded))?;
        assert_eq!(text, &*decoded);
    }
    let table = Table::init(allocator, TEXTS[2])?;
    writeln!(out, "{}:", TEXTS[2].escape_ascii())?;
    table.print(out)?;
    for coded in DAMAGED {
        match decode(allocator, coded) {
            Ok(text) => writeln!(out, "{}: {}", Hex(coded), text.escape_ascii())?,
            Err(CodeError::OutOfMemory(error)) => return Err(error.into()),
            Err(error) => writeln!(out, "{}: {error}", Hex(coded))?,
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let debug_allocator = DebugAllocator::init(PAGE_ALLOCATOR);
    run(*debug_allocator.allocator(), &mut io::stdout())?;
    assert_eq!(debug_allocator.deinit(), Check::Ok);
    Ok(())
}

#[test]
fn decoded_text_is_what_was_encoded() -> Result<(), CodeError> {
    let mut text = [0; 1000];
    for (i, byte) in text.iter_mut().enumerate() {
        *byte = (i * i % 251 / (1 + i % 7)) as u8;
    }
    zigalloc::testing::with_allocator(|allocator| {
        let coded = encode(*allocator, &text)?;
        let decoded = decode(*allocator, &coded)?;
        assert_eq!(text[..], *decoded);
        Ok(())
    })
}

#[test]
fn every_allocation_may_fail() {
    zigalloc::testing::with_allocator(|allocator| {
        zigalloc::testing::check_all_allocation_failures(*allocator, |allocator| {
            run(allocator, &mut io::sink())
        })
    })
    .unwrap();
}
