//! Promise 10: any thread, and any other runtime, sends and asks through the same addresses.
//!
//! In a simulation, whoever is outside is on the test's own thread, and cores stand still but where it waits.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::mpsc::channel;
use std::task::{Context as Polling, Poll, Waker};
use std::thread;

use odeon::prelude::*;

use crate::world::{Notes, On, World};

#[derive(Message)]
struct Job(u64);

/// Notes what it is sent and asked, in order.
struct Desk {
    handled: Notes<u64>,
    owed: Vec<Reply<()>>,
}

#[actor]
impl Desk {
    #[message]
    fn job(&mut self, Job(number): Job) {
        self.handled.note(number);
    }

    #[call]
    fn number(&mut self, number: u64) -> u64 {
        self.handled.note(number);
        number
    }

    #[call]
    fn never(&mut self, reply: Reply<()>) {
        self.owed.push(reply);
    }
}

fn desk(world: &World, core: usize) -> (Addr<Desk>, Notes<u64>) {
    let handled = Notes::new();
    (world.spawn(core, Desk { handled: handled.clone(), owed: Vec::new() }), handled)
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Polling::from_waker(Waker::noop()))
}

/// What comes of a future that is polled outside: by tokio, or, where only this thread has the cores go on, here.
fn outcome<F>(world: &World, on: On, future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    if let On::Backend(_) = on {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
        let runtime = runtime.expect("a runtime starts");
        let task = runtime.spawn(future);
        return runtime.block_on(task).expect("it does not panic");
    }
    let (mut future, mut outcome) = (pin!(future), None);
    world.until("what is polled outside", || match poll(future.as_mut()) {
        Poll::Ready(ready) => outcome.replace(ready).is_none(),
        Poll::Pending => false,
    });
    outcome.expect("it is ready")
}

pub fn what_comes_from_outside_is_handled_in_its_order(on: On) {
    const EACH: u64 = 300;
    let world = World::new(on, 2);
    for core in 0..2 {
        let (to, handled) = desk(&world, core);
        let errand = move |from: u64| async move {
            for number in (from..from + EACH).step_by(3) {
                to.tell(Job(number)).expect("there is room");
                assert_eq!(to.number(number + 1).await, Ok(number + 1));
                to.send(Job(number + 2)).await.expect("it lives");
            }
        };
        match on {
            On::Backend(_) => {
                let threads: Vec<_> = (0..3)
                    .map(|place| thread::spawn(move || futures_lite::future::block_on(errand(place * EACH))))
                    .collect();
                outcome(&world, on, errand(3 * EACH));
                threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
            }
            _ => (0..4).for_each(|place| outcome(&world, on, errand(place * EACH))),
        }
        world.until("all of it", || handled.len() as u64 == 4 * EACH);
        let handled = handled.take();
        for place in 0..4 {
            let from = place * EACH;
            let of_one = handled.iter().copied().filter(|number| (from..from + EACH).contains(number));
            assert!(of_one.eq(from..from + EACH), "{handled:?}");
        }
    }
    world.end();
}

pub fn whoever_asks_outside_may_block_for_the_answer(on: On) {
    let On::Backend(_) = on else { return };
    let world = World::new(on, 2);
    for core in 0..2 {
        let (to, handled) = desk(&world, core);
        let threads: Vec<_> = (0..4)
            .map(|place| {
                thread::spawn(move || (0..100).map(|n| to.number(100 * place + n).wait()).collect::<Vec<_>>())
            })
            .collect();
        for (place, thread) in (0..4).zip(threads) {
            let answers = thread.join().expect("it does not panic");
            assert!(answers.into_iter().eq((0..100).map(|n| Ok(100 * place + n))));
        }
        assert_eq!(handled.len(), 400);
    }
    world.end();
}

/// However slow the core is: who does not wait is told, and who waits gets in, behind what was there and before what comes.
pub fn a_full_inbox_is_told_and_waited_for(on: On) {
    const ROOM: usize = 8;
    let world = World::with(on, 1, |config| config.inbox_capacity = ROOM);
    let (to, handled) = desk(&world, 0);
    // A simulated core stands still by itself.
    let (go_on, stands_still) = channel::<()>();
    if let On::Backend(_) = on {
        let entered = Notes::new();
        let noted = entered.clone();
        world.begin(0, move |_| {
            noted.note(());
            let _ = stands_still.recv();
        });
        world.until("the core to stand still", || entered.len() == 1);
    }
    let mut sent = 0;
    while to.tell(Job(sent)).is_ok() {
        sent += 1;
        assert!(sent <= ROOM as u64, "an inbox is bounded");
    }
    let mut waits = pin!(to.send(Job(sent)));
    assert!(poll(waits.as_mut()).is_pending());
    assert!(matches!(to.tell(Job(99)), Err(SendError::Full(Job(99)))));
    let mut asks = pin!(to.number(99).into_future());
    assert!(matches!(poll(asks.as_mut()), Poll::Ready(Err(AskError::Full))));
    drop(go_on);
    world.until("room", || handled.len() as u64 == sent + 1);
    assert!(matches!(poll(waits), Poll::Ready(Ok(()))));
    to.tell(Job(sent + 1)).expect("there is room again");
    world.until("the last", || handled.len() as u64 == sent + 2);
    assert!(handled.take().into_iter().eq(0..sent + 2));
    world.end();
}

/// Whoever is outside when a system ends, and whatever it waits for there.
pub fn whoever_waits_outside_is_told_of_the_end(on: On) {
    let world = World::new(on, 2);
    let desks = [0, 1].map(|core| desk(&world, core).0);
    let threads: Vec<_> = match on {
        On::Backend(_) => desks.map(|to| thread::spawn(move || to.never().wait())).into(),
        _ => Vec::new(),
    };
    let mut waits: Vec<_> = desks.iter().map(|to| Box::pin(to.never().into_future())).collect();
    assert!(waits.iter_mut().all(|wait| poll(wait.as_mut()).is_pending()));
    for to in desks {
        // Comes behind the question before.
        assert_eq!(outcome(&world, on, async move { to.number(1).await }), Ok(1));
    }
    world.end();
    for mut wait in waits {
        assert!(matches!(poll(wait.as_mut()), Poll::Ready(Err(AskError::Stopped))));
    }
    for thread in threads {
        assert_eq!(thread.join().expect("it does not panic"), Err(AskError::Stopped));
    }
    for to in desks {
        assert!(matches!(to.tell(Job(2)), Err(SendError::Stopped(Job(2)))));
        assert!(matches!(poll(pin!(to.send(Job(3)))), Poll::Ready(Err(SendError::Stopped(Job(3))))));
        assert!(matches!(poll(pin!(to.number(4).into_future())), Poll::Ready(Err(AskError::Stopped))));
        assert_eq!(to.number(5).wait(), Err(AskError::Stopped));
    }
}
