//! The protocols between cores, in every order that the memory model allows.
//!
//! Runs with `RUSTFLAGS="--cfg loom"` only. What is checked is the runtime's own code, whose atomics then come from loom.
#![cfg(loom)]

use std::sync::Mutex as Plain;

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use odeon::executor::SleepFlag;
use odeon::executor::lane::{Receiver, Sender, lane};
use odeon::mem::Key;

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
