//! What makes an actor a connection, and what only connections can do.
//!
//! Knows: frames and hooks. Must not know sockets.

use std::fmt;
use std::time::Duration;

use super::bulk::{BodyError, BodyRefusal, BodyRefused};
use super::codec::{Decode, Encode, FrameError, Sink};
use super::filing::{FileForwardError, ForwardedFile};
use super::pipe::{Turn, Wish};
use crate::actor::{Actor, Context, Flow};
use crate::executor::{Flush, Notice, Output, Overflow, Wanted};
use crate::mem::{Bytes, Full, SendPool};

/// An actor that owns a connection: it handles frames from its socket beside its messages.
///
/// Frames are handled in the order in which they arrived, borrowed from the receive buffer: not queued, not copied, unless
/// one lies across two buffers. What is written in one activation leaves as one send.
///
/// Nothing is read from the peer while the actor's mailbox is full, or while half of the outbox's bound is queued: then
/// the peer has to wait. Messages go on being handled. An outbox that passes its bound ends the connection with
/// [`StopReason::OutboxFull`](crate::StopReason::OutboxFull), unless [`Connection::OUTBOX_OVERFLOW`] says otherwise.
///
/// A connection ends in order when a hook or handler answers [`Flow::Close`] (or [`Flow::Stop`], which is the same):
/// [`Actor::stopped`] runs, what is queued is sent as far as its peer reads in time ([`Config::close_deadline`](crate::Config::close_deadline)),
/// the peer reads the end of the stream, and the socket is closed once the peer has closed too or that time has passed. A connection actor is never restarted: its socket is gone.
///
/// **Costs** while nothing happens: the actor's state and a few hundred bytes; no buffer. Of a frame: no allocation and no system
/// call of its own.
///
/// ```
/// use odeon::prelude::*;
///
/// struct Echo;
///
/// impl Actor for Echo {
///     type Message = Never;
///     fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
///         match message {}
///     }
/// }
///
/// impl Connection for Echo {
///     type Codec = Lines<1024>;
///     fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
///         cx.write_line(line);
///         Flow::Continue
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a connection",
    label = "only an actor that is a `Connection` has a socket",
    note = "say how bytes become frames, `#[actor(codec = Lines<8192>)]`, and what is done with one, `#[frame]`; or implement \
            `Connection` for `{Self}` by hand"
)]
pub trait Connection: Actor {
    /// How received bytes become frames.
    type Codec: Decode;

    /// After so long without a byte from the peer, [`Connection::idle`] is called. What the listener says
    /// ([`idle_timeout`](crate::ListenerBuilder::idle_timeout)) comes first. Default: never.
    const IDLE_TIMEOUT: Option<Duration> = None;

    /// After so long without a first byte from its peer, an accepted connection is closed, with
    /// [`StopReason::Late`](crate::StopReason::Late). What the listener says
    /// ([`first_byte_timeout`](crate::ListenerBuilder::first_byte_timeout)) comes first. `Duration::MAX`: never. Default:
    /// `Config::first_byte_timeout`.
    const FIRST_BYTE_TIMEOUT: Option<Duration> = None;

    /// After so long, a frame or a body that has begun has come whole, or its peer sends at the rate of `Config::frame_rate_min`: else the
    /// connection is closed, with [`StopReason::Late`](crate::StopReason::Late). What the listener says
    /// ([`frame_timeout`](crate::ListenerBuilder::frame_timeout)) comes first. `Duration::MAX`: never. Default:
    /// `Config::frame_timeout`.
    const FRAME_TIMEOUT: Option<Duration> = None;

    /// Bytes written and not yet taken by the kernel, from 1 to 1,073,741,824. What the listener says
    /// ([`outbox_bytes`](crate::ListenerBuilder::outbox_bytes)) comes first. Default: `Config::outbox_bytes_max`.
    const OUTBOX_BYTES_MAX: Option<usize> = None;

    /// What becomes of what is written when it would pass the bound of the outbox, and when the peer has read too slowly for longer
    /// than [`Connection::OUTBOX_GRACE`]. What the listener says ([`outbox_overflow`](crate::ListenerBuilder::outbox_overflow))
    /// comes first. Default: [`Overflow::Close`].
    ///
    /// Whatever it is, a write leaves whole or not at all: what one call of [`Context::write`], `write_line`, `write!` or `send_frame`
    /// writes. What leaves with the next send, because nothing else is on its way, does not wait, and is not dropped either. Answers
    /// for which a [place](Context::defer) was reserved, and what is written behind an open one, cannot be missed: they are never
    /// dropped, and an answer that finds no room ends the connection. So does a peer that reads nothing at all for
    /// `Config::write_stall`. Of what waits, a send takes up to half of the bound, so that the newest finds room beside it.
    ///
    /// **Costs** nothing by itself. With [`Overflow::DropOldest`], what is written while a send is on its way takes a copy more, also
    /// of [counted bytes](Context::write_bytes), and each send a small allocation.
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// struct Ticker;
    ///
    /// // Whoever cannot follow misses the oldest prices.
    /// #[actor(codec = Lines<80>, outbox(bytes = "64k", grace = "2s", overflow = drop_oldest))]
    /// impl Ticker {
    ///     #[call]
    ///     fn price(&mut self, cents: u64, cx: &mut Context<Self>) {
    ///         writeln!(cx, "{cents}");
    ///     }
    ///
    ///     #[frame]
    ///     fn line(&mut self, _: &str) {}
    /// }
    ///
    /// assert_eq!(Ticker::OUTBOX_OVERFLOW, Overflow::DropOldest);
    /// ```
    const OUTBOX_OVERFLOW: Overflow = Overflow::Close;

    /// For how long a peer may be slow before that applies: half of the bound is queued, or has been and a quarter still is. From then
    /// on, until less than a quarter is queued, the connection ends, or refuses whatever is written, or drops the oldest of what
    /// waits as if its bound were half as large. The bound itself is never passed. What the listener says
    /// ([`outbox_grace`](crate::ListenerBuilder::outbox_grace)) comes first. Default: as long as it likes, up to the bound.
    const OUTBOX_GRACE: Option<Duration> = None;

    /// See [`Connection::turned`].
    #[doc(hidden)]
    const SERVED: bool = false;

    /// False where it is known that [`Connection::body`] is not written.
    #[doc(hidden)]
    const TAKES_BODIES: bool = true;

    /// Handles one frame: a line, a packet, or whatever the codec makes of the bytes.
    fn frame(&mut self, frame: <Self::Codec as Decode>::Frame<'_>, cx: &mut Context<Self>) -> Flow;

    /// What [`Context::read_exact_into`] asked for has come, or as much of it as ever will. It comes as a frame would, in the order of
    /// frames, and while reading is [paused](Context::pause_reading) it waits as they do. The bytes lie in the buffer behind what that
    /// held. By default the connection fails, which is told on standard error, for what was asked for must be taken; an
    /// [`#[actor]`](macro@crate::actor) without `#[body]` that asks does not compile.
    ///
    /// After a [`BodyError`] follows what it tells of: [`Connection::end_of_stream`], or [`Actor::stopped`]. An actor that ends by
    /// itself, or is aborted, while it waits for a body is told so by `stopped` alone.
    fn body(&mut self, body: Result<Vec<u8>, BodyError>, cx: &mut Context<Self>) -> Flow {
        drop(body);
        const WHY: &str = "has no hook that takes what Context::read_exact_into has received, which is lost, and its connection: write \
                           Connection::body";
        cx.with_core(|core| core.report_last_failure(std::any::type_name::<Self>(), format_args!("{WHY}")));
        Flow::Fail
    }

    /// What [`Context::forward_to_file`] asked for has been written, or as much of it as ever will. It comes as [`Connection::body`]
    /// does, behind the last write. By default the file is closed, and an error of it is told on standard error.
    ///
    /// After a [`FileForwardError::File`] the connection fails, unless this answers [`Flow::Close`] or [`Flow::Stop`]: what its peer
    /// still sends of the body must not be taken for frames. After a [`FileForwardError::Stream`] follows what that tells of, as
    /// after a [`BodyError`].
    fn forwarded(&mut self, forwarded: ForwardedFile, cx: &mut Context<Self>) -> Flow {
        if let Err(error @ FileForwardError::File(_)) = forwarded.end {
            let name = std::any::type_name::<Self>();
            let cure = "it has no hook that is told, and its connection is reset: write `#[forwarded]`, or Connection::forwarded";
            cx.with_core(|core| {
                core.report_last_failure(
                    name,
                    format_args!("fails in Context::forward_to_file: {error}; {cure}"),
                )
            });
            return Flow::Fail;
        }
        Flow::Continue
    }

    /// The peer has sent everything that it will send, and may still read. By default the connection is closed once what
    /// is queued has been sent; `Flow::Continue` keeps it open for output. A peer that has gone altogether looks the same until
    /// something is written to it.
    ///
    /// Where answers are still to come from other actors, closing loses those that were not announced by
    /// [`Context::expect_answer`].
    fn end_of_stream(&mut self, cx: &mut Context<Self>) -> Flow {
        let _ = cx;
        Flow::Close
    }

    /// The peer sent what the codec refuses: nothing after it is read. The connection is closed after this, once what is
    /// queued has been sent.
    ///
    /// What is written here comes before answers that are [expected](Context::expect_answer) and still to come; what
    /// [`Actor::stopped`] writes, whose reason is [`StopReason::Malformed`](crate::StopReason::Malformed) then, comes after
    /// them.
    fn malformed(&mut self, error: FrameError, cx: &mut Context<Self>) {
        let _ = (error, cx);
    }

    /// Nothing has been received for as long as [`Connection::IDLE_TIMEOUT`], or what the listener says instead. By default the
    /// connection is closed, with [`StopReason::Idle`](crate::StopReason::Idle); `Flow::Continue` waits as long again.
    ///
    /// Only the peer's silence counts: not the time in which what it has sent is not all handled, in which the connection does not
    /// read because its output, its places or its mailbox are full, or in which an answer is owed: a place is open, an answer is
    /// [expected](Context::expect_answer), or what a frame has begun has not finished. After that the time begins anew. In a
    /// [pause](Context::pause_reading) that the actor asked for it runs on, unless an answer is owed.
    fn idle(&mut self, cx: &mut Context<Self>) -> Flow {
        let _ = cx;
        Flow::Close
    }

    /// At the end of each activation of a connection that a future serves, and of no other: such a future is told what has
    /// changed, and says what it wishes.
    #[doc(hidden)]
    fn turned(&mut self, turn: Turn, cx: &mut Context<Self>) -> Wish {
        let _ = (turn, cx);
        Wish::Nothing
    }
}

/// The message type of an actor that is sent none. There is no value of it: `match message {}` handles them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Never {}

/// What only connections can do.
impl<A: Connection> Context<A> {
    /// Writes bytes to the connection. They leave with everything else that this activation writes, in one send.
    ///
    /// If the outbox would pass its bound, nothing is written, and the connection ends with
    /// [`StopReason::OutboxFull`](crate::actor::StopReason::OutboxFull) after this handler: what a peer does not read must
    /// not grow. [`Connection::OUTBOX_OVERFLOW`] may say otherwise: then it goes on without this write, or without older ones, and that
    /// is counted. [`Context::try_write`] tells instead.
    ///
    /// **Costs** one copy; no system call, no allocation while what is queued is within the connection's share of
    /// the send pool. Large parts of what has just arrived are not copied, from
    /// [`Config::owned_bytes_min`](crate::Config::owned_bytes_min) on, as long as receive buffers can be spared and nothing waits aside.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        if self.try_write(bytes).is_err() {
            self.leave_out();
        }
    }

    /// Writes a line: the text and `\n`, whatever the codec is. A `\n` within the text is written as it is: where it may come
    /// from a stranger, use [`Context::send_frame`], which refuses it. Otherwise as [`Context::write`].
    pub fn write_line(&mut self, line: impl AsRef<[u8]>) {
        let (line, cell) = (line.as_ref(), self.cell());
        let written = self.with_running_core(|core| {
            core.with_output(cell, |output| output.write_line(&core.pools.send, line));
        });
        if written.is_none() {
            self.write_line_elsewhere(line);
        }
    }

    #[cold]
    #[inline(never)]
    fn write_line_elsewhere(&mut self, line: &[u8]) {
        self.with_output(|output, pool| output.write_line(pool, line));
    }

    /// What `write!(cx, …)` and `writeln!(cx, …)` call: writes text as it is formatted, without a `String` in between.
    /// Otherwise as [`Context::write`]. **Costs** an allocation where [`Connection::OUTBOX_OVERFLOW`] may leave it out, so that it is
    /// one write.
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// # struct Session { lines: u64 }
    /// # impl Actor for Session { type Message = Never; fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow { match message {} } }
    /// # impl Connection for Session {
    /// #     type Codec = Lines<80>;
    /// fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
    ///     self.lines += 1;
    ///     writeln!(cx, "{}: {line}", self.lines);
    ///     Flow::Continue
    /// }
    /// # }
    /// ```
    pub fn write_fmt(&mut self, text: fmt::Arguments<'_>) {
        if self.with_output(|output, _| output.is_lenient()) == Some(true) {
            return self.write(text.to_string());
        }
        // Only a `Display` of the user's can fail here; what it has written before stays.
        let _ = fmt::Write::write_fmt(&mut Text(self), text);
    }

    /// Writes bytes to the connection, all or none.
    ///
    /// # Errors
    /// [`Full`] if the outbox would pass its bound, or its peer has read too slowly for too long and [`Overflow::Refuse`] is what
    /// follows from that.
    pub fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Full> {
        let (bytes, cell) = (bytes.as_ref(), self.cell());
        let written = self.with_running_core(|core| {
            core.with_output(cell, |output| output.write_received(&core.pools, bytes)).unwrap_or(Ok(()))
        });
        written.unwrap_or_else(|| self.write_elsewhere(bytes))
    }

    #[cold]
    #[inline(never)]
    fn write_elsewhere(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.with_output(|output, pool| output.write(pool, bytes)).unwrap_or(Ok(()))
    }

    /// Writes counted bytes to the connection, and sends them from where they lie: what many connections are sent is in memory once.
    /// They stay there until the kernel has done with them, and are dropped on this core then. Otherwise as [`Context::write`].
    ///
    /// **Costs** no copy and no allocation from [`Config::owned_bytes_min`](crate::Config::owned_bytes_min) on; fewer are copied. They
    /// are also copied where they have to wait for slots, because the connection has used up its share of the send pool, or behind
    /// an open [place](Context::defer), and where the core has as many under way as
    /// [`Config::send_parts_max`](crate::Config::send_parts_max) and [`Config::send_part_bytes_max`](crate::Config::send_part_bytes_max)
    /// allow. The kernel copies them to the network unless they are
    /// [many](crate::Config::zero_copy_min).
    ///
    /// ```
    /// use std::io::Read;
    /// use std::net::TcpStream;
    /// use odeon::prelude::*;
    ///
    /// struct Reader {
    ///     book: Bytes,
    /// }
    ///
    /// #[actor(codec = Lines<80>)]
    /// impl Reader {
    ///     #[started]
    ///     fn send(&mut self, cx: &mut Context<Self>) -> Flow {
    ///         cx.write_line(self.book.len().to_string());
    ///         cx.write_bytes(self.book.clone());
    ///         Flow::Close
    ///     }
    ///
    ///     #[frame]
    ///     fn line(&mut self, _: &str) {}
    /// }
    ///
    /// let book = Bytes::from("once upon a time ".repeat(10_000).into_bytes());
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let published = book.clone();
    /// let listening = system.listener("127.0.0.1:0").start(move |_peer| Reader { book: published.clone() })?;
    /// let mut read = Vec::new();
    /// TcpStream::connect(listening.address())?.read_to_end(&mut read)?;
    /// assert_eq!(read.strip_prefix(b"170000\n"), Some(&*book));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_bytes(&mut self, bytes: impl Into<Bytes>) {
        if self.try_write_bytes(bytes).is_err() {
            self.leave_out();
        }
    }

    /// Writes counted bytes, as [`Context::write_bytes`], all or none.
    ///
    /// # Errors
    /// Hands the bytes back if the outbox would pass its bound.
    pub fn try_write_bytes(&mut self, bytes: impl Into<Bytes>) -> Result<(), (Full, Bytes)> {
        let mut bytes = bytes.into();
        let written = self.with_output(|output, pool| output.write_bytes(pool, &mut bytes));
        written.unwrap_or(Ok(())).map_err(|full| (full, bytes))
    }

    /// Encodes a frame by the connection's codec and writes it, whole or not at all. Otherwise as [`Context::write`].
    ///
    /// # Errors
    /// Those of the codec: the item has no encoding, or is above the limit.
    pub fn send_frame(&mut self, item: <A::Codec as Encode>::Item<'_>) -> Result<(), FrameError>
    where
        A::Codec: Encode,
    {
        let mut codec = A::Codec::default();
        let bytes = codec.encoded_bytes(item)?;
        let (room, lenient) = self
            .with_output(|output, _| (output.look_for_room(bytes), output.is_lenient()))
            .unwrap_or((Ok(()), false));
        if lenient {
            // In one piece, which can be left out.
            let mut frame = Vec::with_capacity(bytes);
            codec.encode(item, &mut frame)?;
            self.write(frame);
            return Ok(());
        }
        if room.is_err() {
            self.overflow();
            return Ok(());
        }
        codec.encode(item, &mut OutputSink(self))
    }

    /// Counted bytes with the content of a part of the frame, for messages that carry it on: a text for many actors is in memory
    /// once. Of anything else as well.
    ///
    /// **Costs** one allocation, and a copy, unless it is a part of 4 KiB or more of what has arrived in one piece. Of that the
    /// receive buffer itself is kept, whole ([`Config::receive_buffer_bytes`](crate::Config::receive_buffer_bytes)), until the
    /// last of these bytes is dropped, however small a part of them that is: [`Ledger::receive_kept`](crate::Ledger::receive_kept) counts
    /// those. Bytes that outlive their system keep all receive buffers of the core in memory.
    ///
    /// At least half of the buffers of a core are not kept in this way, by all of its connections together, and one connection keeps
    /// at most a quarter of what is left of the other half, or a single buffer: where that is used up, it is copied. So bytes that
    /// are to stay for long are better made by [`Bytes::copy_from`].
    #[must_use]
    pub fn bytes_of(&self, part: impl AsRef<[u8]>) -> Bytes {
        /// Where keeping a buffer begins to cost less than a copy.
        const KEEP_MIN: usize = 4096;
        let part = part.as_ref();
        let kept = (part.len() >= KEEP_MIN)
            .then(|| self.with_running_core(|core| core.pools.receive.keep(part, self.cell().to_bits())))
            .flatten();
        kept.flatten().unwrap_or_else(|| Bytes::copy_from(part))
    }

    /// Ends the output: the peer reads the end of the stream behind everything that has been written, and behind the answers at
    /// [places](Context::defer) that are open. Frames go on coming until the peer ends its own stream, or the actor ends. What is written
    /// from now on is dropped. Where another connection is [forwarded](Context::forward_to) to this one, nothing happens: the end of
    /// that one's stream will be the end of this output.
    ///
    /// **Costs** one allocation, and an operation like a send.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    /// use odeon::prelude::*;
    ///
    /// /// Says all that it has to say, and hears the client out.
    /// struct Survey {
    ///     heard: Vec<String>,
    ///     done: std::sync::mpsc::Sender<Vec<String>>,
    /// }
    ///
    /// #[actor(codec = Lines<80>)]
    /// impl Survey {
    ///     #[started]
    ///     fn ask(&mut self, cx: &mut Context<Self>) {
    ///         cx.write("Name?\nAge?\n");
    ///         cx.shutdown_write();
    ///     }
    ///
    ///     #[frame]
    ///     fn answer(&mut self, answer: &str) {
    ///         self.heard.push(answer.to_owned());
    ///     }
    ///
    ///     #[stopped]
    ///     fn end(&mut self) {
    ///         self.done.send(std::mem::take(&mut self.heard)).expect("the program waits");
    ///     }
    /// }
    ///
    /// let (done, answers) = std::sync::mpsc::channel();
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let make = move |_peer| Survey { heard: Vec::new(), done: done.clone() };
    /// let listening = system.listener("127.0.0.1:0").start(make)?;
    /// let mut client = TcpStream::connect(listening.address())?;
    /// let mut questions = String::new();
    /// client.read_to_string(&mut questions)?; // up to the end
    /// assert_eq!(questions, "Name?\nAge?\n");
    /// client.write_all(b"Ann\n50\n")?;
    /// drop(client);
    /// assert_eq!(answers.recv()?, ["Ann", "50"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown_write(&mut self) {
        let cell = self.cell();
        self.with_core(|core| {
            if core.with_output(cell, Output::finish) == Some(true) {
                // The cell is there: its output was just now.
                drop(core.notify(cell, Notice::Finished));
            }
        });
    }

    /// Hands no more frames to the actor after this handler, until [`Context::resume_reading`]. What has arrived meanwhile is
    /// kept; then nothing more is received, so that the peer has to wait. Messages go on being handled.
    ///
    /// The end of the stream is a part of what is not read, and the idle timeout runs on unless an answer is owed. A connection that is stopped, or
    /// whose system ends, still handles what it has kept, if reading is resumed in time.
    ///
    /// One question at a time: this keeps the answers in order, and pipelining clients from filling mailboxes.
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// # #[derive(Message)]
    /// # struct Look { word: String, answer: Recipient<Found> }
    /// # #[derive(Message)]
    /// # struct Found(String);
    /// # struct Session { dictionary: Recipient<Look> }
    /// # impl Accepts<Found> for Session { fn accept(found: Found) -> Found { found } }
    /// # impl Actor for Session {
    /// #     type Message = Found;
    /// fn handle(&mut self, Found(text): Found, cx: &mut Context<Self>) -> Flow {
    ///     cx.write_line(text);
    ///     cx.answered();
    ///     cx.resume_reading();
    ///     Flow::Continue
    /// }
    /// # }
    /// # impl Connection for Session {
    /// #     type Codec = Lines<1024>;
    ///
    /// fn frame(&mut self, word: &str, cx: &mut Context<Self>) -> Flow {
    ///     match self.dictionary.tell(Look { word: word.to_owned(), answer: cx.recipient() }) {
    ///         Ok(()) => {
    ///             cx.expect_answer();
    ///             cx.pause_reading();
    ///         }
    ///         Err(_) => cx.write_line("try again later"),
    ///     }
    ///     Flow::Continue
    /// }
    /// # }
    /// ```
    pub fn pause_reading(&mut self) {
        self.with_output(|output, _| output.hold(true));
    }

    /// Ends a [pause](Context::pause_reading) that the actor asked for: frames come again, as soon as nothing else is in the
    /// way, such as output that the peer does not read.
    pub fn resume_reading(&mut self) {
        self.with_output(|output, _| output.hold(false));
    }

    /// Has the next `len` bytes from the peer appended to a buffer, before any further frame comes. It comes back by
    /// [`Connection::body`], which is `#[body]` in a block with [`#[actor]`](macro@crate::actor): for bodies whose length is known, from a frame that
    /// announces them, say. The codec does not see them, so its limit does not bound them. Called elsewhere than in a frame, it takes
    /// what is behind the last frame that was handled.
    ///
    /// The buffer grows while bytes arrive, up to what is wanted, and never to more than twice what it holds, or by 256 KiB: an
    /// announcement alone takes no memory. Where it has the capacity, it is not moved. What arrives counts as activity of the peer; while the
    /// connection does not read, as in a pause or with much output, the body waits too. If it has not come whole in its
    /// [time](crate::Config::frame_timeout), the connection is closed. The buffer stays with the connection until the
    /// kernel is done with it, also if the actor ends before.
    ///
    /// When somebody stops the actor, or the system ends, what the peer has sent by then still belongs to the body.
    ///
    /// **Costs** two allocations, besides those of the buffer. What comes first is copied from the receive buffers, unless the buffer has
    /// the capacity, and so are the last 32 KiB. In between the kernel writes into the buffer itself, which takes a system call's worth of
    /// work more at the beginning and at the end.
    ///
    /// # Errors
    /// [`BodyRefused`], with the buffer and the reason: there is a body under way, the actor ends, or `len` is above
    /// [`Config::body_bytes_max`](crate::Config::body_bytes_max).
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::net::{Shutdown, TcpStream};
    /// use odeon::prelude::*;
    ///
    /// /// A line with a length, and so many bytes; their sum is the answer.
    /// struct Sums;
    ///
    /// #[actor(codec = Lines<20>)]
    /// impl Sums {
    ///     #[frame]
    ///     fn length(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
    ///         let Ok(len) = line.parse() else { return Flow::Fail };
    ///         match cx.read_exact_into(Vec::new(), len) {
    ///             Ok(()) => return Flow::Continue,
    ///             Err(refused) => cx.write_line(refused.to_string()),
    ///         }
    ///         Flow::Close
    ///     }
    ///
    ///     #[body]
    ///     fn numbers(&mut self, numbers: Result<Vec<u8>, BodyError>, cx: &mut Context<Self>) {
    ///         match numbers {
    ///             Ok(numbers) => cx.write_line(numbers.iter().map(|n| u64::from(*n)).sum::<u64>().to_string()),
    ///             Err(error) => cx.write_line(error.to_string()),
    ///         }
    ///     }
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let listening = system.listener("127.0.0.1:0").start(|_peer| Sums)?;
    /// let mut client = TcpStream::connect(listening.address())?;
    /// client.write_all(b"3\n\x01\x02\x03")?;
    /// client.write_all(b"100000\n")?;
    /// client.write_all(&[1; 100_000])?;
    /// client.write_all(b"5\n\x01\x02")?;
    /// client.shutdown(Shutdown::Write)?;
    /// let mut answers = String::new();
    /// client.read_to_string(&mut answers)?;
    /// assert_eq!(answers, "6\n100000\na body is cut short by 3 bytes: its stream has ended\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_exact_into(&mut self, buffer: Vec<u8>, len: usize) -> Result<(), BodyRefused> {
        const {
            assert!(
                A::TAKES_BODIES,
                "Context::read_exact_into needs a hook that takes what has been received: write one in the `#[actor]` block, \
                 `#[body] fn body(&mut self, body: Result<Vec<u8>, BodyError>, cx: &mut Context<Self>)`"
            );
        };
        let cell = self.cell();
        let mut unasked = Some(Wanted::Memory { buffer, len });
        let asked = self.with_core(|core| {
            let max = core.config.body_bytes_max;
            let wanted = unasked.take_if(|_| len <= max).ok_or(BodyRefusal::TooLarge { max })?;
            core.want_body(cell, wanted).map_err(|(why, wanted)| {
                unasked = Some(wanted);
                why.into()
            })
        });
        let Err(why) = asked.unwrap_or(Err(BodyRefusal::Ended)) else { return Ok(()) };
        Err(BodyRefused { buffer: unasked.map(Wanted::into_buffer).unwrap_or_default(), why })
    }

    /// Says that an answer to the peer is still to come, from another actor for example: the connection stays until
    /// [`Context::answered`] has been called as often.
    ///
    /// Whatever would end the connection in order waits for it: the end of the peer's stream, [`Flow::Close`], what the codec
    /// refuses, [`Addr::stop`](crate::Addr::stop), the end of the system. Nothing more is read from then on, messages are
    /// handled, and [`Actor::stopped`] runs after the last answer. This lasts for at most `Config::close_deadline`, or until
    /// `Config::drain_deadline` when the system ends; a connection that still owes an answer then is aborted and counted as
    /// cut off.
    ///
    /// Announce no more than can be answered: a question to another core may be lost on arrival when the mailbox there is
    /// full, and its answer never comes. So count the questions and [pause reading](Context::pause_reading) while there are
    /// as many as both mailboxes have room for, or, as here, while there is one.
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// #[derive(Message)]
    /// struct Look {
    ///     word: String,
    ///     answer: Recipient<Found>,
    /// }
    ///
    /// #[derive(Message)]
    /// struct Found(String);
    ///
    /// struct Session {
    ///     dictionary: Recipient<Look>,
    /// }
    ///
    /// impl Actor for Session {
    ///     type Message = Found;
    ///     fn handle(&mut self, Found(text): Found, cx: &mut Context<Self>) -> Flow {
    ///         cx.write_line(text);
    ///         cx.answered();
    ///         cx.resume_reading();
    ///         Flow::Continue
    ///     }
    /// }
    ///
    /// impl Connection for Session {
    ///     type Codec = Lines<1024>;
    ///     fn frame(&mut self, word: &str, cx: &mut Context<Self>) -> Flow {
    ///         match self.dictionary.tell(Look { word: word.to_owned(), answer: cx.recipient() }) {
    ///             Ok(()) => {
    ///                 cx.expect_answer();
    ///                 cx.pause_reading();
    ///             }
    ///             Err(_) => cx.write_line("try again later"),
    ///         }
    ///         Flow::Continue
    ///     }
    /// }
    /// # impl Accepts<Found> for Session { fn accept(found: Found) -> Found { found } }
    /// ```
    pub fn expect_answer(&mut self) {
        self.with_output(|output, _| output.owe());
    }

    /// Says that an answer which was [expected](Context::expect_answer) has been written, or will not come. Does nothing if none
    /// was.
    pub fn answered(&mut self) {
        self.with_output(|output, _| output.answered());
    }

    /// Answers that are [expected](Context::expect_answer) and have not come.
    #[must_use]
    pub fn answers_expected(&self) -> u32 {
        self.with_output(|output, _| output.owed()).unwrap_or(0)
    }

    /// Bytes written and not yet taken by the kernel.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.with_output(|output, _| output.queued() as usize).unwrap_or(0)
    }

    /// Waits until the kernel has taken everything that has been written so far, in an asynchronous handler. What is written meanwhile
    /// is not waited for, and still leaves with the rest as one send. Output leaves without this, too.
    ///
    /// # Errors
    /// [`BrokenPipe`](std::io::ErrorKind::BrokenPipe) if the connection ends before, or a send fails. From then on every flush fails,
    /// also where nothing is queued, though the connection may still be there, to read what has arrived.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    /// use odeon::prelude::*;
    ///
    /// struct Report;
    ///
    /// #[actor(codec = Lines<80>)]
    /// impl Report {
    ///     #[started]
    ///     fn begin(&mut self, cx: &mut Context<Self>) {
    ///         cx.write_line("a long report");
    ///         cx.exclusive("Report::tell", Timeout::Default, async |_, cx| {
    ///             match cx.flush().await {
    ///                 Ok(()) => cx.write_line("has been sent"),
    ///                 Err(_) => return Flow::Stop,
    ///             }
    ///             Flow::Close
    ///         });
    ///     }
    ///
    ///     #[frame]
    ///     fn line(&mut self, _: &str) {}
    /// }
    ///
    /// # use odeon::Timeout;
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let listening = system.listener("127.0.0.1:0").start(|_peer| Report)?;
    /// let mut heard = String::new();
    /// TcpStream::connect(listening.address())?.read_to_string(&mut heard)?;
    /// assert_eq!(heard, "a long report\nhas been sent\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flush(&self) -> Flush {
        let cell = self.cell();
        self.with_core(|core| Flush::new(core, cell)).unwrap_or_default()
    }

    /// Writes that were left out since nothing was queued last: those that found no room, and those that had to make room. Zero
    /// again as soon as the kernel has taken everything that was written. See [`Connection::OUTBOX_OVERFLOW`].
    #[must_use]
    pub fn lost_writes(&self) -> u32 {
        self.with_output(|output, _| output.lost()).unwrap_or(0)
    }

    #[cold]
    fn leave_out(&mut self) {
        self.with_output(|output, _| output.leave_out());
    }

    pub(super) fn overflow(&mut self) {
        self.with_output(|output, _| output.overflow());
    }

    #[inline]
    fn with_output<R>(&self, act: impl FnOnce(&mut Output, &SendPool) -> R) -> Option<R> {
        let cell = self.cell();
        self.with_core(|core| core.with_output(cell, |output| act(output, &core.pools.send))).flatten()
    }
}

/// Where formatted text goes.
struct Text<'a, A: Actor>(&'a mut Context<A>);

impl<A: Connection> fmt::Write for Text<'_, A> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text);
        Ok(())
    }
}

/// Where a codec writes: room was made before.
struct OutputSink<'a, A: Actor>(&'a mut Context<A>);

impl<A: Connection> Sink for OutputSink<'_, A> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}
