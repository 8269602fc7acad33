//! Supervision: what becomes of an actor that fails, and of those that depend on it.
//!
//! Knows: what users choose. Must not know how it is carried out.
//!
//! | what | how |
//! |---|---|
//! | an actor that is begun again when it has failed | [`System::supervise`](crate::System::supervise), [`Context::supervise`](crate::Context::supervise) |
//! | several that depend on one another | [`System::supervisor`](crate::System::supervisor), and [`spawn`](crate::Supervisor::spawn) of that, in order |
//! | parts of a program that fail as a whole | a [`supervisor`](crate::Supervisor::supervisor) below another |
//! | what follows a panic | `restart`, which it is where nothing is said, or `#[actor(on_panic = stop)]`, `abort`: [`OnPanic`](crate::OnPanic) |
//! | being told of an end | [`watch`](crate::Context::watch): one [`Down`](crate::Down) |
//! | ending together | [`link`](crate::Context::link) |
//!
//! An actor fails when it panics, when a hook answers [`Flow::Fail`](crate::Flow::Fail) or an error, when a handler answers `Flow::Fail`, or an error
//! although it is given the `Reply`, and when an asynchronous handler with `&mut self` has not finished in its time. Without a supervisor it
//! ends. With one it is begun again:
//!
//! ```
//! use std::time::Duration;
//! use odeon::prelude::*;
//!
//! #[derive(Default)]
//! struct Prices {
//!     known: Vec<u64>,
//! }
//!
//! #[actor]
//! impl Prices {
//!     #[call]
//!     fn add(&mut self, text: String) -> usize {
//!         self.known.push(text.parse().expect("a number"));
//!         self.known.len()
//!     }
//! }
//!
//! let system = System::builder().cores(Cores::Count(2)).build()?;
//! let often = Restart::one_for_one().intensity(5, Duration::from_secs(10));
//! let prices = system.supervise(often, Prices::default)?;
//! assert_eq!(prices.add("7".to_owned()).wait(), Ok(1));
//! assert_eq!(prices.add("8".to_owned()).wait(), Ok(2));
//! assert_eq!(prices.add("many".to_owned()).wait(), Err(AskError::Panicked));
//! // The same address, and another state.
//! assert_eq!(prices.add("9".to_owned()).wait(), Ok(1));
//! # Ok::<(), odeon::Error>(())
//! ```
//!
//! Times are [`Duration`](std::time::Duration)s here, not texts as in attributes: what is no time does not compile.
//!
//! # What stays and what goes
//!
//! The address stays, and so does the mailbox with what waits in it, in its order, and before that what the old one had
//! [set aside](crate::Context::stash). Messages are taken in while there is no actor, at either priority, and whoever
//! [waits for room](crate::Addr::send) goes on waiting, in the same order. So stay its [names](crate::System::register), and what it has subscribed to: a
//! [topic](crate::Topic) publishes to its address. One that subscribes in `started` does so by the same number each time, which takes the place of the one
//! before.
//! The message on which it has failed is gone: a dead letter, with the reason [`Failed`](crate::DeadReason::Failed), whose asker is told
//! [`Panicked`](crate::AskError::Panicked), if it has panicked. So is one whose asynchronous handler has failed, a message that the actor
//! has sent itself for later, and an item of a stream. Whatever else is being handled is not: handlers beside the one that has failed end, and
//! whoever has asked is told.
//!
//! Everything else is the *incarnation's*, and ends with it: its state, timers, intervals and futures, continuations of what it has
//! asked, what it watches, and the subscriptions of a [`Topic`](crate::Topic) that is part of its state: nobody who had subscribed is told,
//! so a topic that is to outlive failures belongs to an actor that does little else. Whoever waits for an answer that it owes is told [`Restarted`](crate::AskError::Restarted). The old one's
//! [`stopped`](crate::Actor::stopped) has ended, and its state is dropped, before the new one is made. Panics in any of these are contained.
//!
//! An actor that stops, is aborted, or ends with one that it is linked to has not failed: it is not begun again. That is when those who
//! watch it are told, and those that are linked to it end; of a new beginning the ones hear nothing, and the others stay linked, whoever of
//! both has made the [link](crate::Context::link). While it is down, it can be stopped and aborted like any other.
//!
//! A connection is never begun again, for its socket is gone: `on_panic = restart` with a `codec` does not compile.
//!
//! # How often, and how soon
//!
//! [`intensity`](crate::Restart::intensity) says how many failures within a time are forgiven: one in five seconds, unless you say
//! otherwise. One more, and the supervisor gives up: it ends all that are below it, the last one first, and has failed itself. If
//! there is a supervisor above it, that decides, as it would for an actor: it may have the whole group begin again, under the addresses
//! that its actors had. Their `stopped` is told [`Restarting`](crate::StopReason::Restarting) then. At the root they end, with
//! [`Escalated`](crate::StopReason::Escalated).
//! [`Ledger::restarts`](crate::Ledger::restarts) and [`given_up`](crate::Ledger::given_up) count both.
//!
//! [`backoff`](crate::Restart::backoff) puts a wait before each new beginning, which doubles with every failure within that time, less
//! a part by chance. In a simulation the same seed has the same waits.
//!
//! # Who learns of it
//!
//! Standard error is told of each of these, by the type of the actor, and once a second at most of each:
//!
//! ```text
//! odeon: shop::Prices fails: it has panicked; its supervisor decides
//! odeon: shop::Prices is begun again: 1 of 5 failures forgiven within 10s (Restart::intensity)
//! odeon: shop::Prices is not begun again: its supervisor gives up, after more than 5 failures within 10s (Restart::intensity), and
//!        ends all below it: shop::Prices
//! ```
//!
//! The rest of the program goes on when a supervisor at the root has given up: other actors and listeners do, and
//! [`run_until_signal`](crate::System::run_until_signal) waits for a signal as before. Who asks the actors that have ended
//! is told that they have stopped; what is sent to them comes back, or is a dead letter where that is seen on another core. Where the program is to end with them, `main` has to be told by an actor that watches one of them:
//!
//! ```
//! use std::sync::mpsc::{Sender, channel};
//! use std::time::Duration;
//! use odeon::prelude::*;
//!
//! struct Prices;
//!
//! #[actor]
//! impl Prices {
//!     #[call]
//!     fn update(&mut self) {
//!         panic!("nobody knows the prices")
//!     }
//! }
//!
//! /// Tells `main` when the prices are given up.
//! struct Observer {
//!     prices: Addr<Prices>,
//!     main: Sender<StopReason>,
//! }
//!
//! #[actor]
//! impl Observer {
//!     #[started]
//!     fn started(&mut self, cx: &mut Context<Self>) -> Flow {
//!         if cx.watch(self.prices).is_ok() { Flow::Continue } else { Flow::Fail }
//!     }
//!
//!     #[message]
//!     fn down(&mut self, Down { reason, .. }: Down) {
//!         // It fails where `main` waits no more, which then knows.
//!         let _ = self.main.send(reason);
//!     }
//! }
//!
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let prices = system.supervise(Restart::one_for_one().intensity(1, Duration::from_secs(10)), || Prices)?;
//! let (main, ended) = channel();
//! system.spawn(Observer { prices, main })?;
//! # for _ in 0..2 {
//! #     assert!(prices.update().wait().is_err());
//! # }
//!
//! // A server looks at both: at this, and by `Signals::wait_for` at whether it is asked to end.
//! assert_eq!(ended.recv()?, StopReason::Escalated);
//! system.shutdown();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Order
//!
//! Those below a supervisor begin in the order in which they were spawned, on whichever cores they are, each when the one before has
//! started. [`one_for_all`](crate::Restart::one_for_all) and [`rest_for_one`](crate::Restart::rest_for_one) end others
//! in the reverse of it, one after the other, with [`Restarting`](crate::StopReason::Restarting). So does the end of a system: what was begun last
//! stops first. That is one order of all that `System` has supervised, on whichever cores; what an actor has supervised, by
//! [`Context::supervise`](crate::Context::supervise), is in the order of its own core, which for core 0 is the same one. Between cores such have none: who depends on
//! somebody who began elsewhere is spawned below a [`supervisor`](crate::System::supervisor) with it. An asynchronous handler that has not finished keeps an actor from being ended, as it does for any stop; its time is
//! bounded.
//!
//! # At the end of an actor
//!
//! The mailbox closes; what it has begun is dropped; `stopped` runs; whoever waits for an answer is told; its state is dropped; the socket of
//! a connection is closed; those who watch are told; and only then is its place another's.
//!
//! What it has begun goes before `stopped`, so that nothing of it runs beside that; what `stopped` begins goes behind it.
//!
//! This is tested in `tests/semantics/failure.rs`, `tests/semantics/intensity.rs`, `tests/semantics/again.rs`, `tests/semantics/restarts.rs`,
//! `tests/semantics/continuity.rs`, `tests/semantics/shortages.rs`, `tests/semantics/watching.rs` and `tests/semantics/stopping.rs`, and in `tests/server/panics.rs` that a process ends where an actor asks for that.
