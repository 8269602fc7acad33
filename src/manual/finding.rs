//! Actors that find one another: on a core, by a key, by a name, as a pool, as everybody who wants to know.
//!
//! # Where an actor lives
//!
//! An actor stays on the core where it was spawned, and everything near it is cheap: a message on one core is a few dozen
//! nanoseconds, to another one about as much once it is awake. So where an actor lives follows from who talks to it.
//!
//! | | on which core |
//! |---|---|
//! | [`Context::spawn`](crate::Context::spawn) | this one |
//! | [`System::spawn`](crate::System::spawn) | the next in turn |
//! | [`System::spawn_on`](crate::System::spawn_on), [`spawn_with`](crate::System::spawn_with) | a core by its number |
//! | [`System::spawn_by_key`](crate::System::spawn_by_key) | the one that a key belongs to |
//! | [`System::sharded`](crate::System::sharded) | each: one of them on every core |
//! | [`System::pool`](crate::System::pool) | in turn, so many |
//!
//! # One on each core
//!
//! [`Sharded`](crate::Sharded) has one actor on each core. What is only added up, such as a count, goes to the one that is
//! [here](crate::Sharded::here), and no other core is needed; what must be in one place goes to the one that its
//! [key belongs to](crate::Sharded::by_key), from wherever.
//!
//! ```
//! use odeon::prelude::*;
//!
//! #[derive(Default)]
//! struct Hits(u64);
//!
//! #[actor]
//! impl Hits {
//!     #[call]
//!     fn hit(&mut self) {
//!         self.0 += 1;
//!     }
//!
//!     #[call]
//!     fn count(&self) -> u64 {
//!         self.0
//!     }
//! }
//!
//! struct Session {
//!     hits: Sharded<Hits>,
//! }
//!
//! #[actor]
//! impl Session {
//!     #[call]
//!     async fn hit(&mut self) -> Result<(), AskError> {
//!         self.hits.here().ok_or(AskError::Stopped)?.hit().await
//!     }
//! }
//!
//! let system = System::builder().cores(Cores::Count(2)).build()?;
//! let hits = system.sharded(|_core| Hits::default())?;
//! for core in 0..2 {
//!     let session = system.spawn_on(core, Session { hits: hits.clone() })?;
//!     assert_eq!(session.hit().wait(), Ok(Ok(())));
//! }
//! let count: u64 = hits.each().map(|hits| hits.count().wait().unwrap_or(0)).sum();
//! assert_eq!(count, 2);
//! # Ok::<(), odeon::Error>(())
//! ```
//!
//! # By name
//!
//! Whoever is started first need not be handed to everybody who comes later: [`System::register`](crate::System::register) and
//! [`Context::register`](crate::Context::register) give it a name, [`System::lookup`](crate::System::lookup) and
//! [`Context::lookup`](crate::Context::lookup) find it. A name has a type, belongs to one actor of the system, and goes with it. Looking up takes a
//! lock that all cores share: do it once, and keep the address.
//!
//! # Workers
//!
//! A [`Pool`](crate::Pool) has actors of which any will do: the [next](crate::Pool::next) in turn, the
//! [least busy](crate::Pool::least_busy), or the one of a [key](crate::Pool::by_key).
//!
//! # Everybody who wants to know
//!
//! A [`Topic`](crate::Topic) is state of the actor that publishes. One copy of a publication goes to each core, however many have
//! subscribed there, and is handed round by that core. Nobody waits: who has no room misses a publication, is [told how
//! much](crate::Lagged) if it wants to know, and is forgotten when it ends.
//!
//! A topic is in order with itself, and not with what its publisher tells a subscriber directly: where both matter, publish both.
//!
//! # Tests
//!
//! What this page says is tested by `topics.rs` and `finding.rs` in `tests/semantics/`.
