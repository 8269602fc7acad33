//! One value, from whoever completes to whoever waits, on any two threads.
//!
//! Knows: the value, who waits for it, whether anybody still does. Must not know what it is an answer to.
//!
//! All that matters is decided under a lock, which nobody holds for longer than it takes to move a value: values are dropped,
//! and wakers woken, cloned and dropped, only after it has been released, because that is code of users.

use std::fmt;
use std::mem::swap;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::blame;
use crate::sys::Time;
use crate::sys::sync::{AtomicBool, Mutex, MutexGuard, Ordering, Thread, current_thread, park};

/// Hands one value from one thread to another.
///
/// Whoever completes calls [`set`](Oneshot::set). Whoever waits polls, or blocks, and [closes](Oneshot::close) it when it waits
/// no more. There is one who waits: of two that poll, the one that polled last is woken.
///
/// **Costs** a lock that is next to never contended, and a waker cloned per task that waits. Allocates nothing, but that
/// [`wait`](Oneshot::wait) allocates the waker of its thread.
pub struct Oneshot<T> {
    state: Mutex<State<T>>,
    /// Nobody waits any more. A hint: the state decides.
    closed: AtomicBool,
    /// Others than whoever completes it may [refuse](Oneshot::refuse) it.
    watched: bool,
}

/// What became of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusing {
    /// Whoever waits is told.
    Refused,
    /// Whoever completes it has begun to.
    Claimed,
    /// It has a value, or nobody waits.
    Over,
}

struct State<T> {
    /// The value may still be set.
    open: bool,
    /// Whoever completes it has begun to.
    claimed: bool,
    /// Anybody may be the one who sets it.
    aside: bool,
    value: Option<T>,
    waker: Option<Waker>,
}

impl<T> State<T> {
    /// What is certain: the value, or that none will come.
    fn look(&mut self) -> Poll<Option<T>> {
        match self.value.take() {
            None if self.open => Poll::Pending,
            value => Poll::Ready(value),
        }
    }
}

impl<T> Default for Oneshot<T> {
    fn default() -> Oneshot<T> {
        Oneshot::watched_if(false)
    }
}

impl<T> Oneshot<T> {
    /// Nothing is set, and nobody waits yet.
    #[must_use]
    pub fn new() -> Oneshot<T> {
        Oneshot::default()
    }

    /// The same; if `watched`, it is claimed by whoever begins to make the value, and may be refused until then.
    #[must_use]
    pub fn watched_if(watched: bool) -> Oneshot<T> {
        let state = State { open: true, claimed: false, aside: false, value: None, waker: None };
        Oneshot { state: Mutex::new(state), closed: AtomicBool::new(false), watched }
    }

    /// True if it can be refused.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watched
    }

    /// Hands the value over, and wakes whoever waits.
    ///
    /// # Errors
    /// The value, when it was closed, or one was set before.
    ///
    /// # Panics
    /// When a user's waker does. The value has been handed over.
    pub fn set(&self, value: T) -> Result<(), T> {
        let waker = {
            let mut state = self.lock();
            if !state.open {
                return Err(value);
            }
            state.open = false;
            state.value = Some(value);
            state.waker.take()
        };
        if let Some(waker) = waker {
            blame::user(|| waker.wake());
        }
        Ok(())
    }

    /// Hands a value over in the place of whoever completes it, who is refused then, unless they have begun to make theirs.
    ///
    /// # Panics
    /// When a user's waker does. The value has been handed over.
    pub fn refuse(&self, value: T) -> Refusing {
        let waker = {
            let mut state = self.lock();
            if !state.open || state.claimed {
                return if state.open { Refusing::Claimed } else { Refusing::Over };
            }
            state.open = false;
            state.value = Some(value);
            state.waker.take()
        };
        if let Some(waker) = waker {
            blame::user(|| waker.wake());
        }
        Refusing::Refused
    }

    /// False if nobody wants a value any more. Whoever completes it asks before it begins to make one: nobody refuses it after that.
    /// **Costs** a lock if it is watched, else a look at memory.
    #[must_use]
    pub fn claim(&self) -> bool {
        if !self.watched {
            return !self.is_closed();
        }
        let mut state = self.lock();
        state.claimed |= state.open;
        state.open
    }

    /// Says that anybody may be the one who sets the value, from now on.
    pub fn put_aside(&self) {
        self.lock().aside = true;
    }

    /// True if the value may still be set, and has not been [put aside](Self::put_aside).
    #[must_use]
    pub fn is_expected(&self) -> bool {
        let state = self.lock();
        state.open && !state.aside
    }

    /// The value, once: when it has been taken, or this has been closed, the answer is `Pending` and nobody will be woken.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        match self.look(cx.waker()) {
            Poll::Ready(Some(value)) => Poll::Ready(value),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// The value, if it is there.
    pub fn try_take(&self) -> Option<T> {
        self.lock().value.take()
    }

    /// Blocks this thread until the value is there. `None` when the `deadline` has come and the value has not, or there is none
    /// to come, because it has been taken, or this has been closed. The value may still come after the deadline: close it.
    ///
    /// Not for a thread that runs a core.
    pub fn wait(&self, deadline: Option<Time>) -> Option<T> {
        let parked = Arc::new(Parked { thread: current_thread(), woken: AtomicBool::new(false) });
        let waker = Waker::from(Arc::clone(&parked));
        loop {
            if let Poll::Ready(value) = self.look(&waker) {
                return value;
            }
            if !parked.wait(deadline) {
                return self.try_take();
            }
        }
    }

    /// Whoever waited does so no more: drops the value if it is there, and refuses it from now on.
    ///
    /// # Panics
    /// When the value does as it is dropped, or a user's waker.
    pub fn close(&self) {
        let (value, waker) = {
            let mut state = self.lock();
            state.open = false;
            // Relaxed: nothing is read by way of it. Whoever sees it and comes for the lock finds this done.
            self.closed.store(true, Ordering::Relaxed);
            (state.value.take(), state.waker.take())
        };
        blame::user(|| drop((value, waker)));
    }

    /// Whether it has been closed: a look at memory. What makes the value may spare itself the trouble.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // Relaxed: a hint, by which nothing is read.
        self.closed.load(Ordering::Relaxed)
    }

    /// The value if it is there, `None` if none will come. If it may still come, `waker` is kept to be woken.
    fn look(&self, waker: &Waker) -> Poll<Option<T>> {
        {
            let mut state = self.lock();
            let seen = state.look();
            if seen.is_ready() || state.waker.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
                return seen;
            }
        }
        let mut waker = Some(blame::user(|| waker.clone()));
        let seen = {
            let mut state = self.lock();
            // The value may have come meanwhile.
            let seen = state.look();
            if seen.is_pending() {
                swap(&mut state.waker, &mut waker);
            }
            seen
        };
        blame::user(|| drop(waker));
        seen
    }

    /// Nothing that could panic runs under the lock. Were it poisoned, the state would be whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Oneshot<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Oneshot").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// A thread that blocks until it is woken. That it is unparked by others, or that others take what unparks it, does it no
/// harm: the flag counts, and is changed by swaps only, so that none undoes another.
struct Parked {
    thread: Thread,
    woken: AtomicBool,
}

impl Parked {
    /// Blocks this thread, which is the one, until it is woken; false if the deadline comes first.
    fn wait(&self, deadline: Option<Time>) -> bool {
        // Acquire: what was done before the wake.
        while !self.woken.swap(false, Ordering::Acquire) {
            if !park(deadline) {
                return false;
            }
        }
        true
    }
}

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release: what was done before the wake is seen by the thread. It is there before the thread goes on.
        self.woken.swap(true, Ordering::Release);
        self.thread.unpark();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::sys;

    /// A waker that calls something when it is woken, and something else when its last clone is dropped.
    struct Calls<W: Fn() + Send + Sync, D: Fn() + Send + Sync>(W, D);

    impl<W: Fn() + Send + Sync, D: Fn() + Send + Sync> Wake for Calls<W, D> {
        fn wake(self: Arc<Self>) {
            self.0();
        }
    }

    impl<W: Fn() + Send + Sync, D: Fn() + Send + Sync> Drop for Calls<W, D> {
        fn drop(&mut self) {
            self.1();
        }
    }

    fn calls(woken: impl Fn() + Send + Sync + 'static, dropped: impl Fn() + Send + Sync + 'static) -> Waker {
        Waker::from(Arc::new(Calls(woken, dropped)))
    }

    fn poll<T>(oneshot: &Oneshot<T>, waker: &Waker) -> Poll<T> {
        oneshot.poll(&mut Context::from_waker(waker))
    }

    #[test]
    fn a_value_is_set_once_and_taken_once() {
        let oneshot = Oneshot::new();
        assert_eq!(poll(&oneshot, Waker::noop()), Poll::Pending);
        assert_eq!((oneshot.try_take(), oneshot.set(1), oneshot.set(2)), (None, Ok(()), Err(2)));
        assert_eq!(poll(&oneshot, Waker::noop()), Poll::Ready(1));
        assert_eq!((oneshot.set(3), oneshot.try_take()), (Err(3), None));
        assert_eq!(poll(&oneshot, Waker::noop()), Poll::Pending);
        assert_eq!(oneshot.wait(None), None);
        assert!(!oneshot.is_closed());

        let oneshot = Oneshot::new();
        assert_eq!((oneshot.set(4), oneshot.try_take(), oneshot.set(5)), (Ok(()), Some(4), Err(5)));
    }

    #[test]
    fn what_is_closed_refuses_the_value_and_drops_the_one_that_it_has() {
        let oneshot = Oneshot::new();
        oneshot.close();
        assert!(oneshot.is_closed());
        assert_eq!((oneshot.set(1), oneshot.try_take(), oneshot.wait(None)), (Err(1), None, None));
        assert_eq!(poll(&oneshot, Waker::noop()), Poll::Pending);

        let (oneshot, counted) = (Oneshot::new(), Rc::new(()));
        oneshot.set(Rc::clone(&counted)).unwrap();
        oneshot.close();
        oneshot.close();
        assert_eq!((Rc::strong_count(&counted), oneshot.try_take()), (1, None));
    }

    #[test]
    fn whoever_polled_last_is_woken_and_nobody_else() {
        let oneshot = Oneshot::new();
        let wakers = [0, 1].map(|_| Arc::new(AtomicBool::new(false))).map(|woken| {
            let theirs = Arc::clone(&woken);
            // Relaxed: all on one thread.
            (calls(move || theirs.store(true, Ordering::Relaxed), || ()), woken)
        });
        for index in [0, 1, 1, 0, 1] {
            assert_eq!(poll(&oneshot, &wakers[index].0), Poll::Pending);
        }
        oneshot.set(7).unwrap();
        // Relaxed: as above.
        assert_eq!(wakers.each_ref().map(|(_, woken)| woken.load(Ordering::Relaxed)), [false, true]);
        assert_eq!(poll(&oneshot, &wakers[0].0), Poll::Ready(7));
    }

    /// If it ran while the lock is held, this would not return.
    fn meddle(oneshot: &Oneshot<Meddles>) {
        drop(oneshot.try_take());
        oneshot.close();
        assert!(oneshot.set(Meddles(None)).is_err());
    }

    struct Meddles(Option<Arc<Oneshot<Meddles>>>);

    impl Drop for Meddles {
        fn drop(&mut self) {
            if let Some(oneshot) = &self.0 {
                meddle(oneshot);
            }
        }
    }

    #[test]
    fn users_code_runs_outside_of_the_lock() {
        let oneshot = Arc::new(Oneshot::new());
        oneshot.set(Meddles(Some(Arc::clone(&oneshot)))).ok().unwrap();
        oneshot.close();

        let oneshot = Arc::new(Oneshot::new());
        let theirs = Arc::clone(&oneshot);
        assert!(poll(&oneshot, &calls(move || meddle(&theirs), || ())).is_pending());
        oneshot.set(Meddles(None)).ok().unwrap();

        for close in [true, false] {
            let oneshot = Arc::new(Oneshot::new());
            let theirs = Arc::clone(&oneshot);
            assert!(poll(&oneshot, &calls(|| (), move || meddle(&theirs))).is_pending());
            match close {
                true => oneshot.close(),
                false => assert!(poll(&oneshot, Waker::noop()).is_pending()),
            }
        }
    }

    #[test]
    fn a_panic_of_users_code_leaves_everything_in_order() {
        let panics = |call: &mut dyn FnMut()| assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
        let oneshot = Oneshot::new();
        assert_eq!(poll(&oneshot, &calls(|| panic!("as planned"), || ())), Poll::Pending);
        panics(&mut || oneshot.set(7).unwrap());
        assert_eq!(oneshot.try_take(), Some(7));

        struct Bad(Rc<Cell<u32>>);
        impl Drop for Bad {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
                panic!("as planned");
            }
        }
        let (oneshot, dropped) = (Oneshot::new(), Rc::default());
        oneshot.set(Bad(Rc::clone(&dropped))).ok().unwrap();
        panics(&mut || oneshot.close());
        assert_eq!(dropped.get(), 1);
        assert!(oneshot.is_closed() && oneshot.try_take().is_none());
        blame::contained();
    }

    #[test]
    fn a_thread_waits_until_the_value_is_there_whoever_unparks_it() {
        for early in [false, true] {
            let oneshot = Arc::new(Oneshot::new());
            let (theirs, waiter) = (Arc::clone(&oneshot), thread::current());
            let setter = thread::spawn(move || {
                for _ in 0..if early { 0 } else { 50 } {
                    waiter.unpark();
                    thread::yield_now();
                }
                theirs.set(7).unwrap();
            });
            assert_eq!(oneshot.wait(None), Some(7));
            setter.join().unwrap();
        }
    }

    #[test]
    fn a_thread_is_woken_also_when_others_take_what_unparks_it() {
        let oneshot = Arc::new(Oneshot::new());
        let theirs = Arc::clone(&oneshot);
        let takes = calls(
            || (),
            move || {
                theirs.set(7).unwrap();
                thread::park();
            },
        );
        assert!(poll(&oneshot, &takes).is_pending());
        drop(takes);
        // The waker of this thread takes the place of the other one, which is dropped then.
        assert_eq!(oneshot.wait(None), Some(7));
    }

    #[test]
    fn a_thread_waits_no_longer_than_until_its_deadline() {
        let oneshot = Oneshot::new();
        let deadline = sys::now().after(Duration::from_millis(5));
        assert_eq!(oneshot.wait(Some(deadline)), None);
        assert!(sys::now() >= deadline);
        assert_eq!(oneshot.wait(Some(deadline)), None, "it is over");
        oneshot.set(7).unwrap();
        assert_eq!(oneshot.wait(Some(deadline)), Some(7));
        let oneshot = Arc::new(Oneshot::new());
        let theirs = Arc::clone(&oneshot);
        let setter = thread::spawn(move || theirs.set(7));
        assert_eq!(oneshot.wait(Some(Time::MAX)), Some(7));
        assert_eq!(setter.join().unwrap(), Ok(()));
    }

    #[test]
    fn a_value_is_taken_refused_or_dropped_but_never_lost_nor_doubled() {
        for round in 0..if cfg!(miri) { 20 } else { 2_000 } {
            let (oneshot, counted) = (Arc::new(Oneshot::new()), Arc::new(()));
            let (theirs, value) = (Arc::clone(&oneshot), Arc::clone(&counted));
            let setter = thread::spawn(move || theirs.set(value));
            let taken = match round % 3 {
                0 => oneshot.wait(None),
                1 => oneshot.try_take(),
                _ => match poll(&oneshot, Waker::noop()) {
                    Poll::Ready(value) => Some(value),
                    Poll::Pending => None,
                },
            };
            oneshot.close();
            let refused = setter.join().unwrap().err();
            let held = usize::from(taken.is_some()) + usize::from(refused.is_some());
            assert!(held <= 1);
            assert_eq!(Arc::strong_count(&counted), 1 + held);
        }
    }
}
