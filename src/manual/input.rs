//! Reading from a connection.
//!
//! Knows: what is received, in which order, and within which bounds. Must not know sockets.
//!
//! What a peer sends is cut into frames by the [codec](crate::net::codec) of the connection, and each is handed to `#[frame]` where it
//! lies in the receive buffer. A connection does not read, and its peer has to wait, while its mailbox is full, while half of what may
//! be queued is, while one of its handlers has not finished, and between [`pause_reading`](crate::Context::pause_reading) and
//! [`resume_reading`](crate::Context::resume_reading). What has arrived by then is kept.
//!
//! # Bodies
//!
//! Where a frame announces how many bytes follow, these need not be frames, nor go through the codec, whose limit is for what it
//! must hold as a whole. [`Context::read_exact_into`](crate::Context::read_exact_into) moves a buffer in, and `#[body]` gets it back with
//! the bytes behind what it held. No frame comes before that, and the next one is what follows the body.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use odeon::prelude::*;
//!
//! /// `put 5` and five bytes, `last` for how many the last were.
//! #[derive(Default)]
//! struct Store {
//!     last: Vec<u8>,
//! }
//!
//! #[actor(codec = Lines<64>)]
//! impl Store {
//!     #[frame]
//!     fn command(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
//!         match line.split_once(' ').map(|(put, length)| (put, length.parse())) {
//!             Some(("put", Ok(length))) => {
//!                 // The memory of the last one is used again.
//!                 let mut buffer = std::mem::take(&mut self.last);
//!                 buffer.clear();
//!                 if let Err(refused) = cx.read_exact_into(buffer, length) {
//!                     cx.write_line(refused.to_string());
//!                     return Flow::Close;
//!                 }
//!             }
//!             _ => cx.write_line(self.last.len().to_string()),
//!         }
//!         Flow::Continue
//!     }
//!
//!     #[body]
//!     fn received(&mut self, body: Result<Vec<u8>, BodyError>) -> Result<(), BodyError> {
//!         self.last = body?;
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let listening = system.listener("127.0.0.1:0").start(|_peer| Store::default())?;
//! let mut client = TcpStream::connect(listening.address())?;
//! client.write_all(b"put 300000\n")?;
//! client.write_all(&[7; 300_000])?;
//! client.write_all(b"last\n")?;
//! let mut answer = [0; 7];
//! client.read_exact(&mut answer)?;
//! assert_eq!(&answer, b"300000\n");
//! # Ok(())
//! # }
//! ```
//!
//! The bound is [`Config::body_bytes_max`](crate::Config::body_bytes_max); what is above is refused as a value, and the buffer handed
//! back. What is announced takes nothing, however much it is; what arrives takes a piece of 256 KiB, and more as there is more of it. A body waits
//! as frames do while the connection does not read, and each of its bytes is activity of the peer.
//!
//! When not all of it comes, `#[body]` gets a [`BodyError`](crate::BodyError) with what has come, and says why: the stream ended, the
//! connection failed, the actor was stopped or the system has ended. Then follows what follows anyway, `#[end_of_stream]` or
//! `#[stopped]`. An actor that is aborted, or ends by itself, is told by `#[stopped]` alone.
//!
//! A future that serves a connection has [`Stream::read_exact_into`](crate::Stream::read_exact_into), which hands the buffer back whatever
//! comes of it. One that is dropped while it waits, by a timeout perhaps, takes nothing from the stream.
//!
//! A body that is to be kept goes to a file without passing through memory of the actor's: see [transfers](super::transfers).
//!
//! Where nothing is announced, or where a part is of use by itself, the codec [`Raw`](crate::net::codec::Raw) hands on what comes as it
//! comes, without a copy.
//!
//! # Peers that are late
//!
//! Whoever connects and says nothing, or begins something and does not go on, keeps a connection, and memory, from others. So an accepted
//! connection is closed if no first byte has come for [`Config::first_byte_timeout`](crate::Config::first_byte_timeout), 10 s; and
//! any connection whose peer has begun a frame or a body, if that has not come whole in
//! [`Config::frame_timeout`](crate::Config::frame_timeout), 30 s, and a second more for each
//! [`Config::frame_rate_min`](crate::Config::frame_rate_min) bytes of it, 1,024, that have come. Its actor is told in `#[stopped]`, with
//! [`StopReason::Late`](crate::StopReason::Late); what was written before is still sent. Time in which the connection does not read,
//! because it pauses or waits for room, is not the peer's, and does not count. Between frames a peer may be silent for as long as it likes, or as `#[idle]` says.
//!
//! A protocol in which only the server speaks says so, and one for people gives them time:
//!
//! ```
//! use std::time::Duration;
//! use odeon::prelude::*;
//!
//! /// Clients only listen.
//! struct Ticker;
//!
//! #[actor(codec = Lines<80>, timeouts(first_byte = "never", frame = "5s"))]
//! impl Ticker {
//!     #[frame]
//!     fn line(&mut self, _: &str) {}
//! }
//!
//! # fn main() -> odeon::Result<()> {
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! // What the listener says comes first.
//! let listener = system.listener("127.0.0.1:0").frame_timeout(Duration::from_secs(60));
//! let listening = listener.start(|_peer| Ticker)?;
//! # drop(listening);
//! # Ok(())
//! # }
//! ```
//!
//! A future that serves a connection bounds its own reads, by [`timeout`](crate::time::timeout); one that waits for the first byte, or for the rest of
//! a body, is told [`TimedOut`](std::io::ErrorKind::TimedOut) after these times.
//!
//! # What comes in part
//!
//! A frame that is whole in the receive buffer takes up no memory beside that. What a core holds of others, which lie in several
//! buffers, of bodies, and of what arrived while nobody read, is at most
//! [`Config::assembly_bytes_max`](crate::Config::assembly_bytes_max) in all. When half of that is held, connections go on in turn, each
//! once there is room for all that its frame or body is known to need; the others do not read, and their peers wait. So many
//! large uploads at a time take longer. Those who need no more than one receive buffer do not stand in that line, until seven eighths are held or
//! spoken for, or the first in line waits for such alone; those whose frames are whole in their buffers notice nothing at all. That a connection waits for room is not its peer's lateness;
//! but one that was given room and does not use it is late, however much it has sent before. Whoever has received what there is no room for, because
//! too many have sent at once or nothing would ever be given back, is closed, with
//! [`StopReason::AssemblyFull`](crate::StopReason::AssemblyFull), which is counted and told on standard error. What a future reads ahead that serves a
//! connection is bounded for each connection alone, by [`Config::read_ahead_bytes_max`](crate::Config::read_ahead_bytes_max) and by what it asks for.
//!
//! Tested in `tests/server/bodies.rs`, `tests/simulation/bodies.rs`, `tests/simulation/assembly.rs`, `tests/simulation/late.rs` and `tests/server/pressure.rs`.
