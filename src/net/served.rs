//! The connection that a future serves: an actor whose frames are bytes for a stream.
//!
//! Knows: hooks, and what of them a stream is told. Must not know what the future does.

use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::rc::Rc;

use super::bulk::BodyError;
use super::codec::Raw;
use super::connection::{Connection, Never};
use super::listener::Peer;
use super::pipe::{Pipe, Turn, Wish, refused};
use super::stream::Stream;
use crate::actor::{Actor, Context, Flow, Follows, StopReason, failed_so};
use crate::executor::{Cause, Matter, current};
use crate::task;

/// See the header. Its type names what was handed over to serve, and the future that this makes: reports name the function that serves by them.
pub(crate) struct Served<F, R> {
    pipe: Rc<Pipe>,
    peer: Peer,
    /// By which it is reported.
    name: &'static str,
    /// Until the connection starts.
    serve: Option<F>,
    makes: PhantomData<fn() -> R>,
}

impl<F, R> Served<F, R> {
    pub(crate) fn new(peer: Peer, name: &'static str, serve: F) -> Served<F, R> {
        Served { pipe: Rc::default(), peer, name, serve: Some(serve), makes: PhantomData }
    }
}

impl<F, R> Actor for Served<F, R>
where
    F: FnOnce(Stream) -> R + 'static,
    R: Future<Output = io::Result<()>> + 'static,
{
    type Message = Never;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        let Some(serve) = self.serve.take() else { return Flow::Fail };
        let me = cx.me().raw();
        // Until the stream is dropped, nothing ends the connection in order.
        cx.expect_answer();
        let begun = cx.with_core(|core| {
            self.pipe.open(core, me);
            let stream = Stream::new(self.pipe.clone(), self.peer);
            let serving = Serving(self.pipe.clone());
            task::detach(core, self.name, attend(serve, stream, serving, self.name))
        });
        if begun == Some(true) {
            return Flow::Continue;
        }
        // That it has not begun has been told.
        cx.with_core(|core| core.expect_end(Cause::Told));
        Flow::Fail
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }

    fn stopped(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        if self.pipe.end(reason) {
            cx.with_core(|core| core.begin_epilogue());
        }
    }
}

impl<F, R> Connection for Served<F, R>
where
    F: FnOnce(Stream) -> R + 'static,
    R: Future<Output = io::Result<()>> + 'static,
{
    type Codec = Raw;

    const SERVED: bool = true;

    fn frame(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> Flow {
        if self.pipe.arrived(bytes) {
            cx.pause_reading();
        }
        Flow::Continue
    }

    fn body(&mut self, body: Result<Vec<u8>, BodyError>, cx: &mut Context<Self>) -> Flow {
        if self.pipe.body(body) {
            cx.pause_reading();
        }
        Flow::Continue
    }

    fn end_of_stream(&mut self, _: &mut Context<Self>) -> Flow {
        self.pipe.ended();
        Flow::Continue
    }

    fn idle(&mut self, _: &mut Context<Self>) -> Flow {
        self.pipe.silent();
        Flow::Continue
    }

    fn turned(&mut self, turn: Turn, cx: &mut Context<Self>) -> Wish {
        self.pipe.turned(turn, cx.queued_bytes())
    }
}

/// Runs what serves a connection. It is dropped last, so that the stream is gone when the end is noted.
async fn attend<F, R>(serve: F, stream: Stream, serving: Serving, name: &'static str)
where
    F: FnOnce(Stream) -> R,
    R: Future<Output = io::Result<()>>,
{
    let Err(error) = serve(stream).await else { return };
    if !serving.0.has_told(&error) {
        failed_so(name, &error, Follows::Close);
    } else if let Some(refused) = refused(&error) {
        let what = format_args!("ends: it refuses what has come: {refused}");
        current::with(|core| core.map(|core| core.report(Matter::Malformed, name, what)));
    }
}

/// Notes the end of the future, however it comes.
struct Serving(Rc<Pipe>);

impl Drop for Serving {
    fn drop(&mut self) {
        if self.0.served() {
            current::with(|core| core.map(|core| core.end_epilogue()));
        }
    }
}
