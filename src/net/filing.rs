//! A file that what a connection receives goes to: what waits to be written, and what has been.
//!
//! Knows: the queue in front of the file, the one write that is under way, how much is still to come. Must not know how bytes
//! arrive, nor frames.
//!
//! What is received is kept where it lies, or copied, as in the output of a connection that is forwarded to; all of it that is there
//! when a write begins is one write. A short write goes on from where it ended, before anything else is written.

use std::fmt;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use super::connection::Connection;
use crate::actor::{Context, StopReason};
use crate::driver::{FileRequest, FileWork, Pools};
use crate::executor::{Core, NoBody, OpenFile, Output, Wanted};
use crate::fs::File;
use crate::mem::{Chain, Key};

/// See the header.
#[derive(Debug)]
pub(super) struct Filing {
    file: Rc<OpenFile>,
    /// Where the next byte that is written goes.
    offset: u64,
    /// Bytes that are still to be received; if none, all up to the end of the stream.
    left: Option<u64>,
    /// What has been received and is not written.
    queue: Output,
    /// Nothing is received until less is queued.
    full: bool,
    /// None while it is under way.
    request: Option<Box<FileRequest>>,
    /// Bytes that have come.
    got: u64,
    written: u64,
    error: Option<io::Error>,
}

impl Filing {
    /// At most `max` bytes are received before they are written.
    pub(super) fn new(file: Rc<OpenFile>, offset: u64, len: Option<u64>, max: usize) -> Filing {
        let request = Some(FileRequest::new(None, FileWork::Close));
        let queue = Output::new(max);
        Filing { file, offset, left: len, queue, full: false, request, got: 0, written: 0, error: None }
    }

    /// Bytes that are still to be received for it.
    pub(super) fn wants(&self) -> u64 {
        if self.error.is_some() { 0 } else { self.left.unwrap_or(u64::MAX) }
    }

    /// True if it ends with the stream.
    pub(super) fn is_endless(&self) -> bool {
        self.left.is_none()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// True if half of what may wait does, or did and a quarter still does.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// True as long as anything that was received is not written.
    pub(super) fn is_busy(&self) -> bool {
        self.request.is_none() || self.queue.queued() > 0
    }

    /// Where bytes for it go, if there is room.
    pub(super) fn room(&mut self) -> Option<&mut Output> {
        (self.error.is_none() && !self.full).then_some(&mut self.queue)
    }

    /// How many bytes have come.
    pub(super) fn got(&self) -> u64 {
        self.got
    }

    /// So many have gone there.
    pub(super) fn received(&mut self, bytes: u64) {
        self.got += bytes;
        if let Some(left) = &mut self.left {
            *left -= bytes;
        }
        self.full |= self.queue.is_high();
    }

    /// Begins to write what waits, unless a write is under way. False if there is no slot for any of it.
    pub(super) fn write(&mut self, core: &Core, cell: Key) -> bool {
        if self.request.is_none() || !self.queue.is_waiting() {
            return true;
        }
        let chain = self.queue.next(&core.pools.send);
        if chain.is_empty() {
            return false;
        }
        if let Some(request) = self.request.take() {
            self.store(core, cell, request, chain, 0);
        }
        true
    }

    fn store(&self, core: &Core, cell: Key, mut request: Box<FileRequest>, chain: Chain, from: u32) {
        request.work = FileWork::Store { offset: self.offset, chain, from };
        core.store(cell, &self.file, request);
    }

    /// True if it is this that a request has been made for.
    pub(super) fn has_asked(&self, request: &FileRequest) -> bool {
        self.request.is_none() && self.file.is_named_by(request)
    }

    /// The answer to a write; says how many bytes that were.
    pub(super) fn stored(&mut self, core: &Core, cell: Key, mut request: Box<FileRequest>) -> u32 {
        let work = std::mem::replace(&mut request.work, FileWork::Close);
        let FileWork::Store { chain, from, .. } = work else {
            unreachable!("a request comes back as it went")
        };
        let bytes = request.outcome.unwrap_or(0);
        self.written += u64::from(bytes);
        // No overflow: no file is as long.
        self.offset += u64::from(bytes);
        self.error = match request.outcome {
            Ok(0) => Some(ErrorKind::WriteZero.into()),
            Ok(_) => None,
            Err(error) => Some(error.into()),
        };
        let from = from + bytes;
        if from < chain.bytes() && self.error.is_none() {
            self.store(core, cell, request, chain, from);
            return bytes;
        }
        self.queue.sent(&core.pools.send, chain.bytes());
        core.pools.send.release(chain);
        self.request = Some(request);
        if self.error.is_some() {
            self.discard(&core.pools);
        }
        self.full &= self.queue.queued() > self.queue.low();
        bytes
    }

    /// Drops what waits. A write that is under way goes on.
    pub(super) fn discard(&mut self, pools: &Pools) {
        self.queue.discard(&pools.send);
    }

    /// What comes of it.
    pub(super) fn finish(self, end: Result<(), StopReason>) -> ForwardedFile {
        let error = self.error.map(FileForwardError::File);
        let end = end.map_err(|why| error.unwrap_or(FileForwardError::Stream(why)));
        ForwardedFile { file: File::of(self.file), bytes: self.written, end }
    }
}

/// What has come of [`Context::forward_to_file`].
#[derive(Debug)]
pub struct ForwardedFile {
    /// The file, as it was handed over. What is written to it need not have reached the disk: see [`File::sync_data`].
    pub file: File,
    /// Bytes that it has taken, from the first one on.
    pub bytes: u64,
    /// All that was asked for has been written, or why not.
    pub end: Result<(), FileForwardError>,
}

/// Why not all that was to go to a file has been written.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileForwardError {
    /// The file does not take it: the error of the kernel, such as [`StorageFull`](ErrorKind::StorageFull). What was received behind the
    /// bytes that it has taken is lost.
    File(io::Error),
    /// It has not come; what has, is written. [`EndOfStream`](StopReason::EndOfStream), if a length was given,
    /// [`Disconnected`](StopReason::Disconnected) with the kernel's error number, or [`Stopped`](StopReason::Stopped) where somebody
    /// stopped the actor, or the system has ended, before all of it came.
    Stream(StopReason),
}

impl fmt::Display for FileForwardError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileForwardError::File(error) => write!(out, "a file does not take what it is to hold: {error}"),
            FileForwardError::Stream(StopReason::EndOfStream) => {
                out.write_str("the stream has ended before all that a file is to hold")
            }
            FileForwardError::Stream(StopReason::Disconnected(errno)) => {
                io::Error::from_raw_os_error(*errno).fmt(out)
            }
            FileForwardError::Stream(_) => out.write_str("the connection was stopped"),
        }
    }
}

impl std::error::Error for FileForwardError {}

/// Nothing goes to this file, which is handed back.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileRefused {
    /// The file.
    pub file: File,
    /// What is in the way.
    pub why: FileRefusal,
}

/// Why nothing goes to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileRefusal {
    /// The connection receives a [body](Context::read_exact_into) already, into memory or to a file: ask for the next in the hook that
    /// is told what has come of it.
    Busy,
    /// The connection ends.
    Ended,
    /// The file is open on another core: open it where the connection is, in a handler of its actor.
    OnAnotherCore,
}

impl From<NoBody> for FileRefusal {
    fn from(why: NoBody) -> FileRefusal {
        match why {
            NoBody::Busy => FileRefusal::Busy,
            NoBody::Ended => FileRefusal::Ended,
        }
    }
}

impl fmt::Display for FileRefused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            FileRefusal::Busy => NoBody::Busy.fmt(out),
            FileRefusal::Ended => NoBody::Ended.fmt(out),
            FileRefusal::OnAnotherCore => out.write_str(
                "the file is open on another core than the connection: open it in a handler of the connection's actor",
            ),
        }
    }
}

impl std::error::Error for FileRefused {}

impl<A: Connection> Context<A> {
    /// Has the next `len` bytes from the peer written to a file from `offset` on, before any further frame comes; or, without a length,
    /// all that still comes. The file comes back by [`Connection::forwarded`], which is `#[forwarded]` in a block with
    /// [`#[actor]`](macro@crate::actor), once the last byte is written: for uploads. As with [`Context::read_exact_into`], the codec does
    /// not see them, they begin behind the last frame that was handled, and frames go on behind them.
    ///
    /// - The peer has to wait while half of [`Config::unwritten_bytes_max`](crate::Config::unwritten_bytes_max) is not written.
    /// - With a length, its peer is [late](crate::Config::frame_timeout) as with any body. Without one it is not: it may be silent for as long
    ///   as it likes, or as the idle timeout says.
    /// - One write is under way at a time; whatever comes meanwhile is the next. A short write is gone on with.
    /// - If the file does not take them, or they do not all come, the actor is told why and how many bytes are written. If it was the file,
    ///   the connection is reset after that, unless the hook answers [`Flow::Close`](crate::Flow::Close).
    /// - An actor that ends by itself, or is aborted, is told so by [`Actor::stopped`](crate::Actor::stopped) alone; there,
    ///   [`Context::forwarded_bytes`] says how many bytes are known to be written, of all files together. The file is closed once the
    ///   write that is under way has ended.
    ///
    /// **Costs** no copy of 4 KiB and more that arrive in one piece, as long as receive buffers can be spared, else one; on mio, one in
    /// any case. Three small allocations in all, and for each write what [`File::write_at`] costs without its future.
    ///
    /// # Errors
    /// [`FileRefused`], with the file and the reason: nothing has changed then.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    /// use std::path::PathBuf;
    /// use odeon::fs::File;
    /// use odeon::prelude::*;
    /// use odeon::{ForwardedFile, Timeout};
    ///
    /// /// A line with a length, and so many bytes, which are kept.
    /// struct Upload(PathBuf);
    ///
    /// #[actor(codec = Lines<20>)]
    /// impl Upload {
    ///     #[frame]
    ///     fn length(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
    ///         let Ok(len) = line.parse() else { return Flow::Fail };
    ///         cx.exclusive("Upload::begin", Timeout::Default, async move |me: &mut Self, cx: &mut Context<Self>| {
    ///             match File::create(&me.0).await.map(|file| cx.forward_to_file(file, 0, Some(len))) {
    ///                 Ok(Ok(())) => Flow::Continue,
    ///                 _ => Flow::Fail,
    ///             }
    ///         })
    ///     }
    ///
    ///     #[forwarded]
    ///     fn kept(&mut self, forwarded: ForwardedFile, cx: &mut Context<Self>) -> Flow {
    ///         match forwarded.end {
    ///             Ok(()) => writeln!(cx, "{} bytes are kept", forwarded.bytes),
    ///             Err(error) => writeln!(cx, "{} bytes are kept: {error}", forwarded.bytes),
    ///         }
    ///         Flow::Close
    ///     }
    /// }
    ///
    /// # let path = std::env::temp_dir().join(format!("odeon-upload-{}", std::process::id()));
    /// # let kept = path.clone();
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let listening = system.listener("127.0.0.1:0").start(move |_peer| Upload(path.clone()))?;
    /// let mut client = TcpStream::connect(listening.address())?;
    /// client.write_all(b"1000000\n")?;
    /// client.write_all(&[7; 1_000_000])?;
    /// let mut answer = String::new();
    /// client.read_to_string(&mut answer)?;
    /// assert_eq!(answer, "1000000 bytes are kept\n");
    /// # assert_eq!(std::fs::read(&kept)?, [7; 1_000_000]);
    /// # std::fs::remove_file(kept)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forward_to_file(&mut self, file: File, offset: u64, len: Option<u64>) -> Result<(), FileRefused> {
        let cell = self.cell();
        let mut unasked = Some(file.into_open());
        let asked = self.with_core(|core| {
            let file = unasked.take_if(|file| file.is_of(core)).ok_or(FileRefusal::OnAnotherCore)?;
            match core.want_body(cell, Wanted::File { file, offset, len }) {
                // Where it is asked for elsewhere than in an activation, nothing else would begin with it.
                Ok(()) => core.schedule(cell),
                Err((why, Wanted::File { file, .. })) => {
                    unasked = Some(file);
                    return Err(why.into());
                }
                Err((_, Wanted::Memory { .. })) => unreachable!("what is refused is handed back"),
            }
            Ok(())
        });
        let why = asked.unwrap_or(Err(FileRefusal::Ended)).err();
        let refused = unasked.zip(why).map(|(file, why)| FileRefused { file: File::of(file), why });
        refused.map_or(Ok(()), Err)
    }
}
