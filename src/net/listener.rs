//! Listeners: cells that accept, and spawn a connection actor for each socket.
//!
//! Knows: accepting, limits, back-off. Must not know what a connection does, nor the backend.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::body;
use super::connection::Connection;
use super::credits::Credits;
use super::last_call::{BETWEEN_LOOKS, LastCall};
use crate::driver::{Event, Op, SocketId};
use crate::executor::blame::{runtime, user};
use crate::executor::{
    Activation, Body, Core, Counters, Deadline, Demand, Notice, Outcome, Overflow, RawAddress, WheelKey,
    current, insist,
};
use crate::mem::Key;
use crate::sys::{Errno, warn};

/// Timer kind: accept again.
const RETRY: u32 = 0;
/// Timer kind: a look of the last call.
const LAST_CALL: u32 = 1;
/// Long enough not to spin while the process has no descriptors, short enough not to be noticed.
const BACK_OFF: Duration = Duration::from_millis(50);

/// What happens to a connection beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AtLimit {
    /// It waits, in the listener's backlog, until another ends.
    #[default]
    Wait,
    /// It is reset at once.
    Refuse,
}

/// A connection that has been accepted, as the function that makes its actor sees it.
/// See [`ListenerBuilder::start`](crate::ListenerBuilder::start).
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    id: u64,
}

impl Peer {
    /// A number that no other connection of this process has. In a [simulation](crate::sim), none of the same: there it comes from the seed.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The next connection of a core.
    pub(super) fn next(core: &Core) -> Peer {
        let opened = core.counters.connections_opened.get() + 1;
        core.counters.connections_opened.set(opened);
        Peer { id: u64::from(core.number()) << 40 | opened }
    }
}

/// The limits of a listener's connections, one per core and listener.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) credits: Vec<Arc<Credits>>,
    pub(crate) at_limit: AtLimit,
    /// After so long without bytes, an actor is told.
    pub(crate) idle_timeout: Option<Duration>,
    /// After so long without a first byte, it ends, or when a frame has not come whole.
    pub(crate) first_byte_timeout: Duration,
    pub(crate) frame_timeout: Duration,
    pub(crate) outbox_bytes_max: Option<usize>,
    /// What becomes of what finds no room in an outbox, and after how long a peer is too slow.
    pub(crate) outbox_overflow: Overflow,
    pub(crate) outbox_grace: Option<Duration>,
    pub(crate) close_deadline: Duration,
}

impl Shared {
    /// Takes a credit of each kind; none if any is missing, which is then answered.
    fn take_credits(&self) -> Result<(), &Arc<Credits>> {
        for (taken, credits) in self.credits.iter().enumerate() {
            if !credits.take() {
                for credits in &self.credits[..taken] {
                    tell_waiters(credits.give());
                }
                return Err(credits);
            }
        }
        Ok(())
    }

    /// Returns the credits of a connection that has ended, and tells the listeners that wait for them.
    pub(super) fn give_credits(&self, core: &Core) {
        Counters::add(&core.counters.connections_closed, 1);
        for credits in &self.credits {
            tell_waiters(credits.give());
        }
    }
}

fn tell_waiters(waiters: Vec<RawAddress>) {
    for listener in waiters {
        current::with(|core| match core {
            Some(core) if core.id == listener.core() => retry(listener.cell(), ()),
            from => insist(from, listener, retry, ()),
        });
    }
}

fn retry(listener: Key, (): ()) {
    current::with(|core| core.is_some_and(|core| core.notify(listener, Notice::Timer(RETRY)).is_ok()));
}

fn disarm(core: &Core, timer: &mut Option<WheelKey>) {
    if let Some(timer) = timer.take() {
        core.disarm(timer);
    }
}

/// Marks a cell as a listener: nobody sends messages to it.
pub(crate) struct ListenerHead;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Asked to stop: accepts what is in the backlog.
    LastCall,
    /// Accepts nobody any more, and serves those who wait for a credit.
    Stopping,
    Closing,
    Closed,
}

struct Accepting {
    socket: SocketId,
    /// By which it is reported.
    address: SocketAddr,
    phase: Phase,
    /// An accept is armed.
    accepting: bool,
    cancelling: bool,
    /// Cancels and closes of refused connections in flight.
    others: usize,
    /// The last accept failed, and this timer says when to try again.
    retry: Option<Deadline>,
    /// The next look of the last call.
    look: Option<WheelKey>,
    last_call: LastCall,
    /// A failure has been logged.
    logged: bool,
    /// Accepted beyond the limit, before the accept could be ended: served as soon as there is a credit.
    held: VecDeque<SocketId>,
}

/// The body of a listener's cell.
pub(crate) struct ListenerBody<F> {
    make: RefCell<F>,
    shared: Rc<Shared>,
    accepting: RefCell<Accepting>,
}

/// Spawns a listener for a socket that the driver has taken over.
pub(crate) fn spawn_listener<A, F>(
    core: &Core,
    (socket, address): (SocketId, SocketAddr),
    make: F,
    shared: Shared,
) -> Option<RawAddress>
where
    A: Connection,
    F: FnMut(Peer) -> A + 'static,
{
    let accepting = Accepting {
        socket,
        address,
        phase: Phase::Open,
        accepting: false,
        cancelling: false,
        others: 0,
        retry: None,
        look: None,
        last_call: LastCall::default(),
        logged: false,
        held: VecDeque::new(),
    };
    let body = ListenerBody {
        make: RefCell::new(make),
        shared: Rc::new(shared),
        accepting: RefCell::new(accepting),
    };
    let spawned = core.spawn_io(ListenerHead, body).map_err(|(_, body)| core.drop_contained(body));
    spawned.ok().map(|cell| core.address(cell))
}

impl<A: Connection, F: FnMut(Peer) -> A + 'static> Body<ListenerHead> for ListenerBody<F> {
    fn activate(&self, _: &ListenerHead, activation: &Activation<'_>) -> Outcome {
        let core = activation.core;
        let mut accepting = self.accepting.borrow_mut();
        match core.cells.take_demand(activation.cell()) {
            Some(Demand::Stop) if accepting.phase == Phase::Open => accepting.begin_last_call(activation),
            Some(Demand::Abort) => accepting.abort(activation),
            _ => {}
        }
        while let Some(notice) = core.cells.next_notice(activation.cell()) {
            match notice {
                Notice::Io(event) => self.event(&mut accepting, activation, event),
                Notice::Timer(LAST_CALL) => {
                    accepting.look = None;
                    accepting.last_call.look();
                    accepting.go_on_with_last_call(activation);
                }
                // Also told by connections that give a credit back.
                Notice::Timer(_) => accepting.disarm_retry(activation),
                Notice::Slots
                | Notice::Room
                | Notice::Stored(_)
                | Notice::Fed
                | Notice::FeedEnded
                | Notice::Finished
                | Notice::Untied => {
                    unreachable!("a listener sends nothing")
                }
            }
        }
        self.serve_held(&mut accepting, activation);
        accepting.advance(activation)
    }
}

impl<F> ListenerBody<F> {
    fn event<A>(&self, accepting: &mut Accepting, activation: &Activation<'_>, event: Event)
    where
        A: Connection,
        F: FnMut(Peer) -> A + 'static,
    {
        match event {
            Event::Accepted { socket } => {
                accepting.last_call.heard();
                // Those that were held before come first.
                accepting.held.push_back(socket);
            }
            Event::AcceptEnded { error } => accepting.ended(activation, error),
            Event::Closed if accepting.phase == Phase::Closing => accepting.phase = Phase::Closed,
            Event::Closed | Event::Cancelled => accepting.others -= 1,
            event => unreachable!("a listener never asked for {event:?}"),
        }
    }

    /// Serves what has been accepted, as far as there are credits.
    fn serve_held<A>(&self, accepting: &mut Accepting, activation: &Activation<'_>)
    where
        A: Connection,
        F: FnMut(Peer) -> A + 'static,
    {
        let me = activation.core.address(activation.cell());
        let mut registered = false;
        while let Some(socket) = accepting.held.front().copied() {
            match self.shared.take_credits() {
                Ok(()) => {
                    accepting.held.pop_front();
                    self.serve(accepting, activation, socket);
                }
                Err(_) if self.shared.at_limit == AtLimit::Refuse => {
                    accepting.held.pop_front();
                    accepting.refuse(activation, socket);
                }
                Err(_) if registered => return,
                Err(credits) => {
                    // Registered first, looked at once more: a credit returned in between is not missed.
                    credits.register(me);
                    registered = true;
                }
            }
        }
    }

    fn serve<A>(&self, accepting: &mut Accepting, activation: &Activation<'_>, socket: SocketId)
    where
        A: Connection,
        F: FnMut(Peer) -> A + 'static,
    {
        let core = activation.core;
        let peer = Peer::next(core);
        // The user's code makes the actor, and the codec of its connection.
        let spawned = core.contain(|| {
            runtime(|| {
                let actor = user(|| (self.make.borrow_mut())(peer));
                body::spawn(core, actor, socket, self.shared.clone())
            })
        });
        let refused = match spawned {
            Some(Ok(_)) => return,
            Some(Err((actor, _))) => {
                let name = std::any::type_name::<A>();
                core.report_failure(name, format_args!("is not begun: there are Config::actors_max actors"));
                Some(actor)
            }
            None => None,
        };
        core.drop_contained(refused);
        self.shared.give_credits(core);
        accepting.refuse(activation, socket);
    }
}

impl Accepting {
    fn is_accepting(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::LastCall)
    }

    fn begin_last_call(&mut self, activation: &Activation<'_>) {
        self.phase = Phase::LastCall;
        self.go_on_with_last_call(activation);
    }

    /// Stops if the last call is over; else a timer looks again.
    fn go_on_with_last_call(&mut self, activation: &Activation<'_>) {
        if self.phase != Phase::LastCall {
            return;
        }
        if !self.last_call.is_over() {
            let next = activation.deadline(BETWEEN_LOOKS);
            self.look = activation.core.arm(activation.cell(), LAST_CALL, next).ok();
        }
        if self.look.is_none() {
            self.phase = Phase::Stopping;
        }
    }

    /// Stops now: who waits for a credit is refused.
    fn abort(&mut self, activation: &Activation<'_>) {
        if self.is_accepting() {
            self.phase = Phase::Stopping;
        }
        while let Some(socket) = self.held.pop_front() {
            self.refuse(activation, socket);
        }
    }

    fn refuse(&mut self, activation: &Activation<'_>, socket: SocketId) {
        self.others += 1;
        activation.core.push(activation.cell(), Op::Close { socket, reset: true });
    }

    fn ended(&mut self, activation: &Activation<'_>, error: Errno) {
        self.accepting = false;
        self.cancelling = false;
        if matches!(error, Errno::ECANCELED | Errno::ECONNABORTED) {
            return;
        }
        if !self.logged {
            self.logged = true;
            warn(format_args!(
                "the listener on {} pauses, again and again, until it can accept: {error}",
                self.address
            ));
        }
        self.disarm_retry(activation);
        // Without a time to wait for it would try again and again at once.
        let retry = activation.deadline(BACK_OFF);
        self.retry = Some(activation.core.arm_surely(activation.cell(), RETRY, retry));
    }

    fn disarm_retry(&mut self, activation: &Activation<'_>) {
        if let Some(retry) = self.retry.take() {
            activation.core.disarm_surely(activation.cell(), RETRY, retry);
        }
    }

    fn advance(&mut self, activation: &Activation<'_>) -> Outcome {
        let (core, cell, listener) = (activation.core, activation.cell(), self.socket);
        let stopping = self.phase == Phase::Stopping;
        // While it is open, who comes beyond the limit stays in the backlog. The last call empties that.
        let full = self.phase == Phase::Open && !self.held.is_empty();
        if self.accepting && !self.cancelling && (stopping || full) {
            self.cancelling = true;
            self.others += 1;
            core.push(cell, Op::Cancel { socket: listener });
        }
        if self.is_accepting() && !self.accepting && !full && self.retry.is_none() {
            self.accepting = true;
            core.push(cell, Op::Accept { listener });
        }
        // Whoever was accepted is served, as soon as there is a credit.
        if stopping && !self.accepting && self.others == 0 && self.held.is_empty() {
            self.phase = Phase::Closing;
            core.push(cell, Op::Close { socket: listener, reset: false });
        }
        if self.phase != Phase::Closed {
            return Outcome::Rest;
        }
        self.disarm_retry(activation);
        disarm(core, &mut self.look);
        Outcome::Ended
    }
}
