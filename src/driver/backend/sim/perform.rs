//! One step of one operation: whether it can go on, what holds it up, what it does, how that is reported.
//!
//! Knows: the meaning of every op on the simulated network. Must not know when a core enters.

use super::{Active, Canary, Fate, Outcome, Place, Sim, StreamEnd};
use crate::driver::{Completion, Event, FileWork, Operation, Pools, ReceiveEnd, SendStep, SocketId, Work};
use crate::mem::Key;
use crate::sys::{Errno, Time};

/// How often one multishot completes in one `enter`, at most.
const BURST: usize = 8;

/// The resources that an accept can lack.
const ACCEPT_ERRORS: [Errno; 4] = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];

/// How it is told that nobody answers any more.
const SILENT_ERRORS: [Errno; 2] = [Errno::ETIMEDOUT, Errno::EHOSTUNREACH];

/// How many times the longest delay it takes at most until a connection is cut off that is to be.
const LATER: u64 = 64;

/// The window and the pace of a peer that reads slowly: bytes.
const SLOW_WINDOW: usize = 256;
const SLOW_PACE: usize = 64;

/// What the kernel holds beyond what a peer has room for: bytes.
const HELD_OUTPUT: usize = 64 << 10;

impl Sim {
    /// True if a step would do or report something.
    pub(super) fn can_go_on(&self, active: &Active) -> bool {
        if active.outcome.is_some() {
            return true;
        }
        let operation = self.operation(active.key);
        if let Work::File { request } = &operation.work
            && let FileWork::Dismiss { pool } = &request.work
        {
            return pool.is_whole();
        }
        let Some(socket) = self.table.socket(operation.socket) else { return true };
        match (&operation.work, socket.handle.place) {
            (Work::Accept, Place::Listener(listener)) => {
                socket.handle.cancelled || self.network.acceptable(listener)
            }
            (Work::Connect, Place::Outgoing(outgoing)) => {
                socket.handle.cancelled || self.is_answered(&outgoing)
            }
            (Work::Fill { .. }, Place::Stream(end)) => {
                socket.handle.cancelled || self.network.with(end, |stream, side| stream.readable(side))
            }
            (Work::Receive, Place::Stream(end)) => {
                let (readable, unread) =
                    self.network.with(end, |stream, side| (stream.readable(side), stream.unread(side)));
                let waits = || unread > 0 && socket.handle.starving && !self.has_buffer(operation.socket);
                socket.handle.cancelled || readable && !waits()
            }
            (Work::Send { chain, sent, .. }, Place::Stream(end)) => {
                *sent == chain.bytes() || self.network.with(end, |stream, side| stream.writable(side))
            }
            _ => true,
        }
    }

    /// Lets an operation do what it can, and puts it where it belongs afterwards.
    pub(super) fn step(&mut self, pools: &Pools, mut active: Active) {
        for _ in 0..BURST {
            if active.due > self.network.now() || !self.can_go_on(&active) {
                break;
            }
            let outcome = match active.outcome.take() {
                Some(outcome) => outcome,
                None => {
                    if self.finds_no_buffer(&mut active) || self.hold_up(&mut active) {
                        break;
                    }
                    let Some(outcome) = self.perform(pools, &active) else { break };
                    active.held = false;
                    // Who has taken the error of a socket says so before a receive finds the end behind it: so it is on a ring, too.
                    let takes_error = matches!(outcome, Outcome::Sent(Err(_)));
                    if self.random.chance(self.faults.late_completion) && !takes_error {
                        self.put_off(&mut active);
                        active.outcome = Some(outcome);
                        break;
                    }
                    outcome
                }
            };
            match self.report(pools, active, outcome) {
                Some(rest) => active = rest,
                None => return,
            }
        }
        self.active.push(active);
    }

    pub(super) fn operation(&self, key: Key) -> &Operation {
        self.table.operation(key).expect("an operation is in the table until it ends")
    }

    /// True if by an accident a receive finds no buffer: it has to wait.
    fn finds_no_buffer(&mut self, active: &mut Active) -> bool {
        let operation = self.operation(active.key);
        let (token, id) = (operation.token, operation.socket);
        let receives = matches!(operation.work, Work::Receive) && !self.is_cancelled(id);
        if active.held || !receives || !self.random.chance(self.faults.no_buffer) {
            return false;
        }
        active.held = true;
        let told = self.starve(id);
        self.done.extend(told.map(|event| (active.key, Completion { token, event })));
        true
    }

    /// True if an accident makes the operation wait, though it could go on.
    fn hold_up(&mut self, active: &mut Active) -> bool {
        if active.held {
            return false;
        }
        let slow = match self.operation(active.key).work {
            Work::Connect => self.random.chance(self.faults.slow_connect),
            Work::File { .. } => self.random.chance(self.faults.slow_file),
            _ => false,
        };
        if self.random.chance(self.faults.postpone) || self.random.chance(self.faults.again) {
            active.held = true;
        } else if slow || self.random.chance(self.faults.delay) {
            active.held = true;
            self.put_off(active);
        }
        active.held
    }

    /// Lets nothing happen to the operation before some later time.
    fn put_off(&mut self, active: &mut Active) {
        active.due = self.later();
        self.network.set_alarm(active.due);
    }

    /// A time of the virtual clock that is still to come.
    pub(super) fn later(&mut self) -> Time {
        let delay = 1 + self.random.below(self.faults.delay_ns_max);
        Time(self.network.now().0.saturating_add(delay))
    }

    /// Carries an operation out, one step of it. `None`: it must wait.
    fn perform(&mut self, pools: &Pools, active: &Active) -> Option<Outcome> {
        let operation = self.operation(active.key);
        if let Work::File { .. } = operation.work {
            return Some(self.file(pools, active.key));
        }
        let id = operation.socket;
        let place = self.table.socket(id).expect("a socket outlives its operations").handle.place;
        match (&operation.work, place) {
            (Work::Accept, Place::Listener(listener)) => self.accept(id, listener).map(Outcome::Event),
            (Work::Connect, Place::Outgoing(outgoing)) => self.connect(id, outgoing).map(Outcome::Event),
            (Work::Receive, Place::Stream(end)) => self.receive(pools, id, end).map(Outcome::Event),
            (Work::Fill { .. }, Place::Stream(end)) => self.fill(active.key, id, end).map(Outcome::Filled),
            (Work::Send { .. }, Place::Stream(end)) => Some(Outcome::Sent(self.send(pools, active.key, end))),
            (Work::Cancel, _) => {
                let socket = self.table.socket_mut(id).expect("a socket outlives its operations");
                socket.handle.cancelled |= active.target.is_some() && socket.inward() == active.target;
                Some(Outcome::Event(Event::Cancelled))
            }
            (Work::Shutdown { both }, Place::Stream(end)) => {
                let both = *both;
                let result = self.network.with(end, |stream, side| match both {
                    true => stream.finish_both(side),
                    false => stream.finish(side),
                });
                Some(Outcome::Event(Event::ShutDown { error: result.err() }))
            }
            (Work::Reset, Place::Stream(end)) => {
                self.network.reset(end);
                Some(Outcome::Event(Event::ShutDown { error: None }))
            }
            (Work::Shutdown { both: true } | Work::Reset, Place::Outgoing(_)) => {
                if self.table.socket(id).is_some_and(|socket| socket.inward().is_some()) {
                    self.decide(id, Fate::Aborted);
                }
                Some(Outcome::Event(Event::ShutDown { error: None }))
            }
            (Work::Close { .. }, _) => Some(Outcome::Closed),
            (Work::Pinned { .. }, _) => unreachable!("what is pinned is not active"),
            (Work::Wake | Work::Follow { .. }, _) => unreachable!("simulated cores are not woken"),
            (work, place) => Some(misplaced(work, place)),
        }
    }

    fn accept(&mut self, id: SocketId, listener: u32) -> Option<Event> {
        // What has been asked to end may still take what was there.
        if self.is_cancelled(id) && !(self.network.acceptable(listener) && self.random.chance(0.5)) {
            return Some(Event::AcceptEnded { error: Errno::ECANCELED });
        }
        if self.random.chance(self.faults.failed_accept) {
            return Some(Event::AcceptEnded { error: ACCEPT_ERRORS[self.random.index(ACCEPT_ERRORS.len())] });
        }
        if self.table.sockets() >= self.sockets_max {
            return Some(Event::AcceptEnded { error: Errno::ENFILE });
        }
        let end = self.network.accept(listener)?;
        if self.random.chance(self.faults.aborted_accept) {
            self.network.cut(end, Errno::ECONNRESET);
            self.network.close(end, true);
            return Some(Event::AcceptEnded { error: Errno::ECONNABORTED });
        }
        if self.random.chance(self.faults.slow_reader) {
            self.network.with(end, |stream, side| stream.restrict_peer(side, SLOW_WINDOW, SLOW_PACE));
        }
        if self.random.chance(self.faults.held_output) {
            self.network.with(end, |stream, side| stream.hold(side, HELD_OUTPUT));
        }
        self.may_doom(end);
        let handle = super::Handle { place: Place::Stream(end), cancelled: false, starving: false };
        let socket = self.table.insert(handle).expect("there was room for a socket");
        Some(Event::Accepted { socket })
    }

    /// By accident, the network will cut a new connection off.
    pub(super) fn may_doom(&mut self, end: StreamEnd) {
        if self.random.chance(self.faults.reset_later) {
            let delay = 1 + self.random.below(self.faults.delay_ns_max.saturating_mul(LATER));
            let error = self.breaks_with();
            self.network.doom(end, Time(self.network.now().0.saturating_add(delay)), error);
        }
    }

    /// By accident, the network cuts the connection off.
    fn may_cut(&mut self, end: StreamEnd) {
        if self.random.chance(self.faults.reset) {
            let error = self.breaks_with();
            self.network.cut(end, error);
        }
    }

    /// How it is told that the network has cut a connection off.
    fn breaks_with(&mut self) -> Errno {
        match self.random.chance(self.faults.given_up) {
            true => SILENT_ERRORS[self.random.index(SILENT_ERRORS.len())],
            false => Errno::ECONNRESET,
        }
    }

    fn receive(&mut self, pools: &Pools, id: SocketId, end: StreamEnd) -> Option<Event> {
        self.may_cut(end);
        let unread = self.network.with(end, |stream, side| stream.unread(side));
        if self.is_cancelled(id) && (unread == 0 || self.random.chance(0.5)) {
            return Some(Event::ReceiveEnded { why: ReceiveEnd::Cancelled });
        }
        let result = if unread == 0 {
            self.network.with(end, |stream, side| stream.read(side, &mut [])).map(|_| None)
        } else {
            if !self.has_buffer(id) {
                return self.starve(id);
            }
            self.stop_starving(id);
            self.read(pools, end)
        };
        match result {
            Ok(Some(lease)) => Some(Event::Received { lease }),
            Ok(None) => Some(Event::ReceiveEnded { why: ReceiveEnd::EndOfStream }),
            Err(Errno::EAGAIN) => None,
            Err(error) => Some(Event::ReceiveEnded { why: ReceiveEnd::Failed(error) }),
        }
    }

    fn fill(&mut self, key: Key, id: SocketId, end: StreamEnd) -> Option<Result<u32, Errno>> {
        self.may_cut(end);
        let unread = self.network.with(end, |stream, side| stream.unread(side));
        if self.is_cancelled(id) && (unread == 0 || self.random.chance(0.5)) {
            return Some(Err(Errno::ECANCELED));
        }
        let result = self.read_into(key, end);
        if self.is_cancelled(id) && self.faults.canary == Canary::DropFilled {
            return Some(Err(Errno::ECANCELED));
        }
        result
    }

    /// No buffer: the receive waits for one, behind whoever does already, unless it is to end.
    fn starve(&mut self, id: SocketId) -> Option<Event> {
        // Who comes behind others has not tried.
        self.buffer_shortages += u64::from(self.starving.is_empty());
        if self.is_cancelled(id) {
            return Some(Event::ReceiveEnded { why: ReceiveEnd::Cancelled });
        }
        let socket = self.table.socket_mut(id).expect("a socket outlives its operations");
        if std::mem::replace(&mut socket.handle.starving, true) {
            return None;
        }
        self.starving.push_back(id);
        Some(Event::Starving)
    }

    fn send(&mut self, pools: &Pools, key: Key, end: StreamEnd) -> Result<u32, Errno> {
        self.may_cut(end);
        let short = self.random.chance(self.faults.short_send);
        let Work::Send { chain, sent, .. } =
            &self.table.operation(key).expect("an operation is in the table until it ends").work
        else {
            unreachable!("it was a send when it was looked at");
        };
        let left = (chain.bytes() - sent) as usize;
        let limit = if short && left > 1 { 1 + self.random.index(left - 1) } else { left };
        let taken = self.network.write(end, pools.send.segments(chain, *sent), limit)?;
        let taken = u32::try_from(taken).expect("no more was taken than was given");
        Ok(if self.faults.canary == Canary::DropRest { chain.bytes() - sent } else { taken })
    }

    pub(super) fn is_cancelled(&self, id: SocketId) -> bool {
        self.table.socket(id).is_some_and(|socket| socket.handle.cancelled)
    }

    /// Tells what was done. Answers with the operation if it goes on being active.
    fn report(&mut self, pools: &Pools, active: Active, outcome: Outcome) -> Option<Active> {
        let key = active.key;
        let event = match outcome {
            Outcome::Event(event) => event,
            Outcome::Sent(result) => {
                let pinned = self.pin(pools, key, result);
                match self.table.advance_send(key, result, pinned, &pools.send) {
                    // What is left goes out before anything else.
                    SendStep::Continue(told) => {
                        self.done.extend(told.map(|told| (key, told)));
                        self.queue.push_front(active);
                    }
                    SendStep::Done(completion) => self.done.push((key, completion)),
                }
                return None;
            }
            Outcome::Filled(result) => {
                self.uncancel(self.operation(key).socket);
                let completion = self.table.end_fill(key, result);
                self.done.push((key, completion));
                return None;
            }
            Outcome::File(result, opened) => {
                let (completion, closed) = self.table.end_file(key, result, opened);
                if let Some(handle) = closed {
                    self.leave(handle.place);
                }
                self.done.push((key, completion));
                return None;
            }
            Outcome::Refused(error) => {
                self.uncancel(self.operation(key).socket);
                let refused = self.table.refuse(key, error);
                self.done.push((key, refused));
                return None;
            }
            Outcome::Closed => {
                let reset = matches!(self.operation(key).work, Work::Close { reset: true });
                let completion = self.close(key, reset);
                self.done.push((key, completion));
                return None;
            }
        };
        let token = self.operation(key).token;
        let more = event.more();
        self.done.push((key, Completion { token, event }));
        if !more {
            self.end(key);
            return None;
        }
        if self.random.chance(self.faults.disarm) {
            self.queue.push_back(active);
            return None;
        }
        Some(active)
    }

    fn end(&mut self, key: Key) {
        let operation = self.table.end(key);
        match operation.work {
            Work::Accept | Work::Receive | Work::Connect => self.uncancel(operation.socket),
            _ => {}
        }
    }

    /// What was to end has ended.
    fn uncancel(&mut self, id: SocketId) {
        self.stop_starving(id);
        self.table.socket_mut(id).expect("a socket outlives its operations").handle.cancelled = false;
    }
}

/// The answer to an op on what it is not for.
fn misplaced(work: &Work, place: Place) -> Outcome {
    let error = match (work, place) {
        (_, Place::File(_)) => Errno::ENOTSOCK,
        (Work::Accept, _) | (Work::Connect, Place::Listener(_)) => Errno::EINVAL,
        (Work::Connect, Place::Stream(_)) => Errno::EISCONN,
        (Work::Send { .. }, Place::Outgoing(_)) => Errno::EPIPE,
        _ => Errno::ENOTCONN,
    };
    match work {
        Work::Send { .. } => Outcome::Sent(Err(error)),
        Work::Shutdown { .. } | Work::Reset => Outcome::Event(Event::ShutDown { error: Some(error) }),
        _ => Outcome::Refused(error),
    }
}
