//! Actors for network servers on Linux.
//!
//! A [`System`] has one core for each processor: a thread with an executor that speaks to the kernel through io_uring, or
//! through mio where io_uring is not to be had. [Actors](Actor) live on one core each. They hold state, are sent
//! [messages](Message), and handle them one at a time, so that state needs no lock. A [`Connection`] is an actor that also
//! handles the frames of a socket. While nothing happens an actor costs its state and a few words: no task, no future, no
//! buffer.
//!
//! # A first server
//!
//! It keeps a sum, which any line with a number adds to, whichever connection it comes from. A connection reads the next line
//! once the last is answered, and there are at most a thousand connections: no more than a thousand questions wait anywhere, for
//! which every mailbox and every way between cores has room.
//!
//! ```
//! use std::io::{BufRead, BufReader, Write};
//! use std::net::TcpStream;
//!
//! use odeon::prelude::*;
//!
//! /// An actor. There is one, on one core.
//! #[derive(Default)]
//! struct Sum(i64);
//!
//! #[actor]
//! impl Sum {
//!     #[call]
//!     fn add(&mut self, more: i64) -> i64 {
//!         self.0 += more;
//!         self.0
//!     }
//! }
//!
//! /// A connection actor. There is one for each client, on the core that accepted it.
//! struct Session {
//!     sum: Addr<Sum>,
//! }
//!
//! #[actor(codec = Lines<32>)]
//! impl Session {
//!     #[frame]
//!     fn line(&mut self, line: &str, cx: &mut Context<Self>) {
//!         let Ok(more) = line.parse() else { return cx.write_line("a number, please") };
//!         // A place in the output is an answer that is owed: until it is filled, the connection does not end.
//!         let place = cx.defer();
//!         cx.pause_reading();
//!         self.sum.add(more).then(cx, move |_, sum, cx| {
//!             cx.resume_reading();
//!             match sum {
//!                 Ok(sum) => cx.fill_line(place, sum.to_string()),
//!                 Err(_) => cx.fill_line(place, "not now"),
//!             }
//!         });
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::builder().cores(Cores::Count(2)).build()?;
//! let sum = system.spawn(Sum::default())?;
//! let listening = system.listener("127.0.0.1:0").max_connections(1000).start(move |_peer| Session { sum })?;
//!
//! // A server would now call `system.run_until_signal()`. This one is its own client.
//! let mut client = TcpStream::connect(listening.address())?;
//! client.write_all(b"40\n2\n")?;
//! let mut answers = BufReader::new(client).lines();
//! assert_eq!(answers.next().transpose()?.as_deref(), Some("40"));
//! assert_eq!(answers.next().transpose()?.as_deref(), Some("42"));
//! // A thread of the program's own can ask as well.
//! assert_eq!(sum.add(0).wait()?, 42);
//! # // Whatever does not wait for its answers gets all of them too.
//! # let mut client = TcpStream::connect(listening.address())?;
//! # client.write_all("1\n".repeat(5000).as_bytes())?;
//! # client.shutdown(std::net::Shutdown::Write)?;
//! # let sums: Vec<String> = BufReader::new(client).lines().collect::<Result<_, _>>()?;
//! # assert!(sums.into_iter().eq((43..=5042).map(|sum| sum.to_string())));
//!
//! drop(answers);
//! system.shutdown();
//! # Ok(())
//! # }
//! ```
//!
//! # Sizing
//!
//! What may wait at one time decides how much room there must be. A service that connections ask needs a mailbox
//! ([`Actor::MAILBOX_CAPACITY`]) for as many questions as all of them may have open: one for each, where they pause reading
//! as above, or else half of [`Config::deferred_max`]; and no more connections than that
//! ([`max_connections`](system::ListenerBuilder::max_connections)). [`Config::mailbox_bytes_max`] bounds the mailboxes of a core
//! together: one refuses, as if it were full, when that is used up.
//!
//! A message to another core travels by a *lane*, of which there is one from each core to each other. What the actors of one core
//! send to those of another stays in it until that core has its next turn: soon after [`Config::turn_time`], or when a handler there
//! that takes longer has finished. So a lane needs room for as much as may be sent in that time: one place of 32 bytes for a
//! message of up to 16 bytes, two for one of up to 48, and so on ([`Config::lane_capacity`]). All of that memory is set
//! aside at the start, 64 KiB by default times the pairs of cores, and becomes resident as it is used: of 500 cores that is 16 GiB of
//! addresses, and some 5 KiB each of memory. Threads that are no cores send by the *inbox* of a core, which needs room for what all of
//! them together send to it in such a time ([`Config::inbox_capacity`]). A question is a message, and its answer is never refused.
//!
//! | [`SendError::Full`], [`AskError::Full`] | what is full | what to raise |
//! |---|---|---|
//! | to an actor of the same core | its mailbox | [`Actor::MAILBOX_CAPACITY`], by `#[actor(mailbox(capacity = …))]`; [`Config::mailbox_bytes_max`] |
//! | to one of another core | the lane | [`Config::lane_capacity`] |
//! | from a thread that is no core | the inbox | [`Config::inbox_capacity`] |
//! | a question, from anywhere | one of these, the mailbox also on another core, or the table of tasks | [`Config::tasks_max`], too |
//! | counted in [`Ledger::dead_letters`], and nobody is told | the mailbox of an actor on another core | as for the same core |
//!
//! A future may wait for room: [`Addr::send`]. What a full mailbox does else than to refuse is [its actor's](MailboxOverflow) to say. What is refused comes back at once, and trying again at once finds the same. Tell the peer that the server is
//! busy, or stop reading until an answer that is on its way has come.
//!
//! # Where things are
//!
//! | | |
//! |---|---|
//! | [`prelude`] | what most programs need, in one import |
//! | [`manual`] | page by page: a tour, actors, questions, delivery, time, finding one another, supervision, futures, input, output, transfers, testing |
//! | [`manual::promises`] | what is promised, what that means, and which tests hold it |
//! | [`manual::words`] | what actix, kameo, ractor and Erlang call what is here |
//! | [`actor`](macro@actor), [`macro@Message`] | what makes actors and messages |
//! | [`Actor`], [`Accepts`], [`Message`], [`Flow`], [`IntoFlow`], [`Respond`], [`StopReason`] | what an actor is, what it can be sent, and what its methods return |
//! | [`Addr`], [`Recipient`], [`SendError`], [`SendFuture`], [`OrDeadLetter`] | how actors are reached, and what happens when they cannot be |
//! | [`LocalAddr`], [`AcceptsLocal`] | the same between actors of one core, for what is not [`Send`] |
//! | [`Ask`], [`Call`], [`AskError`], [`Circle`], [`Reply`] | questions, who waits for their answers, and who gives them |
//! | [`Context`] | what a handler can do |
//! | [`System::dead_letters`], [`DeadLetter`], [`DeadReason`] | what was not delivered, and why |
//! | [`Priority`], [`MailboxOverflow`] | what comes before what in a mailbox, and what becomes of what has no room |
//! | [`Down`], [`WatchKey`], [`ActorId`] | being told that an actor has ended |
//! | [`Restart`], [`OnPanic`], [`Supervisor`] | actors that are begun again when they have failed |
//! | [`System::register`], [`System::lookup`], [`NameError`] | actors that are found by a name |
//! | [`Pool`], [`Busy`] | actors of which any will do |
//! | [`Sharded`] | an actor on each core, and to which of them a key belongs |
//! | [`Topic`], [`Lagged`] | one message for everybody who wants it |
//! | [`Handle`], [`HandleError`], [`Timeout`] | asynchronous handlers |
//! | [`task`], [`time`] | futures that run by themselves, and waiting for a time |
//! | [`Connection`], [`net::codec`], [`Peer`] | actors that own a connection, and how bytes become frames |
//! | [`Place`] | answers that are ready later, in the order of requests |
//! | [`Bytes`] | counted bytes, for messages that carry the same text to many actors |
//! | [`Overflow`] | what becomes of output that a peer does not read |
//! | [`Stream`], [`ListenerBuilder::serve`] | a connection as one asynchronous function |
//! | [`connect`] | connecting to others, as a stream or an actor |
//! | [`fs`] | files |
//! | [`System`], [`system`], [`Config`] | starting, spawning from outside, listening, limits, ending |
//! | [`testing`] | unit tests of handlers, without a system |
//! | [`sim`] | tests of whole systems, simulated: on virtual time, with accidents, from seeds |
//!
//! # What is promised
//!
//! - **Order.** Messages of one [priority](Priority) from one actor to another are handled in the order in which they were sent, and
//!   frames in the order in which they arrived. Nothing is promised between messages of different senders.
//! - **One at a time.** Handlers of one actor never overlap, and nothing of an actor runs on two cores.
//! - **Delivery** is at most once. What is not delivered is handed back to the sender or counted as a dead letter.
//! - **Sending never waits.** Whoever asks is told something within a time: the answer, or why there is none.
//! - **Bounds.** Mailboxes, outboxes, lanes, pools and connections are bounded by [`Config`]. Whoever meets a bound is told.
//! - **Failure.** A panic in a handler ends that actor. A [supervisor](manual::supervision) begins it again; without one, whoever asks it is
//!   told that it has stopped, and what is sent to it comes back, or is a dead letter where that is seen on another core.
//!   (With `panic = "abort"` the process ends.)
//! - **The end.** [`System::shutdown`] lets connections finish, and says what had to be cut off; dropping a system does the same.
//!
//! What each of these means, and what it does not, and which tests hold it, is on [a page of the manual](manual::promises).
//!
//! Handlers must not block: everything else on their core waits for them. One that does for longer than [`Config::slow_handler`] is
//! reported on standard error.

#[doc(hidden)]
pub mod actor;
pub mod config;
#[doc(hidden)]
pub mod driver;
#[doc(hidden)]
pub mod executor;
pub mod fs;
pub mod manual;
#[doc(hidden)]
pub mod mem;
pub mod net;
pub mod prelude;
pub mod sim;
#[doc(hidden)]
pub mod sys;
pub mod system;
pub mod task;
pub mod testing;
pub mod time;

pub use actor::{
    Accepts, AcceptsLocal, Actor, ActorId, Addr, AnswerFuture, Anyone, Ask, AskError, Busy, Call, Circle,
    Context, DeadLetter, Down, Failure, Flow, Handle, HandleError, IntoFlow, Lagged, LocalAddr, LocalAsk,
    MailboxOverflow, Message, NameError, OnPanic, OrDeadLetter, Pool, Priority, Question, Receiver,
    Recipient, Reply, Respond, Restart, SendError, SendFuture, SendTo, Sendable, Sharded, SpawnError,
    Spawnable, StopReason, Timeout, TimerError, TimerKey, Topic, WatchKey, failed,
};
#[doc(hidden)]
pub use actor::{Told, Unheard, tell_hook};
pub use config::{Config, ConfigError};
pub use executor::{CutOffKind, DeadReason, Flush, Interval, MissedTicks, Overflow, dead_letters_outside};
pub use mem::{Bytes, Full};
pub use net::{
    AtLimit, BodyError, BodyRefusal, BodyRefused, Connect, Connection, FileForwardError, FileRefusal,
    FileRefused, ForwardError, ForwardedFile, Never, Peer, Place, Stream, connect,
};
pub use odeon_macros::{
    Message, actor, body, call, end_of_stream, every, forwarded, frame, idle, malformed, message, started,
    stopped,
};
pub use sys::Signals;
pub use sys::Time;
pub use system::{
    BackendChoice, Cores, CutOffName, Error, Ledger, ListenerBuilder, Listening, Result, ShutdownReport,
    Supervisor, System, SystemBuilder,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
