//! What is promised, what that means and what it does not, and which test holds it.
//!
//! Knows: promises, and where they are tested. Must not know how they are kept.
//!
//! Each promise has a file of tests, whose cases run in simulated systems, one for each seed, on io_uring and on mio. `ODEON_SEEDS`
//! says how many seeds, `ODEON_SEED` which one. That the files named here exist is tested as well (`tests/tidy/manual.rs`).
//!
//! # Order
//!
//! *Messages of one priority from one actor to another are handled in the order in which they were sent, and frames in the order in which
//! they arrived.* That holds across cores, and across a restart. It says nothing of messages of different senders, of different
//! priorities, or of an answer and a message. More: [delivery](super::delivery). `tests/semantics/order.rs`; senders that are refused have
//! their shares: `tests/semantics/shares.rs`; millions of messages: `tests/server/traffic.rs`; frames: `tests/server/echo.rs`.
//!
//! # One at a time
//!
//! *Handlers of one actor never overlap, and nothing of an actor runs on two cores.* A concurrent handler is several handlers, one
//! between each two of its awaits. An exclusive one is one handler, however often it awaits: whoever asks itself thereby, perhaps by way
//! of others, is told so at once. More: [futures](super::futures), [asking](super::asking). `tests/semantics/one_at_a_time.rs`,
//! `tests/semantics/cycles.rs`.
//!
//! # Delivery
//!
//! *A message is delivered once or not at all. What is not delivered is handed back to its sender, or counted as a dead letter.* `Ok` says that
//! the mailbox has it, on the same core, or that it is on its way, to another. It does not say that it will be handled: the actor may
//! end before. More: [delivery](super::delivery). `tests/semantics/delivery.rs`, `tests/semantics/overflow.rs`,
//! `tests/semantics/stash.rs`, `tests/semantics/restarts.rs`.
//!
//! # Back-pressure
//!
//! *Sending never waits, and whatever waits is bounded.* An actor that is suspended, is full, or wants it so stops reading from its
//! connection, and the peer waits. A peer that does not read costs its own connection what its policy says, and nobody else anything. A
//! future may wait for room. It does not say that a sender that goes on after `Full` gets anywhere. More: [delivery](super::delivery),
//! [input](super::input), [output](super::output). `tests/semantics/back_pressure.rs`, `tests/semantics/bytes.rs`; connections:
//! `tests/server/pressure.rs`, `tests/simulation/slow.rs`.
//!
//! # Cores
//!
//! *An actor stays on the core where it was spawned: here, on one that is named, by a key, or one on each. A topic sends one message to
//! each core.* A key belongs to the same core as long as there are as many. Nothing moves because a core is busy. More:
//! [finding](super::finding). `tests/semantics/cores.rs`, `tests/semantics/topics.rs`,
//! `tests/semantics/meddling.rs`.
//!
//! # Failure
//!
//! *A panic ends an actor, and not its core. A supervisor has it begun again, under its address and with its mailbox.* Its state, and what it
//! had begun, is gone, and so is the message on which it has failed: a dead letter. Connections are not begun again. A broken invariant
//! of the runtime ends the process, and so does a panic under `panic = "abort"`. More: [supervision](super::supervision).
//! `tests/semantics/failure.rs`, `tests/semantics/intensity.rs`, `tests/semantics/again.rs`, `tests/semantics/restarts.rs`,
//! `tests/semantics/continuity.rs`, `tests/semantics/shortages.rs`; what is under way: `tests/semantics/incarnations.rs`; ten thousand panics:
//! `tests/semantics/storms.rs`; the end of the process: `tests/server/panics.rs`.
//!
//! # Watching
//!
//! *Whoever watches an actor is told once that it has ended, and why, also if it had ended before. Whoever is linked to it ends with it.* A
//! restart is no end: nobody is told of it, nobody ends with it, and who was linked still is. Of an actor that is gone for
//! long the reason may not be known: [`Gone`](crate::StopReason::Gone). More: [supervision](super::supervision).
//! `tests/semantics/watching.rs`; connections: `tests/server/endings.rs`.
//!
//! # Stopping
//!
//! *An actor that stops finishes its message, and its output is sent before its connection is closed. One that is drained handles what waits for
//! it before. One that is aborted ends even where a handler of it waits.* What comes after what: the mailbox closes; what the actor has begun is dropped, so that nothing of it runs beside
//! its last hook; [`stopped`](crate::Actor::stopped) runs; what waits in the mailbox is dropped, and whoever waits for an answer is
//! told; the state is dropped; the socket is closed; those who watch are told; its place is free. No handler that does not await is
//! interrupted. `tests/semantics/stopping.rs`, `tests/semantics/draining.rs`; connections: `tests/server/endings.rs`.
//!
//! # The end
//!
//! *A system that ends accepts no more, serves what is in the backlog, lets connections finish until a deadline, and then stops the other
//! actors, those below supervisors in the reverse of the order in which they began: on whichever cores they are, if they were begun from
//! outside, and each core's own on their own if they were begun by its actors. What is left is aborted, counted and named. A second
//! signal ends the process at once.* Every request that was accepted and answered in time reaches its client, if that reads. Messages
//! that wait in mailboxes are not handled any more, and tasks are dropped, but for those that [`stopped`](crate::Actor::stopped)
//! has begun, which have until the deadline: [`ShutdownReport`](crate::ShutdownReport) says what was cut off, and how many messages were
//! not delivered. What the program
//! aborts itself meanwhile is not.
//! `tests/semantics/shutdown.rs`, `tests/semantics/failure.rs`; connections: `tests/server/systems.rs`; signals:
//! `tests/server/process.rs`, `tests/clients/starting.rs`.
//!
//! # Outside
//!
//! *Any thread, and any other asynchronous runtime, may send and ask through the same addresses.* An answer can be awaited wherever it
//! can be sent to. What comes from outside has one way into each core, and finds it full like anybody else. More: [asking](super::asking).
//! `tests/semantics/outside.rs`; code of users that runs outside of handlers: `tests/outside.rs`.
