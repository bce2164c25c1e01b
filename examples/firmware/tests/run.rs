//! Tests the firmware's logic on the host, with buffers of all lengths.

use std::mem::MaybeUninit;

use firmware::{CHANNELS, KEPT, READINGS, Sample, Summary};

use Sample::{Unplugged, Value};

/// Aligned, so that equal lengths give the same amount of memory in every run.
#[repr(align(16))]
struct Memory([MaybeUninit<u8>; 1024]);

fn run(len: usize, samples: &[Sample]) -> Result<Summary, zigalloc::Error> {
    let mut memory = Memory([MaybeUninit::uninit(); 1024]);
    firmware::run(&mut memory.0[..len], samples.iter().copied())
}

/// Ascending values, distributed over the channels in turn.
fn in_turn(channels: usize, count: u32) -> Vec<Sample> {
    (0..count).map(|n| Value(n as usize % channels, n)).collect()
}

#[test]
fn each_channel_keeps_its_newest() {
    let quick = (0..10).rev().map(|value| Value(1, value));
    let samples: Vec<_> = [Value(0, 9)].into_iter().chain(quick).chain([Value(0, 8), Value(7, 7)]).collect();
    let summary = run(1024, &samples).unwrap();
    assert_eq!(summary.report.as_str(), "[8, 9][0, 1, 2, 3, 4, 5, 6, 7][]");
    assert_eq!((summary.dropped, summary.skipped), (0, 0));
    assert!((READINGS * size_of::<usize>()..1024).contains(&summary.peak), "{summary:?}");
}

/// Readings and the memory of reports are reused, however long it runs.
#[test]
fn memory_does_not_grow() {
    let (short, long) = (run(1024, &in_turn(2, 40)).unwrap(), run(1024, &in_turn(2, 2000)).unwrap());
    assert_eq!((long.peak, long.dropped, long.skipped), (short.peak, 0, 0));
    let newest = |last: u32| (0..KEPT as u32).rev().map(|n| last - 2 * n).collect::<Vec<_>>();
    assert_eq!(long.report.as_str(), format!("{:?}{:?}[]", newest(1998), newest(1999)));
}

/// Two channels use all readings; a third gets none until one of them is unplugged.
#[test]
fn readings_without_room_are_dropped() {
    let mut samples = in_turn(2, 16);
    samples.extend([Value(2, 100), Value(2, 101)]);
    let full = run(1024, &samples).unwrap();
    assert_eq!(full.report.as_str(), "[0, 2, 4, 6, 8, 10, 12, 14][1, 3, 5, 7, 9, 11, 13, 15][]");
    assert_eq!((full.dropped, full.skipped), (2, 0));

    // The others continue as before: a new reading replaces an old one.
    samples.extend([Value(0, 16), Value(1, 17), Value(2, 102)]);
    let going_on = run(1024, &samples).unwrap();
    assert_eq!(going_on.report.as_str(), "[2, 4, 6, 8, 10, 12, 14, 16][3, 5, 7, 9, 11, 13, 15, 17][]");
    assert_eq!((going_on.dropped, going_on.skipped), (3, 0));

    // After the first is unplugged, there is room for the third.
    samples.extend([Unplugged(0), Value(2, 103), Value(2, 104)]);
    let unplugged = run(1024, &samples).unwrap();
    assert_eq!(unplugged.report.as_str(), "[][3, 5, 7, 9, 11, 13, 15, 17][103, 104]");
    assert_eq!((unplugged.dropped, unplugged.skipped), (3, 0));

    // It uses all but one of the free readings, and the first gets that one when it is plugged in again.
    samples.extend((105..110).map(|value| Value(2, value)));
    samples.extend([Value(0, 18), Value(0, 19), Value(2, 110)]);
    let full_again = run(1024, &samples).unwrap();
    assert_eq!(
        full_again.report.as_str(),
        "[18][3, 5, 7, 9, 11, 13, 15, 17][103, 104, 105, 106, 107, 108, 109]"
    );
    assert_eq!((full_again.dropped, full_again.skipped), (5, 0));
    assert_eq!(full_again.peak, full.peak);
}

#[test]
fn unplugging_what_is_not_there_is_nothing() {
    let samples = [Unplugged(0), Value(1, 1), Unplugged(CHANNELS), Unplugged(1), Unplugged(1)];
    let summary = run(1024, &samples).unwrap();
    assert_eq!(summary.report.as_str(), "[][][]");
}

/// Even the longest report fits: the maximum number of readings, with the most digits.
#[test]
fn reports_are_whole() {
    let summary = run(1024, &[[Value(0, u32::MAX), Value(2, u32::MAX)]; KEPT].concat()).unwrap();
    let values = [u32::MAX; KEPT];
    assert_eq!(summary.report.as_str(), format!("{values:?}[]{values:?}"));
}

/// Tries every length from 0 to 1024 bytes. Above the minimum, every run finishes. The number of dropped readings
/// does not depend on the length, since their memory is allocated at the start. Reports are skipped while there is
/// not enough memory for the longest one.
#[test]
fn every_length_of_buffer() {
    // First all three channels, one of which does not get enough readings; then only two.
    let (full, empty) = (in_turn(CHANNELS, 60), [Unplugged(0), Unplugged(1), Value(1, 60)]);
    let samples = [&full[..], &empty].concat();
    let plenty = run(1024, &samples).unwrap();
    assert!(plenty.dropped > 0 && plenty.skipped == 0, "{plenty:?}");
    let reports: Vec<_> = (0..=samples.len()).map(|n| run(1024, &samples[..n]).unwrap().report).collect();
    let runs: Vec<_> = (0..=1024).map(|len| run(len, &samples)).collect();

    let least = runs.iter().position(Result::is_ok).expect("1024 bytes are enough");
    assert!(least > READINGS * size_of::<usize>(), "{least}");
    let runs: Vec<Summary> = runs.into_iter().skip(least).map(Result::unwrap).collect();
    for (len, Summary { report, skipped, dropped, peak }) in (least..).zip(&runs) {
        assert_eq!(*dropped, plenty.dropped, "{len} bytes");
        assert!(*peak <= len, "{len} bytes, {peak} of them in use");
        // A report that does not fit is skipped, and the shorter one before it remains.
        let shown = reports.iter().rposition(|whole| whole == report).expect("no report is cut short");
        assert!(
            reports[shown + 1..].iter().all(|later| later.as_str().len() > report.as_str().len()),
            "{len} bytes, {skipped} reports skipped, {report:?} is not the last that fits"
        );
        assert_eq!(shown == 0, *skipped == samples.len(), "{len} bytes");
        assert!(*skipped > 0 || *report == plenty.report, "{len} bytes");
    }

    let skipped: Vec<_> = runs.iter().map(|summary| summary.skipped).collect();
    assert!(
        skipped.is_sorted_by(|less, more| less >= more),
        "more memory, but more reports skipped: {skipped:?}"
    );
    assert_eq!(skipped[0], samples.len(), "with the minimum, there is memory only for readings");
    assert!(
        skipped.iter().any(|count| (1..samples.len()).contains(count)),
        "no length skips only some of the reports: {skipped:?}"
    );
    // The reported peak is close to the memory needed.
    let enough = least + skipped.iter().position(|count| *count == 0).unwrap();
    assert!(enough < plenty.peak + 64, "{enough} bytes are enough; the peak is {}", plenty.peak);
}
