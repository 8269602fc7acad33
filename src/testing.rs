//! Unit tests of actors, without a system.
//!
//! Knows: names. Must not know anything else.
//!
//! Handlers are ordinary methods: a test calls them, with a [`TestContext`], and looks at what has come of it.
//!
//! | | |
//! |---|---|
//! | [`TestContext`] | what handlers are called with: what they have written, asked, begun and spawned; time that stands still |
//! | [`probe`] | a recipient, and what it has been sent |
//! | [`nobody`] | the address of an actor that does not exist |
//! | [`Asker`] | who waits for the reply that a handler was given |
//!
//! Two actors that talk to each other are tested with a context each, whose addresses they are given. Nothing happens by itself: the test
//! says whose turn it is.
//!
//! ```
//! use odeon::prelude::*;
//! use odeon::testing::TestContext;
//!
//! #[derive(Message)]
//! struct Ping(Recipient<Pong>);
//!
//! #[derive(Message)]
//! struct Pong;
//!
//! struct Server;
//!
//! #[actor]
//! impl Server {
//!     #[message]
//!     fn ping(&mut self, Ping(client): Ping) {
//!         client.tell(Pong).or_dead_letter();
//!     }
//! }
//!
//! struct Client {
//!     server: Addr<Server>,
//!     pongs: u32,
//! }
//!
//! #[actor]
//! impl Client {
//!     #[started]
//!     fn begin(&mut self, cx: &mut Context<Self>) {
//!         self.server.tell(Ping(cx.recipient())).or_dead_letter();
//!     }
//!
//!     #[message]
//!     fn pong(&mut self, Pong: Pong) {
//!         self.pongs += 1;
//!     }
//! }
//!
//! let (mut server, mut server_cx) = (Server, TestContext::new());
//! let (mut client, mut client_cx) = (Client { server: server_cx.me(), pongs: 0 }, TestContext::new());
//! client.begin(&mut client_cx);
//! server_cx.run(&mut server);
//! client_cx.run(&mut client);
//! assert_eq!(client.pongs, 1);
//! ```
//!
//! # Tests of whole systems
//!
//! Most are written with [`sim`](crate::sim), on virtual time and a simulated network, from seeds: see [the manual](crate::manual::testing).
//! Of those with real systems and sockets many run at a time, each with a [`System`](crate::System) of its own:
//!
//! - [`Config::pin`](crate::Config::pin) is said of each system. The cores of one process are dealt out to its processors in turn, those of
//!   two processes are not: where each test is a process, as with `cargo nextest`, all run on the first few processors. Switch it off.
//! - [`System::shutdown`](crate::System::shutdown) waits until clients have closed, for
//!   [`Config::close_deadline`](crate::Config::close_deadline) at most, which is 5 s: drop the clients first, or lower it.
//!
//! ```
//! use std::net::TcpStream;
//! use odeon::prelude::*;
//!
//! struct Session;
//!
//! #[actor(codec = Lines<80>)]
//! impl Session {
//!     #[frame]
//!     fn line(&mut self, line: &str, cx: &mut Context<Self>) {
//!         cx.write_line(line);
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::default();
//! config.pin = false;
//! let system = System::builder().cores(Cores::Count(1)).config(config).build()?;
//! let listening = system.listener("127.0.0.1:0").start(|_peer| Session)?;
//! let client = TcpStream::connect(listening.address())?;
//! // …
//! drop(client);
//! assert_eq!(system.shutdown().connections_cut_off, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What is not to be had
//!
//! - An asynchronous handler that is called directly gives a future that borrows its actor and its context. Ask the actor
//!   instead, and [`block_on`](TestContext::block_on) the answer.
//! - Intervals, the start, the end and the idle time come when the test calls their hooks, which are methods as well.
//! - Frames are not cut from bytes: a test hands over the frame. Codecs are tested by themselves.
//! - `wait` has an answer from another thread only. On its own, a test awaits answers within [`block_on`](TestContext::block_on);
//!   [`Ask::wait`](crate::Ask::wait) panics there, and says so.
//! - Actors and tasks that were spawned do not run. What concerns many actors is a matter of a whole
//!   system: see [`sim`](crate::sim).

pub use crate::actor::{Asker, Probe, TestContext, nobody, probe};
