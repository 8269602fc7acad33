//! A proxy between clients and what they talk to: any sizes and splits, half-closes, resets, slow readers, aborts on both sides.
//!
//! Knows: what goes in on one side and comes out on the other, and what each side counts. Must not know how it gets there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::Random;
use odeon::system::simulation::{Breaker, PeerListener, SimPeer};
use odeon::{Timeout, task};

use super::journal::{Journal, Life};
use super::play::{self, Part};
use super::world::{World, pick};

/// Where the proxy listens, and where it connects to.
const NEAR: u16 = 81;
const FAR: u16 = 82;

/// What the two connections of a client had forwarded when they ended, and what else is known of them.
#[derive(Default)]
struct Sides {
    near: Option<Addr<Near>>,
    far: Option<Addr<Far>>,
    up: Option<u64>,
    down: Option<u64>,
    tied: bool,
}

/// By the number that the client has sent.
#[derive(Clone, Default)]
struct Board(Arc<Mutex<BTreeMap<[u8; 4], Sides>>>);

impl Board {
    fn with<R>(&self, number: [u8; 4], act: impl FnOnce(&mut Sides) -> R) -> R {
        act(self.0.lock().expect("nobody panics with it").entry(number).or_default())
    }
}

/// What a client is connected to. It connects to the far side when it knows the number of its client.
struct Near {
    life: Life,
    board: Board,
    number: [u8; 4],
    /// Connects in a handler that has the connection for itself; else in a task, and does not read meanwhile.
    alone: bool,
    to: SocketAddr,
}

#[derive(Message)]
struct Connected(Option<Addr<Far>>);

impl Accepts<Connected> for Near {
    fn accept(connected: Connected) -> Connected {
        connected
    }
}

impl Near {
    fn connect(&self, cx: &Context<Self>) -> impl Future<Output = Option<Addr<Far>>> + use<> {
        let (near, number, board, life) =
            (cx.me(), self.number, self.board.clone(), Life::new(self.life.journal()));
        let far = move |_| Far { life, board, number, near };
        let connecting = odeon::connect(self.to).start(far);
        async { connecting.await.ok() }
    }

    fn tie(&self, far: Option<Addr<Far>>, cx: &mut Context<Self>) -> Flow {
        let tied = far.is_some_and(|far| cx.forward_to(far).is_ok());
        self.board.with(self.number, |sides| sides.tied = tied);
        if tied { Flow::Continue } else { Flow::Fail }
    }
}

impl Actor for Near {
    type Message = Connected;

    fn started(&mut self, _: &mut Context<Self>) -> Flow {
        self.life.start();
        Flow::Continue
    }

    fn handle(&mut self, Connected(far): Connected, cx: &mut Context<Self>) -> Flow {
        self.life.journal().sums().handled += 1;
        cx.resume_reading();
        self.tie(far, cx)
    }

    fn stopped(&mut self, _: StopReason, cx: &mut Context<Self>) {
        self.life.stop();
        let forwarded = cx.forwarded_bytes();
        self.board.with(self.number, |sides| sides.up = Some(forwarded));
    }
}

impl Connection for Near {
    type Codec = Fixed<4>;

    fn frame(&mut self, number: &[u8; 4], cx: &mut Context<Self>) -> Flow {
        self.life.go_on();
        self.number = *number;
        let near = cx.me();
        self.board.with(*number, |sides| sides.near = Some(near));
        let connecting = self.connect(cx);
        if self.alone {
            let tie = async move |me: &mut Near, cx: &mut Context<Near>| me.tie(connecting.await, cx);
            return cx.exclusive("Near::connect", Timeout::Never, tie);
        }
        cx.pause_reading();
        let (journal, here) = (self.life.journal().clone(), Rc::new(()));
        let there = here.clone();
        task::spawn(async move {
            let _there = there;
            let connected = Connected(connecting.await);
            journal.sums().sent += u64::from(near.tell(connected).is_ok());
        })
        .detach();
        // It may have found no place.
        if Rc::strong_count(&here) > 1 { Flow::Continue } else { Flow::Fail }
    }
}

/// The connection to the far side, which is told the number first.
struct Far {
    life: Life,
    board: Board,
    number: [u8; 4],
    near: Addr<Near>,
}

impl Actor for Far {
    type Message = Never;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        self.life.start();
        let me = cx.me();
        self.board.with(self.number, |sides| sides.far = Some(me));
        cx.write(self.number);
        if cx.forward_to(self.near).is_ok() { Flow::Continue } else { Flow::Fail }
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, _: StopReason, cx: &mut Context<Self>) {
        self.life.stop();
        let forwarded = cx.forwarded_bytes();
        self.board.with(self.number, |sides| sides.down = Some(forwarded));
    }
}

impl Connection for Far {
    type Codec = Raw;

    fn frame(&mut self, bytes: &[u8], _: &mut Context<Self>) -> Flow {
        self.life.journal().expect(false, || format!("{bytes:?} came to a handler and not to the client"));
        Flow::Continue
    }
}

/// One end of what is proxied: what it sends, how much of that it has sent, and what it has got.
struct End {
    peer: Option<SimPeer>,
    script: Vec<u8>,
    sent: usize,
    got: Vec<u8>,
    finished: bool,
    /// It may reset or close at any time.
    rude: bool,
    /// It reads nothing until it has sent everything.
    reads_late: bool,
    /// It closes when it has sent everything, whatever it has not read.
    abrupt: bool,
}

impl End {
    fn new(random: &mut Random, start: &[u8]) -> End {
        let most = pick(random, if cfg!(miri) { [0, 1, 40, 300] } else { [0, 40, 3_000, 20_000] });
        let (mut script, length) = (start.to_vec(), random.index(most + 1));
        script.extend((0..length).map(|_| random.bits() as u8));
        let (rude, reads_late) = (random.chance(0.1), random.chance(0.2));
        End { peer: None, script, sent: 0, got: Vec::new(), finished: false, rude, reads_late, abrupt: false }
    }

    /// It is connected, and reads as much at a time as it likes.
    fn begin(&mut self, random: &mut Random, mut peer: SimPeer) {
        if random.chance(0.3) {
            // It is to come to an end.
            peer.limit_unread(pick(random, [1000, 3000, 10_000]));
        }
        self.peer = Some(peer);
    }

    fn act(&mut self, random: &mut Random) {
        let Some(peer) = &mut self.peer else { return };
        match random.below(8) {
            0..4 => {
                let rest = &self.script[self.sent..];
                let part = random.index(rest.len() + 1);
                self.sent += peer.write(&rest[..part]);
            }
            4..6 if !self.reads_late || self.finished => {
                let most = pick(random, [1, 500, usize::MAX]);
                self.got.extend(peer.read(most));
            }
            6 if self.sent == self.script.len() && self.abrupt => self.close(),
            6 if self.sent == self.script.len() => self.finish(),
            7 if self.rude && random.chance(0.2) => {
                let peer = self.peer.take().expect("it was there above");
                if random.chance(0.5) {
                    return peer.reset();
                }
                self.script.truncate(self.sent);
                self.peer = Some(peer);
                self.close();
            }
            _ => {}
        }
    }

    /// Unless it leaves something unread, this is an end like any other.
    fn close(&mut self) {
        self.finished = true;
        self.peer.take().expect("it is asked once").close();
    }

    fn finish(&mut self) {
        if let Some(peer) = &mut self.peer
            && !std::mem::replace(&mut self.finished, true)
        {
            peer.shutdown_write();
        }
    }

    /// Sends what is left, and reads what is there. True if nothing more comes.
    fn hurry(&mut self) -> bool {
        let Some(peer) = &mut self.peer else { return true };
        self.sent += peer.write(&self.script[self.sent..]);
        if self.abrupt && self.sent == self.script.len() {
            self.close();
            return true;
        }
        while let more @ [_, ..] = &*peer.read(usize::MAX) {
            self.got.extend(more);
        }
        if self.sent == self.script.len() {
            self.finish();
        }
        self.peer.as_ref().is_none_or(|peer| peer.is_ended() || peer.is_reset())
    }

    /// Its stream has ended as if nothing were missing.
    fn ended_in_order(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.is_ended() && !peer.is_reset())
    }

    /// True if this is the whole of what the other one has had to say.
    fn has_all_of(&self, other: &End) -> bool {
        other.finished && self.got.len() == other.script.len()
    }

    /// True if it has left so many bytes with the kernel at the other end for that time or longer, and the reset that was waiting for it
    /// has dropped these and no others.
    fn has_left(&self, bytes: usize, time: Duration) -> bool {
        self.peer.as_ref().and_then(SimPeer::breach).is_some_and(|breach| {
            let in_time = breach.at >= breach.taken_at.after(time);
            breach.by == Breaker::Other && breach.lost == bytes && in_time
        })
    }

    fn has_a_part_of(&self, other: &End) -> bool {
        other.script[..other.sent].starts_with(&self.got)
    }
}

/// The clients of a proxy, and those whom it connects them to.
pub(crate) struct Proxies {
    listener: PeerListener,
    board: Board,
    /// Their far end is found when it says whose it is.
    pairs: BTreeMap<[u8; 4], (End, End)>,
    /// Far ends that have not said so yet, with what they have said.
    strangers: Vec<(SimPeer, Vec<u8>)>,
    /// How long an early answer is there to be read.
    linger: Duration,
}

impl Proxies {
    pub(crate) fn new(world: &mut World) -> Proxies {
        let (board, journal, seeds) = (Board::default(), world.journal.clone(), world.random.bits());
        let made = board.clone();
        let near = move |peer: Peer| Near {
            life: Life::new(&journal),
            board: made.clone(),
            number: [0; 4],
            alone: Random::new(seeds ^ (peer.id() & 0xFFFF_FFFF)).chance(0.5),
            to: World::at(FAR),
        };
        let listener = world.simulation.listener(World::at(NEAR));
        listener.start(near).expect("nobody listens there yet");
        let listener =
            world.simulation.network().listen(World::at(FAR), 64).expect("nobody listens there yet");
        let mut pairs = BTreeMap::new();
        for number in 1..=1 + world.random.below(if cfg!(miri) { 2 } else { 5 }) as u32 {
            let number = number.to_be_bytes();
            let (mut near, mut far) =
                (End::new(&mut world.random, &number), End::new(&mut world.random, &[]));
            // Drawn apart, so that what the other seeds mean stays as it was.
            far.abrupt = Random::new(seeds ^ u64::from(u32::from_be_bytes(number))).chance(0.3);
            let peer = world.connect_to(World::at(NEAR)).expect("the backlog has room");
            near.begin(&mut world.random, peer);
            pairs.insert(number, (near, far));
        }
        Proxies { listener, board, pairs, strangers: Vec::new(), linger: world.linger }
    }

    /// Hears who the far ends are.
    fn meet(&mut self, random: &mut Random) {
        self.strangers.extend(std::iter::from_fn(|| self.listener.accept()).map(|peer| (peer, Vec::new())));
        for (mut peer, mut number) in std::mem::take(&mut self.strangers) {
            number.extend(peer.read(4 - number.len()));
            let Ok(whole) = <[u8; 4]>::try_from(&number[..]) else {
                self.strangers.push((peer, number));
                continue;
            };
            let (_, far) = self.pairs.get_mut(&whole).expect("the number of a client");
            far.got = number;
            far.begin(random, peer);
        }
    }
}

impl Part for Proxies {
    fn act(&mut self, world: &mut World) {
        if world.random.chance(0.5) {
            self.meet(&mut world.random);
        }
        for (near, far) in self.pairs.values_mut() {
            near.act(&mut world.random);
            far.act(&mut world.random);
        }
        if !world.gentle && world.random.chance(0.05) {
            let number = 1 + world.random.below(5) as u32;
            let stops = world.random.chance(0.5);
            self.board.with(number.to_be_bytes(), |sides| match (sides.near, sides.far) {
                (Some(near), _) if stops => near.stop(),
                (_, Some(far)) => far.abort(),
                (Some(near), None) => near.abort(),
                (None, None) => {}
            });
        }
    }

    fn hurry(&mut self) -> bool {
        self.meet(&mut Random::new(0));
        let ends = self.pairs.values_mut().fold(true, |over, (near, far)| near.hurry() & far.hurry() && over);
        ends && self.strangers.iter().all(|(peer, _)| peer.is_ended() || peer.is_reset())
    }

    fn look_at(&mut self, journal: &Journal, whole: bool) {
        for (number, (near, far)) in &mut self.pairs {
            near.hurry();
            far.hurry();
            let (up, down, tied) = self.board.with(*number, |sides| {
                (sides.up.unwrap_or(0) as usize, sides.down.unwrap_or(0) as usize, sides.tied)
            });
            journal.note([near.got.len() as u64, up as u64, down as u64]);
            let parts = far.has_a_part_of(near) && near.has_a_part_of(far);
            journal.expect(parts, || format!("client {number:?}: other bytes came than were sent"));
            let counted = up + 4 <= near.sent.max(4)
                && far.got.len() <= up + 4
                && down <= far.sent
                && near.got.len() <= down;
            journal.expect(counted, || {
                format!("{up} and {down} bytes were counted, of {} and {}", near.sent, far.sent)
            });
            let ends = (!far.ended_in_order() || far.has_all_of(near))
                && (!near.ended_in_order() || near.has_all_of(far) || !tied && near.got.is_empty());
            journal.expect(ends, || {
                format!(
                    "client {number:?}: a stream that was cut short ended in order: {} of {} came, and {} of {}; tied: {tied}",
                    far.got.len(),
                    near.script.len(),
                    near.got.len(),
                    far.script.len()
                )
            });
            if !whole || near.rude || far.rude {
                continue;
            }
            if far.abrupt {
                let missing = far.script.len() - near.got.len();
                let is_right = missing == 0 || near.has_left(missing, self.linger);
                journal.expect(!tied || is_right, || {
                    let breach = near.peer.as_ref().and_then(SimPeer::breach);
                    format!("client {number:?} has not got {missing} bytes of an early answer: {breach:?}")
                });
            } else {
                let ended = far.ended_in_order() && near.ended_in_order();
                let exact = up + 4 == near.script.len() && down == far.script.len();
                journal.expect(ended && exact, || format!("client {number:?} was cut off"));
            }
        }
    }
}

pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut world = World::new(seed, |plan, random| {
        plan.config.owned_bytes_min = pick(random, [0, 20, 4096]);
    });
    let proxies = Proxies::new(&mut world);
    play::play(world, vec![Box::new(proxies)])
}
