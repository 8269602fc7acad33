//! What becomes of a message: its order among others, and its bounds.
//!
//! Knows: how it is used. Must not know how it is done.
//!
//! What is said here is tested in `tests/semantics/`, by file, in simulated systems, on io_uring and on mio.
//!
//! # Order
//!
//! Messages from one actor to another are handled in the order in which they were sent, across cores too. Between messages of different
//! senders nothing is promised.
//!
//! What should not wait behind all that says `priority = control`, as a message or a call:
//!
//! ```
//! use odeon::prelude::*;
//!
//! #[derive(Message)]
//! struct Said(&'static str);
//!
//! #[derive(Message)]
//! struct Evicted;
//!
//! #[derive(Default)]
//! struct Session {
//!     heard: Vec<&'static str>,
//! }
//!
//! #[actor]
//! impl Session {
//!     #[message]
//!     fn said(&mut self, Said(text): Said) {
//!         self.heard.push(text);
//!     }
//!
//!     #[message(priority = control)]
//!     fn evicted(&mut self, Evicted: Evicted) {
//!         self.heard.push("evicted");
//!     }
//! }
//!
//! use odeon::testing::TestContext;
//!
//! let (mut session, mut cx) = (Session::default(), TestContext::new());
//! cx.me().tell(Said("one")).or_dead_letter();
//! cx.me().tell(Said("two")).or_dead_letter();
//! cx.me().tell(Evicted).or_dead_letter();
//! cx.run(&mut session);
//! assert_eq!(session.heard, ["evicted", "one", "two"]);
//! ```
//!
//! | what waits | comes |
//! |---|---|
//! | a stop or an abort; what has happened to the actor's connection; intervals; answers, futures, and [what the actor has set for later](crate::manual::time) | first |
//! | messages and calls with `priority = control` | then; of seven in a row the next is one of the others, if one waits |
//! | all other messages and calls | last |
//!
//! Each priority is first in, first out. Both have room for [`MAILBOX_CAPACITY`](crate::Actor::MAILBOX_CAPACITY) messages: a mailbox
//! that is full still takes a word of control. On its way there it has no room of its own, nor does it overtake: from another core it
//! stands in that core's lane, from a thread in the inbox, behind whatever was sent before, and where those are full it is refused as
//! all else is. (`order.rs`)
//!
//! # A mailbox without room
//!
//! A mailbox is bounded: `mailbox(capacity = 256)`. What becomes of a message for which it has no room is its actor's to say:
//!
//! | `mailbox(overflow = …)` | the message | its sender is told | the actor |
//! |---|---|---|---|
//! | `refuse`, unless given | comes back | `Full` | |
//! | `drop_newest` | is a dead letter | `Ok` | |
//! | `drop_oldest` | waits, and the oldest is a dead letter | `Ok` | |
//! | `stop` | comes back | `Full` | ends: [`MailboxFull`](crate::StopReason::MailboxFull) |
//!
//! From another core `Ok` says only that the message is on its way, and what is refused where it arrives is a dead letter. Whoever asked
//! what is dropped is told [`Full`](crate::AskError::Full) at once. [`MailboxOverflow`](crate::MailboxOverflow) has an example.
//! (`overflow.rs`)
//!
//! # Waiting for room
//!
//! A handler that is not asynchronous cannot wait, and [`tell`](crate::Addr::tell) never does. A future can: `address.send(message).await` comes
//! back once the message is in the mailbox, and hands it back if the actor has stopped. Who waits first comes first, across cores, and
//! nobody who does not wait comes in between, unless the mailbox drops the oldest: then such a one takes its place at once. The way to another core may be full as well, or from a thread: whoever waits there comes
//! before all that is sent by the same way later, which is refused meanwhile if it does not wait, and the core rests where nothing else is to be
//! done. A future that is dropped, by [`timeout`](crate::time::timeout) for example, withdraws its message if that was not
//! in yet. An exclusive handler that waits for room with an actor that waits for its answer waits in vain until its time is over: such
//! circles are not [found](super::asking). [`Addr::send`](crate::Addr::send) has an example. (`back_pressure.rs`)
//!
//! # Bytes
//!
//! A number of messages does not bound what they hold. `mailbox(bytes = "1m")` does; each message says what it holds beside its size:
//!
//! ```
//! use odeon::prelude::*;
//! use odeon::testing::TestContext;
//!
//! #[derive(Message)]
//! #[message(heap_bytes = self.text.capacity())]
//! struct Said {
//!     text: String,
//! }
//!
//! #[derive(Default)]
//! struct Log(usize);
//!
//! #[actor(mailbox(capacity = 1000, bytes = "64k", overflow = refuse))]
//! impl Log {
//!     #[message]
//!     fn said(&mut self, said: Said) {
//!         self.0 += said.text.len();
//!     }
//! }
//!
//! let (mut log, mut cx) = (Log::default(), TestContext::new());
//! for _ in 0..100 {
//!     cx.me().tell(Said { text: "x".repeat(10_000) }).or_dead_letter();
//! }
//! cx.run(&mut log);
//! assert_eq!(log.0, 70_000);
//! ```
//!
//! It is full when what waits weighs so much already, so the message that passes the bound is the last. Each priority has a bound of its
//! own, and what is [set aside](crate::Context::stash) has one. The arguments of a call count by their size alone. (`bytes.rs`)
//!
//! # Not yet
//!
//! An actor that cannot handle a message yet sets it aside: [`Context::stash`](crate::Context::stash), for questions
//! [`stash_ask`](crate::Context::stash_ask). [`unstash`](crate::Context::unstash) has all of it handled, in the order in which it was set
//! aside, before what waits at the same priority. No more can be set aside than the mailbox has room for, beside what waits there. Where an
//! actor has failed and is begun again, the new one has it before what waits, without asking for it. At
//! the actor's end the rest is dead letters, and those who asked are told. An enum as the actor's state makes a state machine of it, as in the example
//! there. (`stash.rs`)
//!
//! # What is not delivered
//!
//! Nothing vanishes silently. A message comes back to its sender, or it is a *dead letter*:
//!
//! | reason | |
//! |---|---|
//! | [`Full`](crate::DeadReason::Full) | there was no room, and the sender gave up on it ([`or_dead_letter`](crate::OrDeadLetter::or_dead_letter)); or there was none where it arrived from another core |
//! | [`Stopped`](crate::DeadReason::Stopped) | the receiver had stopped, or has with the message in its mailbox |
//! | [`Overflow`](crate::DeadReason::Overflow) | a full mailbox has dropped it, as its actor says |
//! | [`Failed`](crate::DeadReason::Failed) | what was to put it into the mailbox panicked, or a supervised actor has [failed](crate::manual::supervision) on it |
//!
//! All are counted, in [`Ledger::dead_letters`](crate::Ledger::dead_letters). Whoever wants to hear of them subscribes by
//! [`System::dead_letters`](crate::System::dead_letters), and is told by each core, once a turn, how many there were of each kind. (`delivery.rs`)
