//! Connects in crowds: to those who accept at once, late or never, and to nobody; many of them given up at any time.
//!
//! Knows: who was told what, and who has heard from whom. Must not know how a socket comes to be connected.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::Random;
use odeon::system::simulation::{PeerListener, SimPeer};
use odeon::task;
use odeon::time::{sleep, timeout};

use super::journal::{Journal, Life};
use super::play::{self, Part};
use super::slow::{Crier, Cries, lenient};
use super::world::{World, pick};

/// Who accepts at once.
const PROMPT: u16 = 84;
/// Who has room for one, and accepts late.
const CROWDED: u16 = 85;
const NOBODY: u16 = 86;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Connected,
    Failed(ErrorKind),
    /// Nobody has waited for it, or the system has ended.
    GivenUp,
}

type Board = Arc<Mutex<BTreeMap<u32, Outcome>>>;

/// One connect. Tells what has come of it when it is dropped.
struct Trying {
    board: Board,
    journal: Journal,
    number: u32,
    outcome: Outcome,
}

impl Drop for Trying {
    fn drop(&mut self) {
        let before = self.board.lock().expect("nobody panics with it").insert(self.number, self.outcome);
        self.journal.expect(before.is_none(), || format!("number {} was told twice", self.number));
    }
}

impl Trying {
    fn note<T>(&mut self, to: u16, tried: Result<io::Result<T>, odeon::time::Elapsed>) -> Option<T> {
        let (outcome, connected) = match tried {
            Ok(Ok(connected)) => (Outcome::Connected, Some(connected)),
            Ok(Err(error)) => (Outcome::Failed(error.kind()), None),
            Err(_) => (Outcome::GivenUp, None),
        };
        self.outcome = outcome;
        let possible = to != NOBODY || outcome != Outcome::Connected;
        self.journal.expect(possible, || "somebody answered where nobody listens".to_owned());
        connected
    }
}

/// Connects to somebody, and greets them with its number; then cries for them.
async fn dial(mut trying: Trying, mut random: Random) {
    sleep(Duration::from_micros(random.below(200_000))).await;
    let to = pick(&mut random, [PROMPT, PROMPT, PROMPT, CROWDED, NOBODY]);
    let (overflow, bound, grace) = lenient(&mut random);
    let connect = odeon::connect(World::at(to)).timeout(Duration::from_millis(random.below(1_000)));
    let connect = connect.outbox_bytes(bound).outbox_overflow(overflow).outbox_grace(grace);
    let most = pick(&mut random, [1, 1_000, 100_000, 5_000_000]);
    let (patience, greeting) = (Duration::from_micros(random.below(most)), trying.number.to_string());
    if random.chance(0.5) {
        let journal = trying.journal.clone();
        let connecting = connect.start(move |_| Crier::new(&journal, Some(greeting)));
        let tried = timeout(patience, connecting).await;
        trying.note(to, tried);
    } else {
        let tried = timeout(patience, connect).await;
        let Some(stream) = trying.note(to, tried) else { return };
        drop(trying);
        // Its peer may leave at any time.
        let _ = cry(stream, greeting).await;
    }
}

/// What a [`Crier`] does.
async fn cry(mut stream: Stream, greeting: String) -> io::Result<()> {
    stream.write_all(greeting + "\n").await?;
    let mut next = 0;
    while let Some(line) = stream.read_line(80).await? {
        for _ in 0..line.len() {
            stream.write_all(format!("{next} {}\n", "x".repeat(next * 7 % 50))).await?;
            next += 1;
        }
    }
    Ok(())
}

/// Has a crowd of tasks connect.
struct Ward {
    life: Life,
    board: Board,
    numbers: std::ops::Range<u32>,
    random: Random,
}

impl Actor for Ward {
    type Message = Never;

    fn started(&mut self, _: &mut Context<Self>) -> Flow {
        self.life.start();
        for number in self.numbers.clone() {
            let (board, journal) = (self.board.clone(), self.life.journal().clone());
            let trying = Trying { board, journal, number, outcome: Outcome::GivenUp };
            task::spawn(dial(trying, self.random.fork())).detach();
        }
        Flow::Continue
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, _: StopReason, _: &mut Context<Self>) {
        self.life.stop();
    }
}

/// Those whom the crowd connects to.
struct Dials {
    prompt: PeerListener,
    crowded: PeerListener,
    board: Board,
    total: usize,
    /// Who has connected and said nothing yet.
    strangers: Vec<(SimPeer, Vec<u8>)>,
    greeted: BTreeSet<u32>,
    cries: Cries,
}

impl Dials {
    fn new(world: &mut World) -> Dials {
        let listen = |port, backlog| world.simulation.network().listen(World::at(port), backlog);
        let prompt = listen(PROMPT, 64).expect("nobody listens there yet");
        let crowded = listen(CROWDED, 1).expect("nobody listens there yet");
        let (board, mut total) = (Board::default(), 0);
        for core in 0..world.simulation.cores() {
            let numbers = total..total + world.random.below(if cfg!(miri) { 3 } else { 6 }) as u32;
            total = numbers.end;
            let (life, random) = (Life::new(&world.journal), world.random.fork());
            let ward = Ward { life, board: board.clone(), numbers, random };
            world.simulation.spawn_on(core, ward).expect("there is room");
        }
        let (strangers, greeted, cries) = (Vec::new(), BTreeSet::new(), Cries::default());
        Dials { prompt, crowded, board, total: total as usize, strangers, greeted, cries }
    }

    fn accept(&mut self, all: bool) {
        let crowded = if all { self.crowded.accept() } else { None };
        let prompt = std::iter::from_fn(|| self.prompt.accept());
        self.strangers.extend(prompt.chain(crowded).map(|peer| (peer, Vec::new())));
    }

    /// Hears who the strangers are.
    fn meet(&mut self, random: &mut Random) {
        for (mut peer, mut greeting) in std::mem::take(&mut self.strangers) {
            while greeting.last() != Some(&b'\n')
                && let more @ [_] = &peer.read(1)[..]
            {
                greeting.extend_from_slice(more);
            }
            let number = String::from_utf8_lossy(&greeting).strip_suffix('\n').map(|line| line.parse());
            let Some(number) = number else {
                self.strangers.push((peer, greeting));
                continue;
            };
            assert!(self.greeted.insert(number.expect("a number")), "nobody greets twice");
            self.cries.add(peer, Vec::new(), random);
        }
    }
}

impl Part for Dials {
    fn act(&mut self, world: &mut World) {
        let all = world.random.chance(0.2);
        if all || world.random.chance(0.7) {
            self.accept(all);
            self.meet(&mut world.random);
        }
        self.cries.act(world);
    }

    fn hurry(&mut self) -> bool {
        self.accept(true);
        self.meet(&mut Random::new(0));
        let told = self.board.lock().expect("nobody panics with it").len() == self.total;
        let over = self.strangers.iter().all(|(peer, _)| peer.is_ended() || peer.is_reset());
        self.cries.hurry() && told && over
    }

    fn close(&mut self, world: &mut World, whole: bool) {
        self.cries.close(world, whole);
    }

    fn look_at(&mut self, journal: &Journal, whole: bool) {
        self.cries.look_at(journal, whole);
        for (number, outcome) in &*self.board.lock().expect("nobody panics with it") {
            let greeted = self.greeted.contains(number);
            journal.note([(*number).into(), greeted.into(), (*outcome == Outcome::Connected).into()]);
            let right = !greeted || *outcome == Outcome::Connected;
            journal.expect(right, || format!("number {number} has greeted, and was {outcome:?}"));
            let right = !whole || greeted || *outcome != Outcome::Connected;
            journal.expect(right, || format!("number {number} was connected to nobody"));
        }
        let silent = self.strangers.iter().all(|(_, heard)| heard.is_empty());
        journal.expect(silent || !whole, || "somebody has not greeted whole".to_owned());
    }
}

pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut world = World::new(seed, |plan, random| {
        plan.config.owned_bytes_min = pick(random, [0, 20, 4096]);
    });
    let dials = Dials::new(&mut world);
    play::play(world, vec![Box::new(dials)])
}
