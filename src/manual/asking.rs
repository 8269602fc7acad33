//! Questions and answers.
//!
//! Knows: who waits, for how long, and what may go wrong. Must not know how an answer travels.
//!
//! [`Addr::ask`](crate::Addr::ask) with a message, or a method that `#[actor]` puts on the address, describes a question.
//! Nothing happens before it is said who waits:
//!
//! ```
//! use odeon::prelude::*;
//!
//! #[derive(Default)]
//! struct Store(Vec<u64>);
//!
//! #[actor]
//! impl Store {
//!     #[call]
//!     fn put(&mut self, value: u64) -> usize {
//!         self.0.push(value);
//!         self.0.len()
//!     }
//!
//!     #[call]
//!     fn sum(&self) -> u64 {
//!         self.0.iter().sum()
//!     }
//! }
//!
//! struct Front {
//!     store: Addr<Store>,
//!     known: u64,
//! }
//!
//! #[actor]
//! impl Front {
//!     /// In a handler: the continuation runs later, with the actor's state, between its messages.
//!     #[call]
//!     fn refresh(&mut self, cx: &mut Context<Self>, reply: Reply<u64>) {
//!         self.store.sum().then(cx, move |me, sum, _| {
//!             me.known = sum.unwrap_or(me.known);
//!             reply.send(me.known);
//!         });
//!     }
//!
//!     /// In an asynchronous handler, or a task: by `await`.
//!     #[call]
//!     async fn put_both(&mut self, one: u64, other: u64) -> Result<usize, AskError> {
//!         self.store.put(one).await?;
//!         self.store.put(other).await
//!     }
//!
//!     /// Whoever waits gets the answer of somebody else.
//!     #[call]
//!     fn sum(&mut self, reply: Reply<u64>) {
//!         self.store.sum().forward(reply);
//!     }
//! }
//!
//! let system = System::builder().cores(Cores::Count(2)).build()?;
//! let store = system.spawn_on(0, Store::default())?;
//! let front = system.spawn_on(1, Front { store, known: 0 })?;
//! // On a thread of the program's own: by `wait`.
//! assert_eq!(front.put_both(40, 2).wait()?, Ok(2));
//! assert_eq!(front.refresh().wait()?, 42);
//! // In another runtime: by `await`.
//! let tokio = tokio::runtime::Builder::new_current_thread().build()?;
//! assert_eq!(tokio.block_on(async { front.sum().await })?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The future of `await` is polled by any runtime, and is `Send` where the answer is: a handler of a web framework can ask an actor.
//!
//! # In what order
//!
//! Questions stand in the mailbox with all other messages, and are handled in the order in which they were sent. An answer has
//! a place of its own, which was reserved with the question: it is never refused, whatever is full, and it may come before
//! messages that the same actor sent earlier. A continuation never runs within a handler of its actor, and never while an asynchronous
//! handler of it has not finished.
//!
//! # For how long
//!
//! Whoever waits is told something: the answer, or an [`AskError`](crate::AskError). 5 s is the limit, unless
//! [`timeout`](crate::Ask::timeout) or [`Config::ask_timeout`](crate::Config::ask_timeout) say otherwise; the core of the asker
//! keeps the time, or, for threads and other runtimes, the core that is asked. A question may be handled though its asker has been
//! told that the time is over.
//!
//! A time that the question states begins when it is asked. The usual one begins with the last look at the clock of the core that keeps
//! it, which saves a look for each question. That lies behind by what the core has done since, 500 µs unless somebody blocks: a question
//! that is asked when a core has been blocked for as long is over at once. State a time where that is to be expected.
//!
//! A question whose asker is known to wait no more is skipped when its turn comes: the time is over, the future was dropped,
//! the actor that asked has ended. A handler that takes long can look: [`Reply::is_closed`](crate::Reply::is_closed).
//!
//! | the asker is told | when |
//! |---|---|
//! | [`Full`](crate::AskError::Full) | the mailbox or the way there had no room: not asked; [Sizing](crate#sizing) says what to raise |
//! | [`Stopped`](crate::AskError::Stopped) | the actor had ended, or ended before it answered |
//! | [`Timeout`](crate::AskError::Timeout) | no answer came in time |
//! | [`Unanswered`](crate::AskError::Unanswered) | the question, or its reply, was dropped |
//! | [`Panicked`](crate::AskError::Panicked) | the handler panicked |
//! | [`Restarted`](crate::AskError::Restarted) | the actor failed on something else before it answered, and [is begun again](super::supervision) |
//! | [`WithinCore`](crate::AskError::WithinCore) | `wait` was called where it would keep a core from everything else |
//! | [`Cycle`](crate::AskError::Cycle) | the actor waits for the asker, perhaps by way of others: not handled |
//!
//! A connection that waits by `then` alone owes its peer nothing: where the peer ends its stream, or a handler returns
//! [`Flow::Close`](crate::Flow::Close), it ends before the answer has come, and the continuation is dropped. The answer is waited for where it
//! has a place in the output, by [`defer`](crate::Context::defer), or was announced by [`expect_answer`](crate::Context::expect_answer);
//! or where `#[end_of_stream]` returns `Flow::Continue`.
//!
//! # Waiting for one another
//!
//! An actor that uses `then` handles messages while it waits, so two that ask each other do not block. An exclusive asynchronous
//! handler (`async fn(&mut self, …)`) keeps its actor from everything else: two such actors that await each other would wait until the
//! time is over, and so would one that awaits itself. That is found at once, however many they are, on one core or several, and whether
//! one question leads to the next or all are asked at the same time: a question that closes such a circle is not handled, its asker is
//! told [`AskError::Cycle`](crate::AskError::Cycle), and the others go on. The error names the actors on the way, each by its type. A wait for room, by `send(…).await`, is no question, and is not followed (see below):
//!
//! ```
//! use odeon::prelude::*;
//!
//! struct Account {
//!     balance: u64,
//!     covered_by: Option<Addr<Account>>,
//! }
//!
//! #[actor]
//! impl Account {
//!     #[call]
//!     fn cover(&mut self, by: Addr<Account>) {
//!         self.covered_by = Some(by);
//!     }
//!
//!     /// What it does not have, another pays.
//!     #[call]
//!     async fn withdraw(&mut self, amount: u64) -> Result<(), AskError> {
//!         let lacking = amount.saturating_sub(self.balance);
//!         if let (Some(other), 1..) = (self.covered_by, lacking) {
//!             other.withdraw(lacking).await??;
//!         }
//!         self.balance -= amount - lacking;
//!         Ok(())
//!     }
//! }
//!
//! let system = System::builder().cores(Cores::Count(2)).build()?;
//! let first = system.spawn_on(0, Account { balance: 10, covered_by: None })?;
//! let second = system.spawn_on(1, Account { balance: 5, covered_by: Some(first) })?;
//! assert_eq!(second.withdraw(7).wait()?, Ok(()));
//! first.cover(second).wait()?;
//! let Err(AskError::Cycle(circle)) = second.withdraw(20).wait()? else { panic!("each waits for the other") };
//! assert_eq!(circle.names().len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where all of them are on one core, exactly the question is refused that closes the circle. On several, where each may ask at the same moment,
//! it is one at least, and perhaps all of them. It is never a question that somebody has begun to handle. Whoever is refused ends what it has begun, as by the `?` above, and may try again.
//! `examples/bank.rs` has transfers that cross.
//!
//! Nobody is refused who is in no circle. That holds while questions are given up, answered, and asked elsewhere: the wait of an actor lasts
//! until its answer has been given, as long as the handler looks for it whenever it goes on. Concurrent handlers and `then` keep nobody waiting, and are never refused.
//!
//! **Circles that are not found** end when the time of a question, or of its [handler](crate::Config::handler_timeout), is over. They lead
//!
//! - through an actor that waits for room in a mailbox, by [`send(…).await`](crate::Addr::send): that is no question, and has no limit of time of its own. Two actors
//!   whose handlers send to each other's full mailboxes wait until the time of one of these handlers is over, which ends its actor. Where actors may send to each other, `tell`, or send from a
//!   concurrent handler.
//! - through an actor that has been given the `reply` itself, or has [forwarded](crate::Ask::forward) it, because anybody may answer then.
//! - through a future that the handler has not looked at when it went on last, although it goes on to hold it, or that was made elsewhere than in the
//!   handler that awaits it.
//! - through a task or a thread, which keep no actor waiting.
//! - behind more than 256 actors that wait.
//!
//! And one is refused who is in a circle that would have come apart: a question counts as waited for from when the handler has looked at it until
//! it goes on the next time, also where it waits for something else beside it, a timer or another answer, or holds it and awaits that.
//! What is asked back meanwhile is refused.
//!
//! *Costs:* an exclusive handler that awaits an answer notes that, and one word follows a question to another core. A task, `then` and `wait`
//! pay nothing. Tested by `tests/semantics/cycles.rs`.
//!
//! # Answering later
//!
//! A handler that takes a [`Reply`](crate::Reply) answers when it likes: from a continuation, an interval, another actor, a thread. Dropping
//! it is an answer, too: that there is none.
