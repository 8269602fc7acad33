//! Numbered messages between actors, on one core and across cores, through small mailboxes and lanes.
//!
//! Knows: who sent which number to whom. Must not know how messages travel.
//!
//! Numbers of one sender to one receiver arrive in order and once. Every message that `tell` took is handled or is a dead
//! letter: the sum is exact ([`World::finish`]).

use std::sync::{Arc, OnceLock};

use odeon::prelude::*;
use odeon::sys::Random;

use super::journal::{Journal, Life, Token};
use super::world::World;

/// A message, and how often it is passed on.
#[derive(Message)]
struct Ball {
    from: usize,
    number: u64,
    passes: u32,
    token: Token,
}

/// The same, too large for a slot of a lane.
#[derive(Message)]
struct Crate {
    ball: Ball,
    filling: [u8; 200],
}

enum Thrown {
    Small(Ball),
    Large(Box<Crate>),
}

type Everybody = Arc<OnceLock<Vec<Receiver>>>;

/// A player by the two messages that it takes, whatever its mailbox.
#[derive(Clone, Copy)]
struct Receiver {
    small: Recipient<Ball>,
    large: Recipient<Crate>,
}

/// An actor that passes messages on, with room for `CAPACITY` of them.
struct Player<const CAPACITY: u32> {
    life: Life,
    sender: Sender,
    /// The last number from each sender.
    seen: Vec<Option<u64>>,
    fragile: bool,
}

/// Somebody who sends: a player, or the test itself.
struct Sender {
    id: usize,
    journal: Journal,
    everybody: Everybody,
    random: Random,
    /// The next number for each receiver.
    next: Vec<u64>,
}

impl<const CAPACITY: u32> Accepts<Ball> for Player<CAPACITY> {
    fn accept(message: Ball) -> Thrown {
        Thrown::Small(message)
    }
}

impl<const CAPACITY: u32> Accepts<Crate> for Player<CAPACITY> {
    fn accept(message: Crate) -> Thrown {
        Thrown::Large(Box::new(message))
    }
}

impl<const CAPACITY: u32> Actor for Player<CAPACITY> {
    type Message = Thrown;
    const MAILBOX_CAPACITY: u32 = CAPACITY;

    fn started(&mut self, _: &mut Context<Self>) -> Flow {
        self.life.start();
        Flow::Continue
    }

    fn handle(&mut self, message: Thrown, cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        let ball = match message {
            Thrown::Small(ball) => ball,
            Thrown::Large(large) => {
                self.sender
                    .journal
                    .expect(large.filling == [7; 200], || "a large message changed".to_owned());
                large.ball
            }
        };
        let journal = ball.token.journal();
        journal.sums().handled += 1;
        journal.note([ball.from as u64, self.sender.id as u64, ball.number]);
        let seen = &mut self.seen[ball.from];
        journal.expect(seen.is_none_or(|seen| seen < ball.number), || {
            format!("{} got {} of {} after {seen:?}", self.sender.id, ball.number, ball.from)
        });
        *seen = Some(ball.number);
        if ball.passes > 0 {
            for _ in 0..self.sender.random.below(4) {
                self.sender.throw(ball.passes - 1);
            }
        }
        if self.fragile && self.sender.random.chance(0.02) {
            return self.come_to_an_end(cx);
        }
        Flow::Continue
    }

    fn stopped(&mut self, _: StopReason, _: &mut Context<Self>) {
        self.life.stop();
        self.sender.throw(0);
    }
}

impl<const CAPACITY: u32> Player<CAPACITY> {
    fn come_to_an_end(&mut self, cx: &mut Context<Self>) -> Flow {
        match self.sender.random.below(4) {
            0 => self.sender.journal.panic(),
            1 => cx.me().stop(),
            2 => cx.me().abort(),
            _ => return Flow::Stop,
        }
        Flow::Continue
    }
}

impl Sender {
    /// Sends the next number to anybody.
    fn throw(&mut self, passes: u32) {
        let everybody = self.everybody.get().expect("the game has begun");
        let to = self.random.index(everybody.len());
        let (number, token) = (self.next[to], Token::new(&self.journal));
        self.next[to] += 1;
        let ball = Ball { from: self.id, number, passes, token };
        if self.random.chance(0.2) {
            self.count(everybody[to].large.tell(Crate { ball, filling: [7; 200] }));
        } else {
            self.count(everybody[to].small.tell(ball));
        }
    }

    fn count<M>(&mut self, sent: Result<(), SendError<M>>) {
        if sent.is_ok() {
            self.journal.sums().sent += 1;
        } else if self.everybody.get().is_some_and(|all| self.id < all.len()) && self.random.chance(0.5) {
            self.journal.sums().refused += 1;
            sent.or_dead_letter();
        }
    }
}

pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut world = World::new(seed, |plan, _| plan.config.actors_max = 1 << 20);
    let count = 1 + world.random.index(12);
    let everybody = Everybody::default();
    let fragile = world.random.chance(0.3);
    let players: Vec<_> = (0..count).map(|id| spawn(&mut world, &everybody, id, count, fragile)).collect();
    everybody.set(players).unwrap_or_else(|_| unreachable!("it is set once"));
    let mut outside = sender(&mut world, &everybody, count, count);
    for _ in 0..world.rounds(60) {
        for _ in 0..world.random.below(8) {
            let passes = world.random.below(8) as u32;
            outside.throw(passes);
        }
        if world.random.chance(0.5) { world.pause_midway() } else { world.pass() }
    }
    if world.random.chance(0.5) {
        world.simulation.settle();
    }
    world.finish(Vec::new())
}

fn spawn(world: &mut World, everybody: &Everybody, id: usize, count: usize, fragile: bool) -> Receiver {
    match world.random.below(4) {
        0 => spawn_player::<1>(world, everybody, id, count, fragile),
        1 => spawn_player::<3>(world, everybody, id, count, fragile),
        2 => spawn_player::<50>(world, everybody, id, count, fragile),
        _ => spawn_player::<1000>(world, everybody, id, count, fragile),
    }
}

fn spawn_player<const CAPACITY: u32>(
    world: &mut World,
    everybody: &Everybody,
    id: usize,
    count: usize,
    fragile: bool,
) -> Receiver {
    let sender = sender(world, everybody, id, count);
    let life = Life::new(&world.journal);
    let player = Player::<CAPACITY> { life, sender, seen: vec![None; count + 1], fragile };
    let core = world.random.index(4);
    let address = world.simulation.spawn_on(core, player).expect("there is room for actors");
    Receiver { small: address.recipient(), large: address.recipient() }
}

fn sender(world: &mut World, everybody: &Everybody, id: usize, count: usize) -> Sender {
    let (journal, everybody) = (world.journal.clone(), everybody.clone());
    Sender { id, journal, everybody, random: world.random.fork(), next: vec![0; count] }
}
