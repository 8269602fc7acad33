//! Mailboxes that are bounded in bytes: what is full, and what is counted back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use odeon::prelude::*;

use crate::world::{Notes, On, World, panic_quietly};

/// Holds as many bytes as it says, which may change.
#[derive(Message)]
#[message(heap_bytes = self.bytes.load(Ordering::Relaxed))]
struct Load {
    number: u64,
    bytes: Arc<AtomicUsize>,
}

impl Load {
    fn new(number: u64, bytes: usize) -> Load {
        Load { number, bytes: Arc::new(AtomicUsize::new(bytes)) }
    }
}

#[derive(Message)]
#[message(heap_bytes = 1 << 20)]
struct Command;

const BOUND: usize = 100_000;

/// An actor for each policy, which notes what it handles.
macro_rules! workers {
    ($($name:ident $policy:ident)*) => { $(
        struct $name {
            handled: Notes<u64>,
            sets_aside: bool,
        }

        #[actor(mailbox(capacity = 64, bytes = "100000", overflow = $policy))]
        impl $name {
            #[message]
            fn load(&mut self, load: Load, cx: &mut Context<Self>) {
                if !self.sets_aside {
                    self.handled.note(load.number);
                } else if let Err(SendError::Full(load)) = cx.stash(load) {
                    self.handled.note(1000 + load.number);
                }
            }

            #[message(priority = control)]
            fn command(&mut self, _: Command, cx: &mut Context<Self>) {
                self.sets_aside = false;
                cx.unstash();
            }

            #[call]
            fn large(&mut self, bytes: Vec<u8>) -> usize {
                bytes.len()
            }
        }
    )* };
}

workers! {
    Refuses refuse
    DropsOldest drop_oldest
}

fn refuses(world: &World, sets_aside: bool) -> (Addr<Refuses>, Notes<u64>) {
    let handled = Notes::new();
    (world.spawn(0, Refuses { handled: handled.clone(), sets_aside }), handled)
}

/// Sends loads of a size until one is refused: how many were taken.
fn fill(to: Addr<Refuses>, bytes: usize) -> usize {
    (0..64).filter(|number| to.tell(Load::new(*number, bytes)).is_ok()).count()
}

pub fn a_mailbox_is_full_when_it_weighs_so_much_already(on: On) {
    let world = World::new(on, 1);
    let (to, handled) = refuses(&world, false);
    // Whatever a message weighs itself: a little.
    for (bytes, expected) in [(10_000, 10), (BOUND, 1), (50_000, 2), (99_000, 2), (0, 64), (49_000, 3)] {
        let taken = world.run(0, move |_| fill(to, bytes));
        assert_eq!(taken, expected, "of {bytes} bytes");
        world.until("all of them", || handled.len() == expected);
        handled.take();
    }
    assert_eq!(world.dead_letters(), 0);
    world.end();
}

pub fn what_changes_while_it_waits_does_no_lasting_harm(on: On) {
    let world = World::new(on, 1);
    let (to, handled) = refuses(&world, false);
    for (before, after) in [(10_000, 0), (0, usize::MAX), (usize::MAX, 1)] {
        world.run(0, move |_| {
            let loads: Vec<_> = (0..5).map(|number| Load::new(number, before)).collect();
            for load in loads {
                let bytes = Arc::clone(&load.bytes);
                // Of the largest there is room for one.
                let _ = to.tell(load);
                bytes.store(after, Ordering::Relaxed);
            }
        });
        world.until("all that were taken", || handled.len() == if before == usize::MAX { 1 } else { 5 });
        handled.take();
        assert_eq!(world.run(0, move |_| fill(to, 10_000)), 10, "nothing is left");
        world.until("all of them", || handled.len() == 10);
        handled.take();
    }
    world.end();
}

pub fn as_many_of_the_oldest_are_dropped_as_were_too_many(on: On) {
    let world = World::new(on, 1);
    let handled = Notes::new();
    let to = world.spawn(0, DropsOldest { handled: handled.clone(), sets_aside: false });
    world.run(0, move |_| {
        let bytes = |number| match number {
            0..10 => 1_000,
            10..12 => 60_000,
            _ => 30_000,
        };
        (0..13).for_each(|number| to.tell(Load::new(number, bytes(number))).expect("the policy takes it"));
    });
    world.until("those that are left", || handled.len() as u64 + world.dead_letters() == 13);
    // The last but one has passed the bound, and for the last all go that were there when it did, up to where it has room.
    assert_eq!(handled.take(), [11, 12]);
    world.end();
}

pub fn each_priority_and_what_is_set_aside_has_a_bound_of_its_own(on: On) {
    let world = World::new(on, 1);
    let (to, handled) = refuses(&world, true);
    let (first, second) = (world.run(0, move |_| fill(to, 10_000)), world.run(0, move |_| fill(to, 10_000)));
    assert_eq!((first, second), (10, 10));
    world.run(0, |_| ());
    // All of the second were refused by the stash.
    world.until("the refused", || handled.len() == 10);
    assert!(handled.take().into_iter().eq(1000..1010));
    let commands = world.run(0, move |_| {
        assert_eq!(fill(to, 10_000), 10);
        (0..64).filter(|_| to.tell(Command).is_ok()).count()
    });
    assert_eq!(commands, 1);
    world.until("all of them", || handled.len() == 20);
    assert!(handled.take().into_iter().eq((0..10).chain(0..10)));
    world.end();
}

pub fn the_arguments_of_a_call_count_by_their_size(on: On) {
    let world = World::new(on, 1);
    let (to, _) = refuses(&world, false);
    let answers = Notes::new();
    let noted = answers.clone();
    world.run(0, move |cx| {
        for _ in 0..3 {
            let noted = noted.clone();
            to.large(vec![0; BOUND]).then(cx, move |_, answer, _| noted.note(answer));
        }
    });
    world.until("the answers", || answers.len() == 3);
    assert_eq!(answers.take(), [Ok(BOUND); 3]);
    world.end();
}

/// Panics whenever it is weighed, but for the first time.
#[derive(Message)]
#[message(heap_bytes = self.weigh())]
struct Bomb(AtomicUsize);

impl Bomb {
    fn weigh(&self) -> usize {
        if self.0.fetch_add(1, Ordering::Relaxed) > 0 {
            panic_quietly();
        }
        10_000
    }
}

struct Careful(Notes<u64>);

#[actor(mailbox(bytes = "100000", overflow = drop_oldest))]
impl Careful {
    #[message]
    fn bomb(&mut self, _: Bomb) {
        self.0.note(1);
    }
}

pub fn what_panics_as_it_is_weighed_is_handled_all_the_same(on: On) {
    let world = World::new(on, 1);
    let handled = Notes::new();
    let to = world.spawn(0, Careful(handled.clone()));
    for round in 1..3 {
        world.run(0, move |_| (0..12).for_each(|_| assert!(to.tell(Bomb(AtomicUsize::new(0))).is_ok())));
        world.until("those that are left", || handled.len() as u64 + world.dead_letters() == round * 12);
    }
    // What could not be weighed counted until nothing was left: nearly all was dropped meanwhile.
    assert_eq!(world.ledgers()[0].panics, 24);
    assert!(handled.len() >= 2, "{}", handled.len());
    world.end();
}
