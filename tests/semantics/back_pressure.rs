//! Waiting for room: first come, first served, across cores; nothing is lost, and nobody waits for ever.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Polling, Poll, Waker};

use odeon::prelude::*;
use odeon::{SendFuture, task};

use crate::world::{Notes, On, World};

#[derive(Message)]
struct Job(u64);

#[derive(Message)]
struct Command(u64);

#[derive(Message)]
struct Go;

/// Handles jobs once it may.
struct Worker {
    handled: Notes<u64>,
}

const ROOM: u64 = 4;

#[actor(mailbox(capacity = 4))]
impl Worker {
    #[message]
    fn job(&mut self, Job(number): Job) {
        self.handled.note(number);
    }

    #[message(priority = control)]
    fn command(&mut self, Command(number): Command) {
        self.handled.note(1000 + number);
    }
}

fn worker(world: &World, core: usize) -> (Addr<Worker>, Notes<u64>) {
    let handled = Notes::new();
    (world.spawn(core, Worker { handled: handled.clone() }), handled)
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Polling::from_waker(Waker::noop()))
}

pub fn a_message_with_room_is_there_at_once(on: On) {
    let world = World::new(on, 1);
    let (to, handled) = worker(&world, 0);
    world.run(0, move |_| {
        let anyone: Recipient<Job> = to.recipient();
        assert!(matches!(poll(&mut to.send(Job(0))), Poll::Ready(Ok(()))));
        assert!(matches!(poll(&mut anyone.send(Job(1))), Poll::Ready(Ok(()))));
    });
    world.until("both", || handled.len() == 2);
    assert_eq!(handled.take(), [0, 1]);
    world.end();
}

pub fn whoever_waits_comes_before_whoever_does_not(on: On) {
    let world = World::new(on, 1);
    let (to, handled) = worker(&world, 0);
    let waiting = world.run(0, move |_| {
        (0..ROOM).for_each(|number| to.tell(Job(number)).expect("there is room"));
        let mut waiting: Vec<SendFuture<Job>> = (4..10).map(|number| to.send(Job(number))).collect();
        assert!(waiting.iter_mut().all(|send| poll(send).is_pending()));
        // One gives up.
        drop(waiting.remove(2));
        assert!(matches!(to.tell(Job(99)), Err(SendError::Full(_))));
        // Control has room of its own.
        assert!(matches!(poll(&mut to.send(Command(0))), Poll::Ready(Ok(()))));
        waiting
    });
    world.until("all of them", || handled.len() == 10);
    assert_eq!(handled.take(), [1000, 0, 1, 2, 3, 4, 5, 7, 8, 9]);
    for mut send in waiting {
        assert!(matches!(poll(&mut send), Poll::Ready(Ok(()))));
    }
    assert_eq!(world.dead_letters(), 0);
    world.end();
}

pub fn an_actor_that_ends_gives_back_what_waits(on: On) {
    let world = World::new(on, 2);
    let (to, handled) = worker(&world, 0);
    let back = Notes::new();
    let noted = back.clone();
    world.run(0, move |_| {
        (0..ROOM).for_each(|number| to.tell(Job(number)).expect("there is room"));
        for number in 4..7 {
            let noted = noted.clone();
            let mut send = to.send(Job(number));
            assert!(poll(&mut send).is_pending());
            task::spawn(async move {
                if let Err(SendError::Stopped(Job(number))) = send.await {
                    noted.note(number);
                }
            })
            .detach();
        }
        to.stop();
    });
    world.until("those who waited", || back.len() == 3);
    assert_eq!((back.take(), handled.len(), world.dead_letters()), (vec![4, 5, 6], 0, ROOM));
    // From afar, and from here, to one that is gone.
    for core in 0..2 {
        let noted = back.clone();
        world.run(core, move |_| {
            task::spawn(async move {
                if let Err(SendError::Stopped(Job(number))) = to.send(Job(7)).await {
                    noted.note(number);
                }
            })
            .detach();
        });
        world.until("it comes back", || back.len() == 1);
        assert_eq!(back.take(), [7]);
    }
    world.end();
}

/// Sends so many, one after the other.
async fn send_all(to: Recipient<Job>, from: u64, count: u64) -> bool {
    for number in 0..count {
        if to.send(Job(from * 10_000 + number)).await.is_err() {
            return false;
        }
    }
    true
}

pub fn from_wherever_it_comes_all_of_it_does_in_order(on: On) {
    const EACH: u64 = 200;
    let world = World::with(on, 2, |config| config.lane_capacity = 8);
    let (to, handled) = worker(&world, 0);
    let done = Notes::new();
    for sender in 0..6 {
        let noted = done.clone();
        world.begin(sender as usize % 2, move |_| {
            task::spawn(async move { noted.note(send_all(to.recipient(), sender, EACH).await) }).detach();
        });
    }
    world.until("all of them", || done.len() == 6 && handled.len() as u64 == 6 * EACH);
    assert!(done.take().into_iter().all(|done| done));
    let mut next = [0; 6];
    for number in handled.take() {
        let next = &mut next[(number / 10_000) as usize];
        assert_eq!(number % 10_000, *next);
        *next += 1;
    }
    assert_eq!((next, world.dead_letters()), ([EACH; 6], 0));
    world.end();
}

/// Whatever room comes meanwhile, and however late it is looked for: what is sent later does not come before what waits for a lane.
pub fn nobody_comes_before_those_who_wait_for_a_lane(on: On) {
    const MOST: u64 = 1000;
    let world = World::with(on, 2, |config| config.lane_capacity = 8);
    let (to, handled) = worker(&world, 1);
    let mut next = 0;
    for _ in 0..8 {
        let from = next;
        let (sent, waits) = world.run(0, move |_| {
            let full = (from..from + MOST).find(|number| to.tell(Job(*number)).is_err());
            // A core that goes on meanwhile may have made room.
            assert!(full.is_some() || !matches!(on, On::Seed(_)));
            let sent = full.unwrap_or(from + MOST);
            let mut send = to.send(Job(sent));
            let waits = poll(&mut send).is_pending();
            assert!(waits || !matches!(on, On::Seed(_)));
            (sent, waits.then_some(send))
        });
        world.run(1, |_| ());
        // Nobody has looked at what waits since.
        world.until("room", || world.run(0, move |_| to.tell(Job(sent + 1)).is_ok()));
        if let Some(mut waits) = waits {
            world.until("what has waited", || poll(&mut waits).is_ready());
        }
        next = sent + 2;
        let not_lost = || handled.len() as u64 + world.dead_letters();
        // A full mailbox has lost what did not wait.
        world.until("all of it", || not_lost() >= next);
    }
    let handled = handled.take();
    assert!(handled.is_sorted(), "{handled:?}");
    world.end();
}

/// Sends to another by an asynchronous handler.
struct Sender {
    to: Addr<Worker>,
}

#[actor]
impl Sender {
    #[message]
    async fn go(&mut self, _: Go) {
        send_all(self.to.recipient(), 0, 50).await;
    }
}

pub fn an_asynchronous_handler_waits_for_room(on: On) {
    for core in 0..2 {
        let world = World::new(on, 2);
        let (to, handled) = worker(&world, core);
        let sender = world.spawn(0, Sender { to });
        world.run(0, move |_| sender.tell(Go).expect("there is room"));
        world.until("all of them", || handled.len() == 50);
        assert!(handled.take().into_iter().eq(0..50));
        world.end();
    }
}

pub fn those_that_nobody_waits_for_any_more_are_not_kept(on: On) {
    let world = World::new(on, 1);
    let (to, handled) = worker(&world, 0);
    let alive = world.run(0, move |_| {
        (0..ROOM).for_each(|number| to.tell(Job(number)).expect("there is room"));
        // Each gives up before the next begins.
        (0..1000).for_each(|_| assert!(poll(&mut to.send(Job(7))).is_pending()));
        let mut last = to.send(Job(8));
        assert!(poll(&mut last).is_pending());
        last
    });
    world.until("all that is wanted", || handled.len() as u64 == ROOM + 1);
    assert_eq!(handled.take(), [0, 1, 2, 3, 8]);
    drop(alive);
    world.end();
}

pub fn a_thread_of_its_own_waits_for_room_as_well(on: On) {
    let world = World::new(on, 1);
    let (to, handled) = worker(&world, 0);
    let sent = std::thread::spawn(move || futures_lite::future::block_on(send_all(to.recipient(), 0, 300)));
    assert!(world.join(sent));
    world.until("all of them", || handled.len() == 300);
    assert!(handled.take().into_iter().eq(0..300));
    world.end();
}

#[derive(Message)]
struct Step(u64);

/// Sends to itself while it handles what waits.
struct Walker {
    handled: Notes<u64>,
    waiting: Option<SendFuture<Step>>,
}

#[actor(mailbox(capacity = 2))]
impl Walker {
    #[message]
    fn step(&mut self, Step(number): Step, cx: &mut Context<Self>) {
        self.handled.note(number);
        if number == 0 {
            cx.me().tell(Step(2)).expect("there is room for one");
            let mut send = cx.me().send(Step(3));
            assert!(poll(&mut send).is_pending());
            self.waiting = Some(send);
        } else if number == 1 {
            assert!(matches!(cx.me().tell(Step(9)), Err(SendError::Full(_))), "who waits comes first");
        }
    }

    #[message(priority = control)]
    fn command(&mut self, Command(number): Command) {
        self.handled.note(number);
    }
}

pub fn whoever_begins_to_wait_while_a_batch_is_handled_comes_next(on: On) {
    let world = World::new(on, 1);
    let handled = Notes::new();
    let to = world.spawn(0, Walker { handled: handled.clone(), waiting: None });
    world.run(0, move |_| to.tell(Command(7)).expect("there is room"));
    world.until("control", || handled.len() == 1);
    world.run(0, move |_| (0..2).for_each(|number| to.tell(Step(number)).expect("there is room")));
    world.until("all of them", || handled.len() == 5);
    assert_eq!(handled.take(), [7, 0, 1, 2, 3]);
    world.end();
}
