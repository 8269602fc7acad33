//! Code of users may use the runtime wherever that calls it: nothing of the runtime is borrowed then.
//!
//! Knows: every place where code of users runs. Must not know what the runtime does there.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use odeon::net::codec::{Decoded, Encode, FrameError, Sink};
use odeon::prelude::*;
use odeon::system::simulation::{Simulation, SimulationConfig};

/// Everything that can be reached without a context.
#[derive(Clone, Copy)]
struct Targets {
    counters: [Addr<Counter>; 2],
    narrow: Addr<Counter>,
    hydra: Addr<Hydra>,
}

thread_local! {
    static TARGETS: Cell<Option<Targets>> = const { Cell::new(None) };
    static PLACES: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
    static TOLD: Cell<u64> = const { Cell::new(0) };
    static HEARD: Cell<u64> = const { Cell::new(0) };
}

/// Sends to both cores, fills a mailbox, and asks an actor to stop.
fn meddle(place: &'static str) {
    let Some(targets) = TARGETS.get() else { return };
    PLACES.with_borrow_mut(|places| places.insert(place));
    for counter in targets.counters {
        TOLD.set(TOLD.get() + u64::from(counter.tell(Tick).is_ok()));
    }
    while targets.narrow.tell(Tick).is_ok() {}
    targets.narrow.tell(Tick).or_dead_letter();
    targets.hydra.stop();
}

#[derive(Message)]
struct Tick;

/// Counts what it is sent.
struct Counter;

impl Actor for Counter {
    type Message = Tick;

    fn handle(&mut self, _: Tick, _: &mut Context<Self>) -> Flow {
        HEARD.set(HEARD.get() + 1);
        Flow::Continue
    }
}

impl Accepts<Tick> for Counter {
    fn accept(message: Tick) -> Tick {
        message
    }
}

/// Is asked to stop by whoever meddles.
struct Hydra;

impl Actor for Hydra {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

/// Meddles when it is dropped.
#[derive(Clone)]
struct Meddler(&'static str);

impl Drop for Meddler {
    fn drop(&mut self) {
        meddle(self.0);
    }
}

#[derive(Message)]
struct Word {
    _dropped: Meddler,
    fill: bool,
}

fn new_word(fill: bool) -> Word {
    Word { _dropped: Meddler("the drop of a message"), fill }
}

/// Meddles in every hook.
struct Busy {
    _state: Meddler,
    is_child: bool,
}

impl Busy {
    fn new() -> Busy {
        Busy { _state: Meddler("the drop of a state"), is_child: false }
    }
}

impl Accepts<Word> for Busy {
    fn accept(message: Word) -> Word {
        meddle("a conversion");
        message
    }
}

impl Actor for Busy {
    type Message = Word;
    const MAILBOX_CAPACITY: u32 = 4;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        meddle("started");
        if self.is_child {
            return Flow::Continue;
        }
        let child = Busy { _state: Meddler("the drop of a child"), is_child: true };
        let child = cx.spawn(child).expect("there is room");
        child.tell(new_word(true)).or_dead_letter();
        child.stop();
        Flow::Continue
    }

    fn handle(&mut self, word: Word, cx: &mut Context<Self>) -> Flow {
        meddle("a handler");
        let me = cx.me();
        // One too many: it comes back, and is dropped here.
        while word.fill && me.tell(new_word(false)).is_ok() {}
        Flow::Continue
    }

    fn stopped(&mut self, _: StopReason, _: &mut Context<Self>) {
        meddle("stopped");
    }
}

impl Connection for Busy {
    type Codec = Letters;

    fn frame(&mut self, letter: u8, cx: &mut Context<Self>) -> Flow {
        meddle("a frame");
        cx.write(Bytes);
        write!(cx, "{}", Bytes);
        assert_eq!(cx.send_frame(letter), Ok(()));
        if letter == b'.' { Flow::Close } else { Flow::Continue }
    }

    fn end_of_stream(&mut self, _: &mut Context<Self>) -> Flow {
        meddle("the end of a stream");
        Flow::Close
    }

    fn malformed(&mut self, _: FrameError, _: &mut Context<Self>) {
        meddle("malformed");
    }

    fn idle(&mut self, _: &mut Context<Self>) -> Flow {
        meddle("idle");
        Flow::Close
    }
}

/// What is written, in two ways.
struct Bytes;

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        meddle("a conversion to bytes");
        b"<"
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        meddle("a conversion to text");
        out.write_str(">")
    }
}

/// One byte a frame, but for a few that it does not like.
struct Letters {
    _dropped: Meddler,
}

impl Default for Letters {
    fn default() -> Letters {
        meddle("a new codec");
        Letters { _dropped: Meddler("the drop of a codec") }
    }
}

impl Decode for Letters {
    type Frame<'a> = u8;

    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<u8>, FrameError> {
        meddle("decode");
        match bytes[0] {
            b'!' => Err(FrameError::malformed(bytes, 0, "no shouting")),
            b'?' => Ok(Decoded::Incomplete { needed: 2 }),
            letter => Ok(Decoded::Frame { frame: letter, consumed: 1 }),
        }
    }

    fn finish(&mut self, rest: &[u8]) -> Result<Option<u8>, FrameError> {
        meddle("finish");
        Ok(rest.first().copied())
    }

    fn frame_bytes_max(&self) -> usize {
        meddle("the limit of frames");
        2
    }
}

impl Encode for Letters {
    type Item<'a> = u8;

    fn encode(&mut self, letter: u8, sink: &mut impl Sink) -> Result<(), FrameError> {
        meddle("encode");
        sink.write(&[letter]);
        Ok(())
    }
}

const PLACES_ALL: [&str; 20] = [
    "a conversion",
    "a conversion to bytes",
    "a conversion to text",
    "a frame",
    "a handler",
    "a new codec",
    "decode",
    "encode",
    "finish",
    "idle",
    "malformed",
    "started",
    "stopped",
    "the drop of a child",
    "the drop of a codec",
    "the drop of a message",
    "the drop of a state",
    "the drop of what makes connections",
    "the end of a stream",
    "what makes connections",
];

fn start(simulation: &Simulation) {
    let spawn = |core| simulation.spawn_on(core, Counter).expect("there is room");
    let hydra = simulation.spawn_on(0, Hydra).expect("there is room");
    // Its core is never the one that runs while it is filled: it lives elsewhere.
    let narrow = simulation.spawn_on(1, Counter).expect("there is room");
    TARGETS.set(Some(Targets { counters: [spawn(0), spawn(1)], narrow, hydra }));
}

#[test]
fn code_of_users_may_use_the_runtime_wherever_it_runs() {
    let mut plan = SimulationConfig { cores: 2, ..SimulationConfig::new(5) };
    plan.config.lane_capacity = 64;
    let mut simulation = Simulation::new(plan).expect("the limits are possible");
    start(&simulation);
    let address = "10.0.0.1:1".parse().expect("an address");
    let captured = Meddler("the drop of what makes connections");
    let make = move |_| {
        let _ = &captured;
        meddle("what makes connections");
        Busy::new()
    };
    let listener = simulation.listener(address).idle_timeout(Duration::from_secs(1));
    let listening = listener.start(make).expect("nobody listens there");
    let plain = simulation.spawn_on(0, Busy::new()).expect("there is room");
    simulation.settle();
    for _ in 0..9 {
        plain.tell(new_word(true)).or_dead_letter();
    }
    simulation.settle();
    plain.stop();
    let network = simulation.network().clone();
    for said in ["abc", "ab.c", "ab!", "ab?", "idle"] {
        let mut peer = network.connect(address).expect("somebody listens");
        peer.write(said.as_bytes());
        if said != "idle" {
            peer.shutdown_write();
        }
        simulation.run_for(Duration::from_secs(5));
        assert!(peer.read(99).len() >= 6, "{said}: it is answered");
    }
    listening.stop();
    simulation.run_for(Duration::from_secs(20));
    let panics: Vec<_> = simulation.ledgers().iter().map(|core| (core.panics, core.drop_panics)).collect();
    assert_eq!(panics, [(0, 0); 2]);
    super::end(simulation);
    assert!(TOLD.get() > 0 && HEARD.get() >= TOLD.get(), "{} heard of {}", HEARD.get(), TOLD.get());
    TARGETS.set(None);
    let places: Vec<_> = PLACES.take().into_iter().filter(|place| *place != "the limit of frames").collect();
    assert_eq!(places, PLACES_ALL);
}
