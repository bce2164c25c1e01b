//! The words of the locks, and what a `fork` does with them.
//!
//! In a child process, a lock that another thread held would stay locked for ever, and what it guards would be half
//! changed. So before a fork its thread takes all locks, and afterwards releases them in both processes
//! (`pthread_atfork`). To be found, they must not move with their allocators: their words are in a static array of 64,
//! of which an allocator uses one from its first call until it is dropped. If none is free, it has a word of its own,
//! for which a fork does not wait.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use crossbeam::utils::CachePadded;

pub(crate) const FREE: u32 = 0;
pub(crate) const HELD: u32 = 1;
/// Held, and a thread may be sleeping.
pub(crate) const AWAITED: u32 = 2;

/// The word of a lock, and what threads that wait for it sleep on.
#[derive(Debug)]
pub(crate) struct Word {
    /// [`FREE`], [`HELD`] or [`AWAITED`].
    pub(crate) state: AtomicU32,
    /// A thread that is about to sleep holds this from the time it writes `AWAITED` until it sleeps.
    pub(crate) queue: Mutex<()>,
    pub(crate) waiting: Condvar,
    /// A lock uses this word.
    is_used: AtomicBool,
    /// A fork in progress holds it.
    is_of_fork: AtomicBool,
    /// The forking thread has taken it a second time.
    is_nested: AtomicBool,
}

impl Word {
    pub(crate) const fn new() -> Word {
        Word {
            state: AtomicU32::new(FREE),
            queue: Mutex::new(()),
            waiting: Condvar::new(),
            is_used: AtomicBool::new(false),
            is_of_fork: AtomicBool::new(false),
            is_nested: AtomicBool::new(false),
        }
    }

    #[inline(always)]
    pub(crate) fn try_take(&self) -> bool {
        self.state.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// # Safety
    /// The caller has taken the word, and uses nothing that the lock guards afterwards.
    #[inline(always)]
    pub(crate) unsafe fn give_back(&self) {
        if self.state.swap(FREE, Ordering::Release) == AWAITED {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if has_forked() {
            return;
        }
        // Once this can be taken, a thread that has written `AWAITED` is asleep, and can be woken.
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner));
        self.waiting.notify_one();
    }

    /// Takes a word that a fork in progress holds, in the thread that forks: other handlers of `pthread_atfork` may
    /// allocate. Release it with [`end_nested`](Self::end_nested).
    pub(crate) fn try_take_nested(&self) -> bool {
        let forking = FORKING.load(Ordering::Relaxed);
        forking != 0
            && forking == this_thread()
            && self.is_of_fork.load(Ordering::Relaxed)
            && !self.is_nested.swap(true, Ordering::Acquire)
    }

    /// # Safety
    /// The caller has taken the word with [`try_take_nested`](Self::try_take_nested), and uses nothing that the lock
    /// guards afterwards.
    pub(crate) unsafe fn end_nested(&self) {
        self.is_nested.store(false, Ordering::Release);
    }
}

static WORDS: [CachePadded<Word>; 64] = [const { CachePadded::new(Word::new()) }; 64];

/// The thread that is taking the words for a fork, or holds them; 0 if there is none.
static FORKING: AtomicUsize = AtomicUsize::new(0);

/// How many forks have begun: a fork may be over before a thread looks for it.
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// How many forks have begun.
pub(crate) fn count() -> usize {
    FORKS.load(Ordering::Acquire)
}

/// Whether another thread is forking: the words that it holds will be free again.
pub(crate) fn is_in_progress_elsewhere() -> bool {
    let forking = FORKING.load(Ordering::Acquire);
    forking != 0 && forking != this_thread()
}

/// Whether this process is the child of a fork that held the words. The standard library's primitives in them may be
/// held by threads that do not exist here, so threads do not sleep any more.
static HAS_FORKED: AtomicBool = AtomicBool::new(false);

pub(crate) fn has_forked() -> bool {
    HAS_FORKED.load(Ordering::Relaxed)
}

/// A word that no other lock uses, if there is one.
pub(crate) fn take_word() -> Option<&'static Word> {
    static IS_REGISTERED: AtomicBool = AtomicBool::new(false);
    // Registering may allocate, so the flag is set first.
    if !IS_REGISTERED.swap(true, Ordering::Relaxed) {
        register();
    }
    WORDS.iter().map(|word| &**word).find(|word| !word.is_used.swap(true, Ordering::Relaxed))
}

/// Makes a word available to other locks. One that is held stays with its lock, unless a fork holds it: its call never
/// returned, because it exited the process. (Two locks with one word would exclude each other: slow, but not unsound.)
pub(crate) fn return_word(word: &Word) {
    loop {
        let forks = count();
        if word.state.load(Ordering::Acquire) == FREE || word.is_of_fork.load(Ordering::Relaxed) {
            word.is_used.store(false, Ordering::Release);
            return;
        }
        if is_in_progress_elsewhere() {
            // The fork may have taken the word, and not marked it yet.
            thread::sleep(PAUSE);
        } else if count() == forks {
            return;
        }
    }
}

#[cfg(all(unix, not(miri)))]
fn register() {
    // SAFETY: three functions that may be called at any time, from any thread, and do not unwind. If there is no memory
    // for them, a fork does not wait.
    unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
}

#[cfg(not(all(unix, not(miri))))]
fn register() {}

#[cfg(all(unix, not(miri)))]
fn this_thread() -> usize {
    // SAFETY: it has no conditions.
    unsafe { libc::pthread_self() as usize }
}

#[cfg(not(all(unix, not(miri))))]
fn this_thread() -> usize {
    0
}

/// How often a fork tries to take all words, with a pause in between: for a second or a few. It fails if a call in
/// progress waits for the fork, for example because its child forks. It then happens without the words of such calls.
const TRIES: usize = 20_000;
const PAUSE: Duration = Duration::from_micros(50);

#[cfg_attr(not(all(unix, not(miri))), allow(dead_code))]
extern "C" fn prepare() {
    // One fork at a time takes words.
    while FORKING.compare_exchange(0, this_thread(), Ordering::Acquire, Ordering::Relaxed).is_err() {
        thread::sleep(PAUSE);
    }
    FORKS.fetch_add(1, Ordering::AcqRel);
    for _ in 0..TRIES {
        if take_all() {
            return;
        }
        // One allocator may be the child of another, so a thread that waits for a word must not hold others.
        // SAFETY: words that this fork has taken.
        give_all_back(|word| unsafe { word.give_back() });
        thread::sleep(PAUSE);
    }
    // Without those that stay taken.
    take_all();
}

/// Takes every word that becomes free soon. Returns whether these are all words.
fn take_all() -> bool {
    let mut are_all = true;
    for word in &WORDS {
        let is_taken = (0..1000).any(|_| {
            let is_taken = word.try_take();
            if !is_taken {
                core::hint::spin_loop();
            }
            is_taken
        });
        if is_taken {
            word.is_of_fork.store(true, Ordering::Relaxed);
        }
        are_all &= is_taken;
    }
    are_all
}

fn give_all_back(give_back: impl Fn(&Word)) {
    for word in &WORDS {
        if word.is_of_fork.swap(false, Ordering::Relaxed) {
            give_back(word);
        }
    }
}

#[cfg_attr(not(all(unix, not(miri))), allow(dead_code))]
extern "C" fn in_parent() {
    // SAFETY: words that this fork has taken.
    give_all_back(|word| unsafe { word.give_back() });
    FORKING.store(0, Ordering::Release);
}

#[cfg_attr(not(all(unix, not(miri))), allow(dead_code))]
extern "C" fn in_child() {
    HAS_FORKED.store(true, Ordering::Relaxed);
    give_all_back(|word| word.state.store(FREE, Ordering::Release));
    FORKING.store(0, Ordering::Release);
}

#[cfg(all(test, unix, not(miri)))]
mod tests {
    use super::*;

    /// A fork takes every word. Its own thread may take each once more at a time, and others wait. (The test calls the
    /// handlers as the system does.)
    #[test]
    fn a_fork_holds_every_word() {
        prepare();
        let word = &WORDS[63];
        assert!(!word.try_take());
        assert!(word.try_take_nested() && !word.try_take_nested());
        // SAFETY: taken by this thread.
        unsafe { word.end_nested() };
        assert!(word.try_take_nested());
        // SAFETY: as above.
        unsafe { word.end_nested() };
        assert!(!thread::spawn(|| WORDS[63].try_take_nested()).join().unwrap());
        // An allocator may be dropped during a fork.
        word.is_used.store(true, Ordering::Relaxed);
        return_word(word);
        assert!(!word.is_used.load(Ordering::Relaxed));
        in_parent();
        assert!(!word.try_take_nested(), "there is no fork any more");
        assert!(!is_in_progress_elsewhere() && count() > 0);
        assert!(!has_forked());
        // A call that does not return keeps its word.
        let lost = Word::new();
        lost.is_used.store(true, Ordering::Relaxed);
        assert!(lost.try_take());
        return_word(&lost);
        assert!(lost.is_used.load(Ordering::Relaxed));
    }
}
