//! The input of the terminals.

use zigalloc_support::Random;

/// A session with a shell, vim, less and top in a terminal of 100 columns and 30 rows, recorded byte by byte
/// from a pseudo-terminal.
pub(crate) const RECORDING: &[u8] = include_bytes!("session.vt");

/// Generates about `len` bytes of terminal output: text in several scripts, colours, cursor movements,
/// scrolling, hyperlinks, and some noise. The result depends only on the arguments.
pub(crate) fn generated(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut stream = Vec::with_capacity(len + 100);
    while stream.len() < len {
        piece(&mut random, &mut stream);
    }
    stream.extend_from_slice(b"\x1b[0m\x1b[r\x1b]8;;\x1b\\\r\n");
    stream
}

const WORDS: &[&str] = &[
    "allocator",
    "arena",
    "résumé",
    "世界",
    "こんにちは",
    "👩‍👩‍👧",
    "e\u{301}\u{302}",
    "🦀",
    "─┼─",
    "Ω",
    "x",
    "\t",
];

fn piece(random: &mut Random, out: &mut Vec<u8>) {
    let mut n = |end| random.below(end);
    let text = match n(16) {
        0..=5 => format!("{} ", WORDS[n(WORDS.len())]),
        6 => "\r\n".to_owned(),
        7 => format!("\x1b[{};{}H", 1 + n(50), 1 + n(140)),
        8 => format!("\x1b[38;2;{};{};{}m", n(256), n(256), n(256)),
        9 => format!("\x1b[{}m", n(110)),
        10 => format!("\x1b[{}{}", n(12), b"ABCDEFGJKLMPSTX@"[n(16)] as char),
        11 => format!("\x1b[{};{}r", 1 + n(10), 11 + n(30)),
        12 => format!("\x1b]8;id={};https://example.org/{}\x1b\\link\x1b]8;;\x1b\\", n(50), n(1000)),
        13 => format!("\x1b[?{}{}", [6, 7, 25, 69, 2004][n(5)], if n(2) == 0 { 'h' } else { 'l' }),
        14 => format!("\x1b]2;title {}\x07\x1b]7;file:///{}\x07", n(1000), n(1000)),
        _ => {
            // Noise that cannot start an unterminated string.
            out.extend((0..n(6)).map(|_| 0x80 | n(64) as u8));
            return;
        }
    };
    out.extend_from_slice(text.as_bytes());
}
