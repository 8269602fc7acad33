//! Wakers of a core's tasks, valid from any thread and for ever.
//!
//! Knows: the name of a task, the way to its core, who was woken from elsewhere. Must not know what a task is, nor runs.
//!
//! A wake on the core of its task goes straight to the core. One from anywhere else puts the handle on the [`WakeList`] of that
//! core, which the core empties every turn: any number of threads push, and the core takes all at once. The link lies in the
//! handle and the handle is in the list once, so a wake never allocates, never waits, and never finds the list full.
//!
//! `queued` says that the handle is on its way to the core: set by the wake that puts it on the list, and cleared by the core
//! before it lets anybody know that the task was woken. Both are swaps, which acquire and release, and all swaps of one flag
//! have one order. So either of two is true of a wake and the next swap of the core:
//!
//! - The wake's comes first. Whether or not this wake was the one to push, the core's swap reads what it wrote, or what wakes
//!   after it wrote on top: everything that its thread did before the wake is seen by the poll that follows.
//! - The core's comes first. The wake finds the flag clear and pushes the handle again, for a poll after the one that the
//!   core is about to begin, or has begun.
//!
//! A wake that finds the flag set leaves it to whoever set it to push the handle and to look whether the core sleeps. Until the
//! core clears the flag, it does not sleep but with that wake on its way.
//!
//! Invariants:
//! 1. A pointer to a handle that is in a list, or was taken from one, stands for one reference to it, which its holder owns. A
//!    handle is in one list at most, and once, because only whoever has set `queued` pushes it.
//! 2. The link of a handle belongs to whoever has set `queued`, until the handle is in a list; then to the list; then to
//!    whoever has taken it from there, until that clears `queued`.
#![allow(unsafe_code)]

use std::fmt;
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::Arc;
use std::task::{Wake, Waker};

use super::address::CoreId;
use super::current;
use super::directory::Port;
use crate::mem::Key;
use crate::sys::sync::{AtomicBool, AtomicPtr, Ordering, Padded};

/// What wakes one task, from any thread. A [`Waker`] is a reference to it.
///
/// It outlives the task, and the core: then nothing comes of a wake. It keeps the way to its core in memory, and with it the
/// descriptor that ends the core's sleep, but nothing of what runs there.
pub struct WakeHandle {
    core: CoreId,
    port: Arc<Port>,
    task: Key,
    queued: AtomicBool,
    /// The handle that was pushed before this one.
    next: AtomicPtr<WakeHandle>,
}

impl WakeHandle {
    /// A handle for a task of the core that `port` leads to.
    #[must_use]
    pub fn new(core: CoreId, port: Arc<Port>, task: Key) -> Arc<WakeHandle> {
        let queued = AtomicBool::new(false);
        Arc::new(WakeHandle { core, port, task, queued, next: AtomicPtr::new(null_mut()) })
    }

    /// A waker of this handle. **Costs** one count; keep it, and polling costs none.
    #[must_use]
    pub fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    /// Gives the handle to another task of the same core, if nobody else holds it any more, not even the list.
    #[must_use]
    pub fn reuse(self: &mut Arc<Self>, task: Key) -> bool {
        let Some(handle) = Arc::get_mut(self) else { return false };
        handle.task = task;
        true
    }

    /// Wakes the task if this thread runs its core.
    fn wake_here(&self) -> bool {
        current::with(|core| match core {
            Some(core) if core.id == self.core => {
                core.wake_task(self.task);
                true
            }
            _ => false,
        })
    }
}

impl Wake for WakeHandle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.wake_here() && self.port.wakes.push(self) {
            self.port.wake_if_asleep();
        }
    }
}

impl fmt::Debug for WakeHandle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WakeHandle { core, task, .. } = self;
        out.debug_struct("WakeHandle").field("core", core).field("task", task).finish_non_exhaustive()
    }
}

/// The head of a list that takes no more handles. None lies there.
const CLOSED: *mut WakeHandle = without_provenance_mut(1);
const _: () = assert!(align_of::<WakeHandle>() > 1);

/// The tasks of one core that were woken from elsewhere.
pub struct WakeList {
    /// The handle that was pushed last, null, or `CLOSED`.
    newest: Padded<AtomicPtr<WakeHandle>>,
}

impl Default for WakeList {
    fn default() -> WakeList {
        WakeList { newest: Padded(AtomicPtr::new(null_mut())) }
    }
}

impl WakeList {
    /// A list with nothing on it.
    #[must_use]
    pub fn new() -> WakeList {
        WakeList::default()
    }

    /// Puts a handle on the list, unless it is on its way already, or the list is closed. True if it was put there: its core
    /// may have to be woken.
    pub fn push(&self, handle: &Arc<WakeHandle>) -> bool {
        // Release: who clears the flag sees what this thread has written, also when somebody else has set it before.
        // Acquire: whoever has cleared it has read the link, which is written next.
        if handle.queued.swap(true, Ordering::AcqRel) {
            return false;
        }
        let entry = Arc::into_raw(Arc::clone(handle)).cast_mut();
        // Nearly always there is nothing on it.
        let mut newest = null_mut();
        while newest != CLOSED {
            // Relaxed: who takes the list sees the link, because it is released together with the entry.
            handle.next.store(newest, Ordering::Relaxed);
            // Release: who takes the entry sees its link. Relaxed where it fails: nothing is read by way of what is there.
            match self.newest.0.compare_exchange_weak(newest, entry, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => newest = other,
            }
        }
        // The flag stays as it is: nobody waits for this handle any more, and later wakes end with a look at it.
        // SAFETY: made from a reference just now, and in no list (invariant 1).
        drop(unsafe { Arc::from_raw(entry) });
        false
    }

    /// Takes everything that is on the list. For the core alone.
    #[must_use]
    pub fn take(&self) -> Woken {
        if !self.pending() {
            return Woken { oldest: null_mut() };
        }
        // Acquire: the links of all that was pushed.
        let newest = self.newest.0.swap(null_mut(), Ordering::Acquire);
        if newest == CLOSED {
            // By another thread, in between: it stays closed.
            self.close();
            return Woken { oldest: null_mut() };
        }
        Woken::oldest_first(newest)
    }

    /// True if there is something to take: a look at memory. What a core asks before it sleeps.
    #[inline]
    #[must_use]
    pub fn pending(&self) -> bool {
        // Relaxed: nothing is read by way of it. Before a sleep, the fence of the announcement orders it.
        let newest = self.newest.0.load(Ordering::Relaxed);
        !newest.is_null() && newest != CLOSED
    }

    /// The core has ended: gives up what is on the list, and everything that is pushed from now on.
    pub fn close(&self) {
        // Acquire: the links of all that was pushed. Nothing is released to those who push: they read no more than that it
        // is closed.
        let newest = self.newest.0.swap(CLOSED, Ordering::Acquire);
        if newest != CLOSED {
            drop(Woken::oldest_first(newest));
        }
    }
}

impl Drop for WakeList {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for WakeList {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("WakeList").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

/// Tasks that were woken, in the order of their wakes. Each can be woken again once its key has come out; those that are left
/// when this is dropped were woken in vain.
#[derive(Debug)]
pub struct Woken {
    oldest: *mut WakeHandle,
}

impl Woken {
    /// Takes over what was in a list, which leads from the newest to the oldest, and turns it round.
    fn oldest_first(newest: *mut WakeHandle) -> Woken {
        let (mut rest, mut turned) = (newest, null_mut());
        // SAFETY: a handle that was taken from a list lives, for whoever took it owns a reference (invariant 1).
        while let Some(handle) = unsafe { rest.as_ref() } {
            // Relaxed: the link was acquired with the list, and belongs to this thread now.
            let older = handle.next.load(Ordering::Relaxed);
            handle.next.store(turned, Ordering::Relaxed);
            (turned, rest) = (rest, older);
        }
        Woken { oldest: turned }
    }
}

impl Iterator for Woken {
    type Item = Key;

    fn next(&mut self) -> Option<Key> {
        if self.oldest.is_null() {
            return None;
        }
        // SAFETY: taken from a list, with a reference that comes back here, once (invariant 1).
        let handle = unsafe { Arc::from_raw(self.oldest.cast_const()) };
        // Relaxed: the link belongs to this thread, until the next line.
        self.oldest = handle.next.load(Ordering::Relaxed);
        // Acquire: what those wrote who have woken the task. Release: the link has been read, and the next wake may write it.
        handle.queued.swap(false, Ordering::AcqRel);
        Some(handle.task)
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::rc::Rc;
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use super::*;
    use crate::config::Config;
    use crate::driver;
    use crate::executor::{Core, Links, directory};
    use crate::sys::Clock;

    fn port() -> Arc<Port> {
        let (inbox, _) = crossbeam_channel::bounded(1);
        Arc::new(Port::new(inbox, driver::Waker::None, std::time::Duration::ZERO))
    }

    fn key(index: u32) -> Key {
        Key { index, generation: 7 }
    }

    fn handles<const COUNT: usize>(port: &Arc<Port>) -> [Arc<WakeHandle>; COUNT] {
        std::array::from_fn(|index| WakeHandle::new(CoreId(0), Arc::clone(port), key(index as u32)))
    }

    fn taken(port: &Port) -> Vec<u32> {
        port.wakes.take().map(|task| task.index).collect()
    }

    #[test]
    fn a_task_is_on_the_list_once_and_behind_those_that_were_woken_before() {
        let port = port();
        let [a, b, c] = handles(&port);
        assert!(!port.wakes.pending());
        for handle in [&b, &a, &b, &c, &a] {
            handle.wake_by_ref();
        }
        assert!(port.wakes.pending());
        assert_eq!(taken(&port), [1, 0, 2]);
        assert!(!port.wakes.pending());
        assert_eq!(taken(&port), [0; 0]);
        b.wake_by_ref();
        assert_eq!(taken(&port), [1]);
    }

    #[test]
    fn a_task_can_be_woken_again_as_soon_as_its_key_is_out() {
        let port = port();
        let [a, b] = handles(&port);
        assert!(port.wakes.push(&a) && port.wakes.push(&b));
        let mut woken = port.wakes.take();
        assert_eq!(woken.next(), Some(key(0)));
        assert!(port.wakes.push(&a), "for a poll after the one that follows");
        assert!(!port.wakes.push(&b), "its poll is still to come");
        assert_eq!(woken.next(), Some(key(1)));
        assert!(port.wakes.push(&b));
        assert_eq!(woken.next(), None);
        assert_eq!(taken(&port), [0, 1]);
    }

    #[test]
    fn tasks_that_are_taken_and_not_looked_at_can_be_woken_again() {
        let port = port();
        let [a, b] = handles(&port);
        assert!(port.wakes.push(&a) && port.wakes.push(&b));
        drop(port.wakes.take());
        assert_eq!([&a, &b].map(Arc::strong_count), [1, 1]);
        assert!(port.wakes.push(&b) && port.wakes.push(&a));
        assert_eq!(taken(&port), [1, 0]);
    }

    #[test]
    fn a_list_that_is_closed_lets_go_of_everything_and_stays_closed() {
        let port = port();
        let [a, b] = handles(&port);
        a.wake_by_ref();
        port.wakes.close();
        b.wake_by_ref();
        a.wake_by_ref();
        assert!(!port.wakes.pending());
        assert_eq!(taken(&port), [0; 0]);
        port.wakes.close();
        a.wake_by_ref();
        assert_eq!([&a, &b].map(Arc::strong_count), [1, 1]);
    }

    #[test]
    fn a_core_that_ends_leaves_no_handle_that_holds_its_own_list() {
        let core = directory::reserve(1);
        let (waker, (port, handle)) = {
            let port = port();
            directory::open(core, Arc::clone(&port));
            let handle = WakeHandle::new(core, Arc::clone(&port), key(0));
            (handle.waker(), (Arc::downgrade(&port), Arc::downgrade(&handle)))
        };
        waker.wake_by_ref();
        directory::close(core);
        waker.wake_by_ref();
        assert!(port.upgrade().is_some(), "a waker keeps the way to its core");
        drop(waker);
        assert!(port.upgrade().is_none() && handle.upgrade().is_none());
    }

    #[test]
    fn a_list_that_is_dropped_lets_go_of_what_is_on_it() {
        let (port, list) = (port(), WakeList::new());
        let [a] = handles(&port);
        assert!(list.push(&a));
        drop(list);
        assert_eq!(Arc::strong_count(&a), 1);
    }

    #[test]
    fn a_handle_is_used_again_only_when_nobody_else_has_it() {
        let port = port();
        let [mut a] = handles(&port);
        let waker = a.waker();
        assert!(!a.reuse(key(3)), "its waker is out");
        waker.wake();
        assert!(!a.reuse(key(3)), "it is on the list");
        assert_eq!(taken(&port), [0]);
        assert!(a.reuse(key(3)));
        a.waker().wake();
        assert_eq!(taken(&port), [3]);
    }

    #[test]
    fn only_wakes_from_elsewhere_go_by_the_list() {
        let config = Config { receive_buffers: 1, send_slots: [1, 0, 0, 0, 0], ..Config::default() };
        let (config, port) = (Rc::new(config), port());
        let [own, other] = [0, 1]
            .map(|id| Core::new(CoreId(id), config.clone(), Clock::Monotonic, Links::new(CoreId(0), [])));
        let [handle] = handles(&port);
        current::scope(&own, || handle.wake_by_ref());
        assert!(!port.wakes.pending());
        current::scope(&other, || handle.wake_by_ref());
        assert_eq!(taken(&port), [0]);
        handle.wake_by_ref();
        assert_eq!(taken(&port), [0]);
    }

    #[test]
    fn a_waker_is_one_wherever_it_is_cloned_and_dropped() {
        let port = port();
        let [a, b] = handles(&port);
        let waker = a.waker();
        // Miri lets the same table of functions lie at several addresses, by which wakers are compared.
        assert!(cfg!(miri) || waker.will_wake(&waker.clone()));
        assert!(!waker.will_wake(&b.waker()));
        let clone = waker.clone();
        drop(waker);
        thread::spawn(move || clone.wake()).join().unwrap();
        assert_eq!(taken(&port), [0]);
        assert_eq!(Arc::strong_count(&a), 1);
    }

    #[test]
    fn whatever_threads_wrote_before_they_woke_is_seen_and_the_last_wake_is_not_lost() {
        const THREADS: usize = 3;
        let rounds = if cfg!(miri) { 30 } else { 20_000 };
        let port = port();
        let handles = handles::<THREADS>(&port);
        // Each thread counts on behalf of its own task and of the next one, which it wakes in turns.
        let counts: Arc<[[AtomicU32; 2]; THREADS]> = Arc::default();
        let threads = std::array::from_fn::<_, THREADS, _>(|own| {
            let (counts, tasks) = (Arc::clone(&counts), [own, (own + 1) % THREADS]);
            let wakers = tasks.map(|task| handles[task].waker());
            thread::spawn(move || {
                for round in 0..rounds * 2 {
                    let turn = round % 2;
                    // Relaxed: it is seen by way of the wake.
                    counts[tasks[turn]][turn].fetch_add(1, Ordering::Relaxed);
                    wakers[turn].wake_by_ref();
                }
            })
        });
        let mut seen = [[0; 2]; THREADS];
        while seen != [[rounds as u32; 2]; THREADS] {
            for task in taken(&port) {
                let task = task as usize;
                // Relaxed: the wake has been acquired.
                seen[task] = std::array::from_fn(|turn| counts[task][turn].load(Ordering::Relaxed));
            }
            thread::yield_now();
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        // Wakes may still be there whose writes were seen with an earlier one.
        drop(port.wakes.take());
        assert_eq!(handles.map(|handle| Arc::strong_count(&handle)), [1; THREADS]);
    }
}
