//! Sending a part of a file: from the file into send slots, and from there to the peer.
//!
//! Knows: how much of it is left, the read that is under way. Must not know sockets, nor how a file is read.
//!
//! One read is under way while what was read before leaves. It is begun when the output has room for what it reads, so that a
//! peer that reads slowly holds no more than its outbox.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use super::pipe::{Half, Pipe};
use crate::driver::FileWork;
use crate::executor::{Asked, current};
use crate::fs::File;
use crate::mem::Chain;

/// See [`WriteHalf::send_file`](super::stream::WriteHalf::send_file).
pub(super) struct SendFile<'a> {
    pipe: &'a Pipe,
    file: &'a File,
    offset: u64,
    left: u64,
    /// What is read now, and how many bytes of that are wanted.
    reading: Option<(Asked, u32)>,
}

impl<'a> SendFile<'a> {
    pub(super) fn new(pipe: &'a Pipe, file: &'a File, offset: u64, len: u64) -> SendFile<'a> {
        SendFile { pipe, file, offset, left: len, reading: None }
    }

    /// Begins to read as much as there is room for.
    fn poll_begin(&mut self, waker: &Waker) -> Poll<io::Result<()>> {
        let bytes = usize::try_from(self.left).unwrap_or(usize::MAX);
        let (chain, wanted) = ready!(self.pipe.poll_space(bytes, waker))?;
        self.reading = Some((self.file.load(self.offset, chain), wanted));
        Poll::Ready(Ok(()))
    }

    /// Writes what has been read.
    fn write(&mut self, mut chain: Chain, wanted: u32) -> io::Result<()> {
        // A slot may be larger than what is wanted.
        current::with(|core| core.map(|core| core.pools.send.truncate(&mut chain, wanted)));
        let bytes = u64::from(chain.bytes());
        self.pipe.write_read(chain)?;
        self.offset += bytes;
        self.left -= bytes;
        Ok(())
    }

    /// The peer was promised what it cannot be sent: it must not take the rest of the connection for it.
    fn fail(&self, chain: Chain, error: io::Error) -> io::Error {
        current::with(|core| core.map(|core| core.pools.send.release(chain)));
        self.pipe.abort();
        error
    }
}

impl Future for SendFile<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = &mut *self;
        loop {
            if let Some((asked, wanted)) = &mut me.reading {
                let (asked, request, _) = ready!(Pin::new(asked).poll(cx));
                let wanted = *wanted;
                me.reading = None;
                let FileWork::Load { chain, .. } = request.work else {
                    unreachable!("a request comes back as it went")
                };
                match asked.and_then(|()| Ok(request.outcome?)) {
                    Ok(0) => return Poll::Ready(Err(me.fail(chain, too_short()))),
                    Ok(_) => me.write(chain, wanted)?,
                    Err(error) => return Poll::Ready(Err(me.fail(chain, error))),
                }
            }
            if me.left == 0 {
                return Poll::Ready(Ok(()));
            }
            ready!(me.poll_begin(cx.waker()))?;
        }
    }
}

impl Drop for SendFile<'_> {
    fn drop(&mut self) {
        self.pipe.wait_no_more(Half::Write);
    }
}

fn too_short() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the file ends before the end of what is to be sent of it")
}
