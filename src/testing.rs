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
//! # What is not to be had
//!
//! - An asynchronous handler that is called directly gives a future that borrows its actor and its context. Ask the actor
//!   instead, and [`block_on`](TestContext::block_on) the answer.
//! - Intervals, the start, the end and the idle time come when the test calls their hooks, which are methods as well.
//! - Frames are not cut from bytes: a test hands over the frame. Codecs are tested by themselves.
//! - Actors and tasks that were spawned do not run. What concerns many actors is a matter of a whole [`System`](crate::System).

pub use crate::actor::{Asker, Probe, TestContext, nobody, probe};
