//! The firmware's logic on this machine, with buffers of all lengths.

use std::mem::MaybeUninit;

type Sample = (usize, u32);

fn run(len: usize, samples: &[Sample]) -> Result<firmware::Summary, zigalloc::Error> {
    let mut memory = vec![MaybeUninit::uninit(); len];
    firmware::run(&mut memory, samples.iter().copied())
}

#[test]
fn each_channel_keeps_its_newest() {
    let samples = [(0, 9), (1, 5), (1, 4), (1, 3), (1, 2), (0, 8), (1, 1), (7, 7)];
    let summary = run(1024, &samples).unwrap();
    assert_eq!(summary.report.as_str(), "[8, 9][1, 2, 3, 4]");
    assert_eq!(summary.dropped, 0);
    assert!((16 * 8..1024).contains(&summary.peak), "{summary:?}");
}

/// However long it runs: readings are used again, and so is the memory of a report.
#[test]
fn memory_does_not_grow() {
    let samples = |count| (0..count).map(|n| (n as usize % 2, n)).collect::<Vec<Sample>>();
    let (short, long) = (run(1024, &samples(20)).unwrap(), run(1024, &samples(2000)).unwrap());
    assert_eq!((long.peak, long.dropped), (short.peak, 0));
    assert_eq!(long.report.as_str(), "[1992, 1994, 1996, 1998][1993, 1995, 1997, 1999]");
}

/// From none to plenty, a buffer is enough or it is not; and what was said to be the peak is about what is
/// needed.
#[test]
fn every_length_of_buffer() {
    let samples = [(0, 3), (0, 2), (1, 1)];
    let peak = run(1024, &samples).unwrap().peak;
    let mut enough = 0;
    for len in 0..=1024 {
        match run(len, &samples) {
            Ok(summary) => {
                assert_eq!(summary.report.as_str(), "[2, 3][1]");
                enough += 1;
            }
            Err(zigalloc::Error::OutOfMemory) => {
                assert_eq!(enough, 0, "{len} bytes are not enough, fewer are")
            }
        }
    }
    assert!(enough > 0 && 1025 - enough < peak + 64, "{enough} lengths are enough; the peak is {peak}");
}
