//! The protocols between cores, in every order that the memory model allows.
//!
//! Runs with `RUSTFLAGS="--cfg loom"` only. What is checked is the runtime's own code, whose atomics then come from loom. The order
//! in which a core looks at all its ways is written here again, as `Arrivals::deliver` has it: a whole core is too much for loom.
//!
//! No models have what has no protocol: the ways of `links.rs`, which have no atomics, and the numbers of `hubs.rs`.
#![cfg(loom)]

use std::collections::VecDeque;
use std::sync::Mutex as Plain;
use std::task::{Context, Poll, Wake, Waker as TaskWaker};

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use odeon::driver::Waker;
use odeon::executor::directory::Port;
use odeon::executor::lane::{Receiver, Sender, lane};
use odeon::executor::{Anteroom, CoreId, Oneshot, Patient, Room, SleepFlag, WakeHandle, Wished};
use odeon::mem::{Key, Returns};

/// What was delivered or dropped. No part of the protocol, so loom does not look at it.
type Log = std::sync::Arc<Plain<Vec<u32>>>;

/// Notes its number when it ends.
struct Noisy(u32, Log);

impl Drop for Noisy {
    fn drop(&mut self) {
        self.1.lock().expect("no test panics while it notes").push(self.0);
    }
}

const CELL: Key = Key { index: 0, generation: 0 };

fn push(sender: &mut Sender, number: u32, log: &Log) -> bool {
    let refused = sender.push(CELL, |_, message: Noisy| drop(message), Noisy(number, Log::clone(log)));
    // What is refused comes back and is no part of the log.
    refused.map_err(|mut message| message.1 = Log::default()).is_ok()
}

fn sorted(log: &Log) -> Vec<u32> {
    let mut log = log.lock().expect("no test panics while it notes").clone();
    log.sort_unstable();
    log
}

/// Every interleaving with at most `preemptions` involuntary switches; the bound keeps three threads affordable.
fn check(preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(body);
}

/// What a core sleeps on: a count that a wake raises and a sleep takes, like that of an event descriptor.
#[derive(Default)]
struct Event {
    count: Mutex<u32>,
    raised: Condvar,
}

impl Event {
    fn wake(&self) {
        *self.count.lock().expect("loom has no poison") += 1;
        self.raised.notify_one();
    }

    fn sleep(&self) {
        let mut count = self.count.lock().expect("loom has no poison");
        while *count == 0 {
            count = self.raised.wait(count).expect("loom has no poison");
        }
        *count = 0;
    }
}

#[derive(Default)]
struct Core {
    flag: SleepFlag,
    event: Event,
}

impl Core {
    fn after_publish(&self) -> u32 {
        if self.flag.should_wake() {
            self.event.wake();
            return 1;
        }
        0
    }

    /// The turns of a core that has nothing but lanes, until it has taken `count` messages. Answers how often it
    /// announced that it sleeps.
    fn run(&self, receivers: &mut [Receiver], count: usize) -> u32 {
        let mut taken = 0;
        let mut announced = 0;
        loop {
            taken += receivers.iter_mut().map(|receiver| receiver.deliver(8)).sum::<usize>();
            if taken == count {
                return announced;
            }
            self.flag.announce();
            announced += 1;
            if receivers.iter().all(Receiver::is_empty) {
                self.event.sleep();
            }
            self.flag.awake();
        }
    }
}

#[test]
fn a_lane_loses_nothing_doubles_nothing_and_keeps_the_order() {
    check(4, || {
        let log = Log::default();
        let (mut sender, mut receiver) = lane(2);
        let theirs = Log::clone(&log);
        let pusher = thread::spawn(move || {
            for number in 0..4 {
                while !push(&mut sender, number, &theirs) {
                    thread::yield_now();
                }
                sender.publish();
            }
        });
        let mut taken = 0;
        while taken < 4 {
            taken += receiver.deliver(2);
            thread::yield_now();
        }
        pusher.join().unwrap();
        assert_eq!(*log.lock().unwrap(), [0, 1, 2, 3]);
        assert!(receiver.is_empty());
    });
}

#[test]
fn what_is_not_published_is_not_seen() {
    check(4, || {
        let log = Log::default();
        let (mut sender, mut receiver) = lane(4);
        let theirs = Log::clone(&log);
        let pusher = thread::spawn(move || {
            push(&mut sender, 0, &theirs);
            push(&mut sender, 1, &theirs);
            sender.publish();
            push(&mut sender, 2, &theirs);
            sender
        });
        let taken = receiver.deliver(8);
        assert!(taken == 0 || taken == 2, "a turn's messages become visible together");
        let mut sender = pusher.join().unwrap();
        assert_eq!(taken + receiver.deliver(8), 2);
        sender.publish();
        assert_eq!(receiver.deliver(8), 1);
    });
}

#[test]
fn unread_messages_end_once_when_both_sides_go() {
    check(4, || {
        let log = Log::default();
        let (mut sender, mut receiver) = lane(4);
        let theirs = Log::clone(&log);
        let pusher = thread::spawn(move || {
            let mut pushed = 0;
            for number in 0..3 {
                pushed += u32::from(push(&mut sender, number, &theirs));
                if number != 1 {
                    sender.publish();
                }
            }
            pushed
        });
        receiver.deliver(1);
        drop(receiver);
        let pushed = pusher.join().unwrap();
        assert_eq!(sorted(&log), (0..pushed).collect::<Vec<_>>());
    });
}

#[test]
fn the_sleep_handshake_loses_no_wake() {
    check(4, || {
        let log = Log::default();
        let core = Arc::new(Core::default());
        let (mut sender, mut receiver) = lane(2);
        let (theirs, their_core) = (Log::clone(&log), Arc::clone(&core));
        let pusher = thread::spawn(move || {
            let mut wakes = 0;
            for number in 0..2 {
                assert!(push(&mut sender, number, &theirs));
                assert!(sender.publish());
                wakes += their_core.after_publish();
            }
            wakes
        });
        let announced = core.run(std::slice::from_mut(&mut receiver), 2);
        let wakes = pusher.join().unwrap();
        assert!(wakes <= announced, "one wake per announcement");
        assert_eq!(*log.lock().unwrap(), [0, 1]);
    });
}

#[test]
fn two_pushers_wake_a_sleeping_core_once() {
    check(3, || {
        let log = Log::default();
        let core = Arc::new(Core::default());
        let mut receivers = Vec::new();
        let pushers: Vec<_> = (0..2)
            .map(|number| {
                let (mut sender, receiver) = lane(1);
                receivers.push(receiver);
                let (theirs, their_core) = (Log::clone(&log), Arc::clone(&core));
                thread::spawn(move || {
                    assert!(push(&mut sender, number, &theirs));
                    assert!(sender.publish());
                    their_core.after_publish()
                })
            })
            .collect();
        let announced = core.run(&mut receivers, 2);
        let wakes: u32 = pushers.into_iter().map(|pusher| pusher.join().unwrap()).sum();
        assert!(wakes <= announced, "one wake per announcement");
        assert_eq!(sorted(&log), [0, 1]);
    });
}

/// A core that has nothing but tasks. Its threads hold it by a reference that loom does not look at, as real wakers do.
struct Tasks {
    port: std::sync::Arc<Port>,
    event: Event,
}

impl Tasks {
    fn new() -> Arc<Tasks> {
        let (inbox, _) = crossbeam_channel::bounded(1);
        Arc::new(Tasks {
            port: std::sync::Arc::new(Port::new(inbox, Waker::None, std::time::Duration::ZERO)),
            event: Event::default(),
        })
    }

    fn handle(&self, index: u32) -> std::sync::Arc<WakeHandle> {
        WakeHandle::new(CoreId(0), std::sync::Arc::clone(&self.port), Key { index, generation: 0 })
    }

    /// What a wake from another thread does.
    fn wake(&self, handle: &std::sync::Arc<WakeHandle>) {
        if self.port.wakes.push(handle) && self.port.sleep.should_wake() {
            self.event.wake();
        }
    }

    /// The turns of the core until `poll` answers true: that is called once, and then for each wake.
    fn run(&self, mut poll: impl FnMut() -> bool) {
        let mut done = poll();
        while !done {
            for _ in self.port.wakes.take() {
                done = done || poll();
            }
            self.port.sleep.announce();
            if !done && !self.port.wakes.pending() {
                self.event.sleep();
            }
            self.port.sleep.awake();
        }
    }
}

/// Relaxed throughout: what is written before a wake is seen by way of the wake alone.
fn read(value: &AtomicU32) -> u32 {
    value.load(Ordering::Relaxed)
}

fn write(value: &AtomicU32, new: u32) {
    value.store(new, Ordering::Relaxed);
}

#[test]
fn the_last_wake_of_many_is_followed_by_a_poll_that_sees_what_was_written_before_it() {
    check(4, || {
        let (tasks, value) = (Tasks::new(), Arc::new(AtomicU32::new(0)));
        let handle = tasks.handle(0);
        let (their_tasks, their_value) = (Arc::clone(&tasks), Arc::clone(&value));
        let waker = thread::spawn(move || {
            for number in 1..=3 {
                write(&their_value, number);
                their_tasks.wake(&handle);
            }
        });
        tasks.run(|| read(&value) == 3);
        waker.join().unwrap();
    });
}

#[test]
fn two_threads_that_wake_one_task_are_both_heard() {
    check(3, || {
        let tasks = Tasks::new();
        let values = [0; 2].map(|value| Arc::new(AtomicU32::new(value)));
        let handle = tasks.handle(0);
        let wakers = values.clone().map(|value| {
            let (tasks, handle) = (Arc::clone(&tasks), std::sync::Arc::clone(&handle));
            thread::spawn(move || {
                write(&value, 1);
                tasks.wake(&handle);
            })
        });
        tasks.run(|| values.iter().all(|value| read(value) == 1));
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
    });
}

#[test]
fn a_list_loses_nothing_doubles_nothing_and_keeps_the_order_of_each_thread() {
    check(3, || {
        let tasks = Tasks::new();
        let handles = [0, 1, 2].map(|index| tasks.handle(index));
        let wakers = [[0, 1], [2, 2]].map(|order| {
            let (tasks, handles) = (Arc::clone(&tasks), handles.clone());
            thread::spawn(move || order.into_iter().for_each(|index| tasks.wake(&handles[index])))
        });
        let early: Vec<u32> = tasks.port.wakes.take().map(|task| task.index).collect();
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        let late: Vec<u32> = tasks.port.wakes.take().map(|task| task.index).collect();
        assert!(!tasks.port.wakes.pending());
        let woken = || early.iter().chain(&late).copied();
        assert!(woken().filter(|index| *index < 2).eq([0, 1]), "{early:?} {late:?}");
        let twice = [&early, &late].map(|taken| taken.iter().filter(|index| **index == 2).count());
        assert!(matches!(twice, [0, 1] | [1, 0] | [1, 1]), "{early:?} {late:?}");
    });
}

#[test]
fn a_list_that_is_closed_keeps_nothing() {
    check(4, || {
        let tasks = Tasks::new();
        let handles = [0, 1].map(|index| tasks.handle(index));
        let theirs = handles.clone();
        let their_tasks = Arc::clone(&tasks);
        let waker = thread::spawn(move || {
            their_tasks.wake(&theirs[0]);
            their_tasks.wake(&theirs[1]);
            their_tasks.wake(&theirs[0]);
        });
        drop(tasks.port.wakes.take());
        tasks.port.wakes.close();
        assert!(!tasks.port.wakes.pending());
        waker.join().unwrap();
        assert!(!tasks.port.wakes.pending());
        assert_eq!(handles.map(|handle| std::sync::Arc::strong_count(&handle)), [1, 1]);
        assert_eq!(std::sync::Arc::strong_count(&tasks.port), 1, "nothing is left that leads to itself");
    });
}

/// Wakes whoever sleeps on the event.
struct Raises(Arc<Event>);

impl Wake for Raises {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.wake();
    }
}

fn poll<T>(oneshot: &Oneshot<T>, waker: &TaskWaker) -> Poll<T> {
    oneshot.poll(&mut Context::from_waker(waker))
}

#[test]
fn a_value_that_is_set_while_somebody_polls_is_found_or_wakes_them() {
    check(4, || {
        let (oneshot, log) = (Arc::new(Oneshot::new()), Log::default());
        let (theirs, value) = (Arc::clone(&oneshot), Noisy(7, Log::clone(&log)));
        let setter = thread::spawn(move || assert!(theirs.set(value).is_ok()));
        let event = Arc::new(Event::default());
        let wakers = [0, 1].map(|_| TaskWaker::from(std::sync::Arc::new(Raises(Arc::clone(&event)))));
        // The second takes the place of the first, before or while the value comes.
        let poll_twice = || wakers.iter().map(|waker| poll(&oneshot, waker)).find(Poll::is_ready);
        let value = loop {
            match poll_twice() {
                Some(Poll::Ready(value)) => break value,
                _ => event.sleep(),
            }
        };
        assert_eq!((value.0, sorted(&log)), (7, Vec::new()));
        setter.join().unwrap();
    });
}

#[test]
fn a_value_that_is_set_while_it_is_closed_comes_back_or_is_dropped() {
    check(4, || {
        let (oneshot, log) = (Arc::new(Oneshot::new()), Log::default());
        let (theirs, value) = (Arc::clone(&oneshot), Noisy(7, Log::clone(&log)));
        let setter = thread::spawn(move || {
            let closed = theirs.is_closed();
            let refused = theirs.set(value).err();
            assert!(refused.is_some() || !closed, "who has seen that it is closed is refused");
            refused
        });
        let taken = oneshot.try_take();
        oneshot.close();
        let refused = setter.join().unwrap();
        let held = [&taken, &refused].into_iter().flatten().count();
        assert_eq!(held + sorted(&log).len(), 1);
        assert!(oneshot.is_closed() && oneshot.try_take().is_none());
    });
}

#[test]
fn of_two_values_one_comes_back() {
    check(3, || {
        let oneshot = Arc::new(Oneshot::new());
        let setters = [1, 2].map(|value| {
            let oneshot = Arc::clone(&oneshot);
            thread::spawn(move || oneshot.set(value).err())
        });
        let found = oneshot.wait(None).unwrap();
        let refused: Vec<i32> = setters.into_iter().filter_map(|setter| setter.join().unwrap()).collect();
        assert_eq!(refused, [3 - found]);
    });
}

#[test]
fn a_thread_that_waits_is_woken_by_the_value_also_if_it_was_unparked_before() {
    check(4, || {
        let oneshot = Arc::new(Oneshot::new());
        let (theirs, waiter) = (Arc::clone(&oneshot), thread::current());
        let setter = thread::spawn(move || {
            waiter.unpark();
            theirs.set(7).unwrap();
        });
        assert_eq!(oneshot.wait(None), Some(7));
        setter.join().unwrap();
    });
}

#[test]
fn what_is_given_back_from_anywhere_is_taken_once_and_nobody_looks_at_it_any_more() {
    check(3, || {
        let returns = Arc::new(Returns::new(2));
        let bytes = Arc::new(UnsafeCell::new(0_u32));
        let givers = [[0, 1], [0, 0]].map(|buffers| {
            let (returns, bytes) = (Arc::clone(&returns), Arc::clone(&bytes));
            thread::spawn(move || {
                for buffer in buffers {
                    bytes.with(|_| ());
                    returns.give(buffer);
                }
            })
        });
        let mut taken = [0; 2];
        while taken != [3, 1] {
            if returns.is_empty() {
                thread::yield_now();
            }
            returns.take(|buffer, parts| taken[usize::from(buffer)] += parts);
        }
        // Everything has come back: to write is no race, even before the threads have ended.
        bytes.with_mut(|_| ());
        givers.into_iter().for_each(|giver| giver.join().unwrap());
        assert!(returns.is_empty());
    });
}

/// A core in front of which others wait: its lane, its inbox with a single place, and who wishes for room on its behalf.
struct Front {
    core: Core,
    anteroom: Anteroom,
    inbox: Mutex<VecDeque<Noisy>>,
    room: Room,
}

impl Front {
    fn new() -> Arc<Front> {
        Arc::new(Front {
            core: Core::default(),
            anteroom: Anteroom::default(),
            inbox: Mutex::default(),
            room: Room::default(),
        })
    }

    /// Puts something into the inbox; what finds no room is handed back, and is no part of the log.
    fn put(&self, number: u32, log: &Log) -> bool {
        let mut inbox = self.inbox.lock().expect("loom has no poison");
        let has_room = inbox.is_empty();
        if has_room {
            inbox.push_back(Noisy(number, Log::clone(log)));
        }
        has_room
    }

    /// Has a message wait, and the core see it; answers its ticket.
    fn wait(&self, number: u32, log: &Log, by_inbox: bool) -> usize {
        let waiting = Waiting(Noisy(number, Log::clone(log)));
        let (ticket, closed) =
            self.anteroom.push(CELL, |_, waiting: Waiting| drop(waiting), waiting, by_inbox);
        assert!(closed.is_empty());
        self.core.after_publish();
        ticket
    }

    /// What a core does in each turn with what has arrived: in the order of `Arrivals::deliver`. Answers how much came.
    fn deliver(&self, lane: Option<&mut Receiver>, emptied: impl FnOnce()) -> usize {
        let waiting = self.anteroom.take();
        let mut came = lane.map_or(0, |lane| lane.deliver(usize::MAX));
        let inbox = std::mem::take(&mut *self.inbox.lock().expect("loom has no poison"));
        came += inbox.len();
        drop(inbox);
        if let Some((line, last)) = waiting {
            emptied();
            self.anteroom.pass(last);
            came += line.len();
            line.into_iter().for_each(|waits| waits.deliver());
        }
        came
    }

    /// Sleeps if nothing has arrived, and the lane is empty.
    fn rest(&self, is_empty: impl FnOnce() -> bool) {
        self.core.flag.announce();
        let is_idle = !self.anteroom.is_pending() && !self.room.is_made();
        if is_idle && is_empty() && self.inbox.lock().expect("loom has no poison").is_empty() {
            self.core.event.sleep();
        }
        self.core.flag.awake();
    }
}

/// A message whose sender does not give up.
struct Waiting(Noisy);

impl Patient for Waiting {
    fn is_closed(&self) -> bool {
        let _ = &self.0;
        false
    }
}

#[test]
fn who_waits_in_front_of_a_lane_comes_behind_what_was_sent_and_before_what_is() {
    check(3, || {
        let (log, front) = (Log::default(), Front::new());
        let (mut sender, mut receiver) = lane(2);
        // Looked at by the core when it has emptied its ways, and by whoever sees that it has.
        let ways = Arc::new(UnsafeCell::new(()));
        let (theirs, to, emptied) = (Log::clone(&log), Arc::clone(&front), Arc::clone(&ways));
        let pusher = thread::spawn(move || {
            assert!(push(&mut sender, 0, &theirs) && sender.publish());
            let ticket = to.wait(1, &theirs, false);
            sender.hold(true);
            assert!(!push(&mut sender, 2, &theirs));
            while !to.anteroom.has_passed(ticket) {
                thread::yield_now();
            }
            // No race: whoever sees it sees all that the core has done before.
            emptied.with(|_| ());
            sender.hold(false);
            assert!(push(&mut sender, 2, &theirs) && sender.publish());
            to.core.after_publish();
        });
        let mut came = 0;
        while came < 3 {
            came += front.deliver(Some(&mut receiver), || ways.with_mut(|_| ()));
            if came < 3 {
                front.rest(|| receiver.is_empty());
            }
        }
        pusher.join().unwrap();
        assert_eq!(*log.lock().unwrap(), [0, 1, 2]);
        assert!(!front.anteroom.is_pending() && !front.anteroom.shuts_inbox());
    });
}

#[test]
fn who_waits_in_front_of_an_inbox_is_not_passed_by_what_the_same_thread_sends() {
    check(3, || {
        let (log, front) = (Log::default(), Front::new());
        assert!(front.put(0, &log));
        let (theirs, to) = (Log::clone(&log), Arc::clone(&front));
        let pusher = thread::spawn(move || {
            let ticket = to.wait(1, &theirs, true);
            while to.anteroom.shuts_inbox() {
                thread::yield_now();
            }
            assert!(to.anteroom.has_passed(ticket), "it is shut for as long as somebody waits");
            assert!(to.put(2, &theirs), "it was emptied");
            to.core.after_publish();
        });
        let mut came = 0;
        while came < 3 {
            came += front.deliver(None, || ());
            if came < 3 {
                front.rest(|| true);
            }
        }
        pusher.join().unwrap();
        assert_eq!(*log.lock().unwrap(), [0, 1, 2]);
    });
}

#[test]
fn an_inbox_is_shut_for_each_of_those_who_wait() {
    check(2, || {
        let (log, front) = (Log::default(), Front::new());
        let pushers = [0, 1].map(|number| {
            let (theirs, to) = (Log::clone(&log), Arc::clone(&front));
            thread::spawn(move || {
                let ticket = to.wait(number, &theirs, true);
                assert!(to.anteroom.shuts_inbox() || to.anteroom.has_passed(ticket));
            })
        });
        let mut came = 0;
        while came < 2 {
            came += front.deliver(None, || ());
            if came < 2 {
                front.rest(|| true);
            }
        }
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        assert_eq!(sorted(&log), [0, 1]);
        assert!(!front.anteroom.shuts_inbox());
    });
}

/// Says that there is room to a core that wishes for some, as a wish of the runtime does.
struct Wish(Arc<Front>);

impl Patient for Wish {
    fn is_closed(&self) -> bool {
        false
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        self.0.room.make();
        self.0.core.after_publish();
    }
}

#[test]
fn a_core_that_owes_something_sleeps_until_there_is_room_also_if_others_fill_it_first() {
    check(3, || {
        let log = Log::default();
        let [debtor, full] = [(); 2].map(|()| Front::new());
        assert!(full.put(0, &log));
        let (theirs, from, to) = (Log::clone(&log), Arc::clone(&debtor), Arc::clone(&full));
        let owes = thread::spawn(move || {
            let (mut wished, mut closed) = (Wished::default(), VecDeque::new());
            while !to.put(2, &theirs) {
                let fulfil = |_, wish: Wish| drop(wish);
                if wished.wish(&to.anteroom, fulfil, || Wish(Arc::clone(&from)), &mut closed) {
                    to.core.after_publish();
                }
                from.rest(|| true);
                from.room.take();
            }
            to.core.after_publish();
        });
        // One of the threads that send to it as well: once, if it finds room before who has wished for it.
        let mut is_first = true;
        let is_paid = || sorted(&log).contains(&2);
        while !is_paid() {
            full.deliver(None, || is_first = is_first && !full.put(1, &log));
            if !is_paid() {
                full.rest(|| true);
            }
        }
        owes.join().unwrap();
        assert!(is_first || sorted(&log) == [0, 1, 2]);
    });
}
