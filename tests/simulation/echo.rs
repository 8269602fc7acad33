//! Everything comes back as it was sent: in any sizes and splits, with half-closes, resets and slow readers.
//!
//! Knows: clients with a script, and three codecs. Must not know how the runtime sends.

use std::net::SocketAddr;

use odeon::prelude::*;
use odeon::sys::Random;
use odeon::system::simulation::SimPeer;

use super::journal::{Journal, Life};
use super::play::{self, Part};
use super::world::{World, pick};

/// Sends every frame back.
struct Echo<C> {
    life: Life,
    codec: std::marker::PhantomData<C>,
}

impl<C: 'static> Actor for Echo<C> {
    type Message = Never;

    fn started(&mut self, _: &mut Context<Self>) -> Flow {
        self.life.start();
        Flow::Continue
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, _: StopReason, _: &mut Context<Self>) {
        self.life.stop();
    }
}

impl Connection for Echo<Raw> {
    type Codec = Raw;

    fn frame(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        cx.write(bytes);
        Flow::Continue
    }
}

impl Connection for Echo<Lines<700>> {
    type Codec = Lines<700>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        cx.write_line(line);
        Flow::Continue
    }
}

impl Connection for Echo<LengthDelimited<700>> {
    type Codec = LengthDelimited<700>;

    fn frame(&mut self, frame: &[u8], cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        if cx.send_frame(frame).is_err() {
            return Flow::Close;
        }
        Flow::Continue
    }
}

/// What the clients of a seed send.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    Raw,
    Lines,
    Lengths,
    /// The same, some of them larger than anything else.
    Large,
}

/// A client: what it will send, how far it has come, what came back.
pub(crate) struct Client {
    peer: Option<SimPeer>,
    script: Vec<u8>,
    sent: usize,
    got: usize,
    finished: bool,
    /// It may reset or close at any time.
    rude: bool,
    /// It reads nothing until it has sent everything.
    reads_late: bool,
}

pub(crate) fn run(seed: u64) -> [u64; 3] {
    run_in(World::new(seed, |_, _| ()))
}

/// The scenario in a world of the caller's.
pub(crate) fn run_in(mut world: World) -> [u64; 3] {
    let format = pick(&mut world.random, [Format::Raw, Format::Lines, Format::Lengths]);
    listen(&mut world, format);
    play(world, format)
}

/// What clients do to a server that sends everything back.
pub(crate) fn play(mut world: World, format: Format) -> [u64; 3] {
    let clients = Clients::new(&mut world, World::address(), format);
    play::play(world, vec![Box::new(clients)])
}

/// The clients of a seed.
pub(crate) struct Clients(Vec<Client>);

impl Clients {
    /// Of whoever listens there.
    pub(crate) fn new(world: &mut World, address: SocketAddr, format: Format) -> Clients {
        let count = 1 + world.random.index(if cfg!(miri) { 3 } else { 8 });
        Clients((0..count).map(|_| Client::new(world, address, format)).collect())
    }
}

/// Every client that is still there says all that it has to say, and reads until the end.
impl Part for Clients {
    fn act(&mut self, world: &mut World) {
        self.0.iter_mut().for_each(|client| client.act(&mut world.random));
    }

    fn hurry(&mut self) -> bool {
        self.0.iter_mut().for_each(Client::hurry);
        self.0.iter().all(Client::is_over)
    }

    fn look_at(&mut self, journal: &Journal, whole: bool) {
        for client in &mut self.0 {
            client.read(usize::MAX);
            journal.note([client.sent as u64, client.got as u64, 0]);
            let Some(peer) = client.peer.take().filter(|_| whole) else { continue };
            assert_eq!(client.got, client.script.len(), "bytes that came back, of those sent");
            assert!(peer.is_ended() && !peer.is_reset());
        }
    }
}

fn listen(world: &mut World, format: Format) {
    let journal = world.journal.clone();
    let listener = world.simulation.listener(World::address());
    fn made<C>(journal: &Journal) -> Echo<C> {
        Echo { life: Life::new(journal), codec: std::marker::PhantomData }
    }
    let listening = match format {
        Format::Raw => listener.start(move |_| made::<Raw>(&journal)),
        Format::Lines => listener.start(move |_| made::<Lines<700>>(&journal)),
        Format::Lengths | Format::Large => listener.start(move |_| made::<LengthDelimited<700>>(&journal)),
    };
    listening.expect("nobody listens there yet");
}

impl Client {
    fn new(world: &mut World, address: SocketAddr, format: Format) -> Client {
        let random = &mut world.random;
        let most = match format {
            Format::Large if !cfg!(miri) => pick(random, [1, 700, 40_000, 90_000]),
            _ => pick(random, [1, 40, 700]),
        };
        let frames = random.below(if cfg!(miri) || most > 700 { 6 } else { 30 });
        let script = (0..frames).flat_map(|_| frame(random, format, most)).collect();
        let (rude, reads_late) = (random.chance(0.2), random.chance(0.2));
        let mut peer = world.connect_to(address).expect("the backlog has room");
        if world.random.chance(0.3) {
            let unread = pick(&mut world.random, [1, 30, 500]);
            // It is to come to an end.
            peer.limit_unread(if most > 700 { 100 * unread } else { unread });
        }
        Client { peer: Some(peer), script, sent: 0, got: 0, finished: false, rude, reads_late }
    }

    fn act(&mut self, random: &mut Random) {
        let Some(peer) = &mut self.peer else { return };
        match random.below(8) {
            0..4 => {
                let rest = &self.script[self.sent..];
                let part = random.index(rest.len() + 1);
                self.sent += peer.write(&rest[..part]);
            }
            4..6 if !self.reads_late => {
                let most = pick(random, [1, 50, usize::MAX]);
                self.read(most);
            }
            6 if self.sent == self.script.len() => self.finish(),
            7 if self.rude && random.chance(0.2) => {
                let peer = self.peer.take().expect("it was there above");
                if random.chance(0.5) { peer.reset() } else { peer.close() }
            }
            _ => {}
        }
    }

    fn hurry(&mut self) {
        if let Some(peer) = &mut self.peer {
            self.sent += peer.write(&self.script[self.sent..]);
            if self.sent == self.script.len() {
                self.finish();
            }
            self.read(usize::MAX);
        }
    }

    fn finish(&mut self) {
        if let Some(peer) = &mut self.peer
            && !self.finished
        {
            peer.shutdown_write();
            self.finished = true;
        }
    }

    /// Reads, and compares with what was sent.
    fn read(&mut self, most: usize) {
        let Some(peer) = &mut self.peer else { return };
        let mut left = most;
        while left > 0 {
            let bytes = peer.read(left);
            if bytes.is_empty() {
                break;
            }
            let expected = self.script[..self.sent].get(self.got..self.got + bytes.len());
            assert_eq!(Some(&bytes[..]), expected, "what came back at {}", self.got);
            self.got += bytes.len();
            left -= bytes.len();
        }
    }

    fn is_over(&self) -> bool {
        self.peer.as_ref().is_none_or(|peer| peer.is_ended() || peer.is_reset())
    }
}

/// One frame of up to `most` bytes, as it stands on the wire.
fn frame(random: &mut Random, format: Format, most: usize) -> Vec<u8> {
    let length = random.index(most + 1);
    let mut bytes: Vec<u8> = (0..length).map(|_| b'a' + random.below(26) as u8).collect();
    match format {
        Format::Raw => {}
        Format::Lines => {
            bytes.truncate(699);
            bytes.push(b'\n');
        }
        Format::Lengths | Format::Large => {
            let header = u32::try_from(bytes.len()).expect("a short frame").to_be_bytes();
            bytes.splice(..0, header);
        }
    }
    bytes
}
