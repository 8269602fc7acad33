//! Who runs, and for how long.
//!
//! Knows: cells, the turn, budgets, timers, lanes between cores. Must not know what actors do.

mod address;
pub mod blame;
mod cancelled;
mod cell;
mod core;
mod counters;
pub mod current;
mod deadlines;
pub mod directory;
mod envelope;
mod flow;
mod guest;
pub mod lane;
mod links;
mod notice;
mod oneshot;
mod output;
mod overdue;
mod reports;
mod request;
mod sleep;
mod sleepers;
mod slow;
mod spin;
mod task;
mod task_answer;
mod task_block;
mod tasks;
mod turn;
mod waker;
mod wheel;

pub use address::{CoreId, RawAddress, token};
pub use cell::{Activated, Activation, Body, Cells, Demand, Outcome, Visit};
pub use core::{Budget, Core, Ending, drop_from};
pub use counters::{Counters, DeadReason, count_dead_letter, dead_letters_outside};
pub use envelope::{Arrive, Envelope, INLINE_BYTES, is_inline};
pub use flow::Flow;
pub use guest::Guest;
pub use links::{Arrivals, Links, Refused, insist, post};
pub use notice::Notice;
pub use oneshot::Oneshot;
pub use output::{Output, PlaceError, PlaceId};
pub use reports::{Matter, tell};
pub use request::{Adopted, Inspect, Request};
pub use sleep::SleepFlag;
pub use sleepers::Sleeping;
pub use task::Ran;
pub use task_answer::{AnswerTo, AskError};
pub use task_block::{AnyTask, Polled, Waiting};
pub use tasks::{Errand, INTERVAL, INTERVALS_MAX, Kind, Limit, Taken, Tasks};
pub use turn::Executor;
pub use waker::{WakeHandle, WakeList, Woken};
pub use wheel::{TimerKey, TimerPayload, Wheel};
