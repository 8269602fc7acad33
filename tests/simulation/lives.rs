//! Actors that spawn, stop, abort and panic in every hook, some of which are begun again, and messages whose `Drop` sends.
//!
//! Knows: what an actor may do to itself and to others. Must not know how the runtime contains it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::Random;

use super::journal::{Journal, Life, Token};
use super::world::{World, pick};

/// A message that, when it is dropped, may send another, or panic.
#[derive(Message)]
struct Poke {
    scene: Scene,
    /// How often a drop sends on.
    echoes: u32,
    brittle: bool,
    token: Token,
}

/// Everybody who was ever spawned, dead or alive, and one source of chance for all.
#[derive(Clone)]
struct Scene(Arc<Mutex<Players>>, Journal);

struct Players {
    addresses: Vec<Addr<Mayfly>>,
    random: Random,
    /// How many more may be spawned from within.
    births: u32,
    /// How many more messages may be sent from within.
    pokes: u32,
    /// Whether anything may panic.
    brittle: bool,
}

impl Scene {
    fn chance(&self, probability: f64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random.chance(probability)
    }

    fn below(&self, bound: u64) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random.below(bound)
    }

    fn brittle(&self, probability: f64) -> bool {
        let may = self.0.lock().unwrap_or_else(PoisonError::into_inner).brittle;
        may && self.chance(probability)
    }

    fn somebody(&self) -> Option<Addr<Mayfly>> {
        let mut players = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = players.addresses.len();
        if count == 0 {
            return None;
        }
        let index = players.random.index(count);
        Some(players.addresses[index])
    }

    fn spare(&self, of: impl FnOnce(&mut Players) -> &mut u32) -> bool {
        let mut players = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = of(&mut players);
        let any = *left > 0;
        *left = left.saturating_sub(1);
        any
    }

    /// Sends a message to somebody. `within`: by an actor of the simulation.
    fn poke(&self, echoes: u32, within: bool) {
        let Some(target) = self.somebody() else { return };
        if within && !self.spare(|players| &mut players.pokes) {
            return;
        }
        let brittle = self.brittle(0.05);
        let poke = Poke { scene: self.clone(), echoes, brittle, token: Token::new(&self.1) };
        match target.tell(poke) {
            Ok(()) => self.1.sums().sent += 1,
            Err(error) => {
                // A drop that panics belongs to whoever drops: here, that would be a panic nobody planned.
                let mut poke = error.into_message();
                poke.brittle = false;
            }
        }
    }

    /// Does something to somebody, or to the actor itself.
    fn meddle(&self, cx: &mut Context<Mayfly>) {
        match self.below(12) {
            0..5 => self.poke(self.below(3) as u32, true),
            5 | 6 => self.give_birth(cx),
            7 => self.somebody().into_iter().for_each(Addr::stop),
            8 => self.somebody().into_iter().for_each(Addr::abort),
            9 => cx.me().stop(),
            10 => cx.me().abort(),
            _ => {}
        }
    }

    fn give_birth(&self, cx: &mut Context<Mayfly>) {
        if !self.spare(|players| &mut players.births) {
            return;
        }
        if let Ok(address) = cx.spawn(Mayfly::new(self, false)) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).addresses.push(address);
        }
    }
}

impl Drop for Poke {
    fn drop(&mut self) {
        if self.echoes > 0 {
            self.scene.poke(self.echoes - 1, true);
        }
        if self.brittle && !std::thread::panicking() {
            self.scene.1.panic();
        }
    }
}

struct Mayfly {
    life: Life,
    scene: Scene,
    supervised: bool,
}

impl Mayfly {
    fn new(scene: &Scene, supervised: bool) -> Mayfly {
        Mayfly { life: Life::new(&scene.1), scene: scene.clone(), supervised }
    }

    /// The message that it handles is a dead letter, if it may be begun again.
    fn fail_on_it(&self) {
        if self.supervised {
            self.scene.1.sums().handled -= 1;
        }
    }
}

impl Accepts<Poke> for Mayfly {
    fn accept(message: Poke) -> Poke {
        message
    }
}

impl Actor for Mayfly {
    type Message = Poke;
    const MAILBOX_CAPACITY: u32 = 8;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        self.life.start();
        self.scene.meddle(cx);
        if self.scene.brittle(0.05) {
            self.scene.1.panic();
        }
        if self.scene.chance(0.05) { Flow::Stop } else { Flow::Continue }
    }

    fn handle(&mut self, message: Poke, cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        let journal = message.token.journal();
        journal.sums().handled += 1;
        journal.note([u64::from(message.echoes), u64::from(message.brittle), 0]);
        self.scene.meddle(cx);
        if self.scene.brittle(0.05) {
            self.fail_on_it();
            self.scene.1.panic();
        }
        if message.brittle {
            // Its drop panics, here.
            self.fail_on_it();
            return Flow::Continue;
        }
        if self.scene.chance(0.05) {
            return Flow::Stop;
        }
        if self.supervised && self.scene.chance(0.05) {
            self.fail_on_it();
            return Flow::Fail;
        }
        Flow::Continue
    }

    fn stopped(&mut self, _: StopReason, cx: &mut Context<Self>) {
        self.life.stop();
        self.scene.meddle(cx);
        if self.scene.brittle(0.1) {
            self.scene.1.panic();
        }
    }
}

impl Drop for Mayfly {
    fn drop(&mut self) {
        if std::thread::panicking() || !self.life.has_stopped() {
            return;
        }
        self.scene.poke(1, true);
        if self.scene.brittle(0.1) {
            self.scene.1.panic();
        }
    }
}

/// Some below a supervisor, which may be below another.
fn supervise(world: &mut World, scene: &Scene) {
    let restart = |world: &mut World| {
        let random = &mut world.random;
        let how = [Restart::one_for_one(), Restart::one_for_all(), Restart::rest_for_one()][random.index(3)];
        let how = how.intensity(pick(random, [0, 1, 3, u32::MAX]), Duration::from_millis(random.below(100)));
        let wait = Duration::from_micros(random.below(20_000));
        if random.chance(0.5) { how.backoff(wait..4 * wait) } else { how }
    };
    let (above, below) = (restart(world), restart(world));
    let nested = world.random.chance(0.3);
    let cores: Vec<usize> = (0..1 + world.random.index(3)).map(|_| world.random.index(4)).collect();
    let Ok(group) = world.simulation.supervisor(above) else { return };
    let group = if nested { group.supervisor(below).unwrap_or(group) } else { group };
    for core in cores {
        let made = scene.clone();
        if let Ok(address) = group.spawn_on(core, move || Mayfly::new(&made, true)) {
            scene.0.lock().unwrap_or_else(PoisonError::into_inner).addresses.push(address);
        }
    }
}

pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut world = World::new(seed, |plan, _| {
        // Whoever stops somebody from outside waits for room in the inbox, and nobody else would make any.
        plan.config.inbox_capacity = 1 << 12;
    });
    let random = world.random.fork();
    let brittle = world.random.chance(0.7);
    let players = Players { addresses: Vec::new(), random, births: 200, pokes: 3_000, brittle };
    let scene = Scene(Arc::new(Mutex::new(players)), world.journal.clone());
    for _ in 0..5 + world.rounds(40) {
        match world.random.below(7) {
            6 => supervise(&mut world, &scene),
            0 | 1 => {
                let core = world.random.index(4);
                if let Ok(address) = world.simulation.spawn_on(core, Mayfly::new(&scene, false)) {
                    scene.0.lock().unwrap_or_else(PoisonError::into_inner).addresses.push(address);
                }
            }
            2 | 3 => (0..world.random.below(10)).for_each(|_| scene.poke(2, false)),
            4 => scene.somebody().into_iter().for_each(Addr::stop),
            _ => scene.somebody().into_iter().for_each(Addr::abort),
        }
        if world.random.chance(0.5) { world.pause_midway() } else { world.pass() }
    }
    world.finish(Vec::new())
}
