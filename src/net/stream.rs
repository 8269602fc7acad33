//! A connection in the hands of a future.
//!
//! Knows: reading and writing, as users see it. Must not know what the connection is made of.

#[cfg(feature = "futures-io")]
mod futures_io;

use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::codec::FrameError;
use super::listener::Peer;
use super::pipe::{Half, Pipe};
use super::send_file::SendFile;
use super::unread::Unread;
use crate::fs::File;
use crate::mem::Bytes;

/// A connection that a future [serves](crate::ListenerBuilder::serve): read from it, write to it, drop it to close it.
///
/// Reading and writing do not wait for each other: a stream [splits](Stream::split) into one half for each.
///
/// **Reading.** The connection receives ahead of the reader, as much as `Config::read_ahead_bytes_max` says; then the peer has to
/// wait. Reads take bytes when they answer, and none before: one that is dropped while it waits, as by
/// [`timeout`](crate::time::timeout), loses nothing. At the end of the peer's stream they answer that, again and again.
///
/// **Writing.** Bytes are queued in the outbox of the connection, and leave by themselves; what is written within one turn leaves
/// as one send. A write waits while half of the outbox's bound is queued, until less than a quarter is. A write that is dropped
/// while it waits may have written a part.
///
/// **The end.** When both halves have been dropped, what is queued is sent, the peer reads the end of the stream, and the
/// connection is closed, as after [`Flow::Close`](crate::Flow::Close). [`Stream::abort`], and a panic that drops the stream, end it
/// by a reset. When the connection fails, its stream stays: reads answer what had arrived and then the error, writes the error.
///
/// **Errors** are those of the connection with their numbers, such as `ConnectionReset`; [`ErrorKind::TimedOut`] for a read that
/// waits when nothing has been received for as long as the listener's idle timeout, or no first byte for its
/// [`first_byte_timeout`](crate::ListenerBuilder::first_byte_timeout), 10 s, after which it may be tried again; for a
/// [body](Stream::read_exact_into) that does not come in its time; and for
/// a connection whose peer does not read (`Config::write_stall`); [`ErrorKind::ConnectionAborted`] once a system that ends has
/// cut it off.
///
/// **When the system ends**, nothing more is received, and the stream ends behind what has arrived: between two lines, or other pieces,
/// that is the end as the peer's own is. In the middle of one it is [`ErrorKind::ConnectionAborted`], and what had come of it is left,
/// for [`Stream::read`]: nobody takes the half of a line for a last one. Through the traits of `futures-io` the end is that error in
/// any case. [`Stream::is_cut_short`] tells the one end from the other.
///
/// It stays on its core.
///
/// **Costs** 250 bytes, and a task for the future that holds it. A byte is copied twice on its way in, once from the receive
/// buffer and once to whoever reads it, and once on its way out. What arrives while nothing is unread takes one allocation; a stream
/// of which nothing is unread holds no buffer. Reading and writing take no system call of their own.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{Shutdown, TcpStream};
/// use odeon::prelude::*;
///
/// // Numbers, each with a length of one byte before it; the sum of each goes back as a line.
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let listening = system.listener("127.0.0.1:0").serve(|mut stream: Stream| async move {
///     let mut length = [0];
///     while stream.read(&mut length).await? > 0 {
///         let mut numbers = vec![0; usize::from(length[0])];
///         stream.read_exact(&mut numbers).await?;
///         let sum: u32 = numbers.iter().map(|number| u32::from(*number)).sum();
///         stream.write_all(format!("{sum}\n")).await?;
///     }
///     Ok(())
/// })?;
///
/// let mut client = TcpStream::connect(listening.address())?;
/// client.write_all(&[2, 40, 2, 0, 3, 1, 1, 1])?;
/// client.shutdown(Shutdown::Write)?;
/// let mut answers = String::new();
/// client.read_to_string(&mut answers)?;
/// assert_eq!(answers, "42\n0\n3\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Stream {
    reader: ReadHalf,
    writer: WriteHalf,
}

impl Stream {
    pub(super) fn new(pipe: Rc<Pipe>, peer: Peer) -> Stream {
        Stream {
            reader: ReadHalf { pipe: pipe.clone(), peer, unread: Unread::default() },
            writer: WriteHalf { pipe, peer },
        }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.reader.peer
    }

    /// A number that no other connection of this process has: that of its [peer](crate::Peer::id).
    #[must_use]
    pub fn id(&self) -> u64 {
        self.reader.peer.id()
    }

    /// Reads what is there, at most as much as the buffer holds; waits until there is something. Answers how many bytes it has put
    /// at the start of the buffer: none at the end of the stream, or for a buffer of none.
    ///
    /// It does not know what belongs together, so it answers none as well where the end of the system has cut the stream short. Where
    /// the end of the stream says that something is whole, an upload perhaps, ask [`Stream::is_cut_short`] then.
    ///
    /// The kernel never sees the buffer, so there is nothing to be gained by giving it away.
    ///
    /// # Errors
    /// See [`Stream`].
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).await
    }

    /// Fills the buffer; waits until there is as much.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] if the stream ends before, [`ErrorKind::ConnectionAborted`] if the end of the system cuts it short
    /// where a part has come: then nothing has been taken. Else see [`Stream`].
    pub async fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.reader.read_exact(buffer).await
    }

    /// Appends so many bytes to a buffer, and hands it back; waits until there are as many. What is unread comes first; where more than
    /// 32 KiB are missing then, the kernel writes into the buffer itself. It grows as bytes arrive, and is not moved where it has the
    /// capacity.
    ///
    /// With an error it holds what had come by then, which has been taken; only when the connection was aborted, or cut off by the end of
    /// the system, may it come back empty. One that is dropped while it waits loses nothing of the stream: what had come is read next.
    /// The buffer is lost then.
    ///
    /// **Costs** two allocations, besides those of the buffer.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] if the stream ends before, [`ErrorKind::ConnectionAborted`] if the end of the system cuts it short,
    /// also where nothing has come; [`ErrorKind::InvalidInput`] for a length above
    /// [`Config::body_bytes_max`](crate::Config::body_bytes_max), of which nothing is taken; [`ErrorKind::TimedOut`] if it has not come whole,
    /// nor as fast as it is to, by the listener's [`frame_timeout`](crate::ListenerBuilder::frame_timeout), 30 s: it is given up then.
    /// Else see [`Stream`].
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    /// use odeon::prelude::*;
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let listening = system.listener("127.0.0.1:0").serve(|mut stream: Stream| async move {
    ///     let Some(length) = stream.read_line(20).await? else { return Ok(()) };
    ///     let length = length.parse().map_err(std::io::Error::other)?;
    ///     let (read, body) = stream.read_exact_into(Vec::new(), length).await;
    ///     read?;
    ///     stream.write_all(format!("{} bytes\n", body.len())).await
    /// })?;
    ///
    /// let mut client = TcpStream::connect(listening.address())?;
    /// client.write_all(b"100000\n")?;
    /// client.write_all(&[7; 100_000])?;
    /// let mut answer = String::new();
    /// client.read_to_string(&mut answer)?;
    /// assert_eq!(answer, "100000 bytes\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn read_exact_into(&mut self, buffer: Vec<u8>, len: usize) -> (io::Result<()>, Vec<u8>) {
        self.reader.read_exact_into(buffer, len).await
    }

    /// Appends everything up to a delimiter to `bytes`, and the delimiter. Answers how many bytes that were: none at the end of
    /// the stream. What stands before the end without a delimiter is answered without one.
    ///
    /// `max` bounds the bytes before the delimiter.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] with [`FrameError::TooLarge`] if there are more: then nothing has been taken, and
    /// [`Stream::skip_until`] goes on behind them. [`ErrorKind::ConnectionAborted`] if the end of the system cuts the stream short
    /// before a delimiter that is missing: nothing has been taken then, either. Else see [`Stream`].
    pub async fn read_until(&mut self, delimiter: u8, max: usize, bytes: &mut Vec<u8>) -> io::Result<usize> {
        self.reader.read_until(delimiter, max, bytes).await
    }

    /// Reads a line of at most `max` bytes, without its end, which is `\n` or `\r\n` and not counted; none at the end of the stream.
    /// The last line needs no end.
    ///
    /// **Costs** an allocation for the text; [`Stream::read_until`] has none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] with a [`FrameError`] that says whether the line is too long or not UTF-8: then nothing has
    /// been taken, and `skip_until(b'\n')` goes on with the next. [`ErrorKind::ConnectionAborted`] if the end of the system cuts the
    /// stream short in the middle of a line: nothing has been taken then, either. Else see [`Stream`].
    ///
    /// ```
    /// use std::io::{ErrorKind, Read, Write};
    /// use std::net::{Shutdown, TcpStream};
    /// use odeon::prelude::*;
    ///
    /// async fn greet(mut stream: Stream) -> std::io::Result<()> {
    ///     loop {
    ///         match stream.read_line(10).await {
    ///             Ok(None) => return Ok(()),
    ///             Ok(Some(name)) => stream.write_all(format!("hello {name}\n")).await?,
    ///             Err(error) if error.kind() == ErrorKind::InvalidData => {
    ///                 stream.skip_until(b'\n').await?;
    ///                 stream.write_all("ten letters at most\n").await?;
    ///             }
    ///             Err(error) => return Err(error),
    ///         }
    ///     }
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let listening = system.listener("127.0.0.1:0").serve(greet)?;
    /// let mut client = TcpStream::connect(listening.address())?;
    /// client.write_all(b"Ada\nNebuchadnezzar\r\nGrace\r\n")?;
    /// client.shutdown(Shutdown::Write)?;
    /// let mut answers = String::new();
    /// client.read_to_string(&mut answers)?;
    /// assert_eq!(answers, "hello Ada\nten letters at most\nhello Grace\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn read_line(&mut self, max: usize) -> io::Result<Option<String>> {
        self.reader.read_line(max).await
    }

    /// Reads up to a delimiter, and the delimiter, and throws it away: any number of bytes, without keeping them. Answers how
    /// many. Ends with the stream as well.
    ///
    /// # Errors
    /// [`ErrorKind::ConnectionAborted`] if the end of the system cuts the stream short on the way. Else see [`Stream`]. What has
    /// been thrown away by then is gone.
    pub async fn skip_until(&mut self, delimiter: u8) -> io::Result<usize> {
        self.reader.skip_until(delimiter).await
    }

    /// True if the stream has ended, or does so behind what is left to read, because the system ends: its peer has not ended it, and
    /// might have sent more.
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use odeon::prelude::*;
    ///
    /// /// Everything up to the end of the stream, if that is all of it.
    /// async fn upload(stream: &mut Stream) -> std::io::Result<Vec<u8>> {
    ///     let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    ///     loop {
    ///         match stream.read(&mut piece).await? {
    ///             0 if stream.is_cut_short() => return Err(ErrorKind::ConnectionAborted.into()),
    ///             0 => return Ok(all),
    ///             length => all.extend_from_slice(&piece[..length]),
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.reader.is_cut_short()
    }

    /// Writes as many bytes as there is room for; waits until there is room for some. Answers how many, as does
    /// [`Write::write`](std::io::Write::write).
    ///
    /// # Errors
    /// See [`Stream`]; [`ErrorKind::BrokenPipe`] after [`Stream::shutdown_write`].
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes).await
    }

    /// Writes all of the bytes, however many; waits as often as there is no room.
    ///
    /// # Errors
    /// As [`Stream::write`]. A part may have been written.
    pub async fn write_all(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.writer.write_all(bytes).await
    }

    /// Writes all of some counted bytes, and sends them from where they lie, as does
    /// [`Context::write_bytes`](crate::Context::write_bytes); waits as often as there is no room.
    ///
    /// # Errors
    /// As [`Stream::write`]. A part may have been written.
    pub async fn write_bytes(&mut self, bytes: impl Into<Bytes>) -> io::Result<()> {
        self.writer.write_bytes(bytes).await
    }

    /// Writes `len` bytes of a file from `offset` on, as [`Stream::write_all`] would, without showing them to anybody: they are read
    /// into the memory that they are sent from. One read is under way while what was read before is sent.
    ///
    /// **Costs** no copy, and no memory beside the outbox, whose bound holds; a read of up to 64 KiB at a time.
    ///
    /// # Errors
    /// Those of the connection: see [`Stream`]. If the file cannot be read, what the kernel says; [`ErrorKind::UnexpectedEof`] if it
    /// ends before, perhaps because somebody has cut it short meanwhile. The connection is then [aborted](Stream::abort), for its
    /// peer waits for the rest; and so it should be by whoever drops this before it has finished.
    ///
    /// ```
    /// use std::io::Read;
    /// use std::net::TcpStream;
    /// use odeon::fs::File;
    /// use odeon::prelude::*;
    ///
    /// # let path = std::env::temp_dir().join(format!("odeon-send-{}", std::process::id()));
    /// std::fs::write(&path, "one two three")?;
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// # let removed = path.clone();
    /// let listening = system.listener("127.0.0.1:0").serve(|mut stream: Stream| async move {
    ///     let file = File::open(path).await?;
    ///     stream.send_file(&file, 4, 3).await?;
    ///     stream.write_all("!").await
    /// })?;
    /// let mut sent = String::new();
    /// TcpStream::connect(listening.address())?.read_to_string(&mut sent)?;
    /// # std::fs::remove_file(removed)?;
    /// assert_eq!(sent, "two!");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn send_file(&mut self, file: &File, offset: u64, len: u64) -> io::Result<()> {
        self.writer.send_file(file, offset, len).await
    }

    /// Waits until the kernel has taken everything that was written. Output leaves without this, too.
    ///
    /// # Errors
    /// See [`Stream`].
    pub async fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().await
    }

    /// Says that nothing more will be written, and waits until the kernel has taken what was: the peer reads the end of the stream
    /// behind it, and may go on sending.
    ///
    /// # Errors
    /// See [`Stream`].
    pub async fn shutdown_write(&mut self) -> io::Result<()> {
        self.writer.shutdown_write().await
    }

    /// Parts the stream into its directions, for futures that run beside each other. The connection ends when both have been
    /// dropped. Dropping the half that writes is [`Stream::shutdown_write`]; without the half that reads, what the peer sends is
    /// thrown away.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::net::{Shutdown, TcpStream};
    /// use odeon::prelude::*;
    /// use odeon::task;
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let listening = system.listener("127.0.0.1:0").serve(|stream: Stream| async move {
    ///     let (mut reader, mut writer) = stream.split();
    ///     let greeting = task::spawn(async move { writer.write_all("hello\n").await });
    ///     while reader.skip_until(b'\n').await? > 0 {}
    ///     greeting.await.map_err(std::io::Error::other)?
    /// })?;
    ///
    /// let mut client = TcpStream::connect(listening.address())?;
    /// client.write_all(b"one\ntwo\n")?;
    /// let mut greeting = String::new();
    /// client.read_to_string(&mut greeting)?;
    /// assert_eq!(greeting, "hello\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "a half that is dropped is closed"]
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        (self.reader, self.writer)
    }

    /// Ends the connection now: what is queued is dropped, and the peer sees a reset. So it does not take a stream that was cut
    /// short for a whole one.
    pub fn abort(self) {
        self.reader.pipe.abort();
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Stream").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// The half of a [`Stream`] that reads. See [`Stream::split`].
pub struct ReadHalf {
    pipe: Rc<Pipe>,
    peer: Peer,
    unread: Unread,
}

impl ReadHalf {
    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// See [`Stream::read`].
    ///
    /// # Errors
    /// As there.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || !self.fill(1).await? {
            return Ok(0);
        }
        Ok(self.take(buffer))
    }

    /// See [`Stream::read_exact`].
    ///
    /// # Errors
    /// As there.
    pub async fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        if !buffer.is_empty() {
            if !self.fill(buffer.len()).await? {
                return Err(self.pipe.tell(ErrorKind::UnexpectedEof.into()));
            }
            self.take(buffer);
        }
        Ok(())
    }

    /// See [`Stream::read_exact_into`].
    ///
    /// # Errors
    /// As there.
    pub async fn read_exact_into(&mut self, buffer: Vec<u8>, len: usize) -> (io::Result<()>, Vec<u8>) {
        ReadInto { half: self, buffer, len, under_way: false }.await
    }

    /// See [`Stream::read_until`].
    ///
    /// # Errors
    /// As there.
    pub async fn read_until(&mut self, delimiter: u8, max: usize, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let length = self.find(delimiter, max, 0).await?;
        bytes.extend_from_slice(&self.unread.rest()[..length]);
        self.unread.consume(length);
        Ok(length)
    }

    /// See [`Stream::read_line`].
    ///
    /// # Errors
    /// As there.
    pub async fn read_line(&mut self, max: usize) -> io::Result<Option<String>> {
        let length = self.find(b'\n', max, 1).await?;
        if length == 0 {
            return Ok(None);
        }
        let line = &self.unread.rest()[..length];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > max {
            return Err(self.invalid(FrameError::too_large(max, line.len())));
        }
        let text = std::str::from_utf8(line);
        let text =
            text.map_err(|error| self.invalid(FrameError::not_utf8(line, error.valid_up_to())))?.to_owned();
        self.unread.consume(length);
        Ok(Some(text))
    }

    /// See [`Stream::skip_until`].
    ///
    /// # Errors
    /// As there.
    pub async fn skip_until(&mut self, delimiter: u8) -> io::Result<usize> {
        let mut skipped = 0;
        while self.fill(1).await? {
            let rest = self.unread.rest();
            let found = memchr::memchr(delimiter, rest);
            let length = found.map_or(rest.len(), |at| at + 1);
            self.unread.consume(length);
            skipped += length;
            if found.is_some() {
                return Ok(skipped);
            }
        }
        if skipped > 0 {
            self.pipe.check_end()?;
        }
        Ok(skipped)
    }

    /// See [`Stream::is_cut_short`].
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.pipe.is_cut_short()
    }

    /// Waits for a delimiter with at most `max` bytes before it, and as many more as may belong to it, or for the end of the
    /// stream. Answers how many bytes are unread up to there.
    async fn find(&mut self, delimiter: u8, max: usize, more: usize) -> io::Result<usize> {
        let mut seen = 0;
        while self.fill(seen + 1).await? {
            let rest = self.unread.rest();
            let found = memchr::memchr(delimiter, &rest[seen..]).map(|at| seen + at);
            seen = rest.len();
            let before = found.unwrap_or(seen);
            if before > max.saturating_add(more) {
                // Where `more` is a part of the end of a line, it is not counted.
                let ends = found.is_some() && more > 0 && rest[..before].ends_with(b"\r");
                return Err(self.invalid(FrameError::too_large(max, before - usize::from(ends))));
            }
            if let Some(at) = found {
                return Ok(at + 1);
            }
        }
        Ok(seen)
    }

    /// Bytes that are not what is asked for.
    fn invalid(&self, error: FrameError) -> io::Error {
        self.pipe.tell(io::Error::new(ErrorKind::InvalidData, error))
    }

    /// Waits until so many bytes are unread. False if the stream ends before that.
    fn fill(&mut self, needed: usize) -> Fill<'_> {
        Fill { half: self, needed }
    }

    fn poll_fill(&mut self, needed: usize, waker: &Waker) -> Poll<io::Result<bool>> {
        self.pipe.poll_fill(&mut self.unread, needed, waker)
    }

    /// Moves what is unread to the start of the buffer, as far as it has room.
    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let rest = self.unread.rest();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.unread.consume(length);
        length
    }
}

impl Drop for ReadHalf {
    fn drop(&mut self) {
        self.pipe.leave(Half::Read);
    }
}

impl fmt::Debug for ReadHalf {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ReadHalf").field("id", &self.peer.id()).finish_non_exhaustive()
    }
}

/// The half of a [`Stream`] that writes. See [`Stream::split`].
pub struct WriteHalf {
    pipe: Rc<Pipe>,
    peer: Peer,
}

impl WriteHalf {
    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// See [`Stream::write`].
    ///
    /// # Errors
    /// As there.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Written { half: self, bytes }.await
    }

    /// See [`Stream::write_all`].
    ///
    /// # Errors
    /// As there.
    pub async fn write_all(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let mut rest = bytes.as_ref();
        while !rest.is_empty() {
            let written = Written { half: self, bytes: rest }.await?;
            rest = &rest[written..];
        }
        Ok(())
    }

    /// See [`Stream::write_bytes`].
    ///
    /// # Errors
    /// As there.
    pub async fn write_bytes(&mut self, bytes: impl Into<Bytes>) -> io::Result<()> {
        let mut rest = bytes.into();
        while !rest.is_empty() {
            let len = rest.len();
            let written = WrittenBytes { half: self, bytes: &mut rest }.await?;
            if written == len {
                break;
            }
            rest = rest.slice(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// See [`Stream::send_file`].
    ///
    /// # Errors
    /// As there.
    pub async fn send_file(&mut self, file: &File, offset: u64, len: u64) -> io::Result<()> {
        SendFile::new(&self.pipe, file, offset, len).await
    }

    /// See [`Stream::flush`].
    ///
    /// # Errors
    /// As there.
    pub async fn flush(&mut self) -> io::Result<()> {
        Flushed { half: self }.await
    }

    /// See [`Stream::shutdown_write`].
    ///
    /// # Errors
    /// As there.
    pub async fn shutdown_write(&mut self) -> io::Result<()> {
        self.pipe.finish();
        self.flush().await
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        self.pipe.leave(Half::Write);
    }
}

impl fmt::Debug for WriteHalf {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("WriteHalf").field("id", &self.peer.id()).finish_non_exhaustive()
    }
}

/// See [`ReadHalf::fill`].
struct Fill<'a> {
    half: &'a mut ReadHalf,
    needed: usize,
}

impl Future for Fill<'_> {
    type Output = io::Result<bool>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let needed = self.needed;
        self.half.poll_fill(needed, cx.waker())
    }
}

impl Drop for Fill<'_> {
    fn drop(&mut self) {
        self.half.pipe.wait_no_more(Half::Read);
    }
}

/// See [`ReadHalf::read_exact_into`].
struct ReadInto<'a> {
    half: &'a mut ReadHalf,
    /// Empty while the connection has it.
    buffer: Vec<u8>,
    len: usize,
    under_way: bool,
}

impl Future for ReadInto<'_> {
    type Output = (io::Result<()>, Vec<u8>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ReadInto { half, buffer, len, under_way } = &mut *self;
        let ReadHalf { pipe, unread, .. } = &mut **half;
        let polled = if *under_way {
            pipe.poll_body(buffer, cx.waker())
        } else {
            pipe.poll_begin_body(unread, buffer, *len, cx.waker(), under_way)
        };
        polled.map(|read| {
            *under_way = false;
            (read, std::mem::take(buffer))
        })
    }
}

impl Drop for ReadInto<'_> {
    fn drop(&mut self) {
        if self.under_way {
            self.half.pipe.give_up_body();
        } else {
            self.half.pipe.wait_no_more(Half::Read);
        }
    }
}

/// Waits until some of the bytes have been written.
struct Written<'a> {
    half: &'a mut WriteHalf,
    bytes: &'a [u8],
}

impl Future for Written<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.half.pipe.poll_write(self.bytes, cx.waker())
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        self.half.pipe.wait_no_more(Half::Write);
    }
}

/// The same with counted bytes.
struct WrittenBytes<'a> {
    half: &'a mut WriteHalf,
    bytes: &'a mut Bytes,
}

impl Future for WrittenBytes<'_> {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let WrittenBytes { half, bytes } = &mut *self;
        half.pipe.poll_write_bytes(bytes, cx.waker())
    }
}

impl Drop for WrittenBytes<'_> {
    fn drop(&mut self) {
        self.half.pipe.wait_no_more(Half::Write);
    }
}

/// See [`WriteHalf::flush`].
struct Flushed<'a> {
    half: &'a mut WriteHalf,
}

impl Future for Flushed<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.half.pipe.poll_flush(cx.waker())
    }
}

impl Drop for Flushed<'_> {
    fn drop(&mut self) {
        self.half.pipe.wait_no_more(Half::Write);
    }
}
