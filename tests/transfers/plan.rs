//! What happens to a connection on its way, drawn from a seed.
//!
//! Knows: accidents, and where they come. Must not know sockets.

use std::fmt;
use std::time::Duration;

use odeon::sys::Random;

use crate::wire::log_uniform;

/// How one direction is cut into writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cuts {
    /// As it was read.
    Nowhere,
    EveryByte,
    /// Pieces of up to so many bytes, their sizes drawn from a seed.
    Random {
        most: u64,
        seed: u64,
    },
}

/// What happens to one direction, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accident {
    /// Nothing is read until the test releases it.
    Stall,
    /// Nothing is read any more.
    Deaf,
    /// Both connections are reset.
    Reset,
    /// The stream ends here; what follows is swallowed.
    HalfClose,
    /// Both connections are closed, in order where nothing is unread.
    Close,
}

/// What happens to one direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) cuts: Cuts,
    /// So many bytes are read at once, at most.
    pub(crate) gulp: usize,
    /// So long between two writes.
    pub(crate) pace: Option<Duration>,
    /// Before the byte with this number.
    pub(crate) accident: Option<(u64, Accident)>,
}

impl Faults {
    pub(crate) const NONE: Faults =
        Faults { cuts: Cuts::Nowhere, gulp: GULP_MAX, pace: None, accident: None };

    /// Nothing but an accident.
    pub(crate) fn at(byte: u64, accident: Accident) -> Faults {
        Faults { accident: Some((byte, accident)), ..Faults::NONE }
    }

    /// Cuts for a direction of so many bytes, and delays between them, not so many that they take long.
    pub(crate) fn drawn(random: &mut Random, length: u64) -> Faults {
        let least = 1 + length / PIECES_MAX;
        let most = |random: &mut Random| least + log_uniform(random, 100_000);
        let cuts = match random.below(4) {
            0 => Cuts::Nowhere,
            1 if least == 1 => Cuts::EveryByte,
            _ => Cuts::Random { most: most(random), seed: random.bits() },
        };
        let gulp = if random.chance(0.5) { GULP_MAX } else { (most(random) as usize).min(GULP_MAX) };
        // A read may bring less than it could: what a small segment holds.
        let pieces = 1
            + length / 1024
            + match cuts {
                Cuts::Nowhere => length / gulp as u64,
                Cuts::EveryByte => length,
                Cuts::Random { most, .. } => 16 * length / most,
            };
        let is_paced = pieces <= PACED_PIECES_MAX && random.chance(0.5);
        let pace = is_paced.then(|| Duration::from_micros(1 + random.below(PACED_US_MAX / pieces)));
        Faults { cuts, gulp, pace, ..Faults::NONE }
    }

    pub(crate) fn has(&self, accident: Accident) -> bool {
        self.accident.is_some_and(|(_, planned)| planned == accident)
    }
}

/// What is read at once by whoever takes what comes.
pub(crate) const GULP_MAX: usize = 64 << 10;

/// Pieces of one direction, if they are drawn.
const PIECES_MAX: u64 = 20_000;
/// The same, with delays between them, and how many microseconds these take together.
const PACED_PIECES_MAX: u64 = 1_000;
const PACED_US_MAX: u64 = 100_000;

/// What happens to a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// From the client to the server.
    pub(crate) up: Faults,
    /// From the server to the client.
    pub(crate) down: Faults,
    /// Both sockets of the proxy have receive buffers of so many bytes.
    pub(crate) narrow: Option<usize>,
}

impl Plan {
    pub(crate) const NOTHING: Plan = Plan { up: Faults::NONE, down: Faults::NONE, narrow: None };

    pub(crate) fn up(up: Faults) -> Plan {
        Plan { up, ..Plan::NOTHING }
    }

    pub(crate) fn down(down: Faults) -> Plan {
        Plan { down, ..Plan::NOTHING }
    }

    /// Cuts for both directions, and no accident.
    pub(crate) fn cut(random: &mut Random, length: u64) -> Plan {
        let (up, down) = (Faults::drawn(random, length), Faults::drawn(random, length));
        Plan { up, down, narrow: random.chance(0.3).then_some(64 << 10) }
    }

    /// Anything: cuts, perhaps a stall in each direction, perhaps an accident in one of them, before any byte or behind the last.
    pub(crate) fn drawn(random: &mut Random, length: u64) -> Plan {
        let mut plan = Plan::cut(random, length);
        let (first, second) =
            if random.chance(0.5) { (&mut plan.up, &mut plan.down) } else { (&mut plan.down, &mut plan.up) };
        let before = |random: &mut Random| match random.below(4) {
            0 => random.below(4).min(length),
            1 => length - random.below(4).min(length),
            _ => random.below(length + 1),
        };
        let accident = match random.below(6) {
            0 => Some(Accident::Stall),
            1 => Some(Accident::Reset),
            2 => Some(Accident::HalfClose),
            3 => Some(Accident::Close),
            _ => None,
        };
        first.accident = accident.map(|accident| (before(random), accident));
        second.accident = random.chance(0.3).then(|| (before(random), Accident::Stall));
        plan
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "up {:?}\n  down {:?}", self.up, self.down)?;
        self.narrow.map_or(Ok(()), |bytes| write!(out, "\n  receive buffers of {bytes} bytes"))
    }
}
