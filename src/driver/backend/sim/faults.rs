//! Which accidents happen in a simulation, and how often.
//!
//! Knows: probabilities. Must not know how an accident is staged.

use crate::sys::Random;

/// How likely each accident is, from 0.0 (never) to 1.0 (always), each time that it could happen. What is above 1.0 means always, and what is
/// no number never. All are 0.0 by default, which is [`Faults::none`].
///
/// | | what happens | what is sent |
/// |---|---|---|
/// | [`Faults::none`] | nothing | arrives at once, and whole |
/// | [`Faults::network`] | what networks do every day | arrives, late and in parts |
/// | [`Faults::from_seed`] | anything, but each seed has about half of the kinds | may be cut off |
/// | [`Faults::harmless`] | a mix without what cuts off or fails | arrives |
///
/// A mix of one's own takes the rest from one of these:
///
/// ```
/// use odeon::sim::Faults;
///
/// let faults = Faults { short_receive: 1.0, reset: 0.001, ..Faults::none() };
/// assert_eq!(faults.harmless(), Faults { short_receive: 1.0, ..Faults::none() });
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// A send takes only a part of what it was given; the rest follows.
    pub short_send: f64,
    /// A send or a receive answers `EAGAIN` although it could go on.
    pub again: f64,
    /// A receive finds no buffer although the pool has one (`ENOBUFS`), as if other connections had them all.
    pub no_buffer: f64,
    /// A receive delivers only a part of what is there, from 1 to 64 bytes: a frame comes in pieces.
    pub short_receive: f64,
    /// A buffer is given up by its filler although it has room left.
    pub buffer_cut: f64,
    /// Fewer ops are taken over by an `enter` than its queue holds.
    pub short_queue: f64,
    /// Operations are carried out in another order than they were submitted in.
    pub reorder: f64,
    /// An operation is left for a later `enter`.
    pub postpone: f64,
    /// An operation is left for a later time of the virtual clock.
    pub delay: f64,
    /// What an operation did is reported later than it was done: at a later time of the virtual clock.
    pub late_completion: f64,
    /// A multishot ends early without an error, and is armed again underneath.
    pub disarm: f64,
    /// The rest of the completions of an `enter` has no room in the completion queue: they come with the next one, and
    /// the multishots among them end.
    pub overflow: f64,
    /// A connection is reset by the network, each time that something is sent or received on it.
    pub reset: f64,
    /// A connection, whoever has made it, is reset by the network at a later time of the virtual clock, whatever it does then, and if it does
    /// nothing: within sixty-four times the longest delay.
    pub reset_later: f64,
    /// A connection that the network cuts off is not reset but given up, because nobody answers any more: `ETIMEDOUT` or `EHOSTUNREACH`.
    pub given_up: f64,
    /// A connection in the backlog is gone before it was accepted: `ECONNABORTED`.
    pub aborted_accept: f64,
    /// An accept fails for want of a resource: `EMFILE`, `ENFILE`, `ENOBUFS` or `ENOMEM`.
    pub failed_accept: f64,
    /// The peer of a connection, once it is accepted, is one that holds and takes few bytes at a time.
    pub slow_reader: f64,
    /// The kernel holds more of what is sent on an accepted connection than its peer has room for.
    pub held_output: f64,
    /// A connect is answered at a later time of the virtual clock.
    pub slow_connect: f64,
    /// Nobody answers a connect, whoever listens there: it is under way until it is cancelled.
    pub unanswered_connect: f64,
    /// A connect fails: `ETIMEDOUT`, `EHOSTUNREACH` or `ENETUNREACH`.
    pub failed_connect: f64,
    /// A connection is reset as soon as it was made.
    pub reset_connect: f64,
    /// The memory of what a send has taken, or was to take, is read for longer than the send: it is pinned.
    pub pinned_send: f64,
    /// What is pinned stays so until the peer has read it or the connection is cut off, else until a later time of the virtual
    /// clock.
    pub pinned_until_read: f64,
    /// A request about a file is carried out at a later time of the virtual clock.
    pub slow_file: f64,
    /// A read or a write of a file is done in part.
    pub short_file: f64,
    /// A request about a file fails: `EIO`.
    pub failed_file: f64,
    /// A write finds no room on the disk: `ENOSPC`.
    pub full_disk: f64,
    /// The longest delay, in nanoseconds of the virtual clock, of whatever is delayed. Default: a millisecond. What is delayed is so by
    /// at least a nanosecond.
    pub delay_ns_max: u64,
    /// A mistake of the backend itself, which whoever checks a simulation must notice: it shows that the check can fail.
    #[doc(hidden)]
    pub canary: Canary,
}

/// A mistake that a simulated backend makes on purpose.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Canary {
    /// None.
    #[default]
    None,
    /// A receive buffer that is given up before it is full is forgotten.
    LoseBuffer,
    /// Two of the bytes that one receive delivers have changed places.
    SwapBytes,
    /// The rest of a short send is taken for sent.
    DropRest,
    /// What has come for a receive into owned memory is gone when that is cancelled.
    DropFilled,
    /// Nobody will accept a connection that was made.
    LoseConnection,
    /// That memory is not pinned any more is not told.
    LoseRelease,
    /// A write of a file that was done in part is taken for whole.
    WholeWrite,
    /// A request about a file that failed is told to have succeeded.
    HideFailure,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults {
            short_send: 0.0,
            again: 0.0,
            no_buffer: 0.0,
            short_receive: 0.0,
            buffer_cut: 0.0,
            short_queue: 0.0,
            reorder: 0.0,
            postpone: 0.0,
            delay: 0.0,
            late_completion: 0.0,
            disarm: 0.0,
            overflow: 0.0,
            reset: 0.0,
            reset_later: 0.0,
            given_up: 0.0,
            aborted_accept: 0.0,
            failed_accept: 0.0,
            slow_reader: 0.0,
            held_output: 0.0,
            slow_connect: 0.0,
            unanswered_connect: 0.0,
            failed_connect: 0.0,
            reset_connect: 0.0,
            pinned_send: 0.0,
            pinned_until_read: 0.0,
            slow_file: 0.0,
            short_file: 0.0,
            failed_file: 0.0,
            full_disk: 0.0,
            delay_ns_max: 1_000_000,
            canary: Canary::None,
        }
    }
}

impl Faults {
    /// A network, a disk and a kernel that are never late, and break nothing.
    #[must_use]
    pub fn none() -> Faults {
        Faults::default()
    }

    /// What happens every day, in a mix that the seed chooses: bytes come late and in parts, peers read slowly, buffers and queues are full for a
    /// moment, requests are carried out in another order than they were made in. What is sent or written arrives: this is
    /// [`Faults::from_seed`] made [`harmless`](Faults::harmless), with delays of up to 50 ms.
    #[must_use]
    pub fn network(seed: u64) -> Faults {
        Faults::from_seed(seed).harmless()
    }

    /// A mix chosen by a seed: about half of the kinds are absent, the others occur now and then.
    #[must_use]
    pub fn from_seed(seed: u64) -> Faults {
        let (mut random, mut other) = (Random::new(seed), Random::new(seed ^ 0xACC1));
        let mut pick = |most: f64| some(&mut random, most);
        // Drawn apart, so that what the other kinds do with a seed stays as it was.
        let mut apart = |most: f64| some(&mut other, most);
        Faults {
            short_send: pick(0.5),
            again: pick(0.3),
            no_buffer: pick(0.3),
            short_receive: pick(0.5),
            buffer_cut: pick(0.3),
            short_queue: pick(0.5),
            reorder: pick(1.0),
            postpone: pick(0.5),
            delay: pick(0.2),
            late_completion: pick(0.3),
            disarm: pick(0.3),
            overflow: pick(0.2),
            reset: pick(0.01),
            reset_later: apart(0.1),
            given_up: apart(1.0),
            aborted_accept: pick(0.1),
            failed_accept: pick(0.1),
            slow_reader: pick(0.5),
            slow_connect: pick(0.5),
            unanswered_connect: pick(0.1),
            failed_connect: apart(0.1),
            reset_connect: pick(0.1),
            pinned_send: pick(0.5),
            pinned_until_read: pick(0.5),
            slow_file: pick(0.5),
            short_file: pick(0.5),
            failed_file: pick(0.1),
            full_disk: pick(0.1),
            held_output: pick(1.0),
            delay_ns_max: 1 + random.below(50_000_000),
            canary: Canary::None,
        }
    }

    /// The same mix without the accidents that cut connections off or make requests about files fail: what is sent or written
    /// arrives, though late and in parts.
    #[must_use]
    pub fn harmless(self) -> Faults {
        Faults {
            reset: 0.0,
            reset_later: 0.0,
            aborted_accept: 0.0,
            unanswered_connect: 0.0,
            failed_connect: 0.0,
            reset_connect: 0.0,
            failed_file: 0.0,
            full_disk: 0.0,
            ..self
        }
    }
}

/// How likely an accident is in the mix of a seed: never in half of them.
fn some(random: &mut Random, most: f64) -> f64 {
    if random.chance(0.5) { 0.0 } else { most * random.below(1_000) as f64 / 1_000.0 }
}
