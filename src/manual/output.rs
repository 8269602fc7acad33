//! Writing to a connection.
//!
//! Knows: what is written, in which order, and within which bounds. Must not know sockets.
//!
//! What an actor writes in one activation leaves as one send. It is bounded in bytes
//! ([`Config::outbox_bytes_max`](crate::Config::outbox_bytes_max), the listener's
//! [`outbox_bytes`](crate::ListenerBuilder::outbox_bytes), or the key `outbox(bytes = "…")`): from half of it on the connection does
//! not read from its peer, and a write that would pass it ends the connection, unless something else is
//! [chosen](#peers-that-read-too-slowly), because what a peer does not read must not grow.
//! So does a peer of whose output the kernel takes nothing for [`Config::write_stall`](crate::Config::write_stall). `#[stopped]` is told
//! [`StopReason::OutboxFull`](crate::StopReason::OutboxFull) then, a line on standard error names the type of the actor, and
//! [`Ledger::connections_outbox_full`](crate::Ledger::connections_outbox_full) counts. The peer sees a reset.
//!
//! | | |
//! |---|---|
//! | [`write`](crate::Context::write), [`write_line`](crate::Context::write_line), `write!(cx, …)` | bytes, a line, formatted text |
//! | [`try_write`](crate::Context::try_write) | bytes, all or none; tells whether there was room |
//! | [`write_bytes`](crate::Context::write_bytes), [`try_write_bytes`](crate::Context::try_write_bytes) | counted bytes, sent from where they lie |
//! | [`send_frame`](crate::Context::send_frame) | a frame, encoded by the codec of the connection |
//! | [`defer`](crate::Context::defer) | a place for an answer that is not ready yet |
//! | [`fill`](crate::Context::fill), [`fill_line`](crate::Context::fill_line), [`fill_frame`](crate::Context::fill_frame), [`fill_bytes`](crate::Context::fill_bytes) | the answer at that place |
//! | [`bytes_of`](crate::Context::bytes_of) | counted bytes of a part of a frame, to send to others |
//!
//! [`shutdown_write`](crate::Context::shutdown_write) ends the output behind all of that, and goes on reading.
//!
//! # Answers in the order of requests
//!
//! Clients that pipeline, sending the next request before the last is answered, want the answers in order. Where these come from
//! other actors they are ready in any order. A [`Place`](crate::Place) keeps it: everything that is written later waits behind it.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{Shutdown, TcpStream};
//! use std::time::Duration;
//! use odeon::prelude::*;
//! use odeon::time::sleep;
//!
//! struct Worker;
//!
//! #[actor]
//! impl Worker {
//!     #[call(concurrent)]
//!     async fn wait(_me: Handle<Self>, milliseconds: u64) -> u64 {
//!         sleep(Duration::from_millis(milliseconds)).await;
//!         milliseconds
//!     }
//! }
//!
//! struct Session {
//!     worker: Addr<Worker>,
//! }
//!
//! #[actor(codec = Lines<64>)]
//! impl Session {
//!     #[frame]
//!     fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Result<(), std::num::ParseIntError> {
//!         let place = cx.defer();
//!         self.worker.wait(line.parse()?).then(cx, |_, waited, cx| match waited {
//!             Ok(waited) => cx.fill_line(place, waited.to_string()),
//!             Err(_) => cx.fill_line(place, "not now"),
//!         });
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::builder().cores(Cores::Count(2)).build()?;
//! let worker = system.spawn_on(1, Worker)?;
//! let listening = system.listener("127.0.0.1:0").start(move |_peer| Session { worker })?;
//! let mut client = TcpStream::connect(listening.address())?;
//! client.write_all(b"20\n1\n10\n")?;
//! client.shutdown(Shutdown::Write)?;
//! let mut answers = String::new();
//! client.read_to_string(&mut answers)?;
//! assert_eq!(answers, "20\n1\n10\n");
//! # Ok(())
//! # }
//! ```
//!
//! Open places are answers that the connection owes: it does not end in order before they are filled, within its deadline. A
//! place that is dropped unfilled ends the connection, and so does an error of a hook, as here for a line that is no number: what
//! had been written is lost then, and the peer sees a reset.
//!
//! # Peers that read too slowly
//!
//! What becomes of what finds no room can be chosen, for a type by `outbox(overflow = …)`
//! ([`Connection::OUTBOX_OVERFLOW`](crate::Connection::OUTBOX_OVERFLOW)), for a listener by
//! [`outbox_overflow`](crate::ListenerBuilder::outbox_overflow). `outbox(grace = "2s")` has that begin earlier: for a peer that has half
//! of the bound queued for so long, without having come below a quarter of it.
//!
//! | | `write` | `try_write` | for |
//! |---|---|---|---|
//! | `close` | ends the connection | says that there is no room | protocols that bear no gap; the default |
//! | `refuse` | is left out | says that there is no room | peers that may miss the newest, and who writes decides what |
//! | `drop_oldest` | has the oldest that waits left out | the same, and says if not even that makes room | prices, positions, whatever is soon out of date |
//!
//! One call is one write, and leaves whole or not at all. What was left out is counted
//! ([`Ledger::writes_refused`](crate::Ledger::writes_refused), [`Ledger::writes_dropped`](crate::Ledger::writes_dropped)), told on
//! standard error, once a second at most of each type of actor, and known to the actor itself by
//! [`lost_writes`](crate::Context::lost_writes).
//!
//! An answer to a place that was [deferred](crate::Context::defer) is never left out, whatever the policy: where it finds no room, its
//! connection ends. The bound has to hold all answers that may wait behind the first that is not there yet.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{Shutdown, TcpStream};
//! use odeon::prelude::*;
//!
//! struct Feed;
//!
//! #[actor(codec = Lines<64>, outbox(bytes = 8, overflow = refuse))]
//! impl Feed {
//!     #[frame]
//!     fn line(&mut self, _: &str, cx: &mut Context<Self>) {
//!         cx.write_line("one");
//!         cx.write_line("three");
//!         assert_eq!(cx.lost_writes(), 1);
//!         assert!(cx.try_write("two\n").is_ok());
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let listening = system.listener("127.0.0.1:0").start(|_peer| Feed)?;
//! let mut client = TcpStream::connect(listening.address())?;
//! client.write_all(b"go\n")?;
//! client.shutdown(Shutdown::Write)?;
//! let mut heard = String::new();
//! client.read_to_string(&mut heard)?;
//! assert_eq!(heard, "one\ntwo\n");
//! assert_eq!(system.ledgers()?[0].writes_refused, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # When the connection ends
//!
//! What is queued when the actor ends in order still leaves. A peer that reads is waited for: for [`Config::close_deadline`](crate::Config::close_deadline)
//! each time that the kernel has taken some of it, or let go of what it sends without a copy, and for
//! [`Config::close_deadline_max`](crate::Config::close_deadline_max) in all. If something is left then, the peer sees a reset, and [`Ledger::connections_cut_off`](crate::Ledger::connections_cut_off) and the
//! [`ShutdownReport`](crate::ShutdownReport) count it. Once the kernel has everything, the close is an ordinary one at the latest when the
//! deadline is over, and the peer gets all of it however late it reads. One exception: what the kernel has taken
//! [without a copy](crate::Config::zero_copy_min) it would keep in the program's memory for as long as the peer does not read it, so that is cut off and
//! counted as well.
//!
//! # More than fits
//!
//! A handler does not wait: all that it writes, and what others write in the same activation, has to fit into the outbox beside what
//! is still queued. An answer that is longer than the bound never fits, however fast its peer reads; what is told then does not
//! blame the peer. Either the bound is as large as the longest answer and what may wait before it, for this type
//! (`outbox(bytes = "8m")`), for a listener ([`outbox_bytes`](crate::ListenerBuilder::outbox_bytes)) or for all
//! ([`Config::outbox_bytes_max`](crate::Config::outbox_bytes_max)); or the connection is [served](crate::ListenerBuilder::serve) by a
//! future, whose writes to its [`Stream`](crate::Stream) wait until there is room; or an exclusive handler writes it in pieces, and waits
//! between them until the last one is sent ([`Context::flush`](crate::Context::flush)).
//!
//! Tested in `tests/server/deferred.rs`, `tests/server/owned.rs`, `tests/server/pressure.rs` and `tests/simulation/flushes.rs`.
