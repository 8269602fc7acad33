//! Who runs, and for how long.
//!
//! Knows: cells, the turn, budgets, timers, lanes between cores. Must not know what actors do.

mod address;
mod wheel;

pub use address::{CoreId, RawAddress, token};
pub use wheel::{TimerKey, TimerPayload, Wheel};
