//! Who runs, and for how long.
//!
//! Knows: cells, the turn, budgets, timers, lanes between cores. Must not know what actors do.

mod address;
pub mod blame;
mod cell;
mod core;
mod counters;
pub mod current;
pub mod directory;
mod envelope;
pub mod lane;
mod links;
mod notice;
mod output;
mod request;
mod sleep;
mod turn;
mod wheel;

pub use address::{CoreId, RawAddress, token};
pub use cell::{Activated, Activation, Body, Cells, Demand, Outcome, Reached};
pub use core::{Budget, Core, Ending};
pub use counters::{Counters, DeadReason, count_dead_letter, dead_letters_outside};
pub use envelope::{Arrive, Envelope, INLINE_BYTES, is_inline};
pub use links::{Arrivals, Links, Refused, insist, post};
pub use notice::Notice;
pub use output::Output;
pub use request::{Adopted, Inspect, Request};
pub use sleep::SleepFlag;
pub use turn::Executor;
pub use wheel::{TimerKey, TimerPayload, Wheel};
