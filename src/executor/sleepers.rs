//! Futures that wait for a time.
//!
//! Knows: deadlines and wakers. Must not know what the futures do.

use std::cell::RefCell;
use std::task::Waker;

use super::address::{CoreId, RawAddress};
use super::blame::user;
use super::core::Core;
use super::current;
use super::deadlines::Deadline;
use super::links::post;
use super::wheel::TimerPayload;
use crate::mem::{Key, Slab};
use crate::sys::Time;

/// Timer kind: the token is that of a sleeper.
pub(super) const SLEEPER_DUE: u32 = u32::MAX - 2;

/// What comes when the time of a sleeper has come.
fn due(sleeper: Key) -> TimerPayload {
    TimerPayload { token: sleeper.to_bits(), kind: SLEEPER_DUE }
}

struct Sleeper {
    waker: Waker,
    deadline: Option<Deadline>,
}

/// The sleepers of one core. Each belongs to a future, so that no limit is needed beside memory.
pub(super) struct Sleepers(RefCell<Slab<Sleeper>>);

impl Default for Sleepers {
    fn default() -> Sleepers {
        Sleepers(RefCell::new(Slab::new(u32::MAX)))
    }
}

impl Sleepers {
    /// Sleepers that have not been woken.
    #[must_use]
    pub(super) fn count(&self) -> usize {
        self.0.borrow().len()
    }
}

impl Core {
    /// Has `waker` woken at `deadline`.
    pub fn begin_sleep(&self, deadline: Time, waker: &Waker) -> Key {
        // Cloning is code of users, so nothing is borrowed meanwhile.
        let sleeper = Sleeper { waker: user(|| waker.clone()), deadline: None };
        let inserted = self.sleepers.0.borrow_mut().insert(sleeper);
        let key = inserted.ok().expect("four thousand million futures do not find room in memory");
        let deadline = self.set_deadline(deadline, due(key));
        if let Some(sleeper) = self.sleepers.0.borrow_mut().get_mut(key) {
            sleeper.deadline = Some(deadline);
        }
        key
    }

    /// True while the time of a sleeper has not come; then it is `waker` that will be woken.
    pub fn is_asleep(&self, key: Key, waker: &Waker) -> bool {
        let mut asleep = self.sleepers.0.borrow_mut();
        let Some(sleeper) = asleep.get_mut(key) else { return false };
        if sleeper.waker.will_wake(waker) {
            return true;
        }
        drop(asleep);
        // Cloning and dropping are code of users, so nothing is borrowed meanwhile.
        let waker = user(|| waker.clone());
        let old = self
            .sleepers
            .0
            .borrow_mut()
            .get_mut(key)
            .map(|sleeper| std::mem::replace(&mut sleeper.waker, waker));
        self.drop_contained(old);
        true
    }

    /// Takes a sleeper back.
    pub fn end_sleep(&self, key: Key) {
        let gone = self.sleepers.0.borrow_mut().remove(key);
        if let Some(Sleeper { waker, deadline }) = gone {
            if let Some(deadline) = deadline {
                self.clear_deadline(deadline, due(key));
            }
            self.drop_contained(waker);
        }
    }

    /// The time of a sleeper has come.
    pub(super) fn wake_sleeper(&self, key: Key) {
        let gone = self.sleepers.0.borrow_mut().remove(key);
        self.contain(|| gone.map(|sleeper| sleeper.waker.wake()));
    }
}

/// A time that a future waits for, on the core that polls it. May be dropped anywhere.
#[derive(Debug)]
pub struct Sleeping {
    deadline: Time,
    /// Where it has begun.
    begun: Option<(CoreId, Key)>,
}

impl Sleeping {
    /// Until `deadline`. No timer is set before it is polled.
    #[must_use]
    pub const fn until(deadline: Time) -> Sleeping {
        Sleeping { deadline, begun: None }
    }

    /// For ever. It never has a timer.
    #[must_use]
    pub const fn never() -> Sleeping {
        Sleeping::until(Time::MAX)
    }

    /// The time that it waits for.
    #[must_use]
    pub fn deadline(&self) -> Time {
        self.deadline
    }

    /// True once the time has come; before, it is `waker` that will be woken then. On a thread that runs no core nobody is woken.
    pub fn poll(&mut self, waker: &Waker) -> bool {
        if self.deadline == Time::MAX {
            return false;
        }
        current::with(|core| {
            let Some(core) = core else { return self.deadline <= crate::sys::now() };
            match self.begun {
                Some((at, key)) if at == core.id => return !core.is_asleep(key, waker),
                _ if self.deadline <= core.now() => return true,
                _ => {}
            }
            self.end();
            self.begun = Some((core.id, core.begin_sleep(self.deadline, waker)));
            false
        })
    }

    fn end(&mut self) {
        let Some((at, key)) = self.begun.take() else { return };
        current::with(|core| match core {
            Some(core) if core.id == at => core.end_sleep(key),
            // If there is no room on the way, somebody is woken in vain.
            from => drop(post(from, RawAddress::new(at, key), end_here, ())),
        });
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        self.end();
    }
}

fn end_here(sleeper: Key, (): ()) {
    current::with(|core| core.map(|core| core.end_sleep(sleeper)));
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::config::Config;
    use crate::executor::Links;
    use crate::sys::{Clock, Random};

    const TICK: u64 = 1 << 16;

    /// Counts how often it was woken; does something when it is dropped.
    #[derive(Default)]
    struct Counts {
        woken: AtomicU32,
        drops: Option<fn()>,
    }

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.woken.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Drop for Counts {
        fn drop(&mut self) {
            if let Some(drops) = self.drops {
                drops();
            }
        }
    }

    fn core(timers_max: u32) -> (Core, Rc<Cell<Time>>) {
        let mut config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        (config.send_slots, config.timers_max) = ([1, 0, 0, 0, 0], timers_max);
        let now = Rc::new(Cell::new(Time::ZERO));
        let clock = Clock::Virtual(now.clone());
        (Core::new(CoreId(0), Rc::new(config), clock, Links::new(CoreId(0), [])), now)
    }

    #[test]
    fn each_is_woken_once_at_its_time_however_few_timers_there_are() {
        for timers_max in [1, 4, 1000] {
            let (core, now) = core(timers_max);
            let mut random = Random::new(u64::from(timers_max));
            let mut waiting: Vec<(Sleeping, Arc<Counts>)> = Vec::new();
            current::scope(&core, || {
                for _ in 0..if cfg!(miri) { 100 } else { 3_000 } {
                    match random.below(6) {
                        0..3 => {
                            let (counts, ticks) = (Arc::<Counts>::default(), random.below(20));
                            let mut sleeping = Sleeping::until(Time(now.get().0 + ticks * TICK));
                            assert_eq!(sleeping.poll(&Waker::from(counts.clone())), ticks == 0);
                            if ticks > 0 {
                                waiting.push((sleeping, counts));
                            }
                        }
                        3 if !waiting.is_empty() => {
                            let (sleeping, counts) = waiting.swap_remove(random.index(waiting.len()));
                            drop(sleeping);
                            assert_eq!(Arc::strong_count(&counts), 1, "nothing is left of it");
                        }
                        4 if !waiting.is_empty() => {
                            let index = random.index(waiting.len());
                            let (sleeping, counts) = &mut waiting[index];
                            assert!(!sleeping.poll(&Waker::from(counts.clone())), "its time has not come");
                        }
                        _ => {
                            now.set(Time(now.get().0 + random.below(5) * TICK));
                            core.read_clock();
                            core.expire(&mut Vec::new());
                            waiting.retain_mut(|(sleeping, counts)| {
                                let over = sleeping.deadline() <= now.get();
                                assert_eq!(counts.woken.load(Ordering::Relaxed), u32::from(over));
                                assert_eq!(sleeping.poll(&Waker::from(counts.clone())), over);
                                !over
                            });
                        }
                    }
                    assert_eq!(core.asleep(), waiting.len());
                    assert!(core.timers() <= timers_max as usize);
                }
                drop(waiting);
                assert_eq!((core.asleep(), core.timers(), core.next_deadline()), (0, 0, Time::MAX));
            });
        }
    }

    #[test]
    fn the_waker_that_polled_last_is_woken_and_dropping_the_other_may_do_anything() {
        thread_local! {
            static OTHER: Cell<Option<Sleeping>> = const { Cell::new(None) };
        }
        let (core, now) = core(10);
        current::scope(&core, || {
            let mut other = Sleeping::until(Time(TICK));
            assert!(!other.poll(Waker::noop()));
            OTHER.set(Some(other));
            let first = Arc::new(Counts { woken: AtomicU32::new(0), drops: Some(|| drop(OTHER.take())) });
            let second = Arc::<Counts>::default();
            let mut sleeping = Sleeping::until(Time(TICK));
            assert!(!sleeping.poll(&Waker::from(first)));
            assert_eq!(core.asleep(), 2);
            assert!(!sleeping.poll(&Waker::from(second.clone())));
            assert_eq!(core.asleep(), 1, "which took back another sleep");
            now.set(Time(TICK));
            core.read_clock();
            core.expire(&mut Vec::new());
            assert_eq!(second.woken.load(Ordering::Relaxed), 1);
            assert!(sleeping.poll(Waker::noop()) && sleeping.poll(Waker::noop()));
        });
    }

    #[test]
    fn times_without_end_take_up_nothing() {
        let (core, now) = core(1);
        current::scope(&core, || {
            let mut never = Sleeping::never();
            assert!(!never.poll(Waker::noop()));
            assert_eq!((core.asleep(), core.timers()), (0, 0));
            now.set(Time::MAX);
            core.read_clock();
            core.expire(&mut Vec::new());
            assert!(!never.poll(Waker::noop()));
            let mut past = Sleeping::until(Time(7));
            assert!(past.poll(Waker::noop()));
        });
    }
}
