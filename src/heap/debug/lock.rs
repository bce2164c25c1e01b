//! The lock around the state.
//!
//! A `std::sync::Mutex` asks at each end whether the thread panics, to be poisoned if it does. That
//! would be a good part of the cost of a call, and nobody here makes use of the answer. This one is taken
//! and given back in one atomic step each where no other thread wants it; those that have to wait do that
//! in the standard library's primitives, unless these allocate.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and some thread sleeps, or did.
const AWAITED: u32 = 2;

/// How often a thread looks again before it sleeps.
const SPINS: usize = 100;

/// Whether the standard library's mutex waits in the kernel at a word of its own. On other systems (macOS, and all that
/// have pthreads alone) it is a block of the global heap, made by the first thread that locks it: one that waits for a
/// global allocator's lock would wait for itself.
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
pub(super) struct Lock<T> {
    /// One of the three.
    state: AtomicU32,
    /// A thread that is about to sleep has this from when it writes `AWAITED` until it does sleep.
    queue: Mutex<()>,
    waiting: Condvar,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through a guard only, of which there is one at a time.
unsafe impl<T: Send> Sync for Lock<T> {}
// As a mutex is, whose poison is looked at by nobody.
impl<T> UnwindSafe for Lock<T> {}
impl<T> RefUnwindSafe for Lock<T> {}

/// The right to use the value. The lock is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Guard<'l, T> {
    lock: &'l Lock<T>,
    /// What a guard is to the value, so that it is `Sync` only if the value is.
    value: PhantomData<&'l mut T>,
}

impl<T> Lock<T> {
    pub(super) const fn new(value: T) -> Lock<T> {
        Lock {
            state: AtomicU32::new(FREE),
            queue: Mutex::new(()),
            waiting: Condvar::new(),
            value: UnsafeCell::new(value),
        }
    }

    #[inline(always)]
    pub(super) fn try_lock(&self) -> Option<Guard<'_, T>> {
        let taken = self.state.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed);
        // Not `then_some`: a guard that is made is dropped, and frees the lock.
        taken.is_ok().then(|| Guard { lock: self, value: PhantomData })
    }

    #[cold]
    pub(super) fn lock_contended(&self) -> Guard<'_, T> {
        for _ in 0..SPINS {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            if self.state.load(Ordering::Relaxed) == AWAITED {
                break;
            }
            core::hint::spin_loop();
        }
        if MUTEX_IS_A_WORD { self.lock_asleep() } else { self.lock_by_looking() }
    }

    fn lock_asleep(&self) -> Guard<'_, T> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever takes it here does not know whether others sleep, and so wakes one in the end.
        while self.state.swap(AWAITED, Ordering::Acquire) != FREE {
            queue = self.waiting.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        Guard { lock: self, value: PhantomData }
    }

    /// Allocates nothing, and nobody is woken.
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

    #[cold]
    fn wake(&self) {
        // When this has been taken, a thread that has written `AWAITED` sleeps, and can be woken.
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner));
        self.waiting.notify_one();
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
        // SAFETY: this is the only guard, and it is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.lock.state.swap(FREE, Ordering::Release) == AWAITED {
            self.lock.wake();
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn nobody_is_forgotten() {
        let lock = Lock::new(0);
        let held = lock.try_lock().unwrap();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| *lock.lock_asleep() += 1);
            }
            while lock.state.load(Ordering::Relaxed) != AWAITED {
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
}
