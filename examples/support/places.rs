//! How many clients a server has places for that opens something for each of them.

use odeon::prelude::*;

/// So many connections a core may accept at once before it sees that they are too many: they wait, each with its descriptor.
const ACCEPTED_AT_ONCE: usize = 32;

/// If each client takes up so many sockets and files, so many are served at a time. The others wait, and nobody is sent away halfway.
/// `Config::connections_max` is what the descriptors allow.
pub(crate) fn clients_max(system: &System, each: usize) -> usize {
    let places = system.config().connections_max.unwrap_or(usize::MAX);
    let waiting = ACCEPTED_AT_ONCE * system.cores();
    (places.saturating_sub(waiting) / each).max(1)
}
