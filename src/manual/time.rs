//! Time: what comes later, again, or not in time.
//!
//! Knows: what actors can have come to them. Must not know how time is kept.
//!
//! | what | how |
//! |---|---|
//! | once, later | [`send_after`](crate::Context::send_after), [`send_at`](crate::Context::send_at): a message of the actor to itself |
//! | again and again | `#[every("30s")]` from the actor's begin to its end; [`send_every`](crate::Context::send_every) from any handler on, until it is cancelled |
//! | when nothing comes | `#[idle("10m")]` of a connection; else `send_after`, cancelled by what comes |
//! | an answer in time | [`Ask::timeout`](crate::Ask::timeout), and `#[call(timeout = "1s")]` of an asynchronous handler |
//! | within a future | [`sleep`](crate::time::sleep), [`timeout`](crate::time::timeout()) |
//!
//! Times are those of the monotonic clock: nobody who sets the machine's clock moves them. What is to come after
//! [`Duration::MAX`](std::time::Duration::MAX) never comes, what is to come at a time that has passed comes as soon as the handler has
//! returned. Nothing comes early; it is late by less than 66 µs, which timers do not tell apart, and by whatever keeps the core or
//! the actor busy.
//!
//! ```
//! use std::time::Duration;
//! use odeon::prelude::*;
//!
//! #[derive(Message)]
//! struct Forget(u32);
//!
//! /// What it is told it knows for a minute.
//! #[derive(Default)]
//! struct Memory {
//!     known: Vec<(u32, TimerKey)>,
//! }
//!
//! #[actor]
//! impl Memory {
//!     #[call]
//!     fn learn(&mut self, number: u32, cx: &mut Context<Self>) -> usize {
//!         if let Ok(timer) = cx.send_after(Duration::from_secs(60), Forget(number)) {
//!             self.known.push((number, timer));
//!         }
//!         self.known.len()
//!     }
//!
//!     #[call]
//!     fn unlearn(&mut self, cx: &mut Context<Self>) -> bool {
//!         self.known.pop().is_some_and(|(_, timer)| cx.cancel(timer))
//!     }
//!
//!     #[message]
//!     fn forget(&mut self, Forget(number): Forget) {
//!         self.known.retain(|(known, _)| *known != number);
//!     }
//! }
//!
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let memory = system.spawn(Memory::default())?;
//! assert_eq!(memory.learn(7).wait(), Ok(1));
//! assert_eq!(memory.unlearn().wait(), Ok(true));
//! # Ok::<(), odeon::Error>(())
//! ```
//!
//! What an actor has set for later belongs to it and ends with it. It has no place in the mailbox: however full that is, what comes due
//! is handled, between the other messages. It waits while an asynchronous handler borrows the actor's state.
//!
//! # What is missed
//!
//! What comes again does so on a schedule that began with the actor, or with `send_every`, and does not drift: what comes late does not
//! make the next late. Where an actor was busy for longer than a period, [`MissedTicks`](crate::MissedTicks) says what becomes of
//! the times that have passed meanwhile: `skip`, unless `#[every("1s", missed = burst)]` or
//! [`Interval::missed`](crate::Interval::missed) says otherwise.
//!
//! | | of a period of 10 ms, after 35 ms of something else |
//! |---|---|
//! | `skip` | 10, 45, 50, 60 |
//! | `burst` | 10, 45, 45, 45, 50, 60 |
//! | `delay` | 10, 45, 55, 65 |
//!
//! # Tests of one's own
//!
//! In a [`TestContext`](crate::testing::TestContext) time passes when the test says so, by
//! [`advance`](crate::testing::TestContext::advance). All that is said here is tested in `tests/simulation/intervals.rs` and
//! `tests/simulation/timers.rs`, seed by seed, and by the clock of the machine in `tests/semantics/time.rs`.
