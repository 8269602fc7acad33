//! Promises 3 and 6 together: what is sent to actors that are begun again and again is neither lost nor doubled.
//!
//! Every message is in the books once, with what became of it. Whatever comes to nothing does so on purpose, and is a dead letter.

use std::future::pending;
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::Random;

use crate::failure::count;
use crate::world::{Notes, On, SEEDS, World, panic_quietly};

/// Restarts of each seed: of all that are usually run, ten thousand.
const RESTARTS_MIN: u64 = 10_000_u64.div_ceil(SEEDS);
/// Messages of each sender to each clerk.
const MESSAGES: u64 = 200;

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Handled,
    Panics,
    Fails,
}

/// One of a sender's, by its number.
#[derive(Clone, Copy)]
struct Order {
    sender: usize,
    number: u64,
    fate: Fate,
}

/// Is handled at once.
#[derive(Message)]
struct Prompt(Order);

/// Is handled by a future that has the state for itself.
#[derive(Message)]
struct Slow(Order);

/// Is handled by one that does not finish in its time, which may be over before it has begun.
#[derive(Message)]
struct Endless(Entered);

/// Is entered when it is dropped, whoever has it then.
struct Entered(Books, Order);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.enter(&self.1);
    }
}

/// What all clerks have in common.
#[derive(Clone)]
struct Books {
    /// Who has sent it, which it was, and what it became.
    orders: Notes<(usize, u64, Fate)>,
    /// Beginnings that have failed.
    stillborn: Notes<()>,
}

impl Books {
    fn enter(&self, order: &Order) {
        self.orders.note((order.sender, order.number, order.fate));
    }
}

/// Handles orders until it fails.
struct Clerk {
    books: Books,
    random: Random,
}

impl Clerk {
    fn end(order: &Order) -> Flow {
        match order.fate {
            Fate::Handled => Flow::Continue,
            Fate::Panics => panic_quietly(),
            Fate::Fails => Flow::Fail,
        }
    }
}

#[actor(mailbox(capacity = 16))]
impl Clerk {
    #[started]
    fn started(&mut self) -> Flow {
        match self.random.index(20) {
            0 => self.books.stillborn.note(()),
            _ => return Flow::Continue,
        }
        if self.random.chance(0.5) { Flow::Fail } else { panic_quietly() }
    }

    #[message]
    fn prompt(&mut self, Prompt(order): Prompt) -> Flow {
        self.books.enter(&order);
        Clerk::end(&order)
    }

    #[message(timeout = "30s")]
    async fn slow(&mut self, Slow(order): Slow) -> Flow {
        odeon::time::sleep(Duration::from_micros(self.random.below(300))).await;
        self.books.enter(&order);
        Clerk::end(&order)
    }

    #[message(timeout = "1ms")]
    async fn endless(&mut self, Endless(_order): Endless) {
        pending().await
    }

    #[call]
    fn asked(&mut self, order: Order) {
        self.books.enter(&order);
        if order.fate == Fate::Panics {
            panic_quietly();
        }
    }

    #[call]
    fn last(&mut self) {}

    #[stopped]
    fn stopped(&mut self, _: StopReason) {
        if self.random.chance(0.05) {
            panic_quietly();
        }
    }
}

/// Asks until there is room.
async fn ask(to: Addr<Clerk>, order: Order) -> Result<(), AskError> {
    loop {
        match to.asked(order).await {
            Err(AskError::Full) => odeon::time::sleep(Duration::from_micros(100)).await,
            answer => break answer,
        }
    }
}

/// Sends all that one sender has for one clerk, in every way that waits for room.
async fn send_all(sender: usize, (to, books): (Addr<Clerk>, Books), mut random: Random) {
    for number in 0..MESSAGES {
        let fate = [Fate::Handled, Fate::Panics, Fate::Fails][random.index(3)];
        let order = Order { sender, number, fate };
        let sent = match random.index(4) {
            0 => to.send(Slow(order)).await.is_ok(),
            1 if fate == Fate::Fails => to.send(Endless(Entered(books.clone(), order))).await.is_ok(),
            2 if fate != Fate::Fails => {
                let answer = ask(to, order).await;
                answer == if fate == Fate::Handled { Ok(()) } else { Err(AskError::Panicked) }
            }
            _ => to.send(Prompt(order)).await.is_ok(),
        };
        assert!(sent, "{sender}, {number}: {fate:?}");
        if random.chance(0.1) {
            odeon::time::sleep(Duration::from_micros(random.below(2000))).await;
        }
    }
}

/// Two that depend on each other, on two cores, and are sent to from both.
pub fn no_message_is_lost_or_doubled_by_a_restart(on: On) {
    let (world, mut random) = (World::new(on, 2), on.random());
    let books = [(); 2].map(|()| Books { orders: Notes::new(), stillborn: Notes::new() });
    let mut restart = if random.chance(0.5) { Restart::one_for_one() } else { Restart::one_for_all() };
    if random.chance(0.5) {
        restart = restart.backoff(Duration::from_micros(100)..Duration::from_millis(1));
    }
    let clerks = world.with_supervisor(restart.intensity(u32::MAX, Duration::from_millis(10)), |group| {
        [0, 1].map(|core| {
            let (books, mut random) = (books[core].clone(), random.fork());
            let make = move || Clerk { books: books.clone(), random: random.fork() };
            group.spawn_on(core, make).expect("there is room")
        })
    });
    let sent = Notes::new();
    for (core, to) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (random, noted, to, books) = (random.fork(), sent.clone(), clerks[to], books[to].clone());
        world.run(core, move |_| {
            let sending = async move {
                send_all(core, (to, books), random).await;
                // Behind all of these.
                while to.last().await == Err(AskError::Full) {
                    odeon::time::sleep(Duration::from_micros(100)).await;
                }
                noted.note(());
            };
            odeon::task::spawn(sending).detach();
        });
    }
    world.until("everything that was sent", || sent.len() == 4);
    let mut dead = 0;
    for Books { orders, .. } in &books {
        let orders = orders.take();
        for sender in 0..2 {
            let of = orders.iter().filter(|(by, ..)| *by == sender);
            assert!(of.map(|(_, number, _)| *number).eq(0..MESSAGES), "{sender}: {orders:?}");
        }
        assert_eq!(orders.len() as u64, 2 * MESSAGES);
        dead += orders.iter().filter(|(.., fate)| *fate != Fate::Handled).count() as u64;
    }
    let restarts = || count(&world, |ledger| ledger.restarts);
    // One that has answered last may be begun again with the other still, and then either may fail as it begins.
    world.until("each failure to have begun somebody again", || {
        let stillborn: usize = books.iter().map(|books| books.stillborn.len()).sum();
        restarts() == dead + stillborn as u64
    });
    assert_eq!(world.dead_letters(), dead);
    let restarts = restarts();
    assert!(restarts >= RESTARTS_MIN, "{restarts}");
    world.end();
}
