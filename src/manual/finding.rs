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
//! | [`System::spawn_on`](crate::System::spawn_on), [`spawn_with`](crate::System::spawn_with) | a core by its number, counted round if there are fewer |
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
//! [`Context::lookup`](crate::Context::lookup) find it. A name has a type, belongs to one actor of the system, and goes with it: one that is
//! [begun again](super::supervision) has it still, and may give it to itself each time it starts. So what is looked up is a `Result`, whose [error](crate::NameError) says whether nobody has the name, or an actor of another type. Looking up takes a lock that
//! all cores share: do it once, and keep the address.
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
//! # Who falls behind
//!
//! However much a subscriber misses, the topic keeps it: whoever is taken out would have to be told, and has no room to be told anything. It
//! costs a copy that is refused, and a dead letter, for each publication. A mailbox with the overflow `drop_newest` or `drop_oldest` refuses
//! nothing, so its actor is never told by `Lagged` of what that has dropped. Whether a part is of use to it a subscriber knows
//! itself, and leaves where it is not:
//!
//! ```
//! use odeon::prelude::*;
//!
//! #[derive(Message, Clone)]
//! struct Price(u64);
//!
//! #[derive(Message)]
//! struct Watch {
//!     id: u64,
//!     price: Recipient<Price>,
//!     lagged: Recipient<Lagged>,
//! }
//!
//! #[derive(Message)]
//! struct Leave(u64);
//!
//! #[derive(Default)]
//! struct Market(Topic<Price>);
//!
//! #[actor]
//! impl Market {
//!     #[message]
//!     fn watch(&mut self, watch: Watch) {
//!         self.0.subscribe_with_lag(watch.id, watch.price, watch.lagged);
//!     }
//!
//!     #[message]
//!     fn leave(&mut self, Leave(id): Leave) {
//!         self.0.unsubscribe(id);
//!     }
//!
//!     /// Answers how many watch.
//!     #[call]
//!     fn publish(&mut self, prices: u64) -> usize {
//!         (0..prices).for_each(|price| self.0.publish(Price(price)));
//!         self.0.subscribers()
//!     }
//! }
//!
//! struct Chart {
//!     market: Addr<Market>,
//! }
//!
//! /// A curve with a larger gap is none.
//! const MISSED_MAX: u64 = 10;
//!
//! #[actor(mailbox(capacity = 4))]
//! impl Chart {
//!     #[started]
//!     fn watch(&mut self, cx: &mut Context<Self>) {
//!         let watch = Watch { id: 7, price: cx.recipient(), lagged: cx.recipient() };
//!         self.market.tell(watch).or_dead_letter();
//!     }
//!
//!     #[message]
//!     fn price(&mut self, _: Price) {}
//!
//!     #[message]
//!     fn lagged(&mut self, Lagged { id, missed }: Lagged) {
//!         if missed > MISSED_MAX {
//!             self.market.tell(Leave(id)).or_dead_letter();
//!         }
//!     }
//! }
//!
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let market = system.spawn(Market::default())?;
//! system.spawn(Chart { market })?;
//! while market.publish(0).wait()? == 0 {}
//! // Far more at a time than it has room for.
//! while market.publish(100).wait()? > 0 {}
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! One that handles nothing any more cannot do so: asynchronous handlers end when their [time](super::futures) is over, and whoever keeps
//! its core from everything else is reported.
//!
//! # Tests
//!
//! What this page says is tested in `tests/semantics/topics.rs`, `tests/semantics/meddling.rs`, `tests/semantics/cores.rs` and
//! `tests/semantics/again.rs`.
