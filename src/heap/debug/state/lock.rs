//! The lock around the state.
//!
//! At lock and unlock, a `std::sync::Mutex` checks whether the thread is panicking, which would be a considerable part
//! of the cost of a call, and is of no use here. Without contention, locking and unlocking this lock takes one atomic
//! operation each. Threads that have to wait use the standard library's primitives, unless these allocate.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use core::time::Duration;
use std::sync::PoisonError;
use std::thread;

use super::fork::{self, AWAITED, FREE, Word};

/// How often a thread checks again before it sleeps.
const SPINS: usize = 100;

/// Whether the standard library's mutex waits in the kernel on a word of its own (a futex). On other systems (macOS,
/// and all that only have pthreads) the first thread that locks it allocates it on the global heap: a thread that waits
/// for the lock of a global allocator would wait for itself.
const MUTEX_IS_A_WORD: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "openbsd",
    target_os = "dragonfly",
    target_os = "fuchsia",
    target_os = "hermit",
    target_family = "wasm",
    windows,
));

#[derive(Debug)]
pub(crate) struct Lock<T> {
    /// The word: null before the first call, then always the same one, from [`fork`]'s array or [`OWN`].
    place: AtomicPtr<Word>,
    own: Word,
    value: UnsafeCell<T>,
}

/// Means that a lock uses its own word. No other word has this address.
const OWN: *mut Word = ptr::dangling_mut();

// SAFETY: the value is accessed only through a guard, of which there is one at a time.
unsafe impl<T: Send> Sync for Lock<T> {}
// Like a mutex whose poison is ignored.
impl<T> UnwindSafe for Lock<T> {}
impl<T> RefUnwindSafe for Lock<T> {}

/// The right to use the value. Dropping it releases the lock.
#[derive(Debug)]
pub(crate) struct Guard<'l, T> {
    lock: &'l Lock<T>,
    word: &'l Word,
    /// A fork holds the lock, and this guard is in its thread.
    is_nested: bool,
    /// Makes the guard `Sync` only if the value is.
    value: PhantomData<&'l mut T>,
}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Lock<T> {
        Lock { place: AtomicPtr::new(ptr::null_mut()), own: Word::new(), value: UnsafeCell::new(value) }
    }

    #[inline(always)]
    fn word(&self) -> &Word {
        let place = self.place.load(Ordering::Relaxed);
        if place.is_null() || place == OWN {
            return self.own_word(place);
        }
        // SAFETY: neither null nor `OWN`, so a word of a static, as `own_word` got it.
        unsafe { &*place }
    }

    #[cold]
    fn own_word(&self, place: *mut Word) -> &Word {
        if place == OWN {
            return &self.own;
        }
        let taken = fork::take_word();
        let place = taken.map_or(OWN, |word| ptr::from_ref(word).cast_mut());
        let chosen =
            self.place.compare_exchange(ptr::null_mut(), place, Ordering::Relaxed, Ordering::Relaxed);
        if let (Err(_), Some(word)) = (chosen, taken) {
            // Another thread was faster.
            fork::return_word(word);
        }
        match chosen.err().unwrap_or(place) {
            OWN => &self.own,
            // SAFETY: a word of a static: `place` is not `OWN`, and not null any more.
            place => unsafe { &*place },
        }
    }

    #[inline(always)]
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        let word = self.word();
        // Not `then_some`, which would make the guard in any case, and drop it: that releases the lock.
        // SAFETY: the word has just been taken.
        word.try_take().then(|| unsafe { self.guard(word, false) })
    }

    /// Takes the lock unless a call holds it. If a fork holds it, this waits for the fork.
    #[cold]
    pub(crate) fn lock_unless_in_call(&self) -> Option<Guard<'_, T>> {
        loop {
            let forks = fork::count();
            if let Some(guard) = self.try_lock() {
                return Some(guard);
            }
            let word = self.word();
            if word.try_take_nested() {
                // SAFETY: the word has just been taken, within a fork of this thread.
                return Some(unsafe { self.guard(word, true) });
            }
            if fork::is_in_progress_elsewhere() {
                thread::sleep(Duration::from_micros(50));
            } else if fork::count() == forks {
                return None;
            }
        }
    }

    /// # Safety
    /// The caller has taken `word`, which is this lock's, and nothing else holds it: with `is_nested`, nothing but a
    /// fork of this thread. The guard releases it.
    #[inline(always)]
    unsafe fn guard<'l>(&'l self, word: &'l Word, is_nested: bool) -> Guard<'l, T> {
        Guard { lock: self, word, is_nested, value: PhantomData }
    }

    #[cold]
    pub(crate) fn lock_contended(&self) -> Guard<'_, T> {
        let word = self.word();
        if word.try_take_nested() {
            // SAFETY: the word has just been taken, within a fork of this thread.
            return unsafe { self.guard(word, true) };
        }
        for _ in 0..SPINS {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            if word.state.load(Ordering::Relaxed) == AWAITED {
                break;
            }
            core::hint::spin_loop();
        }
        if MUTEX_IS_A_WORD && !fork::has_forked() { self.lock_asleep() } else { self.lock_by_looking() }
    }

    fn lock_asleep(&self) -> Guard<'_, T> {
        let word = self.word();
        let mut queue = word.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // A thread that takes it here does not know whether others sleep, so it wakes one when it releases it.
        while word.state.swap(AWAITED, Ordering::Acquire) != FREE {
            queue = word.waiting.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        // SAFETY: the word was free and is held now, by the swap.
        unsafe { self.guard(word, false) }
    }

    /// Polls. This allocates nothing, and no thread has to be woken.
    fn lock_by_looking(&self) -> Guard<'_, T> {
        let mut looks = 0;
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            looks += 1;
            if looks < SPINS {
                thread::yield_now();
            } else {
                thread::sleep(Duration::from_micros(50));
            }
        }
    }
}

impl<T> Drop for Lock<T> {
    fn drop(&mut self) {
        let place = *self.place.get_mut();
        if !place.is_null() && place != OWN {
            // SAFETY: neither null nor `OWN`, so a word of a static.
            fork::return_word(unsafe { &*place });
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: this is the only guard.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this is the only guard, and is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.is_nested {
            // SAFETY: `guard`'s caller has taken the word, within a fork.
            unsafe { self.word.end_nested() };
        } else {
            // SAFETY: `guard`'s caller has taken the word.
            unsafe { self.word.give_back() };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Lock::lock_contended)]
    #[case(Lock::lock_asleep)]
    #[case(Lock::lock_by_looking)]
    fn one_at_a_time(#[case] wait: for<'l> fn(&'l Lock<usize>) -> Guard<'l, usize>) {
        const THREADS: usize = 4;
        const TURNS: usize = if cfg!(miri) { 20 } else { 20_000 };
        let lock = Lock::new(0);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for turn in 0..TURNS {
                        let mut count = lock.try_lock().unwrap_or_else(|| wait(&lock));
                        let before = *count;
                        if turn % 8 == 0 {
                            // So that others have to sleep.
                            thread::yield_now();
                        }
                        *count = before + 1;
                    }
                });
            }
        });
        assert_eq!(*lock.try_lock().unwrap(), THREADS * TURNS);
    }

    /// All that sleep are woken, one after the other.
    #[test]
    fn every_sleeping_thread_is_woken() {
        let lock = Lock::new(0);
        let held = lock.try_lock().unwrap();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| *lock.lock_asleep() += 1);
            }
            while lock.word().state.load(Ordering::Relaxed) != AWAITED {
                thread::yield_now();
            }
            assert!(lock.try_lock().is_none());
            drop(held);
        });
        assert_eq!(*lock.try_lock().unwrap(), 3);
    }

    #[test]
    fn a_panic_frees_it() {
        let lock = Lock::new(1);
        std::panic::catch_unwind(|| {
            let _held = lock.try_lock().unwrap();
            std::panic::resume_unwind(std::boxed::Box::new(()));
        })
        .unwrap_err();
        assert_eq!(*lock.try_lock().unwrap(), 1);
    }

    /// More locks than there are words for forks: the others keep their own, and work as well.
    #[test]
    fn more_locks_than_words() {
        let locks: Vec<Lock<usize>> = (0..100).map(Lock::new).collect();
        for (n, lock) in locks.iter().enumerate() {
            let held = lock.try_lock().unwrap();
            assert_eq!(*held, n);
            assert!(lock.try_lock().is_none());
        }
        let own = |lock: &Lock<usize>| lock.place.load(Ordering::Relaxed) == OWN;
        assert!(locks.iter().filter(|lock| own(lock)).count() >= 36);
        let last = locks.into_iter().find(own).unwrap();
        assert!(last.try_lock().is_some() && own(&last), "the words that came back are for others");
    }

    /// A lock that has moved is the same.
    #[test]
    fn a_lock_that_moves() {
        let lock = Lock::new(7);
        *lock.try_lock().unwrap() += 1;
        let moved = std::boxed::Box::new(lock);
        let held = moved.try_lock().unwrap();
        assert_eq!(*held, 8);
        assert!(moved.try_lock().is_none());
    }
}
