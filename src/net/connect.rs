//! Outgoing connections: a cell that connects a socket, and hands it to a connection actor.
//!
//! Knows: how far connecting has come, its deadline, who waits for it. Must not know what the connection does, nor the backend.
//!
//! The cell lives until its socket has been handed over or closed, also when nobody waits any more: what is in flight has its last
//! completion first.

use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::future::{Future, IntoFuture, ready};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::body;
use super::connection::Connection;
use super::listener::{AtLimit, Peer, Shared};
use super::served::Served;
use super::stream::Stream;
use crate::actor::Addr;
use crate::driver::{ConnectOptions, Event, Op, SocketId};
use crate::executor::blame::{runtime, user};
use crate::executor::{
    Activation, Body, Core, Counters, Demand, Notice, Outcome, Overflow, RawAddress, Request, WheelKey,
    current,
};
use crate::sys::Errno;

/// Timer kind: the time for connecting is over.
const DEADLINE: u32 = 0;

/// The time for connecting, where nobody says.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to an address by TCP, from a future on a core: awaited, it is a [`Stream`]; [`Connect::start`] makes a connection
/// actor of it instead.
///
/// It takes no names of hosts: `ToSocketAddrs` of the standard library resolves them, and blocks, so that is done before the system starts,
/// or on a thread of the program's own.
///
/// **Errors** are those of the kernel, such as [`ErrorKind::ConnectionRefused`]; [`ErrorKind::TimedOut`] when the time is over, which
/// is 10 s unless said otherwise; `ENFILE` when the core has as many sockets and files as it may, accepted connections included: as
/// many as [`Config::connections_max`](crate::Config::connections_max) and [`Config::sockets_beside`](crate::Config::sockets_beside);
/// [`ErrorKind::Other`] when there is no room for an actor or a task, with the limit's name; [`ErrorKind::ConnectionAborted`] when the system ends; [`ErrorKind::Unsupported`] on a
/// thread that runs no core.
///
/// A future that is dropped before it has finished connects to nobody: what was under way is ended.
///
/// **Costs** a cell of some 200 bytes and a timer until it has finished.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpListener;
/// use odeon::prelude::*;
///
/// let peer = TcpListener::bind("127.0.0.1:0")?;
/// let address = peer.local_addr()?;
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let answered = system.spawn_task(0, move || async move {
///     let mut stream = odeon::connect(address).await?;
///     stream.write_all(b"what is it?\n").await?;
///     stream.read_line(80).await
/// })?;
///
/// let (mut accepted, _) = peer.accept()?;
/// accepted.read_exact(&mut [0; 12])?;
/// accepted.write_all(b"a peer\n")?;
/// assert_eq!(answered.wait().unwrap()?, Some("a peer".to_owned()));
///
/// drop((accepted, peer));
/// let refused = system.spawn_task(0, move || async move { odeon::connect(address).await.map(drop) })?;
/// assert_eq!(refused.wait().unwrap().unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn connect(address: SocketAddr) -> Connect {
    Connect {
        address,
        options: ConnectOptions::default(),
        timeout: TIMEOUT,
        idle_timeout: None,
        frame_timeout: None,
        outbox_bytes_max: None,
        outbox_overflow: None,
        outbox_grace: None,
        close_deadline: None,
    }
}

/// See [`connect`].
#[derive(Debug, Clone)]
#[must_use = "nothing is connected before this is awaited or started"]
pub struct Connect {
    address: SocketAddr,
    options: ConnectOptions,
    timeout: Duration,
    idle_timeout: Option<Duration>,
    frame_timeout: Option<Duration>,
    outbox_bytes_max: Option<usize>,
    outbox_overflow: Option<Overflow>,
    outbox_grace: Option<Duration>,
    close_deadline: Option<Duration>,
}

impl Connect {
    /// How long connecting may take. Default 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Connect {
        self.timeout = timeout;
        self
    }

    /// The address of this machine that the peer is to see, with port 0 for any.
    pub fn source(mut self, source: SocketAddr) -> Connect {
        self.options.source = Some(source);
        self
    }

    /// See [`ListenerBuilder::idle_timeout`](crate::ListenerBuilder::idle_timeout).
    pub fn idle_timeout(mut self, timeout: Duration) -> Connect {
        self.idle_timeout = Some(timeout);
        self
    }

    /// See [`ListenerBuilder::frame_timeout`](crate::ListenerBuilder::frame_timeout).
    pub fn frame_timeout(mut self, timeout: Duration) -> Connect {
        self.frame_timeout = Some(timeout);
        self
    }

    /// See [`ListenerBuilder::outbox_bytes`](crate::ListenerBuilder::outbox_bytes): from 1 to 1,073,741,824.
    pub fn outbox_bytes(mut self, max: usize) -> Connect {
        self.outbox_bytes_max = Some(max);
        self
    }

    /// See [`ListenerBuilder::outbox_overflow`](crate::ListenerBuilder::outbox_overflow).
    pub fn outbox_overflow(mut self, overflow: Overflow) -> Connect {
        self.outbox_overflow = Some(overflow);
        self
    }

    /// See [`ListenerBuilder::outbox_grace`](crate::ListenerBuilder::outbox_grace).
    pub fn outbox_grace(mut self, grace: Duration) -> Connect {
        self.outbox_grace = Some(grace);
        self
    }

    /// How long closing may take before what is left is cut off. Default: [`Config::close_deadline`](crate::Config::close_deadline).
    pub fn close_deadline(mut self, deadline: Duration) -> Connect {
        self.close_deadline = Some(deadline);
        self
    }

    /// Makes a connection actor once connected, on this core; awaited, this is its address.
    ///
    /// ```
    /// use std::io::Read;
    /// use std::net::TcpListener;
    /// use odeon::prelude::*;
    ///
    /// struct Caller;
    ///
    /// #[actor(codec = Raw)]
    /// impl Caller {
    ///     #[started]
    ///     fn greet(&mut self, cx: &mut Context<Self>) -> Flow {
    ///         cx.write(b"hello");
    ///         Flow::Close
    ///     }
    ///
    ///     #[frame]
    ///     fn bytes(&mut self, _: &[u8]) {}
    /// }
    ///
    /// let peer = TcpListener::bind("127.0.0.1:0")?;
    /// let address = peer.local_addr()?;
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// system.spawn_task(0, move || async move {
    ///     odeon::connect(address).start(|_peer| Caller).await.expect("somebody listens");
    /// })?;
    /// let mut heard = String::new();
    /// peer.accept()?.0.read_to_string(&mut heard)?;
    /// assert_eq!(heard, "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start<A, F>(mut self, make: F) -> Connecting<Addr<A>>
    where
        A: Connection,
        F: FnOnce(Peer) -> A + 'static,
    {
        self.outbox_overflow = self.outbox_overflow.or(Some(A::OUTBOX_OVERFLOW));
        self.outbox_grace = self.outbox_grace.or(A::OUTBOX_GRACE);
        self.frame_timeout = self.frame_timeout.or(A::FRAME_TIMEOUT);
        let idle_timeout = self.idle_timeout.or(A::IDLE_TIMEOUT);
        let unwanted = |actor: Addr<A>| actor.abort();
        Connecting::new(self, idle_timeout, unwanted, move |core, told, peer, socket, shared| {
            let actor = user(|| make(peer));
            match body::spawn(core, actor, socket, shared) {
                Ok(address) => {
                    told.tell(core, Ok(address));
                    Ok(())
                }
                Err((actor, socket)) => {
                    core.drop_contained(actor);
                    told.tell(core, Err(full()));
                    Err(socket)
                }
            }
        })
    }
}

impl IntoFuture for Connect {
    type Output = io::Result<Stream>;
    type IntoFuture = Connecting<Stream>;

    fn into_future(self) -> Connecting<Stream> {
        let idle_timeout = self.idle_timeout;
        Connecting::new(self, idle_timeout, drop, |core, told, peer, socket, shared| {
            let handing = Handing(Some(told.clone()));
            let served = Served::new(peer, "odeon::connect", move |stream| {
                handing.hand_over(stream);
                ready(Ok(()))
            });
            body::spawn(core, served, socket, shared).map(drop).map_err(|(served, socket)| {
                told.tell(core, Err(full()));
                core.drop_contained(served);
                socket
            })
        })
    }
}

fn full() -> io::Error {
    io::Error::other("there are as many actors on this core as Config::actors_max allows")
}

/// Hands the stream to whoever waits for it; dropped before there is one, tells why there is none.
struct Handing<T>(Option<Rc<Told<T>>>);

impl<T> Handing<T> {
    fn hand_over(mut self, stream: T) {
        if let Some(told) = self.0.take() {
            current::with(|core| core.map(|core| told.tell(core, Ok(stream))));
        }
    }
}

impl<T> Drop for Handing<T> {
    fn drop(&mut self) {
        if let Some(told) = self.0.take() {
            current::with(|core| core.map(|core| told.tell(core, Err(not_served(core)))));
        }
    }
}

/// Why a connection has no future that serves it.
fn not_served(core: &Core) -> io::Error {
    if core.is_ending() {
        ErrorKind::ConnectionAborted.into()
    } else if core.tasks.has_room() {
        full()
    } else {
        io::Error::other("there are as many tasks on this core as Config::tasks_max allows")
    }
}

/// What becomes of a socket that is connected: it is handed back if nobody can have it. Once per outgoing connection, so an indirect
/// call is of no account (R6).
type HandOver<T> = Box<dyn FnOnce(&Core, Rc<Told<T>>, Peer, SocketId, Rc<Shared>) -> Result<(), SocketId>>;

/// What whoever waits is told.
struct Told<T> {
    state: Cell<State<T>>,
    /// What connects, once it has begun.
    cell: Cell<Option<RawAddress>>,
    /// What becomes of a connection that nobody has taken: once at most, as `HandOver`.
    unwanted: fn(T),
}

enum State<T> {
    Waits(Option<Waker>),
    Done(io::Result<T>),
    /// Nobody waits any more.
    Left,
}

impl<T> Told<T> {
    /// Nothing of it is borrowed while a waker is called, or while what nobody wants is dropped.
    fn tell(&self, core: &Core, outcome: io::Result<T>) {
        match self.state.replace(State::Left) {
            State::Waits(waker) => {
                self.state.set(State::Done(outcome));
                if let Some(waker) = waker {
                    core.contain(|| user(|| waker.wake()));
                }
            }
            State::Done(first) => {
                self.state.set(State::Done(first));
                core.drop_contained(outcome);
            }
            State::Left => core.drop_contained(outcome),
        }
    }

    fn is_left(&self) -> bool {
        let state = self.state.replace(State::Left);
        let left = matches!(state, State::Left);
        self.state.set(state);
        left
    }
}

/// Connecting, as a future. See [`connect`].
#[must_use = "nothing is connected before this is awaited"]
pub struct Connecting<T> {
    begin: Option<Begin<T>>,
    told: Rc<Told<T>>,
}

struct Begin<T> {
    connect: Connect,
    idle_timeout: Option<Duration>,
    hand_over: HandOver<T>,
}

impl<T: 'static> Connecting<T> {
    fn new(
        connect: Connect,
        idle_timeout: Option<Duration>,
        unwanted: fn(T),
        hand_over: impl FnOnce(&Core, Rc<Told<T>>, Peer, SocketId, Rc<Shared>) -> Result<(), SocketId> + 'static,
    ) -> Connecting<T> {
        let told = Told { state: Cell::new(State::Waits(None)), cell: Cell::new(None), unwanted };
        let begin = Begin { connect, idle_timeout, hand_over: Box::new(hand_over) };
        Connecting { begin: Some(begin), told: Rc::new(told) }
    }
}

impl<T: 'static> Future for Connecting<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if let Some(begin) = self.begin.take() {
            let begun = current::with(|core| match core {
                Some(core) => begin.check().and_then(|()| begin.begin(core, &self.told)),
                None => Err(io::Error::new(ErrorKind::Unsupported, NO_CORE)),
            });
            if let Err(error) = begun {
                self.told.state.set(State::Left);
                return Poll::Ready(Err(error));
            }
        }
        match self.told.state.replace(State::Left) {
            State::Done(outcome) => Poll::Ready(outcome),
            State::Waits(before) => {
                let waker = match before {
                    Some(before) if before.will_wake(cx.waker()) => before,
                    _ => cx.waker().clone(),
                };
                self.told.state.set(State::Waits(Some(waker)));
                Poll::Pending
            }
            State::Left => panic!("a future is not polled after it has finished"),
        }
    }
}

const NO_CORE: &str = "this thread runs no core: connect in a future on one (System::spawn_task)";

impl<T> Drop for Connecting<T> {
    fn drop(&mut self) {
        let state = self.told.state.replace(State::Left);
        if let Some(cell) = self.told.cell.take() {
            current::at(cell.core(), |core| core.map(|core| core.demand(cell.cell(), Demand::Abort)));
        }
        if let State::Done(Ok(connected)) = state {
            (self.told.unwanted)(connected);
        }
    }
}

impl<T> std::fmt::Debug for Connecting<T> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct(type_name::<Self>()).finish_non_exhaustive()
    }
}

impl<T: 'static> Begin<T> {
    fn check(&self) -> io::Result<()> {
        let wrong = match self.connect {
            Connect { idle_timeout: Some(Duration::ZERO), .. } => {
                "idle_timeout: longer than nothing, or left out"
            }
            Connect { frame_timeout: Some(Duration::ZERO), .. } => {
                "frame_timeout: longer than nothing, or left out"
            }
            Connect { outbox_grace: Some(Duration::ZERO), .. } => {
                "outbox_grace: longer than nothing, or left out"
            }
            Connect { outbox_bytes_max: Some(0 | 1_073_741_825..), .. } => {
                "outbox_bytes: from 1 to 1,073,741,824"
            }
            _ => return Ok(()),
        };
        Err(io::Error::new(ErrorKind::InvalidInput, wrong))
    }

    /// Spawns the cell that connects, and has the driver open a socket for it.
    fn begin(self, core: &Core, told: &Rc<Told<T>>) -> io::Result<()> {
        let Begin { connect, idle_timeout, hand_over } = self;
        let shared = Shared {
            credits: Vec::new(),
            at_limit: AtLimit::Refuse,
            idle_timeout,
            first_byte_timeout: Duration::MAX,
            frame_timeout: connect.frame_timeout.unwrap_or(core.config.frame_timeout),
            outbox_bytes_max: connect.outbox_bytes_max,
            outbox_overflow: connect.outbox_overflow.unwrap_or_default(),
            outbox_grace: connect.outbox_grace,
            close_deadline: connect.close_deadline.unwrap_or(core.config.close_deadline),
        };
        let dialing = Rc::new(Dialing { opened: Cell::new(Opened::Waits) });
        let body = ConnectBody {
            told: told.clone(),
            dialing: dialing.clone(),
            hand_over: Cell::new(Some(hand_over)),
            shared: Rc::new(shared),
            state: RefCell::new(Dial { phase: Phase::Opening, others: 0, timer: None, socket: None }),
            deadline: core.now().after(connect.timeout),
        };
        let cell = core.spawn_io(ConnectHead, body).map_err(|(_, body)| {
            core.drop_contained(body);
            full()
        })?;
        told.cell.set(Some(core.address(cell)));
        let opened = move |core: &Core, socket: io::Result<SocketId>| {
            dialing.opened.set(Opened::Done(socket));
            core.schedule(cell);
        };
        core.request(Request::Connect(connect.address, connect.options, Box::new(opened)));
        Ok(())
    }
}

/// What the driver has answered.
enum Opened {
    Waits,
    Done(io::Result<SocketId>),
}

struct Dialing {
    opened: Cell<Opened>,
}

/// Marks a cell that connects: nobody sends messages to it.
struct ConnectHead;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The driver is asked for a socket.
    Opening,
    Connecting,
    /// It has been told to end.
    Cancelling,
    Closing,
    Closed,
}

struct Dial {
    phase: Phase,
    /// Cancels in flight.
    others: usize,
    timer: Option<WheelKey>,
    socket: Option<SocketId>,
}

struct ConnectBody<T> {
    told: Rc<Told<T>>,
    dialing: Rc<Dialing>,
    hand_over: Cell<Option<HandOver<T>>>,
    shared: Rc<Shared>,
    state: RefCell<Dial>,
    deadline: crate::sys::Time,
}

impl<T: 'static> Body<ConnectHead> for ConnectBody<T> {
    fn activate(&self, _: &ConnectHead, activation: &Activation<'_>) -> Outcome {
        let core = activation.core;
        let mut dial = self.state.borrow_mut();
        if let Opened::Done(opened) = self.dialing.opened.replace(Opened::Waits) {
            self.opened(&mut dial, activation, opened);
        }
        if core.cells.take_demand(activation.cell()).is_some() {
            // Nobody waits any more, or the system ends.
            self.give_up(&mut dial, activation, ErrorKind::ConnectionAborted.into());
        }
        while let Some(notice) = core.cells.next_notice(activation.cell()) {
            match notice {
                Notice::Io(Event::Connected { error }) => self.connected(&mut dial, activation, error),
                Notice::Io(Event::Cancelled) => dial.others -= 1,
                Notice::Io(Event::Closed) => dial.phase = Phase::Closed,
                Notice::Timer(_) => {
                    dial.timer = None;
                    self.give_up(&mut dial, activation, ErrorKind::TimedOut.into());
                }
                notice => unreachable!("what connects never asked for {notice:?}"),
            }
        }
        if dial.phase == Phase::Closing
            && dial.others == 0
            && let Some(socket) = dial.socket.take()
        {
            core.push(activation.cell(), Op::Close { socket, reset: false });
        }
        if dial.phase != Phase::Closed || dial.others > 0 {
            return Outcome::Rest;
        }
        if let Some(timer) = dial.timer.take() {
            core.disarm(timer);
        }
        self.told.cell.set(None);
        Outcome::Ended
    }
}

impl<T: 'static> ConnectBody<T> {
    /// The driver has opened a socket, or has not.
    fn opened(&self, dial: &mut Dial, activation: &Activation<'_>, opened: io::Result<SocketId>) {
        let core = activation.core;
        match opened {
            Ok(socket) => {
                dial.socket = Some(socket);
                if dial.phase == Phase::Cancelling {
                    dial.phase = Phase::Closing;
                    return;
                }
                dial.phase = Phase::Connecting;
                dial.timer = core.arm(activation.cell(), DEADLINE, self.deadline).ok();
                core.push(activation.cell(), Op::Connect { socket });
                if dial.timer.is_none() {
                    // Without a timer there is no deadline.
                    self.give_up(dial, activation, Errno::ENOMEM.into());
                }
            }
            Err(error) => {
                self.told.tell(core, Err(error));
                dial.phase = Phase::Closed;
            }
        }
    }

    fn connected(&self, dial: &mut Dial, activation: &Activation<'_>, error: Option<Errno>) {
        let core = activation.core;
        let wanted = dial.phase == Phase::Connecting && !self.told.is_left();
        dial.phase = Phase::Closing;
        match error {
            None if wanted => self.hand_over(dial, activation),
            None => {}
            Some(error) => self.told.tell(core, Err(error.into())),
        }
    }

    /// Hands the socket to the actor that is made for it.
    fn hand_over(&self, dial: &mut Dial, activation: &Activation<'_>) {
        let core = activation.core;
        let (Some(socket), Some(hand_over)) = (dial.socket.take(), self.hand_over.take()) else { return };
        let peer = Peer::next(core);
        let handed = core
            .contain(|| runtime(|| hand_over(core, self.told.clone(), peer, socket, self.shared.clone())));
        match handed {
            Some(Ok(())) => dial.phase = Phase::Closed,
            // Whoever waits was told why.
            Some(Err(refused)) => self.take_back(dial, core, refused),
            None => {
                self.told.tell(core, Err(io::Error::other("what was to make its actor has panicked")));
                self.take_back(dial, core, socket);
            }
        }
    }

    /// Nobody can have the socket: it is closed here.
    fn take_back(&self, dial: &mut Dial, core: &Core, socket: SocketId) {
        Counters::add(&core.counters.connections_closed, 1);
        dial.socket = Some(socket);
    }

    /// Ends what is under way; whoever waits is told why.
    fn give_up(&self, dial: &mut Dial, activation: &Activation<'_>, why: io::Error) {
        let core = activation.core;
        match dial.phase {
            Phase::Opening => {}
            Phase::Connecting => {
                let socket = dial.socket.expect("what connects has a socket");
                dial.others += 1;
                core.push(activation.cell(), Op::Cancel { socket });
            }
            Phase::Cancelling | Phase::Closing | Phase::Closed => return,
        }
        dial.phase = Phase::Cancelling;
        self.told.tell(core, Err(why));
    }
}
