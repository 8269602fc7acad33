//! One seed: limits, accidents, a system, and what must hold when it is over.
//!
//! Knows: what a seed decides, and the books that must balance whatever the scenario. Must not know the scenario.

use std::net::SocketAddr;
use std::time::Duration;

use odeon::sys::Random;
use odeon::system::simulation::{Faults, Remains, SimPeer, Simulation, SimulationConfig};

use super::journal::Journal;

/// Long enough for anything that does not wait for ever.
pub(crate) const AGES: Duration = Duration::from_secs(3600);

/// How long a peer may be silent, or leave unread what it is sent, before its connection is closed without it: mostly as usual.
const LINGERS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(1), Duration::from_millis(20), Duration::from_secs(60)];

/// A plan for one core, of whose memory a test needs little. No accidents.
pub(crate) fn small(seed: u64) -> SimulationConfig {
    let mut plan = SimulationConfig::new(seed);
    (plan.config.send_slots, plan.config.inbox_capacity) = ([64, 32, 16, 8, 4], 64);
    plan
}

/// A simulated system with everything that a scenario needs.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) journal: Journal,
    pub(crate) simulation: Simulation,
    /// Nothing cuts connections off, and no limit makes the runtime do so: what is sent must arrive.
    pub(crate) gentle: bool,
    /// [`Config::linger_after`](odeon::Config::linger_after).
    pub(crate) linger: Duration,
    /// How a connection may be cut off whose peer does not read.
    pub(crate) cuts: Cuts,
}

/// What decides whether a connection that ends in order is cut off nevertheless.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cuts {
    /// It has no more time than that to send what is left.
    pub(crate) close_deadline: Duration,
    /// There may be no timer for that.
    pub(crate) few_timers: bool,
    /// What was sent may have to be read in that time as well.
    pub(crate) pins: bool,
}

impl World {
    /// The world of a seed. `adapt` sets what the scenario depends on.
    pub(crate) fn new(seed: u64, adapt: impl FnOnce(&mut SimulationConfig, &mut Random)) -> World {
        let mut random = Random::new(seed ^ 0x5EED);
        let gentle = random.chance(0.5);
        let mut plan = SimulationConfig::new(seed);
        plan.cores = 1 + random.index(if cfg!(miri) { 2 } else { 4 });
        plan.faults = match random.below(8) {
            0 => Faults::default(),
            _ if gentle => Faults::from_seed(seed).harmless(),
            _ => Faults::from_seed(seed),
        };
        limits(&mut plan, &mut random, gentle);
        // Drawn apart, so that what the other seeds mean stays as it was.
        limits_of_parts(&mut plan, &mut Random::new(seed ^ 0xA9A7), gentle);
        plan.config.linger_after = pick(&mut Random::new(seed ^ 0x11A6), LINGERS);
        adapt(&mut plan, &mut random);
        let linger = plan.config.linger_after;
        let cuts = Cuts {
            close_deadline: plan.config.close_deadline,
            few_timers: plan.config.timers_max < 1 << 10,
            pins: plan.faults.pinned_send > 0.0,
        };
        let simulation = Simulation::new(plan).expect("the limits are possible");
        World { random, journal: Journal::default(), simulation, gentle, linger, cuts }
    }

    /// The address on which the scenario listens.
    pub(crate) fn address() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], 80))
    }

    /// Another one, of this port.
    pub(crate) fn at(port: u16) -> SocketAddr {
        SocketAddr::new(World::address().ip(), port)
    }

    /// A new client; none if every backlog is full.
    pub(crate) fn connect(&self) -> Option<SimPeer> {
        self.connect_to(World::address())
    }

    /// The same of another listener.
    pub(crate) fn connect_to(&self, address: SocketAddr) -> Option<SimPeer> {
        self.simulation.network().connect(address).ok()
    }

    /// How many rounds a scenario plays, below `most`. Miri takes a thousand times as long.
    pub(crate) fn rounds(&mut self, most: u64) -> u64 {
        let rounds = self.random.below(most);
        if cfg!(miri) { rounds.min(3) } else { rounds }
    }

    /// Lets some time pass: mostly a little.
    pub(crate) fn pass(&mut self) {
        let time = match self.random.below(8) {
            0 => Duration::ZERO,
            1 => Duration::from_millis(self.random.below(500)),
            _ => Duration::from_micros(self.random.below(20_000)),
        };
        self.simulation.run_for(time);
    }

    /// A few phases only, so that whatever comes next comes in the middle of things.
    pub(crate) fn pause_midway(&mut self) {
        for _ in 0..self.random.below(40) {
            self.simulation.step();
        }
    }

    /// Repeats `round` until it answers true.
    pub(crate) fn until(&mut self, what: &str, mut round: impl FnMut(&mut World) -> bool) {
        for _ in 0..20_000 {
            if round(self) {
                return;
            }
            self.simulation.run_for(Duration::from_millis(20));
        }
        panic!("{what}: it takes for ever. {:#?}", self.simulation.ledgers());
    }

    /// Shuts the system down, and looks whether all books balance. Answers what is alike in two runs of a seed.
    pub(crate) fn finish(self, peers: Vec<SimPeer>) -> [u64; 3] {
        self.finish_with(move || drop(peers))
    }

    /// The same. `hear` takes what has come from the system by its end, before the books are looked at.
    pub(crate) fn finish_with(self, hear: impl FnOnce()) -> [u64; 3] {
        let network = self.simulation.network().clone();
        let remains = self.simulation.shutdown();
        hear();
        assert_eq!(self.journal.sums().problems, [""; 0]);
        assert_eq!(network.listeners(), 0, "a listener was left open");
        assert_eq!(network.streams(), 0, "a connection was left open");
        nothing_is_held(&remains);
        lives_balance(&self.journal, &remains);
        messages_balance(&self.journal, &remains);
        let handled = remains.ledgers.iter().map(|ledger| ledger.handled).sum();
        [network.trace(), self.journal.trace(), handled]
    }
}

/// Every buffer, slot, timer, chunk, operation and socket is back.
fn nothing_is_held(remains: &Remains) {
    assert_eq!(remains.leaked, 0, "operations were left in flight");
    assert_eq!(remains.buffers_missing, 0, "receive buffers are neither free nor lent");
    for ledger in &remains.ledgers {
        assert_eq!(ledger.held(), [0; 13], "{ledger:#?}");
        assert_eq!(ledger.connections_opened, ledger.connections_closed, "{ledger:#?}");
    }
}

/// Whoever started has stopped, whoever was made has been dropped, and nobody panicked but on purpose.
fn lives_balance(journal: &Journal, remains: &Remains) {
    let sums = journal.sums();
    assert_eq!(sums.started, sums.stopped, "actors that started and those that stopped");
    assert_eq!(sums.made, sums.dropped, "actors that were made and those that were dropped");
    let panics: u64 = remains.ledgers.iter().map(|ledger| ledger.panics).sum();
    assert_eq!(panics, sums.panics, "panics counted, and those on purpose");
}

/// Whatever `tell` took was handled, or is a dead letter.
fn messages_balance(journal: &Journal, remains: &Remains) {
    let sums = journal.sums();
    assert_eq!(sums.messages, 0, "messages still exist, or were dropped twice");
    let dead: u64 = remains.ledgers.iter().map(|ledger| ledger.dead_letters).sum();
    assert_eq!(
        sums.sent + sums.refused,
        sums.handled + dead,
        "{} taken by `tell` and {} refused are not {} handled and {dead} dead letters",
        sums.sent,
        sums.refused,
        sums.handled
    );
}

/// Picks limits: ample, scarce, or of everything just one.
fn limits(plan: &mut SimulationConfig, random: &mut Random, gentle: bool) {
    let config = &mut plan.config;
    config.receive_buffers = pick(random, [1, 2, 4, 16]);
    config.receive_buffer_bytes = pick(random, [64, 100, 512, 4096]);
    config.send_slots = pick(
        random,
        [
            [1, 0, 0, 0, 0],
            [0, 1, 0, 0, 0],
            [3, 2, 0, 0, 0],
            [8, 4, 2, 1, 0],
            [32, 16, 8, 4, 2],
            [0, 0, 4, 0, 0],
        ],
    );
    config.submission_entries = pick(random, [2, 4, 16, 256]);
    config.lane_capacity = pick(random, [8, 16, 64, 1024]);
    config.inbox_capacity = pick(random, [1, 4, 64]);
    config.activation_messages = pick(random, [1, 2, 5, 64]);
    config.turn_activations = pick(random, [1, 3, 1024]);
    config.mailbox_bytes_max = pick(random, [16_384, 65_536, 1 << 20]);
    config.pinned_parts_max = pick(random, [0, 1, 64, 255]);
    config.drain_deadline = Duration::from_secs(10);
    if gentle {
        config.outbox_bytes_max = 256 << 10;
        config.close_deadline = AGES;
    } else {
        config.outbox_bytes_max = pick(random, [64, 1000, 16 << 10, 256 << 10]);
        config.close_deadline = Duration::from_millis(pick(random, [1, 50, 5_000]));
        config.timers_max = pick(random, [1, 4, 1 << 20, 1 << 20]);
        config.actors_max = pick(random, [8, 64, 1 << 20, 1 << 20]);
    }
}

/// Picks how much may come in part, and how late: much and long, or so little and so short that some are closed for it.
fn limits_of_parts(plan: &mut SimulationConfig, random: &mut Random, gentle: bool) {
    let config = &mut plan.config;
    if gentle {
        config.assembly_bytes_max = pick(random, [16 << 20, 256 << 20]);
        config.first_byte_timeout = pick(random, [config.first_byte_timeout, AGES]);
        config.frame_timeout = pick(random, [config.frame_timeout, AGES]);
        config.frame_rate_min = pick(random, [1, 1024]);
    } else {
        config.assembly_bytes_max = pick(random, [64 << 10, 200_000, 1 << 20, 256 << 20]);
        let times = [1, 50, 1_000, 10_000].map(Duration::from_millis);
        config.first_byte_timeout = pick(random, times);
        config.frame_timeout = pick(random, times);
        config.frame_rate_min = pick(random, [1, 1024, 100_000, 1 << 30]);
    }
}

/// One of these.
pub(crate) fn pick<T: Copy, const N: usize>(random: &mut Random, choices: [T; N]) -> T {
    choices[random.index(N)]
}
