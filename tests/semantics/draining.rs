//! Promise 8, of actors that are drained: what waits is handled, nothing else is taken in, and then they stop.

use std::time::Duration;

use odeon::prelude::*;
use odeon::{NameError, SendError};

use crate::world::{Notes, On, World, panic_quietly};

/// Is noted, by its number.
#[derive(Message, Debug, PartialEq)]
struct Item(u32);

/// The same, and comes before.
#[derive(Message)]
struct Urgent(u32);

/// The same, after a while.
#[derive(Message)]
struct Slow(u32);

/// The same; the actor fails on it.
#[derive(Message)]
struct Bad(u32);

/// The same; it is drained by itself.
#[derive(Message)]
struct Enough(u32);

/// Is never handled by an actor that has come to its end.
const STOPPED: u32 = 1000;

struct Worker(Notes<u32>);

#[actor(mailbox(capacity = 8))]
impl Worker {
    #[message]
    fn item(&mut self, Item(number): Item) {
        self.0.note(number);
    }

    #[message(priority = control)]
    fn urgent(&mut self, Urgent(number): Urgent) {
        self.0.note(number);
    }

    #[message(timeout = "30s")]
    async fn slow(&mut self, Slow(number): Slow) {
        odeon::time::sleep(Duration::from_millis(3)).await;
        self.0.note(number);
    }

    #[message]
    fn bad(&mut self, Bad(number): Bad) {
        self.0.note(number);
        panic_quietly();
    }

    #[message]
    fn enough(&mut self, Enough(number): Enough, cx: &mut Context<Self>) {
        self.0.note(number);
        cx.me().drain();
        assert_eq!(cx.me().tell(Item(number)), Err(SendError::Stopped(Item(number))));
    }

    #[call]
    fn so_far(&self) -> usize {
        self.0.len()
    }

    #[stopped]
    fn stopped(&mut self, why: StopReason) {
        if why != StopReason::Panicked {
            self.0.note(STOPPED);
        }
    }
}

struct Watcher(Notes<StopReason>);

#[actor]
impl Watcher {
    #[call]
    fn watch(&mut self, who: Addr<Worker>, cx: &mut Context<Self>) {
        cx.watch(who).expect("there is room");
    }

    #[message]
    fn down(&mut self, Down { reason, .. }: Down) {
        self.0.note(reason);
    }
}

/// Has somebody told of the end of a worker, who is there before anything else happens to it.
fn watched(world: &World, worker: Addr<Worker>) -> Notes<StopReason> {
    let (told, begun) = (Notes::new(), Notes::new());
    let (watcher, noted) = (world.spawn(0, Watcher(told.clone())), begun.clone());
    world.run(0, move |cx| watcher.watch(worker).then(cx, move |_, done, _| noted.note(done)));
    world.until("a watch", || begun.len() == 1);
    assert_eq!(begun.take(), [Ok(())]);
    world.settle();
    told
}

/// A worker on the last core, and its end.
fn worker(world: &World) -> (Addr<Worker>, Notes<u32>, Notes<StopReason>) {
    let handled = Notes::new();
    let worker = world.spawn(1, Worker(handled.clone()));
    (worker, handled, watched(world, worker))
}

pub fn what_waits_is_handled_and_nothing_behind_it(on: On) {
    let mut random = on.random();
    for from in [0, 1] {
        let world = World::new(on, 2);
        let (worker, handled, told) = worker(&world);
        let (count, urgent) = (random.index(8) as u32, random.index(4) as u32);
        let answers = Notes::new();
        let answered = answers.clone();
        let refused = world.run(from, move |cx| {
            (0..count).for_each(|number| worker.tell(Item(number)).expect("there is room"));
            (100..100 + urgent).for_each(|number| worker.tell(Urgent(number)).expect("there is room"));
            worker.so_far().then(cx, move |_, answer, _| answered.note(answer));
            worker.drain();
            // Once more changes nothing.
            worker.drain();
            worker.tell(Item(STOPPED)).is_err()
        });
        // From another core it is on its way.
        assert_eq!(refused, from == 1);
        world.until("its end", || told.len() == 1 && answers.len() == 1);
        assert_eq!(answers.take(), [Ok((count + urgent) as usize)], "who has asked is answered");
        let handled = handled.take();
        let of = |low, high| handled.iter().filter(move |number| (low..high).contains(*number)).copied();
        assert!(of(0, 100).eq(0..count) && of(100, STOPPED).eq(100..100 + urgent), "{handled:?}");
        assert_eq!(handled.iter().position(|number| *number == STOPPED), Some((count + urgent) as usize));
        assert_eq!((told.take(), world.dead_letters()), (vec![StopReason::Stopped], u64::from(from == 0)));
        world.end();
    }
}

pub fn whoever_waits_for_room_is_heard(on: On) {
    const COUNT: u32 = 40;
    for from in [0, 1] {
        let world = World::new(on, 2);
        let (worker, handled, told) = worker(&world);
        let sent = Notes::new();
        let noted = sent.clone();
        // They have all begun before it is drained, on whichever core; on its own it has not run by then, so 32 wait for room.
        world.run(from, move |_| {
            for number in 0..COUNT {
                let (sending, noted) = (worker.send(Item(number)), noted.clone());
                odeon::task::spawn(async move { noted.note(sending.await) }).detach();
            }
            odeon::task::spawn(async move { worker.drain() }).detach();
        });
        world.until("its end", || told.len() == 1 && sent.len() == COUNT as usize);
        assert!(sent.take().iter().all(Result::is_ok));
        assert!(handled.take().into_iter().eq((0..COUNT).chain([STOPPED])));
        assert_eq!(world.dead_letters(), 0);
        world.end();
    }
}

pub fn one_that_has_nothing_to_do_stops_at_once(on: On) {
    for by in 0..3 {
        let world = World::new(on, 2);
        let (worker, handled, told) = worker(&world);
        match by {
            0 => worker.drain(),
            1 => world.run(1, move |_| worker.drain()),
            _ => worker.tell(Enough(7)).expect("there is room"),
        }
        world.until("its end", || told.len() == 1);
        assert_eq!(told.take(), [StopReason::Stopped]);
        assert_eq!(handled.take().last(), Some(&STOPPED));
        let named = world.run(1, move |cx| cx.register("worker", worker));
        assert_eq!(named, Err(NameError::Ended));
        world.end();
    }
}

pub fn a_handler_that_waits_finishes_before(on: On) {
    for from in [0, 1] {
        let world = World::new(on, 2);
        let (worker, handled, told) = worker(&world);
        world.run(from, move |_| {
            worker.tell(Slow(1)).expect("there is room");
            worker.tell(Item(2)).expect("there is room");
            worker.tell(Slow(3)).expect("there is room");
            worker.drain();
        });
        world.until("its end", || told.len() == 1);
        assert_eq!((handled.take(), told.take()), (vec![1, 2, 3, STOPPED], vec![StopReason::Stopped]));
        world.end();
    }
}

pub fn who_fails_meanwhile_goes_on_with_the_rest(on: On) {
    for from in [0, 1] {
        let world = World::new(on, 2);
        let handled = Notes::new();
        let noted = handled.clone();
        let restart = Restart::one_for_one().intensity(9, Duration::from_secs(10));
        let worker = world.supervise(1, restart, move || Worker(noted.clone()));
        let told = watched(&world, worker);
        world.run(from, move |_| {
            worker.tell(Item(1)).expect("there is room");
            worker.tell(Bad(2)).expect("there is room");
            worker.tell(Item(3)).expect("there is room");
            worker.tell(Bad(4)).expect("there is room");
            worker.drain();
        });
        world.until("its end", || told.len() == 1);
        assert_eq!((handled.take(), told.take()), (vec![1, 2, 3, 4, STOPPED], vec![StopReason::Stopped]));
        world.end();
    }
}

pub fn a_stop_and_an_abort_do_not_wait_for_the_rest(on: On) {
    for abort in [false, true] {
        let world = World::new(on, 2);
        let (worker, handled, told) = worker(&world);
        world.run(1, move |_| {
            (1..4).for_each(|number| worker.tell(Item(number)).expect("there is room"));
            worker.drain();
            if abort { worker.abort() } else { worker.stop() }
        });
        world.until("its end", || told.len() == 1);
        let reason = if abort { StopReason::Aborted } else { StopReason::Stopped };
        assert_eq!((handled.take(), told.take()), (vec![STOPPED], vec![reason]));
        assert_eq!(world.dead_letters(), 3);
        world.end();
    }
}
