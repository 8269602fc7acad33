//! A chat: every kind of handler once.
//!
//! Knows: what a program looks like. Must not know how it works.
//!
//! A session is the actor of a user's connection, on whichever core accepted it. The room is one actor for all of them.
//!
//! ```
//! use std::io::{self, BufRead, BufReader, Write};
//! use std::net::TcpStream;
//! use std::time::Duration;
//!
//! use odeon::prelude::*;
//!
//! /// What the room tells everybody. Shared by several actors, so a type of its own.
//! #[derive(Message, Clone)]
//! pub struct Said {
//!     from: u64,
//!     text: Bytes,
//! }
//!
//! #[derive(Message)]
//! pub struct Join {
//!     id: u64,
//!     to: Recipient<Said>,
//! }
//!
//! #[derive(Message)]
//! pub struct Leave {
//!     id: u64,
//! }
//!
//! #[derive(Message)]
//! pub struct Evicted(&'static str);
//!
//! /// How much of its output a session's peer has not taken.
//! #[derive(Debug)]
//! pub struct Stats {
//!     queued_bytes: usize,
//! }
//!
//! pub struct Session {
//!     id: u64,
//!     room: Addr<Room>,
//! }
//!
//! #[actor(
//!     pub,                         // visibility of the trait `SessionAddr`
//!     codec   = Lines<8192>,       // bytes become frames: this makes it a connection
//!     mailbox(capacity = 256, overflow = drop_oldest),
//!     outbox(bytes = "256k", grace = "2s", overflow = close), // who reads too slowly
//! )]
//! impl Session {
//!     #[started]
//!     fn joined(&mut self, cx: &mut Context<Self>) {
//!         self.room.tell(Join { id: self.id, to: cx.recipient::<Said>() }).or_dead_letter();
//!     }
//!
//!     /// A frame is a message: it runs at once, borrowed from the receive buffer, not queued, not copied.
//!     #[frame]
//!     fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
//!         match line {
//!             "/quit" => return Flow::Close,
//!             "/topic" => {
//!                 let place = cx.defer(); // the answer's place in the output: later lines wait behind it
//!                 self.room.topic().then(cx, move |_me, topic, cx| {
//!                     cx.fill_line(place, topic.as_deref().unwrap_or("?"));
//!                 });
//!             }
//!             text => self.room.tell(Said { from: self.id, text: cx.bytes_of(text) }).or_dead_letter(),
//!         }
//!         Flow::Continue
//!     }
//!
//!     #[message]
//!     fn said(&mut self, said: Said, cx: &mut Context<Self>) {
//!         cx.write_line(said.text);
//!     }
//!
//!     /// Comes before everything that waits already.
//!     #[message(priority = control)]
//!     fn evicted(&mut self, why: Evicted, cx: &mut Context<Self>) -> Flow {
//!         cx.write_line(why.0);
//!         Flow::Close
//!     }
//!
//!     #[call]
//!     fn stats(&self, cx: &mut Context<Self>) -> Stats {
//!         Stats { queued_bytes: cx.queued_bytes() }
//!     }
//!
//!     #[every("30s")]
//!     fn ping(&mut self, cx: &mut Context<Self>) {
//!         cx.write_line("PING");
//!     }
//!
//!     #[idle("10m")]
//!     fn asleep(&mut self, _: &mut Context<Self>) -> Flow {
//!         Flow::Close
//!     }
//!
//!     #[stopped]
//!     fn left(&mut self, _why: StopReason, _: &mut Context<Self>) {
//!         self.room.tell(Leave { id: self.id }).or_dead_letter();
//!     }
//! }
//!
//! #[derive(Default)]
//! pub struct Room {
//!     // What is published goes to each core once, however many are there. It is part of the state: a room that is begun again is empty.
//!     members: Topic<Said>,
//!     said: Vec<Said>,
//!     topic: String,
//! }
//!
//! #[actor(pub, mailbox(capacity = 4096))]
//! impl Room {
//!     #[message]
//!     fn join(&mut self, join: Join) {
//!         self.members.subscribe(join.id, join.to);
//!     }
//!
//!     #[message]
//!     fn leave(&mut self, leave: Leave) {
//!         self.members.unsubscribe(leave.id);
//!     }
//!
//!     #[message]
//!     fn said(&mut self, said: Said) {
//!         self.members.publish(said.clone());
//!         self.said.push(said);
//!     }
//!
//!     #[call]
//!     fn topic(&self) -> String {
//!         self.topic.clone()
//!     }
//!
//!     /// Nothing else is handled until it has finished; its time is a second.
//!     #[call(timeout = "1s")]
//!     async fn history(&mut self, n: usize, _: &mut Context<Self>) -> io::Result<Vec<Said>> {
//!         let first = self.said.len().saturating_sub(n);
//!         Ok(self.said[first..].to_vec())
//!     }
//!
//!     /// Many at a time, beside everything else.
//!     #[call(concurrent)]
//!     async fn search(me: Handle<Self>, query: String) -> Vec<Said> {
//!         let found = |room: &mut Room, _: &mut Context<Room>| {
//!             let said = room.said.iter().filter(|said| said.text.as_str().is_ok_and(|text| text.contains(&query)));
//!             said.cloned().collect()
//!         };
//!         me.with(found).unwrap_or_default()
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::builder().cores(Cores::All).build()?;
//! let patience = Restart::one_for_one()
//!     .intensity(5, Duration::from_secs(10))
//!     .backoff(Duration::from_millis(50)..Duration::from_secs(5));
//! let room = system.supervise(patience, || Room { topic: "actors".to_owned(), ..Room::default() })?;
//! let listening = system
//!     .listener("127.0.0.1:0")
//!     .max_connections(10_000)
//!     .start(move |peer| Session { id: peer.id(), room })?;
//!
//! // A server would now call `system.run_until_signal()`. Here a client looks whether it works.
//! let mut client = TcpStream::connect(listening.address())?;
//! client.write_all(b"/topic\nhello\n")?;
//! let mut lines = BufReader::new(client.try_clone()?).lines();
//! assert_eq!(lines.next().transpose()?.as_deref(), Some("actors"));
//! assert_eq!(lines.next().transpose()?.as_deref(), Some("hello"));
//! assert_eq!(room.history(10).wait()??.len(), 1);
//! assert_eq!(room.search("ell".to_owned()).wait()?.len(), 1);
//! client.write_all(b"/quit\n")?;
//! assert!(lines.next().is_none());
//! drop((client, lines));
//! system.shutdown();
//! # Ok(())
//! # }
//! ```
//!
//! # What may surprise
//!
//! - An actor's own address, [`Context::me`](crate::Context::me), is like any other: it has `ask`. Whoever awaits itself is told at once that it
//!   waits in a circle ([`AskError::Cycle`](crate::AskError::Cycle)).
//! - [`try_write`](crate::Context::try_write) borrows its bytes and hands nothing back; [`try_write_bytes`](crate::Context::try_write_bytes) does.
//! - A place of [`defer`](crate::Context::defer) that is dropped unfilled ends the connection: the peer counts on an answer.
//! - A spawn takes no limits: they stand in the attribute and in [`Config`](crate::Config). A listener has its own, which come first.
//! - Times are words in attributes, which the compiler checks, and [`Duration`](std::time::Duration)s everywhere else.
//! - What a connection knows of itself, such as [`queued_bytes`](crate::Context::queued_bytes) and [`lost_writes`](crate::Context::lost_writes),
//!   its context is asked: there is no object for it.
//! - [`run_until_signal`](crate::System::run_until_signal) answers what was cut off. A `main` that has no use for that ends with
//!   `system.run_until_signal().map(drop)`.
//! - A [`Stream`](crate::Stream) reads and writes by methods of its own. The traits `AsyncRead` and `AsyncWrite` come with the feature
//!   `futures-io`.
//!
//! # Where to go on
//!
//! [Actors](super::actors) has what the attribute makes of a block, and [asking](super::asking) what becomes of a question. What is bounded here, and
//! what happens at each bound, is in [delivery](super::delivery), [input](super::input) and [output](super::output). `examples/chat.rs` is this chat
//! with rooms that come and go, and a limit for whatever strangers can make grow.
//! Clients test it, in `tests/clients/chat.rs`.
