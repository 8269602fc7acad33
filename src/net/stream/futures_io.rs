//! Streams as the traits of `futures-io` see them.
//!
//! Knows: those traits. Must not know how bytes come and go.
//!
//! Here the end of a stream that was cut short is an error wherever it comes, for whoever reads by these traits has no other way
//! to tell: they read to the end, copy, and take what stands before it for the last line.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use super::{ReadHalf, Stream, WriteHalf};

impl AsyncRead for ReadHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if !ready!(self.poll_fill(1, cx.waker()))? {
            return Poll::Ready(self.pipe.check_end().map(|()| 0));
        }
        Poll::Ready(Ok(self.take(buffer)))
    }
}

impl AsyncBufRead for ReadHalf {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if !ready!(this.poll_fill(1, cx.waker()))? {
            this.pipe.check_end()?;
        }
        Poll::Ready(Ok(this.unread.rest()))
    }

    fn consume(mut self: Pin<&mut Self>, bytes: usize) {
        self.unread.consume(bytes);
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.pipe.poll_write(bytes, cx.waker())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe.poll_flush(cx.waker())
    }

    /// As [`WriteHalf::shutdown_write`].
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe.finish();
        self.pipe.poll_flush(cx.waker())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

impl AsyncBufRead for Stream {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut self.get_mut().reader).poll_fill_buf(cx)
    }

    fn consume(mut self: Pin<&mut Self>, bytes: usize) {
        Pin::new(&mut self.reader).consume(bytes);
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_close(cx)
    }
}
