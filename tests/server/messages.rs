//! Messages to connections and plain actors: room, order, who gets them back.
//!
//! Knows: tell, stop, abort, addresses. Must not know sockets beyond a client that holds one open.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use odeon::executor::current;
use odeon::prelude::*;
use odeon::sys::now;

use crate::client::{connect, ends_by_reset, expect, request, rest};
use crate::puppet::Puppet;
use crate::runner::{Runner, on_core, run};
use crate::session::{Do, Events, Habits, Session, Told, sessions};
use crate::ways::hold;
use crate::world::{PATIENCE, World, until};

/// A session with its client.
fn session(world: &mut World, habits: Habits) -> (Addr<Session>, std::net::TcpStream, Events) {
    let (make, events) = sessions(habits);
    let stream = connect(world.serve(make));
    (events.started(), stream, events)
}

fn numbers(events: &Events, range: std::ops::Range<u64>) {
    for number in range {
        assert_eq!(events.next(), Told::Handled(number), "in the order in which they were sent");
    }
}

pub(crate) fn a_full_mailbox_gives_the_message_back(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let runner = world.runner(0);
    let (session, stream, events) = session(&mut world, Habits::default());
    // On its own core the answer is exact.
    let refused = on_core(runner, move |_| {
        for number in 0..64 {
            session.tell(Do::Say(number)).expect("there is room");
        }
        matches!(session.tell(Do::Say(64)), Err(SendError::Full(Do::Say(64))))
    });
    assert!(refused, "the message beyond the capacity comes back");
    numbers(&events, 0..64);
    // From elsewhere it is on its way, and what does not fit when it arrives is a dead letter.
    let (go, wait) = channel();
    session.tell(Do::Block(wait)).expect("it is on its way");
    for number in 0..1000 {
        session.tell(Do::Say(number)).expect("it is on its way");
    }
    drop(go);
    // Behind all of them in the core's inbox.
    on_core(runner, |_| ());
    let dead = world.sum(|ledger| ledger.dead_letters);
    assert!((1..1000).contains(&dead), "{dead} did not fit");
    let mut last = None;
    for _ in dead..1000 {
        let Told::Handled(number) = events.next() else { panic!("only messages are told") };
        assert!(Some(number) > last, "in the order in which they were sent");
        last = Some(number);
    }
    assert_eq!(events.at_hand(), None);
    drop(stream);
    world.finish();
}

pub(crate) fn a_full_mailbox_makes_the_client_wait_and_loses_nothing(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let runner = world.runner(0);
    let (session, mut stream, events) = session(&mut world, Habits::default());
    for round in 0..50 {
        on_core(runner, move |_| while session.tell(Do::Say(round)).is_ok() {});
        request(&mut stream, &format!("echo {round}"), &format!("{round}\n"));
    }
    while events.at_hand().is_some() {}
    drop(stream);
    world.finish();
}

pub(crate) fn messages_to_the_stopped_come_back(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let runners = [world.runner(0), world.runner(1)];
    let (session, mut stream, events) = session(&mut world, Habits::default());
    session.tell(Do::Close).expect("it runs");
    assert_eq!(events.next(), Told::Stopped(StopReason::Stopped));
    assert_eq!(rest(&mut stream), b"");
    // The actor has ended, its socket not yet: the client is still there.
    session.tell(Do::Say(6)).expect("from a foreign thread it is on its way");
    world.wait_for_figure("a dead letter", 1, |ledger| ledger.dead_letters);
    drop(stream);
    world.settle();
    let before = world.sum(|ledger| ledger.dead_letters);
    let answers: Vec<bool> = runners
        .into_iter()
        .map(|runner| {
            on_core(runner, move |_| matches!(session.tell(Do::Say(7)), Err(SendError::Stopped(Do::Say(7)))))
        })
        .collect();
    assert_eq!(answers.iter().filter(|back| **back).count(), 1, "exact on its core, on its way elsewhere");
    session.tell(Do::Say(8)).expect("from a foreign thread it is on its way");
    world.wait_for_figure("dead letters", before + 2, |ledger| ledger.dead_letters);
    let report = {
        world.settle();
        world.system.shutdown()
    };
    assert_eq!(report, odeon::ShutdownReport::default());
    assert!(matches!(session.tell(Do::Say(9)), Err(SendError::Stopped(Do::Say(9)))), "the core has ended");
}

pub(crate) fn an_old_address_never_reaches_the_next_occupant(on: BackendChoice) {
    struct Other(std::sync::mpsc::Sender<u64>);
    #[derive(Message)]
    struct Number(u64);
    impl Actor for Other {
        type Message = Number;
        fn handle(&mut self, Number(number): Number, _: &mut Context<Self>) -> Flow {
            self.0.send(number).expect("the test listens");
            Flow::Continue
        }
    }
    impl Accepts<Number> for Other {
        fn accept(message: Number) -> Number {
            message
        }
    }

    let world = World::new(on, 1);
    let spawn = |told: &std::sync::mpsc::Sender<u64>| {
        world.system.spawn(Other(told.clone())).expect("the core has room")
    };
    let (told, events) = channel();
    let mut old: Vec<Addr<Other>> = Vec::new();
    for round in 0..100 {
        let one = spawn(&told);
        for address in &old {
            address.tell(Number(u64::MAX)).expect("it is on its way");
        }
        // Another type of actor in the same slots.
        let runner = world.system.spawn(Runner).expect("the core has room");
        one.tell(Number(round)).expect("it is on its way");
        assert_eq!(events.recv(), Ok(round), "only what was sent to this one");
        one.stop();
        runner.stop();
        world.settle();
        assert!(!old.contains(&one), "no address is used twice");
        old.push(one);
    }
    assert_eq!(world.sum(|ledger| ledger.dead_letters), (0..100).sum::<u64>());
    world.finish();
}

pub(crate) fn messages_from_threads_and_cores_keep_their_order(on: BackendChoice) {
    let mut world = World::new(on, 2);
    let runners = [world.runner(0), world.runner(1)];
    let (session, stream, events) = session(&mut world, Habits::default());
    let handled: [AtomicU64; 4] = Default::default();
    thread::scope(|scope| {
        for (sender, handled) in (0..4_u64).zip(&handled) {
            scope.spawn(move || {
                for number in 0..500 {
                    let mut message = Do::Say(sender << 32 | number);
                    while let Err(refused) = session.tell(message) {
                        assert!(matches!(refused, SendError::Full(_)));
                        message = refused.into_message();
                        thread::yield_now();
                    }
                    // The mailbox has room for ten of each.
                    if number % 10 == 9 {
                        until("ten messages", || handled.load(Ordering::Relaxed) > number);
                    }
                }
            });
        }
        let mut next = [0; 4];
        for _ in 0..2000 {
            let Told::Handled(number) = events.next() else { panic!("only messages are told") };
            let (sender, number) = ((number >> 32) as usize, number & 0xffff_ffff);
            assert_eq!(number, next[sender], "first in, first out per sender");
            next[sender] += 1;
            handled[sender].store(next[sender], Ordering::Relaxed);
        }
    });
    for runner in runners {
        run(runner, move |_| {
            (0..30).for_each(|number| session.tell(Do::Say(number)).or_dead_letter());
            Flow::Continue
        });
        numbers(&events, 0..30);
    }
    assert_eq!(world.sum(|ledger| ledger.dead_letters), 0);
    drop(stream);
    world.finish();
}

pub(crate) fn a_stop_comes_ahead_of_queued_messages(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let runner = world.runner(0);
    let (session, mut stream, events) =
        session(&mut world, Habits { last_words: "bye", ..Habits::default() });
    on_core(runner, move |_| {
        session.tell(Do::Say(1)).expect("there is room");
        session.tell(Do::Write(b"not written".to_vec())).expect("there is room");
        session.stop();
    });
    assert_eq!(events.next(), Told::Stopped(StopReason::Stopped));
    assert_eq!(
        rest(&mut stream),
        b"bye",
        "the end is orderly, and what was queued in the mailbox is not handled"
    );
    assert_eq!(world.sum(|ledger| ledger.dead_letters), 2);
    // A plain actor, by a message that is not its last.
    let plain = world.system.spawn(Runner).expect("the core has room");
    on_core(runner, move |_| {
        run(plain, |_| Flow::Stop);
        run(plain, |_| panic!("as planned: handled after the end"));
        run(plain, |_| panic!("as planned: handled after the end"));
    });
    world.wait_for_figure("dead letters", 4, |ledger| ledger.dead_letters);
    assert_eq!(world.sum(|ledger| ledger.panics), 0);
    drop(stream);
    world.finish();
}

pub(crate) fn an_abort_drops_what_is_queued_and_resets(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (session, mut stream, events) = session(&mut world, Habits::default());
    // More than the sockets hold while nobody reads.
    session.tell(Do::Write(vec![b'x'; 1 << 20])).expect("it runs");
    session.abort();
    assert_eq!(events.next(), Told::Stopped(StopReason::Aborted));
    assert!(ends_by_reset(&mut stream), "a stream that was cut short does not look like one that ended");
    drop(stream);
    // One that has nothing to send, with a client that waits.
    let (session, mut stream, events) = self::session(&mut world, Habits::default());
    session.abort();
    assert_eq!(events.next(), Told::Stopped(StopReason::Aborted));
    assert!(ends_by_reset(&mut stream), "an abort is seen as one");
    let plain = world.system.spawn(Runner).expect("the core has room");
    plain.abort();
    drop(stream);
    world.finish();
}

pub(crate) fn no_stop_is_lost_on_a_full_way(on: BackendChoice) {
    let mut world = World::with(on, 2, |config| {
        config.lane_capacity = 8;
        config.inbox_capacity = 2;
    });
    let runners = [world.runner(0), world.runner(1)];
    thread::scope(|scope| {
        for (core, runner) in runners.into_iter().enumerate() {
            let plain: Vec<_> = (0..100)
                .map(|_| world.system.spawn_on(1 - core, Runner).expect("the core has room"))
                .collect();
            // All at once, far more than the lane holds.
            on_core(runner, move |_| plain.into_iter().for_each(Addr::stop));
        }
        for core in 0..2 {
            let plain: Vec<_> =
                (0..100).map(|_| world.system.spawn_on(core, Runner).expect("the core has room")).collect();
            scope.spawn(move || plain.into_iter().for_each(Addr::abort));
        }
    });
    // All four hundred are gone.
    world.finish();
}

pub(crate) fn a_core_whose_stops_find_no_room_sleeps_until_there_is_some(on: BackendChoice) {
    let mut world = World::with(on, 2, |config| (config.lane_capacity, config.inbox_capacity) = (8, 2));
    let [here, there] = [world.runner(0), world.runner(1)];
    let (plain, ends): (Vec<Addr<Puppet>>, Vec<_>) = (0..100).map(|_| world.mortal(1)).unzip();
    let held = hold(there);
    let (over, is_over) = channel();
    run(there, move |_| {
        over.send(()).expect("the test listens");
        Flow::Continue
    });
    // Far more than the lane holds.
    on_core(here, move |_| plain.into_iter().for_each(Addr::stop));
    let sleeps = || on_core(here, |_| current::with(|core| core.map(|core| core.counters.sleeps.get())));
    let before = sleeps();
    until("the core to sleep", || sleeps() > before);
    assert!(is_over.try_recv().is_err(), "the other stands still");
    drop(held);
    for end in ends {
        assert_eq!(end.reason(), StopReason::Stopped, "the core is woken, and by nobody else");
    }
    world.finish();
}

pub(crate) fn a_message_may_send_messages_when_it_is_dropped(on: BackendChoice) {
    struct Sends(Addr<Session>, Addr<Runner>);
    impl Drop for Sends {
        fn drop(&mut self) {
            self.0.tell(Do::Say(1)).or_dead_letter();
            let _ = self.1.tell(crate::runner::Run(Box::new(|_| Flow::Continue)));
            self.0.stop();
        }
    }

    let mut world = World::new(on, 1);
    let runner = world.runner(0);
    for round in 0..50 {
        let (session, mut stream, events) = session(&mut world, Habits::default());
        on_core(runner, move |_| {
            for _ in 0..20 {
                session.tell(Do::Keep(Box::new(Sends(session, runner)))).or_dead_letter();
            }
            // Some are handled and dropped by a handler, others with the mailbox.
            if round % 2 == 0 {
                session.stop();
            }
        });
        assert_eq!(events.stopped(), StopReason::Stopped);
        assert_eq!(rest(&mut stream), b"");
    }
    world.finish();
}

pub(crate) fn writes_of_two_activations_do_not_wait_for_the_client(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let (session, mut stream, _events) = session(&mut world, Habits::default());
    // Held back for the acknowledgement of what went before, each round would take 40 ms, but for the first, in which the kernel
    // acknowledges at once. On a machine that does much else, a few of many are quick all the same.
    let mut quick = (0..1_000).filter(|_| {
        let start = now();
        request(&mut stream, "echo one", "one\n");
        session.tell(Do::Write(b"two\n".to_vec())).expect("it runs");
        session.tell(Do::Write(b"three\n".to_vec())).expect("it runs");
        expect(&mut stream, b"two\nthree\n");
        now().since(start) < Duration::from_millis(30)
    });
    assert!(quick.nth(39).is_some(), "small writes are held back");
    drop(stream);
    world.finish();
}

/// The moment to be met is the one between a core's last look at its inbox and its sleep. Each message comes a little later
/// than the one before, counted from the answer to that, so many of them meet it.
pub(crate) fn a_message_to_a_core_that_is_about_to_sleep_wakes_it(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.spin = Duration::ZERO);
    let runner = world.runner(0);
    let (answer, answers) = channel();
    for round in 0..50_000_u32 {
        for _ in 0..round % 60 {
            std::hint::spin_loop();
        }
        let answer = answer.clone();
        run(runner, move |_| {
            answer.send(()).expect("the test waits");
            Flow::Continue
        });
        let give_up = now().after(PATIENCE);
        // Without a sleep: that would be over too late.
        while answers.try_recv().is_err() {
            assert!(now() < give_up, "the core sleeps on message {round}");
        }
    }
    world.finish();
}
