//! When a backend sleeps, and what ends it. Where time is virtual nobody sleeps, and what counts is what is returned.

use std::sync::mpsc;
use std::time::Duration;

use odeon::driver::Op;
use odeon::driver::backend::{Backend, Wait};
use odeon::sys::Time;

use crate::harness::{Client, Harness, Limits};
use crate::world::{Last, World};

/// Far longer than anything here takes, and far shorter than it takes to notice a test that hangs.
const LONG: Duration = Duration::from_secs(40);
const SOON: Duration = Duration::from_secs(30);

impl<H: Harness> World<H> {
    /// One enter with a long sleep before it, which something must end soon.
    fn enter_and_come_back_soon(&mut self) {
        let start = self.now();
        self.net.pass_time();
        self.enter(Wait::Until(start.after(LONG)));
        if H::sleeps() {
            assert!(self.now().since(start) < SOON, "it slept although there was something");
        }
    }

    /// Enters, each with a long sleep before it, until a condition holds.
    fn come_back_until(&mut self, mut condition: impl FnMut(&World<H>) -> bool) {
        for _ in 0..1_000 {
            if condition(self) {
                return;
            }
            self.enter_and_come_back_soon();
        }
        panic!("something was ready and did not come");
    }

    /// As [`World::come_back_until`], until an op has ended.
    fn come_back_with(&mut self, op: u64) -> Last {
        self.come_back_until(|world| world.last(op).is_some());
        self.last(op).expect("it was waited for")
    }

    fn now(&mut self) -> Time {
        self.net.backend().now()
    }

    /// Lets everything come to rest.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.step();
        }
    }

    /// An enter that has nothing to bring sleeps for its whole time.
    fn assert_sleeps(&mut self) {
        if !H::sleeps() {
            return;
        }
        let until = self.now().after(Duration::from_millis(30));
        self.enter(Wait::Until(until));
        assert_eq!(self.completed, 0);
        let now = self.now();
        assert!(now >= until, "woken {:?} early", until.since(now));
        assert!(now.since(until) < SOON);
    }
}

pub fn a_wake_from_another_thread_ends_a_sleep<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    world.settle();
    let waker = world.net.backend().waker();
    let (go, gone) = mpsc::channel();
    let other = std::thread::spawn(move || {
        let mut wakes = 0;
        while gone.recv().is_ok() {
            waker.wake();
            wakes += 1;
        }
        wakes
    });
    for _ in 0..200 {
        go.send(()).expect("the other thread listens");
        world.enter_and_come_back_soon();
    }
    drop(go);
    assert_eq!(other.join().expect("it does not panic"), 200);
    world.finish();
}

pub fn a_wake_before_a_sleep_is_not_lost<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    world.settle();
    let waker = world.net.backend().waker();
    for _ in 0..50 {
        waker.wake();
        world.enter_and_come_back_soon();
    }
    world.finish();
    // A waker outlives its core.
    waker.wake();
}

pub fn many_wakes_leave_the_core_able_to_sleep<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits { queue: 2, ..Limits::default() });
    world.settle();
    let waker = world.net.backend().waker();
    for _ in 0..10_000 {
        waker.wake();
    }
    world.settle();
    world.assert_sleeps();
    world.finish();
}

pub fn no_sleep_when_something_is_ready<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits { receive_buffers: 1, ..Limits::default() });
    let (socket, mut client) = world.connection();
    let (gone, _other) = world.connection();
    world.close(gone, None);
    // An op that completes at once, one that has completed before it was submitted, and one that waits for bytes.
    let cancel = world.submit(Op::Cancel { socket });
    assert_eq!(world.come_back_with(cancel), Last::Cancelled);
    let stale = world.submit(Op::Close { socket: gone, reset: false });
    assert_eq!(world.come_back_with(stale), Last::Closed);
    let receive = world.receive(socket);
    assert_eq!(client.write(&[1; 10_000]), 10_000);
    world.hold_leases = true;
    world.come_back_until(|world| world.held(receive) > 0);
    world.settle();
    // A receive that waits for a buffer, and the buffer comes back.
    world.hold_leases = false;
    world.release_held();
    world.come_back_until(|world| world.received(receive).len() == 10_000);
    world.finish();
}

pub fn a_sleep_ends_at_its_time<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, _client) = world.connection();
    world.receive(socket);
    world.settle();
    for _ in 0..3 {
        world.assert_sleeps();
    }
    // A time that has passed already is no time to sleep.
    let past = world.now();
    world.enter(Wait::Until(past));
    assert!(world.now().since(past) < SOON);
    world.finish();
}
