//! Asynchronous handlers, streams, and tasks.
//!
//! Knows: what waits for what. Must not know how futures are polled.
//!
//! Handlers are synchronous by default, which is the fastest, and what keeps an actor simple: nothing changes its state while
//! one runs. Where something is waited for, there are three forms.
//!
//! # Exclusive: `async fn(&mut self, …)`
//!
//! The handler owns the state until it has finished. Messages, continuations, intervals and concurrent handlers of the actor wait, and a
//! connection does not read. It has a time, 30 s unless `timeout = "…"` or
//! [`Config::handler_timeout`](crate::Config::handler_timeout) say otherwise. One that has not finished by then is dropped and the actor
//! ends with [`StopReason::Failed`](crate::StopReason::Failed), because its state may be half changed; a line on standard error names
//! the handler. [`Addr::stop`](crate::Addr::stop) waits for it, [`Addr::abort`](crate::Addr::abort) does not, and neither does
//! the failure of its connection.
//!
//! # Concurrent: `async fn(me: Handle<Self>, …)`
//!
//! Many at a time, beside one another and between the actor's messages. While an exclusive handler has not finished, none of them goes
//! on, and their time runs on: one that is over by then is dropped, though what it waited for may have come. The state is borrowed for as
//! long as [`Handle::with`](crate::Handle::with) runs, never across an `await`. One that is not finished in its time is dropped, and its
//! asker told; the actor goes on. All end with their actor.
//!
//! ```
//! use std::time::Duration;
//! use odeon::prelude::*;
//! use odeon::time::sleep;
//!
//! #[derive(Default)]
//! struct Printer {
//!     printed: Vec<u32>,
//! }
//!
//! #[actor]
//! impl Printer {
//!     /// One page after the other, however long each takes.
//!     #[call(timeout = "1s")]
//!     async fn print(&mut self, page: u32) -> usize {
//!         sleep(Duration::from_millis(1)).await;
//!         self.printed.push(page);
//!         self.printed.len()
//!     }
//!
//!     /// All drafts at once.
//!     #[call(concurrent)]
//!     async fn draft(me: Handle<Self>, page: u32) -> Result<u32, HandleError> {
//!         sleep(Duration::from_millis(1)).await;
//!         me.with(|printer, _| page + printer.printed.len() as u32)
//!     }
//! }
//!
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let printer = system.spawn(Printer::default())?;
//! assert_eq!(printer.print(7).wait(), Ok(1));
//! assert_eq!(printer.draft(8).wait(), Ok(Ok(9)));
//! # Ok::<(), odeon::Error>(())
//! ```
//!
//! # From a hook
//!
//! Hooks are synchronous: `#[started]`, `#[frame]` and the others cannot be `async`. They begin what takes time, and go on with it
//! when they have returned. [`Context::exclusive`](crate::Context::exclusive) keeps the actor to itself and its peer waiting, as an
//! `async fn(&mut self)` would; [`Context::concurrent`](crate::Context::concurrent) runs beside messages and others of its kind, with a
//! [`Handle`](crate::Handle), and a [`Place`](crate::Place) where an answer belongs to a request. The name is for reports.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{Shutdown, TcpStream};
//! use std::time::Duration;
//! use odeon::prelude::*;
//! use odeon::Timeout;
//! use odeon::time::sleep;
//!
//! #[derive(Default)]
//! struct Session {
//!     greeting: String,
//! }
//!
//! #[actor(codec = Lines<80>)]
//! impl Session {
//!     /// It has finished before the first line is handled.
//!     #[started]
//!     fn load(&mut self, cx: &mut Context<Self>) -> Flow {
//!         cx.exclusive("Session::load", Timeout::Default, async |me: &mut Session, _: &mut Context<Session>| {
//!             sleep(Duration::from_millis(1)).await; // a database, or another actor
//!             me.greeting = "hello".to_owned();
//!             Flow::Continue
//!         })
//!     }
//!
//!     /// Other lines are handled meanwhile; the answers leave in the order of the lines.
//!     #[frame]
//!     fn line(&mut self, name: &str, cx: &mut Context<Self>) -> Flow {
//!         let (me, place, name) = (cx.handle(), cx.defer(), name.to_owned());
//!         cx.concurrent("Session::line", Timeout::After(Duration::from_secs(1)), async move {
//!             sleep(Duration::from_millis(10 - name.len() as u64)).await;
//!             // An error: the connection has ended meanwhile, and nobody waits for the answer.
//!             let _ = me.with(|me, cx| cx.fill_line(place, format!("{} {name}", me.greeting)));
//!             Flow::Continue
//!         })
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let listening = system.listener("127.0.0.1:0").start(|_peer| Session::default())?;
//! let mut client = TcpStream::connect(listening.address())?;
//! client.write_all(b"Ada\nGrace\n")?;
//! client.shutdown(Shutdown::Write)?;
//! let mut answers = String::new();
//! client.read_to_string(&mut answers)?;
//! assert_eq!(answers, "hello Ada\nhello Grace\n");
//! # Ok(())
//! # }
//! ```
//!
//! Where the order among other messages matters, a hook sends the actor a message instead, `cx.me().tell(…)`, whose handler is
//! asynchronous. Where another actor answers, [`then`](crate::Ask::then) needs no future at all.
//!
//! # Streams
//!
//! [`Context::attach`](crate::Context::attach) makes the items of a stream messages of the actor.
//!
//! # A connection as one function
//!
//! Where a protocol is a conversation, with one thing after the other, a connection may be one `async fn`, from its greeting
//! to its end: [`serve`](crate::ListenerBuilder::serve) in place of `start`, and a [`Stream`](crate::Stream) in place of a codec
//! and an outbox. It waits for its peer wherever it reads or writes, and for whatever else it likes.
//!
//! ```
//! use std::io::{self, Read, Write};
//! use std::net::TcpStream;
//! use odeon::prelude::*;
//!
//! struct Dictionary;
//!
//! #[actor]
//! impl Dictionary {
//!     #[call]
//!     fn look(&self, word: String) -> usize {
//!         word.len()
//!     }
//! }
//!
//! async fn serve(mut stream: Stream, dictionary: Addr<Dictionary>) -> io::Result<()> {
//!     stream.write_all("words, please\n").await?;
//!     while let Some(word) = stream.read_line(80).await? {
//!         let length = dictionary.look(word).await?;
//!         stream.write_all(format!("{length}\n")).await?;
//!     }
//!     stream.write_all("goodbye\n").await
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let dictionary = system.spawn(Dictionary)?;
//! let listening = system.listener("127.0.0.1:0").serve(move |stream| serve(stream, dictionary))?;
//!
//! let mut client = TcpStream::connect(listening.address())?;
//! client.write_all(b"one\nthree\n")?;
//! client.shutdown(std::net::Shutdown::Write)?;
//! let mut answers = String::new();
//! client.read_to_string(&mut answers)?;
//! assert_eq!(answers, "words, please\n3\n5\ngoodbye\n");
//! # Ok(())
//! # }
//! ```
//!
//! When the system ends, such a stream ends behind what has arrived. The half of a line that stands there is an error, and no last line;
//! where whatever comes before the end of the stream is one thing, [`Stream::is_cut_short`](crate::Stream::is_cut_short) says whether
//! all of it has come.
//!
//! An actor is better where others have something to say to the connection, and where there are very many: it costs less, and its
//! frames are not copied.
//!
//! # Tasks
//!
//! [`task::spawn`](crate::task::spawn) runs a future on the core by itself, [`System::spawn_task`](crate::System::spawn_task)
//! begins one from outside. A task may be anything that waits; what it finds out it tells an actor. [`time`](crate::time) has what
//! waits for a time. Futures of other libraries work as far as they need no runtime of their own: channels and locks do,
//! sockets and timers of another runtime do not.
//!
//! Wakers may be cloned, kept, and called from any thread.
//!
//! Tested in `tests/actor/asynchronous.rs`, `tests/server/tasks.rs` and `tests/server/streams.rs`; streams whose items are messages, in
//! `tests/semantics/attach.rs`.
