//! Opening listeners on every core.
//!
//! Knows: addresses, limits of a listener, one socket per core. Must not know what its connections do.

use std::any::type_name;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;

use super::{Error, Result, System, on_core};
use crate::driver::{ListenSocket, listen};
use crate::executor::{Core, Demand, NO_ROOM, Overflow, RawAddress, Request, current, insist, stage};
use crate::mem::Key;
use crate::net::{AtLimit, Connection, Credits, Peer, Served, Shared, Stream, spawn_listener};

/// Describes a listener. See [`System::listener`].
///
/// ```
/// use std::time::Duration;
/// use odeon::prelude::*;
///
/// # struct Session { id: u64 }
/// # impl Actor for Session { type Message = Never; fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow { match message {} } }
/// # impl Connection for Session { type Codec = Raw; fn frame(&mut self, _: &[u8], _: &mut Context<Self>) -> Flow { Flow::Continue } }
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let listening = system
///     .listener("127.0.0.1:0")
///     .max_connections(1000)
///     .at_limit(AtLimit::Refuse)
///     .idle_timeout(Duration::from_secs(60))
///     .start(|peer| Session { id: peer.id() })?;
/// println!("listening on {}", listening.address());
/// # Ok::<(), odeon::Error>(())
/// ```
#[derive(Debug)]
pub struct ListenerBuilder<'a> {
    system: &'a System,
    address: Result<SocketAddr>,
    options: Options,
}

/// What a listener's connections have in common.
#[derive(Debug, Clone)]
pub(super) struct Options {
    backlog: u32,
    connections_max: Option<usize>,
    at_limit: AtLimit,
    idle_timeout: Option<Duration>,
    first_byte_timeout: Option<Duration>,
    frame_timeout: Option<Duration>,
    /// Those of the system.
    usual_timeouts: [Duration; 2],
    outbox_bytes_max: Option<usize>,
    outbox_overflow: Option<Overflow>,
    outbox_grace: Option<Duration>,
    close_deadline: Duration,
}

impl Options {
    pub(super) fn new(config: &crate::config::Config) -> Options {
        Options {
            backlog: 4096,
            connections_max: None,
            at_limit: AtLimit::Wait,
            idle_timeout: None,
            first_byte_timeout: None,
            frame_timeout: None,
            usual_timeouts: [config.first_byte_timeout, config.frame_timeout],
            outbox_bytes_max: None,
            outbox_overflow: None,
            outbox_grace: None,
            close_deadline: config.close_deadline,
        }
    }

    /// Names the first limit that cannot be.
    fn check(&self) -> Result<()> {
        let nanos = |time: Option<Duration>| {
            time.map_or(u64::MAX, |time| time.as_nanos().try_into().unwrap_or(u64::MAX))
        };
        let (idle_ns, grace_ns) = (nanos(self.idle_timeout), nanos(self.outbox_grace));
        let outbox = self.outbox_bytes_max.unwrap_or(1) as u64;
        let rules = [
            ("max_connections", self.connections_max.unwrap_or(usize::MAX) as u64, u64::MAX, "at least 1"),
            ("idle_timeout", idle_ns, u64::MAX, "longer than nothing, or left out"),
            (
                "first_byte_timeout",
                nanos(self.first_byte_timeout),
                u64::MAX,
                "longer than nothing, or left out",
            ),
            ("frame_timeout", nanos(self.frame_timeout), u64::MAX, "longer than nothing, or left out"),
            ("outbox_bytes", outbox, 1 << 30, "from 1 to 1,073,741,824"),
            ("outbox_grace", grace_ns, u64::MAX, "longer than nothing, or left out"),
            ("backlog", self.backlog.into(), u64::MAX, "at least 1"),
        ];
        let broken = rules.into_iter().find(|(_, got, most, _)| !(1..=*most).contains(got));
        broken.map_or(Ok(()), |(limit, got, _, expected)| Err(Error::ListenerLimit { limit, got, expected }))
    }

    /// The limit of the whole system, and the listener's own if it has one.
    pub(super) fn credits(&self, connections: &Arc<Credits>) -> Vec<Arc<Credits>> {
        let own = self.connections_max.map(|max| Arc::new(Credits::new(max)));
        [connections.clone()].into_iter().chain(own).collect()
    }

    /// What all connections of one core have in common whose actor is an `A`.
    pub(super) fn shared<A: Connection>(&self, credits: Vec<Arc<Credits>>) -> Shared {
        let [first_byte_timeout, frame_timeout] = self.usual_timeouts;
        Shared {
            credits,
            at_limit: self.at_limit,
            idle_timeout: self.idle_timeout.or(A::IDLE_TIMEOUT),
            first_byte_timeout: self
                .first_byte_timeout
                .or(A::FIRST_BYTE_TIMEOUT)
                .unwrap_or(first_byte_timeout),
            frame_timeout: self.frame_timeout.or(A::FRAME_TIMEOUT).unwrap_or(frame_timeout),
            outbox_bytes_max: self.outbox_bytes_max,
            outbox_overflow: self.outbox_overflow.unwrap_or(A::OUTBOX_OVERFLOW),
            outbox_grace: self.outbox_grace.or(A::OUTBOX_GRACE),
            close_deadline: self.close_deadline,
        }
    }
}

impl System {
    /// Describes a listener on an address, such as `127.0.0.1:7000` or `[::]:7000`. Port 0 chooses a free one.
    ///
    /// It has a socket on every core; the kernel spreads connections over them, and each connection stays on its core.
    pub fn listener(&self, address: impl ToSocketAddrs + std::fmt::Debug) -> ListenerBuilder<'_> {
        let given = format!("{address:?}");
        let address = address
            .to_socket_addrs()
            .and_then(|mut found| {
                found.next().ok_or_else(|| std::io::Error::other("the name has no address"))
            })
            .map_err(|source| Error::Address { given: given.trim_matches('"').to_owned(), source });
        ListenerBuilder { system: self, address, options: Options::new(&self.config) }
    }
}

impl ListenerBuilder<'_> {
    /// Connections of this listener at a time, on all cores together. At least 1. Default: as many as the system allows.
    #[must_use]
    pub fn max_connections(mut self, max: usize) -> Self {
        self.options.connections_max = Some(max);
        self
    }

    /// What happens to connections beyond the limit. Default: they wait.
    #[must_use]
    pub fn at_limit(mut self, at_limit: AtLimit) -> Self {
        self.options.at_limit = at_limit;
        self
    }

    /// After so long without a byte from the peer, [`Connection::idle`] is called, which says what does not count. Longer than
    /// nothing. Default: [`Connection::IDLE_TIMEOUT`].
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.options.idle_timeout = Some(timeout);
        self
    }

    /// After so long without a first byte from its peer, a connection is closed, with [`StopReason::Late`](crate::StopReason::Late);
    /// a read of a [`Stream`] that waits is told [`TimedOut`](std::io::ErrorKind::TimedOut) instead. One that
    /// does not read at that time is not watched. Longer than nothing; `Duration::MAX`: it may wait. Default:
    /// [`Connection::FIRST_BYTE_TIMEOUT`], or `Config::first_byte_timeout`.
    #[must_use]
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.options.first_byte_timeout = Some(timeout);
        self
    }

    /// After so long since its first byte, a frame or a body has come whole, or at the rate of `Config::frame_rate_min`: else
    /// the same follows. Longer than nothing; `Duration::MAX`: it may take as long as it likes. Default: [`Connection::FRAME_TIMEOUT`], or
    /// `Config::frame_timeout`.
    #[must_use]
    pub fn frame_timeout(mut self, timeout: Duration) -> Self {
        self.options.frame_timeout = Some(timeout);
        self
    }

    /// Bytes written and not yet taken by the kernel, per connection. From 1 to 1,073,741,824. Default:
    /// [`Connection::OUTBOX_BYTES_MAX`], or `Config::outbox_bytes_max`.
    #[must_use]
    pub fn outbox_bytes(mut self, max: usize) -> Self {
        self.options.outbox_bytes_max = Some(max);
        self
    }

    /// What becomes of output for which the outbox has no room, or whose peer reads too slowly. Default:
    /// [`Connection::OUTBOX_OVERFLOW`]. Of no meaning for a [`Stream`], whose writes wait.
    #[must_use]
    pub fn outbox_overflow(mut self, overflow: Overflow) -> Self {
        self.options.outbox_overflow = Some(overflow);
        self
    }

    /// How long half of the outbox's bound may be queued before that applies. Longer than nothing. Default:
    /// [`Connection::OUTBOX_GRACE`]. Of no meaning for a [`Stream`].
    #[must_use]
    pub fn outbox_grace(mut self, grace: Duration) -> Self {
        self.options.outbox_grace = Some(grace);
        self
    }

    /// Connections that the kernel keeps waiting per core until they are accepted. At least 1. Default: 4,096; the
    /// kernel may lower it.
    #[must_use]
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.options.backlog = backlog;
        self
    }

    /// Opens the listener. `make` makes the actor of each connection, on the core where it is accepted; it is cloned once
    /// for each core.
    ///
    /// # Errors
    /// [`Error::Listen`] when the address cannot be bound, for example because the port is in use. Nobody is accepted then.
    /// [`Error::ListenerLimit`] for a limit that cannot be, such as no connections or an idle timeout of no time.
    pub fn start<A, F>(self, make: F) -> Result<Listening>
    where
        A: Connection,
        F: FnMut(Peer) -> A + Clone + Send + 'static,
    {
        let address = self.address?;
        self.options.check()?;
        self.system.open(address, &self.options, &make)
    }

    /// Opens the listener. `serve` makes the future that serves a connection, from beginning to end, on the core where that is
    /// accepted: an `async fn` that takes a [`Stream`], or a closure that returns a future. It is cloned for each connection, so what
    /// it captures may be moved into the future. The future stays on its core, and need not be [`Send`].
    ///
    /// The connection ends in order when the stream is dropped, which is when the future ends at the latest. An error that the
    /// future ends with is counted and told on standard error, by [`failed`](crate::failed), unless it is the last that the stream
    /// has answered, as when the peer has reset it: that is everyday life. It ends the connection in order as well, so that the
    /// peer may read what it was told; [`Stream::abort`] cuts it off. A panic does so by itself.
    ///
    /// The future goes on when its connection has failed: reads and writes answer the error. When the system ends, nothing more is
    /// received: the stream ends behind what has arrived, and the half of a line that stands there is an error (see [`Stream`]). The
    /// future then has until `Config::drain_deadline` to finish; after that it is dropped, and counted as cut off with its connection.
    ///
    /// **Costs**, for each connection, two cells and a task: less than a kilobyte, beside the future itself. Compared with an actor,
    /// what arrives is copied twice more, and wakes a task.
    ///
    /// # Errors
    /// As for [`ListenerBuilder::start`].
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    /// use odeon::prelude::*;
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let listening = system.listener("127.0.0.1:0").serve(|mut stream: Stream| async move {
    ///     stream.write_all("220 ready\r\n").await?;
    ///     while let Some(line) = stream.read_line(510).await? {
    ///         if line.eq_ignore_ascii_case("quit") {
    ///             stream.write_all("221 goodbye\r\n").await?;
    ///             break;
    ///         }
    ///         stream.write_all("502 not implemented\r\n").await?;
    ///     }
    ///     Ok(())
    /// })?;
    ///
    /// let mut client = TcpStream::connect(listening.address())?;
    /// client.write_all(b"VRFY\r\nQUIT\r\n")?;
    /// let mut answers = String::new();
    /// client.read_to_string(&mut answers)?;
    /// assert_eq!(answers, "220 ready\r\n502 not implemented\r\n221 goodbye\r\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn serve<F, R>(self, serve: F) -> Result<Listening>
    where
        F: FnOnce(Stream) -> R + Clone + Send + 'static,
        R: Future<Output = io::Result<()>> + 'static,
    {
        self.start(move |peer| Served::new(peer, type_name::<Served<F, R>>(), serve.clone()))
    }
}

impl System {
    fn open<A, F>(&self, address: SocketAddr, options: &Options, make: &F) -> Result<Listening>
    where
        A: Connection,
        F: FnMut(Peer) -> A + Clone + Send + 'static,
    {
        let sockets = match stage::find(self.cores[0].id) {
            Some(stage) => stage.listen(address, options.backlog, self.cores.len()),
            None => listen(address, options.backlog, self.cores.len()),
        };
        let sockets = sockets.map_err(|source| Error::Listen { address, source })?;
        let bound = sockets.first().map_or(address, |socket| socket.address);
        let credits = options.credits(&self.connections);
        let mut listening = Listening::new(bound, Vec::new());
        for (core, socket) in self.cores.iter().zip(sockets) {
            let open = Open { socket, make: make.clone(), shared: options.shared::<A>(credits.clone()) };
            let opened = on_core(core.id, open_here::<A, F>, open);
            match opened.and_then(|cell| cell.map_err(|source| Error::Listen { address: bound, source })) {
                Ok(cell) => listening.cells.push(cell),
                Err(error) => {
                    listening.stop();
                    return Err(error);
                }
            }
        }
        Ok(listening)
    }
}

struct Open<F> {
    socket: ListenSocket,
    make: F,
    shared: Shared,
}

type Opened = std::io::Result<RawAddress>;

fn open_here<A, F>(_: Key, (open, answer): (Open<F>, Sender<Opened>))
where
    A: Connection,
    F: FnMut(Peer) -> A + Send + 'static,
{
    current::with(|core| {
        let Some(core) = core else { return };
        let Open { socket, make, shared } = open;
        adopt(core, socket, make, shared, move |opened| {
            // Whoever asked waits for the answer.
            let _ = answer.send(opened);
        });
    });
}

/// Has the driver of this core take the socket over, and spawns the listener's cell.
pub(super) fn adopt<A, F>(
    core: &Core,
    socket: ListenSocket,
    make: F,
    shared: Shared,
    done: impl FnOnce(Opened) + 'static,
) where
    A: Connection,
    F: FnMut(Peer) -> A + 'static,
{
    let address = socket.address;
    core.request(Request::Adopt(
        socket,
        Box::new(move |core, adopted| {
            done(match adopted {
                Ok(socket) => spawn_listener(core, (socket, address), make, shared)
                    .ok_or_else(|| io::Error::other(NO_ROOM)),
                Err(error) => {
                    core.drop_contained(make);
                    Err(error)
                }
            });
        }),
    ));
}

/// A listener that is open. It stays so until the system shuts down, or [`Listening::stop`] is called.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    cells: Vec<RawAddress>,
}

impl Listening {
    fn new(address: SocketAddr, cells: Vec<RawAddress>) -> Listening {
        Listening { address, cells }
    }

    /// The address that it is bound to, with the port that was chosen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting. Connections that were accepted go on.
    pub fn stop(self) {
        for cell in self.cells {
            current::with(|core| insist(core, cell, stop_here, ()));
        }
    }
}

fn stop_here(cell: Key, (): ()) {
    current::with(|core| core.is_some_and(|core| core.demand(cell, Demand::Stop)));
}
