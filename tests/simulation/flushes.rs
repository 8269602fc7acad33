//! Waiting for output, while sends are short, late or cut off, and what they were made of is let go of later still.
//!
//! Knows: how much was written before each wait, how much has reached the peer. Must not know how output is kept.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::Random;
use odeon::system::simulation::{Breach, Breaker, SimPeer};
use odeon::time::timeout;
use odeon::{Flush, Time, Timeout, task};

use super::journal::{Journal, Life, Present};
use super::play::{self, Part};
use super::world::{AGES, Cuts, World, pick};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waits,
    Sent,
    Lost,
    /// Whoever waited has been dropped, or has lost patience.
    Left,
}

/// What those who write know.
#[derive(Default)]
struct Said {
    /// Every wait: of which client, for how many bytes, and what has come of it.
    waits: Vec<(u16, usize, State)>,
    /// How much was written to each client.
    written: BTreeMap<u16, usize>,
    /// When and why it has ended.
    ends: BTreeMap<u16, (Time, StopReason)>,
}

#[derive(Clone, Default)]
struct Board(Arc<Mutex<Said>>);

impl Board {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().expect("nobody panics with it")
    }
}

/// One of them, as long as somebody waits.
struct Waiting {
    board: Board,
    journal: Journal,
    place: usize,
}

impl Waiting {
    fn new(board: &Board, journal: &Journal, client: u16, bytes: usize) -> Waiting {
        let waits = &mut board.said().waits;
        waits.push((client, bytes, State::Waits));
        Waiting { board: board.clone(), journal: journal.clone(), place: waits.len() - 1 }
    }

    fn tell(&self, state: State) {
        let before = {
            let waits = &mut self.board.said().waits;
            std::mem::replace(&mut waits[self.place].2, state)
        };
        self.journal.expect(before == State::Waits, || format!("{state:?} after {before:?}"));
    }

    async fn wait(self, flush: Flush, patience: Option<Duration>) {
        let flushed = match patience {
            Some(patience) => timeout(patience, flush).await,
            None => Ok(flush.await),
        };
        if let Ok(flushed) = flushed {
            self.tell(if flushed.is_ok() { State::Sent } else { State::Lost });
            let lost = flushed.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe);
            self.journal.expect(!lost, || "it was lost for another reason".to_owned());
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let told = self.board.said().waits[self.place].2 != State::Waits;
        if !told {
            self.tell(State::Left);
        }
    }
}

/// Bytes that somebody owns.
struct Owned {
    bytes: Vec<u8>,
    _present: Present,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Writes as many bytes as each frame says, and waits until they are sent, now and then.
struct Teller {
    life: Life,
    board: Board,
    random: Random,
    /// The first frame.
    client: Option<u16>,
    written: usize,
}

impl Teller {
    fn write(&mut self, client: u16, length: usize, cx: &mut Context<Self>) {
        let bytes: Vec<u8> = (self.written..self.written + length).map(byte).collect();
        let written = if self.random.chance(0.5) {
            cx.try_write(bytes).is_ok()
        } else {
            let owned = Owned { bytes, _present: Present::new(self.life.journal()) };
            cx.try_write_bytes(Bytes::from_owner(owned)).is_ok()
        };
        self.written += if written { length } else { 0 };
        self.board.said().written.insert(client, self.written);
    }

    fn flush(&mut self, client: u16, cx: &mut Context<Self>) -> Flow {
        let (flush, waiting) =
            (cx.flush(), Waiting::new(&self.board, self.life.journal(), client, self.written));
        match self.random.below(4) {
            0 => cx.exclusive("Teller::flush", Timeout::Never, async move |_: &mut Teller, _| {
                waiting.wait(flush, None).await;
                Flow::Continue
            }),
            1 => {
                let patience = Duration::from_micros(self.random.below(20_000));
                task::spawn(waiting.wait(flush, Some(patience))).detach();
                Flow::Continue
            }
            _ => {
                task::spawn(waiting.wait(flush, None)).detach();
                Flow::Continue
            }
        }
    }
}

/// What is written at a place in a stream.
fn byte(place: usize) -> u8 {
    (place % 251) as u8
}

#[actor(codec = Fixed<2>)]
impl Teller {
    #[started]
    fn start(&mut self) {
        self.life.start();
    }

    #[stopped]
    fn stop(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        if let Some(client) = self.client {
            self.board.said().ends.insert(client, (cx.now(), reason));
        }
        self.life.stop();
    }

    #[frame]
    fn number(&mut self, number: &[u8; 2], cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        let number = u16::from_be_bytes(*number);
        let Some(client) = self.client else {
            self.client = Some(number);
            return Flow::Continue;
        };
        self.write(client, number.into(), cx);
        if self.random.chance(0.5) { self.flush(client, cx) } else { Flow::Continue }
    }
}

struct Client {
    number: u16,
    peer: Option<SimPeer>,
    got: usize,
    asked: usize,
    rude: bool,
}

impl Client {
    fn ask(&mut self, length: u16) {
        if let Some(peer) = &mut self.peer
            && peer.write(&length.to_be_bytes()) == 2
        {
            self.asked += usize::from(length);
        }
    }

    /// Reads once; whatever is there, if so much is wanted.
    fn read(&mut self, most: usize) {
        let Some(peer) = &mut self.peer else { return };
        loop {
            let bytes = peer.read(most);
            for got in &bytes {
                assert_eq!(*got, byte(self.got), "what came at {}", self.got);
                self.got += 1;
            }
            if bytes.is_empty() || most < usize::MAX {
                return;
            }
        }
    }

    fn act(&mut self, random: &mut Random) {
        match random.below(8) {
            0..3 => self.ask(pick(random, [0, 1, 30, 400, 3_000])),
            3..5 => self.read(pick(random, [1, 100, usize::MAX])),
            5 if self.rude && random.chance(0.1) => {
                let Some(peer) = self.peer.take() else { return };
                if random.chance(0.5) { peer.reset() } else { peer.close() }
            }
            _ => {}
        }
    }
}

struct Flushes {
    board: Board,
    clients: Vec<Client>,
    cuts: Cuts,
}

impl Flushes {
    fn new(world: &mut World) -> Flushes {
        let (board, journal, seeds) = (Board::default(), world.journal.clone(), world.random.bits());
        let made = board.clone();
        let listener = world.simulation.listener(World::address());
        let listening = listener.start(move |peer| Teller {
            life: Life::new(&journal),
            board: made.clone(),
            random: Random::new(seeds ^ (peer.id() & 0xFFFF_FFFF)),
            client: None,
            written: 0,
        });
        listening.expect("nobody listens there yet");
        let mut clients = Vec::new();
        for number in 0..1 + world.random.below(if cfg!(miri) { 2 } else { 5 }) as u16 {
            let mut peer = world.connect().expect("the backlog has room");
            if world.random.chance(0.5) {
                peer.limit_unread(pick(&mut world.random, [200, 1_000, 3_000]));
            }
            peer.write(&number.to_be_bytes());
            let rude = world.random.chance(0.2);
            clients.push(Client { number, peer: Some(peer), got: 0, asked: 0, rude });
        }
        Flushes { board, clients, cuts: world.cuts }
    }

    /// Whoever was told that so much is sent is right: it can be read, or the kernel had it when the connection was cut off, by an
    /// accident or as the limits say.
    fn look(&mut self, journal: &Journal) {
        for client in &mut self.clients {
            client.read(usize::MAX);
            let Some(peer) = &client.peer else { continue };
            let said = self.board.said();
            let sent = said.waits.iter().filter(|wait| (wait.0, wait.2) == (client.number, State::Sent));
            let most = sent.map(|(_, bytes, _)| *bytes).max().unwrap_or(0);
            let (breach, end) = (peer.breach(), said.ends.get(&client.number));
            let came = client.got + breach.map_or(0, |breach| breach.lost);
            let is_right = came >= most
                && (client.got >= most
                    || breach.is_some_and(|breach| {
                        let left = came < said.written.get(&client.number).copied().unwrap_or(0);
                        breach.by == Breaker::Accident || is_cut_off(&self.cuts, breach, end, left)
                    }));
            journal.expect(is_right, || {
                format!("{most} bytes are sent, it is said, and {} came; {breach:?}, {end:?}", client.got)
            });
        }
    }
}

/// True if the runtime had to cut the connection off then, as its limits say, with or without something left to be sent.
fn is_cut_off(cuts: &Cuts, breach: Breach, end: Option<&(Time, StopReason)>, left: bool) -> bool {
    match end {
        // Its peer takes nothing, or there is no timer.
        Some((_, StopReason::OutboxFull)) => true,
        Some((_, StopReason::Aborted)) => cuts.few_timers,
        // What has failed is not reset any more.
        Some((_, StopReason::Disconnected(_))) | None => false,
        Some((time, _)) => {
            let is_over = cuts.few_timers || breach.at >= time.after(cuts.close_deadline);
            is_over && (left || cuts.pins)
        }
    }
}

impl Part for Flushes {
    fn act(&mut self, world: &mut World) {
        self.clients.iter_mut().for_each(|client| client.act(&mut world.random));
        if world.random.chance(0.2) {
            self.look(&world.journal);
        }
    }

    fn hurry(&mut self) -> bool {
        for client in &mut self.clients {
            client.peer.as_mut().map(SimPeer::shutdown_write);
            client.read(usize::MAX);
        }
        let over = |peer: &SimPeer| peer.is_ended() || peer.is_reset();
        self.clients.iter().all(|client| client.peer.as_ref().is_none_or(over))
    }

    fn close(&mut self, world: &mut World, whole: bool) {
        self.look(&world.journal);
        if !whole {
            return;
        }
        world.simulation.run_for(Duration::from_secs(10));
        for (client, bytes, state) in &self.board.said().waits {
            let client = &self.clients[usize::from(*client)];
            let right = match state {
                State::Waits => false,
                State::Lost => !world.gentle || client.rude,
                State::Sent | State::Left => true,
            };
            world.journal.expect(right, || format!("a wait for {bytes} bytes ended as {state:?}"));
        }
    }

    fn look_at(&mut self, journal: &Journal, whole: bool) {
        for client in &mut self.clients {
            let (got, asked) = (client.got, client.asked);
            journal.note([got as u64, asked as u64, 0]);
            journal.expect(!whole || client.rude || got == asked, || format!("{got} of {asked} bytes came"));
            client.peer = None;
        }
    }
}

pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut world = World::new(seed, |plan, random| {
        plan.config.owned_bytes_min = pick(random, [0, 20, 1000]);
        // Who is closed while it still asks sees a reset, which drops what is on its way.
        (plan.config.first_byte_timeout, plan.config.frame_timeout) = (AGES, AGES);
    });
    let flushes = Flushes::new(&mut world);
    play::play(world, vec![Box::new(flushes)])
}
