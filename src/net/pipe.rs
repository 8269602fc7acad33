//! What a connection and the future that serves it have in common.
//!
//! Knows: bytes that have arrived, who waits for bytes or for room, how the stream stands. Must not know hooks, nor what is
//! waited for.
//!
//! Both live on one core and run one after the other. Nothing of the state is borrowed while a waker is cloned, called or
//! dropped, for that may be code of a user.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::task::{Poll, Waker};

use super::bulk::BodyError;
use super::codec::FrameError;
use super::unread::Unread;
use crate::actor::StopReason;
use crate::executor::{Core, Demand, Output, RawAddress, Wanted, current};
use crate::mem::{Bytes, Chain, Key, SendPool};
use crate::sys::Errno;

/// What a connection tells who serves it, at the end of an activation.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// It takes no more input, and ends once it is even with its peer.
    pub(super) leaves: bool,
    /// It does so although its peer has not ended the stream.
    pub(super) cuts: bool,
    /// It is in line for send slots.
    pub(super) thirsty: bool,
}

/// What who serves a connection wants of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    Nothing,
    /// To be in line for send slots.
    Slots,
    /// An end of the body that is under way, with what has come.
    GiveUpBody,
    /// The peer is to read the end of the stream behind what has been written.
    Finish,
    /// The end of the connection, in order.
    Close,
}

/// A direction of a stream, as its user sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Read,
    Write,
}

/// Someone who waits, and for how many bytes.
#[derive(Debug, Default)]
struct Waits {
    waker: Option<Waker>,
    bytes: usize,
}

/// From the peer.
#[derive(Debug, Default)]
struct Incoming {
    /// What nobody has taken over.
    arrived: Vec<u8>,
    /// With so many bytes of it, reading pauses.
    arrived_max: usize,
    /// Reading is paused.
    held: bool,
    /// The peer's stream has ended, or nothing more of it is read.
    ended: bool,
    /// It has not ended by its peer's doing: what came last may be a part of something.
    cut: bool,
    /// Nothing came for as long as the idle timeout while a read waited.
    silent: bool,
    /// Nobody will read any more.
    closed: bool,
    /// The reader, until so many bytes have arrived.
    reader: Waits,
    /// Boxed, because few streams have one.
    body: Option<Box<Body>>,
}

/// Bytes that the connection receives into memory of the reader's.
#[derive(Debug)]
struct Body {
    /// What the memory held before.
    held: usize,
    /// Nobody waits for it: what has come is for the next reads.
    given_up: bool,
    /// The reader has waited for too long.
    late: bool,
    /// What has come of it, once it is over.
    over: Option<(io::Result<()>, Vec<u8>)>,
}

/// Why nothing is written although nothing is queued.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Slots {
    /// There was no reason.
    #[default]
    Found,
    /// There is no slot; the connection has yet to be told.
    Missing,
    /// The connection is in line for them.
    Awaited,
}

/// To the peer.
#[derive(Debug, Default)]
struct Outgoing {
    /// Half of the bound was queued, and more than a quarter is.
    high: bool,
    slots: Slots,
    /// Nothing more will be written.
    finished: bool,
    /// Nobody will write any more.
    closed: bool,
    /// The writer, until no more than so many bytes are queued.
    writer: Waits,
}

/// What is known of an error by looking at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told(ErrorKind, Option<i32>, Within);

/// What is within an error. What questions and timeouts that failed make of it is not what a connection hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    Frame,
    Other,
}

impl Told {
    fn of(error: &io::Error) -> Told {
        let within = match error.get_ref() {
            None => Within::Nothing,
            Some(_) if refused(error).is_some() => Within::Frame,
            Some(_) => Within::Other,
        };
        Told(error.kind(), error.raw_os_error(), within)
    }
}

/// What was wrong with what a peer has sent, where this error is about that.
pub(super) fn refused(error: &io::Error) -> Option<&FrameError> {
    error.get_ref()?.downcast_ref()
}

#[derive(Debug, Default)]
struct State {
    /// The connection, from its start to its end.
    connection: Option<RawAddress>,
    incoming: Incoming,
    outgoing: Outgoing,
    /// Why the connection ended although it was in use.
    failure: Option<Errno>,
    /// The error of the connection that was handed out last.
    told: Option<Told>,
    /// Reads and writes since one last had to wait.
    streak: u32,
    streak_max: u32,
    read_ahead: usize,
    /// The future has not ended.
    served: bool,
    /// The connection ended before it.
    epilogue: bool,
}

/// See the header.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    state: RefCell<State>,
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// What the connection's actor calls.
impl Pipe {
    /// The connection has started, and a future is about to serve it.
    pub(super) fn open(&self, core: &Core, connection: RawAddress) {
        let mut state = self.state.borrow_mut();
        state.connection = Some(connection);
        state.streak_max = core.config.activation_messages;
        state.read_ahead = core.config.read_ahead_bytes_max;
        state.incoming.arrived_max = state.read_ahead;
        state.served = true;
    }

    /// Bytes have arrived. True if reading is to pause.
    pub(super) fn arrived(&self, bytes: &[u8]) -> bool {
        let mut state = self.state.borrow_mut();
        let incoming = &mut state.incoming;
        if incoming.closed {
            return false;
        }
        incoming.arrived.extend_from_slice(bytes);
        incoming.silent = false;
        incoming.held = incoming.arrived.len() >= incoming.arrived_max;
        let held = incoming.held;
        // Reading does not pause before there is as much.
        let enough = incoming.arrived.len() >= incoming.reader.bytes;
        let reader = if enough { incoming.reader.waker.take() } else { None };
        drop(state);
        wake(reader);
        held
    }

    /// What was to be received into memory of the reader's has come, or not all of it. True if reading is to pause.
    pub(super) fn body(&self, body: Result<Vec<u8>, BodyError>) -> bool {
        let mut state = self.state.borrow_mut();
        let incoming = &mut state.incoming;
        let (result, mut buffer) = match body {
            Ok(buffer) => (Ok(()), buffer),
            Err(error) => (Err(told_of(&error)), error.into_buffer()),
        };
        match &mut incoming.body {
            Some(asked) if asked.given_up => {
                // No read has taken anything since, and nothing has arrived behind it.
                debug_assert!(incoming.arrived.is_empty(), "a body comes before what is behind it");
                incoming.arrived = buffer.split_off(asked.held.min(buffer.len()));
                incoming.body = None;
                if incoming.closed {
                    incoming.arrived = Vec::new();
                }
            }
            Some(asked) => {
                let late = asked.late && result.is_err();
                let result = if late { Err(ErrorKind::TimedOut.into()) } else { result };
                asked.over = Some((result, buffer));
            }
            None => {}
        }
        incoming.held = incoming.arrived.len() >= incoming.arrived_max;
        let held = incoming.held;
        let reader = incoming.reader.waker.take();
        drop(state);
        wake(reader);
        held
    }

    /// The peer has sent everything that it will send.
    pub(super) fn ended(&self) {
        self.end_reading(false);
    }

    /// Nothing more will be read; `cut`: although the peer may send more.
    fn end_reading(&self, cut: bool) {
        let mut state = self.state.borrow_mut();
        state.incoming.cut |= cut;
        state.incoming.ended = true;
        let reader = state.incoming.reader.waker.take();
        drop(state);
        wake(reader);
    }

    /// Nothing has arrived for as long as the idle timeout: a read that waits is told.
    pub(super) fn silent(&self) {
        let mut state = self.state.borrow_mut();
        let reader = state.incoming.reader.waker.take();
        state.incoming.silent |= reader.is_some();
        drop(state);
        wake(reader);
    }

    /// An activation of the connection is over, with so many bytes queued.
    pub(super) fn turned(&self, turn: Turn, queued: usize) -> Wish {
        if turn.leaves {
            self.end_reading(turn.cuts);
        }
        let mut state = self.state.borrow_mut();
        let closed = state.incoming.closed && state.outgoing.closed;
        let gives_up = state.incoming.body.as_ref().is_some_and(|body| body.gives_up());
        let outgoing = &mut state.outgoing;
        if outgoing.slots == Slots::Awaited && !turn.thirsty {
            outgoing.slots = Slots::Found;
        }
        let room = outgoing.slots == Slots::Found && queued <= outgoing.writer.bytes;
        let writer = if room { outgoing.writer.waker.take() } else { None };
        let wish = if closed {
            Wish::Close
        } else if outgoing.slots == Slots::Missing {
            outgoing.slots = Slots::Awaited;
            Wish::Slots
        } else if gives_up {
            Wish::GiveUpBody
        } else if outgoing.finished {
            Wish::Finish
        } else {
            Wish::Nothing
        };
        drop(state);
        wake(writer);
        wish
    }

    /// The connection has ended. True if it did so before the future that serves it.
    pub(super) fn end(&self, reason: StopReason) -> bool {
        let mut state = self.state.borrow_mut();
        state.connection = None;
        state.failure = Some(match reason {
            StopReason::Disconnected(errno) => Errno(errno),
            // The peer has not read for too long.
            StopReason::OutboxFull => Errno::ETIMEDOUT,
            _ => Errno::ECONNABORTED,
        });
        state.epilogue = state.served;
        let served = state.served;
        let wakers = [state.incoming.reader.waker.take(), state.outgoing.writer.waker.take()];
        drop(state);
        wakers.into_iter().for_each(wake);
        served
    }

    /// The future has ended. True if the connection did so before it.
    pub(super) fn served(&self) -> bool {
        let mut state = self.state.borrow_mut();
        state.served = false;
        std::mem::take(&mut state.epilogue)
    }

    /// True if this error is the one that the connection has handed out, and not one of who serves it.
    pub(super) fn has_told(&self, error: &io::Error) -> bool {
        self.state.borrow().told == Some(Told::of(error))
    }
}

/// What the stream calls.
impl Pipe {
    fn with_connection<R>(&self, act: impl FnOnce(&Core, Key) -> R) -> Option<R> {
        let connection = self.state.borrow().connection?;
        current::with(|core| {
            core.filter(|core| core.id == connection.core()).map(|core| act(core, connection.cell()))
        })
    }

    /// True, and the waker is called, if this future has gone on for long enough without having to wait: others come first.
    fn tires(&self, waker: &Waker) -> bool {
        let mut state = self.state.borrow_mut();
        state.streak += 1;
        if state.streak <= state.streak_max {
            return false;
        }
        state.streak = 0;
        drop(state);
        waker.wake_by_ref();
        true
    }

    /// Waits until `needed` bytes are unread. False if the stream ends before that.
    pub(super) fn poll_fill(
        &self,
        unread: &mut Unread,
        needed: usize,
        waker: &Waker,
    ) -> Poll<io::Result<bool>> {
        if unread.rest().len() < needed {
            self.take_over(unread, needed);
        }
        let missing = needed.saturating_sub(unread.rest().len());
        if missing == 0 {
            return if self.tires(waker) { Poll::Pending } else { Poll::Ready(Ok(true)) };
        }
        if let Some(end) = self.end_of_reading(!unread.rest().is_empty()) {
            return Poll::Ready(end);
        }
        self.wait(Half::Read, missing, waker);
        Poll::Pending
    }

    /// Puts what has arrived behind what is unread, and lets more come.
    fn take_over(&self, unread: &mut Unread, needed: usize) {
        let mut state = self.state.borrow_mut();
        let read_ahead = state.read_ahead;
        let incoming = &mut state.incoming;
        unread.append(std::mem::take(&mut incoming.arrived));
        incoming.arrived_max = read_ahead.max(needed.saturating_sub(unread.rest().len()));
        let resume = std::mem::take(&mut incoming.held);
        drop(state);
        if resume {
            self.resume_reading();
        }
    }

    /// Begins to receive so many bytes behind what a buffer holds: first what is unread, and what has arrived. `Ok`: they are all there.
    /// The buffer is taken while the rest is under way.
    pub(super) fn poll_begin_body(
        &self,
        unread: &mut Unread,
        buffer: &mut Vec<u8>,
        len: usize,
        waker: &Waker,
        under_way: &mut bool,
    ) -> Poll<io::Result<()>> {
        if self.state.borrow().incoming.body.is_some() {
            // One that was given up has not ended.
            self.wait(Half::Read, 0, waker);
            return Poll::Pending;
        }
        let max = self.with_connection(|core, _| core.config.body_bytes_max);
        if max.is_some_and(|max| len > max) {
            let what = "a body of more than body_bytes_max of Config";
            return Poll::Ready(Err(self.tell(io::Error::new(ErrorKind::InvalidInput, what))));
        }
        let held = buffer.len();
        self.take_over(unread, len);
        let here = len.min(unread.rest().len());
        buffer.extend_from_slice(&unread.rest()[..here]);
        unread.consume(here);
        if here == len {
            return Poll::Ready(Ok(()));
        }
        match self.end_of_reading(true) {
            Some(Ok(_)) => return Poll::Ready(Err(self.tell(ErrorKind::UnexpectedEof.into()))),
            Some(Err(error)) => return Poll::Ready(Err(error)),
            None => {}
        }
        let wanted = Wanted::Memory { buffer: std::mem::take(buffer), len: len - here };
        let asked = self.with_connection(|core, cell| {
            let asked = core.want_body(cell, wanted);
            core.schedule(cell);
            asked
        });
        match asked {
            Some(Ok(())) => {
                let body = Body { held, given_up: false, late: false, over: None };
                self.state.borrow_mut().incoming.body = Some(Box::new(body));
                *under_way = true;
                self.wait(Half::Read, 0, waker);
                Poll::Pending
            }
            Some(Err((_, wanted))) => {
                *buffer = wanted.into_buffer();
                Poll::Ready(Err(self.tell(Errno::ECONNABORTED.into())))
            }
            None => Poll::Ready(Err(self.tell(Errno::ECONNABORTED.into()))),
        }
    }

    /// Waits for the rest.
    pub(super) fn poll_body(&self, buffer: &mut Vec<u8>, waker: &Waker) -> Poll<io::Result<()>> {
        let mut state = self.state.borrow_mut();
        let silent = std::mem::take(&mut state.incoming.silent);
        let failure = state.failure;
        let over = match &mut state.incoming.body {
            Some(body) => {
                body.late |= silent;
                body.over.take()
            }
            None => None,
        };
        if let Some((result, whole)) = over {
            state.incoming.body = None;
            drop(state);
            *buffer = whole;
            return Poll::Ready(result.map_err(|error| self.tell(error)));
        }
        if let Some(errno) = failure {
            state.incoming.body = None;
            drop(state);
            return Poll::Ready(Err(self.tell(errno.into())));
        }
        drop(state);
        if silent {
            self.with_connection(|core, cell| core.schedule(cell));
        }
        self.wait(Half::Read, 0, waker);
        Poll::Pending
    }

    /// Nobody waits for the body any more: what has come of it is for the next reads.
    pub(super) fn give_up_body(&self) {
        self.wait_no_more(Half::Read);
        let mut state = self.state.borrow_mut();
        let incoming = &mut state.incoming;
        let Some(body) = &mut incoming.body else { return };
        body.given_up = true;
        if let Some((_, mut buffer)) = body.over.take() {
            let mut came = buffer.split_off(body.held.min(buffer.len()));
            came.append(&mut incoming.arrived);
            incoming.arrived = came;
            incoming.body = None;
        }
        drop(state);
        self.with_connection(|core, cell| core.schedule(cell));
    }

    fn resume_reading(&self) {
        self.with_connection(|core, cell| {
            core.with_output(cell, |output| output.hold(false));
            core.schedule(cell);
        });
    }

    /// What a read answers for which no bytes will come, `midway` if it has begun with something; none if they may.
    fn end_of_reading(&self, midway: bool) -> Option<io::Result<bool>> {
        let mut state = self.state.borrow_mut();
        if state.incoming.ended {
            drop(state);
            return Some(if midway { self.check_end().map(|()| false) } else { Ok(false) });
        }
        let silent = state.failure.is_none() && std::mem::take(&mut state.incoming.silent);
        let error = state.failure.map(io::Error::from).or_else(|| silent.then(|| ErrorKind::TimedOut.into()));
        drop(state);
        error.map(|error| Err(self.tell(error)))
    }

    /// True if the stream has ended, but not by its peer's doing.
    pub(super) fn is_cut_short(&self) -> bool {
        self.state.borrow().incoming.cut
    }

    /// The error of a stream that was cut short, for a read that comes to its end midway.
    pub(super) fn check_end(&self) -> io::Result<()> {
        if self.is_cut_short() { Err(self.tell(cut_short())) } else { Ok(()) }
    }

    /// Notes an error that the connection hands out.
    pub(super) fn tell(&self, error: io::Error) -> io::Error {
        self.state.borrow_mut().told = Some(Told::of(&error));
        error
    }

    /// Writes as much as there is room for, at least one byte unless there are none.
    pub(super) fn poll_write(&self, bytes: &[u8], waker: &Waker) -> Poll<io::Result<usize>> {
        self.poll_push(bytes.len(), waker, |output, pool| push(output, pool, bytes))
    }

    /// The same with counted bytes. What of them was written is left here, or is not: it is of no more use.
    pub(super) fn poll_write_bytes(&self, bytes: &mut Bytes, waker: &Waker) -> Poll<io::Result<usize>> {
        let len = bytes.len();
        self.poll_push(len, waker, |output, pool| push_bytes(output, pool, bytes))
    }

    /// Writes some of `len` bytes by `push`, as soon as there is room.
    fn poll_push(
        &self,
        len: usize,
        waker: &Waker,
        push: impl FnOnce(&mut Output, &SendPool) -> usize,
    ) -> Poll<io::Result<usize>> {
        self.may_write()?;
        if len == 0 {
            return Poll::Ready(Ok(0));
        }
        if self.tires(waker) {
            return Poll::Pending;
        }
        self.poll_room(waker, |output, pool| match push(output, pool) {
            0 => None,
            written => Some(written),
        })
    }

    /// Waits until there is room to read up to so many bytes into, that are to be [written](Pipe::write_read) next.
    pub(super) fn poll_space(&self, bytes: usize, waker: &Waker) -> Poll<io::Result<(Chain, u32)>> {
        self.may_write()?;
        self.poll_room(waker, |output, pool| output.space(pool, bytes))
    }

    /// Writes what was read into such room.
    pub(super) fn write_read(&self, chain: Chain) -> io::Result<()> {
        let mut chain = Some(chain);
        self.with_connection(|core, cell| {
            core.with_output(cell, |output| {
                if let Some(chain) = chain.take() {
                    output.append_read(&core.pools.send, chain);
                }
            });
            core.schedule(cell);
        });
        let Some(chain) = chain else { return Ok(()) };
        current::with(|core| core.map(|core| core.pools.send.release(chain)));
        self.check()?;
        Err(self.tell(Errno::ECONNABORTED.into()))
    }

    /// Waits until there is room that `make` can make something of.
    fn poll_room<R>(
        &self,
        waker: &Waker,
        make: impl FnOnce(&mut Output, &SendPool) -> Option<R>,
    ) -> Poll<io::Result<R>> {
        match self.with_connection(|core, cell| self.make(core, cell, make)).flatten() {
            Some(Ok(made)) => Poll::Ready(Ok(made)),
            Some(Err(queued_max)) => {
                self.wait(Half::Write, queued_max, waker);
                Poll::Pending
            }
            None => Poll::Ready(Err(self.tell(Errno::ECONNABORTED.into()))),
        }
    }

    /// `Err` if there is no room before so many bytes are queued, or less.
    fn make<R>(
        &self,
        core: &Core,
        cell: Key,
        make: impl FnOnce(&mut Output, &SendPool) -> Option<R>,
    ) -> Option<Result<R, usize>> {
        let mut state = self.state.borrow_mut();
        let outgoing = &mut state.outgoing;
        let made = core.with_output(cell, |output| {
            let (queued, low) = (output.queued() as usize, output.low() as usize);
            outgoing.high = output.is_high() || (outgoing.high && queued > low);
            if outgoing.high {
                return Err(low);
            }
            if let Some(made) = make(output, &core.pools.send) {
                return Ok(made);
            }
            if queued == 0 {
                outgoing.slots = Slots::Missing;
            }
            Err(queued.saturating_sub(1))
        });
        core.schedule(cell);
        made
    }

    /// Waits until the kernel has taken everything.
    pub(super) fn poll_flush(&self, waker: &Waker) -> Poll<io::Result<()>> {
        self.check()?;
        let look = |output: &mut Output| (output.queued(), output.is_lost());
        let looked = self.with_connection(|core, cell| core.with_output(cell, look));
        // Where there is no output, nothing that was written leaves any more.
        match looked.flatten().unwrap_or((0, true)) {
            // A send has failed. The connection may go on for as long as what has arrived is read.
            (_, true) => return Poll::Ready(Err(self.tell(ErrorKind::BrokenPipe.into()))),
            (0, false) => return Poll::Ready(Ok(())),
            _ => {}
        }
        self.wait(Half::Write, 0, waker);
        Poll::Pending
    }

    /// Nothing more will be written.
    pub(super) fn finish(&self) {
        let was = std::mem::replace(&mut self.state.borrow_mut().outgoing.finished, true);
        if !was {
            self.with_connection(|core, cell| core.schedule(cell));
        }
    }

    fn check(&self) -> io::Result<()> {
        let failure = self.state.borrow().failure;
        failure.map_or(Ok(()), |failure| Err(self.tell(failure.into())))
    }

    fn may_write(&self) -> io::Result<()> {
        self.check()?;
        let finished = self.state.borrow().outgoing.finished;
        if finished { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    /// Someone waits for so many bytes to arrive, or until so many are queued, or less.
    fn wait(&self, half: Half, bytes: usize, waker: &Waker) {
        let mut state = self.state.borrow_mut();
        state.streak = 0;
        let waits = state.waits(half);
        waits.bytes = bytes;
        if waits.waker.as_ref().is_some_and(|waits| waits.will_wake(waker)) {
            return;
        }
        drop(state);
        let waker = waker.clone();
        let before = self.state.borrow_mut().waits(half).waker.replace(waker);
        drop(before);
    }

    /// Nobody waits any more.
    pub(super) fn wait_no_more(&self, half: Half) {
        let mut state = self.state.borrow_mut();
        if half == Half::Read {
            // What one read needs is no reason to receive as much for the next.
            state.incoming.arrived_max = state.read_ahead;
            state.incoming.silent = false;
        }
        let waker = state.waits(half).waker.take();
        drop(state);
        drop(waker);
    }

    /// A half of the stream is dropped; the connection ends with the other one: in order, unless that is because of a panic.
    pub(super) fn leave(&self, half: Half) {
        self.wait_no_more(half);
        let mut state = self.state.borrow_mut();
        match half {
            Half::Read => {
                state.incoming.closed = true;
                state.incoming.arrived = Vec::new();
            }
            Half::Write => {
                state.outgoing.closed = true;
                state.outgoing.finished = true;
            }
        }
        let both = state.incoming.closed && state.outgoing.closed;
        drop(state);
        self.with_connection(|core, cell| {
            if std::thread::panicking() {
                core.demand(cell, Demand::Broken);
            }
            core.with_output(cell, |output| {
                if half == Half::Read {
                    output.hold(false);
                }
                if both {
                    output.answered();
                }
            });
            core.schedule(cell);
        });
    }

    /// Ends the connection at once: its peer sees a reset.
    pub(super) fn abort(&self) {
        self.with_connection(|core, cell| core.demand(cell, Demand::Abort));
    }
}

impl Body {
    /// True if the connection is to end it.
    fn gives_up(&self) -> bool {
        self.over.is_none() && (self.given_up || self.late)
    }
}

/// The end of the system has come in the middle of what is read.
fn cut_short() -> io::Error {
    let what = "the system has ended before the peer had sent all of it";
    io::Error::new(ErrorKind::ConnectionAborted, what)
}

/// As the reads of a stream tell it.
fn told_of(error: &BodyError) -> io::Error {
    match error.why() {
        StopReason::Disconnected(errno) => Errno(errno).into(),
        StopReason::Failed => ErrorKind::OutOfMemory.into(),
        StopReason::Stopped => cut_short(),
        _ => ErrorKind::UnexpectedEof.into(),
    }
}

impl State {
    fn waits(&mut self, half: Half) -> &mut Waits {
        match half {
            Half::Read => &mut self.incoming.reader,
            Half::Write => &mut self.outgoing.writer,
        }
    }
}

/// Writes as much as there is room for: within the bound, and in what the core has for output.
fn push(output: &mut Output, pool: &SendPool, bytes: &[u8]) -> usize {
    let mut piece = bytes.len().min(output.room());
    while piece > 0 && output.write(pool, &bytes[..piece]).is_err() {
        piece /= 2;
    }
    piece
}

/// The same with counted bytes. Where all of them were linked, they are taken; else they are left to whoever gave them.
fn push_bytes(output: &mut Output, pool: &SendPool, bytes: &mut Bytes) -> usize {
    let mut piece = bytes.len().min(output.room());
    while piece > 0 {
        let written = if piece == bytes.len() {
            output.write_bytes(pool, bytes)
        } else {
            // Only a count of theirs is dropped here.
            output.write_bytes(pool, &mut bytes.slice(..piece).unwrap_or_default())
        };
        if written.is_ok() {
            break;
        }
        piece /= 2;
    }
    piece
}

#[cfg(test)]
mod tests;
