//! The readiness backend: tries each call, parks the op when it would block, retries when the poll says so.
//!
//! Knows: readiness, and how it emulates completions. Must not know actors, nor anything of other backends.
//!
//! A socket on which something can be tried stands in `ready`; one that could receive but found no buffer stands in
//! `starving`, until buffers come back. [`Backend::enter`] never sleeps while either has work. Each socket gets a burst
//! per pass, so that one fast peer cannot starve the others. An op is parked simply by being in flight on a socket that
//! stands in neither list: the socket's next edge puts it back.

mod connect;
mod files;
mod pass;
mod source;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::mio::{Events, Poll};

use self::files::Files;
use self::source::Source;
use super::{Backend, Wait};
use crate::driver::pool::CLIENT_TASKS;
use crate::driver::{
    BlockingPool, Completion, ConnectOptions, DriverLedger, Event, InFlight, Left, ListenSocket,
    ListenSource, Op, Pools, SendStep, Socket, SocketId, Token, Waker, Work,
};
use crate::mem::Key;
use crate::sys::{self, Errno, Time};

/// Edges collected by one call.
const EVENTS: usize = 1024;
/// Not a socket: a slab never gives this index away.
const WAKE: ::mio::Token = ::mio::Token(usize::MAX);

const _: () = assert!(usize::BITS >= u64::BITS, "the poll's token holds a whole key");

/// Carries out ops by trying them whenever their socket is ready.
#[derive(Debug)]
pub struct Mio {
    poll: Poll,
    events: Events,
    waker: Arc<::mio::Waker>,
    table: InFlight<Source>,
    sockets_max: usize,
    /// Sockets to try, each at most once.
    ready: VecDeque<SocketId>,
    /// Sockets that could receive and wait for buffers, first come, first served; each at most once.
    starving: VecDeque<SocketId>,
    /// Where sockets are to be connected to, until that is asked for. Kept beside the table: few sockets have one.
    targets: BTreeMap<Key, SocketAddr>,
    files: Files,
    /// The receive buffer that is being filled.
    filling: Option<u16>,
    /// An enter has answered without a poll: the next one polls, so that edges are not put off for ever.
    poll_due: bool,
    /// Last completions of ops that needed no waiting, until the next enter.
    answers: Vec<Completion>,
    enters: u64,
    buffer_shortages: u64,
}

impl Mio {
    /// A backend for at most `sockets` sockets, listeners and files included, with threads of its own for what blocks.
    ///
    /// # Errors
    /// When the poll or its waker cannot be opened: no descriptors are left.
    pub fn new(sockets: u32) -> io::Result<Mio> {
        Mio::with_pool(sockets, &BlockingPool::new(1, CLIENT_TASKS))
    }

    /// The same, with threads for what blocks that others have too.
    ///
    /// # Errors
    /// When the poll or its waker cannot be opened: no descriptors are left.
    pub fn with_pool(sockets: u32, pool: &BlockingPool) -> io::Result<Mio> {
        let poll = Poll::new()?;
        let waker = Arc::new(::mio::Waker::new(poll.registry(), WAKE)?);
        let files = Files::new(pool.client(Waker::Mio(waker.clone())));
        Ok(Mio {
            poll,
            events: Events::with_capacity(EVENTS),
            waker,
            table: InFlight::new(sockets),
            sockets_max: sockets as usize,
            ready: VecDeque::new(),
            starving: VecDeque::new(),
            targets: BTreeMap::new(),
            files,
            filling: None,
            poll_due: false,
            answers: Vec::new(),
            enters: 0,
            buffer_shortages: 0,
        })
    }

    /// Starts an op that has been entered in the table.
    fn start(&mut self, pools: &Pools, key: Key) {
        let operation = self.table.operation(key).expect("it has just been entered");
        let id = operation.socket;
        match operation.work {
            Work::Accept | Work::Receive | Work::Send { .. } => self.look_at(id),
            Work::Connect => self.connect(key, id),
            Work::Fill { .. } => {
                self.stop_starving(id);
                self.look_at(id);
            }
            Work::File { .. } => self.begin_request(pools, key),
            Work::Cancel => self.cancel(key, id),
            Work::Shutdown { both } => self.shut_down(key, id, both),
            Work::Reset => self.reset(pools, key, id),
            Work::Close { reset } => {
                let (completion, source) = self.table.end_close(key);
                source.close(reset);
                self.targets.remove(&id.0);
                self.answers.push(completion);
            }
            Work::Pinned { .. } => unreachable!("nothing is pinned here"),
            Work::Wake | Work::Follow { .. } => unreachable!("the poll has its own waker"),
        }
    }

    /// Ends what is under way inward. What has not been read stays in the kernel, for the next one.
    fn cancel(&mut self, key: Key, id: SocketId) {
        self.end_inward(id, Errno::ECANCELED);
        let operation = self.table.end(key);
        self.answers.push(Completion { token: operation.token, event: Event::Cancelled });
    }

    fn end_inward(&mut self, id: SocketId, error: Errno) {
        let Some(socket) = self.table.socket_mut(id) else { return };
        socket.handle.connecting = false;
        if let Some(inward) = socket.inward() {
            let refused = self.table.refuse(inward, error);
            self.answers.push(refused);
        }
    }

    /// Ends whatever is under way: between two calls the kernel knows nothing of it. The close that follows resets.
    fn reset(&mut self, pools: &Pools, key: Key, id: SocketId) {
        self.end_inward(id, Errno::ECONNRESET);
        let outward = self.table.socket(id).and_then(|socket| socket.outward());
        if let Some(outward) = outward
            && let SendStep::Done(completion) =
                self.table.advance_send(outward, Err(Errno::ECONNRESET), false, &pools.send)
        {
            self.answers.push(completion);
        }
        let token = self.table.end(key).token;
        self.answers.push(Completion { token, event: Event::ShutDown { error: None } });
    }

    fn shut_down(&mut self, key: Key, id: SocketId, both: bool) {
        let socket = self.table.socket_mut(id).expect("a socket outlives its operations");
        let error = socket.handle.shut_down(both).err().map(|error| Errno::of(&error));
        let operation = self.table.end(key);
        self.answers.push(Completion { token: operation.token, event: Event::ShutDown { error } });
        // Sends and receives that were parked end now.
        self.look_at(id);
    }

    /// Puts a socket among those to try, if there is something to try.
    fn look_at(&mut self, id: SocketId) {
        if let Some(socket) = self.table.socket_mut(id) {
            look_at(socket, id, &mut self.ready);
        }
    }

    /// Takes a socket into the table and asks for its edges.
    fn admit(&mut self, source: Source) -> io::Result<SocketId> {
        let id = self.table.insert(source).map_err(|_| io::Error::from(Errno::ENFILE))?;
        let socket = self.table.socket(id).expect("it has just been inserted");
        let registered = socket.handle.register(self.poll.registry(), token_of(id));
        registered.map(|()| id).inspect_err(|_| self.discard(id))
    }

    /// Takes a socket on which nothing is under way out of the table, and closes it.
    fn discard(&mut self, id: SocketId) {
        self.targets.remove(&id.0);
        if let Some(source) = self.table.remove(id) {
            source.close(false);
        }
    }

    /// Collects edges. True if a wake or a signal was among them: the caller's turn comes first then.
    fn poll(&mut self, timeout: Option<Duration>) -> bool {
        self.enters += 1;
        self.poll_due = false;
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
            Err(error) => panic!("the poll is open and its arguments are right: {error}"),
        }
        let mut woken = false;
        for event in &self.events {
            let id = SocketId(Key::from_bits(event.token().0 as u64));
            if event.token() == WAKE {
                woken = true;
            } else if let Some(socket) = self.table.socket_mut(id) {
                socket.handle.on_edge(event);
                look_at(socket, id, &mut self.ready);
            }
        }
        woken
    }

    /// How long the next poll may stay away.
    fn timeout(&self, wait: Wait, busy: bool) -> Option<Duration> {
        match wait {
            Wait::Until(Time::MAX) if !busy => None,
            Wait::Until(time) if !busy => Some(time.since(self.now())),
            _ => Some(Duration::ZERO),
        }
    }
}

impl Backend for Mio {
    const NAME: &'static str = "mio";

    fn submit(&mut self, pools: &Pools, token: Token, op: Op) {
        match self.table.begin(token, op, &pools.send) {
            Ok(key) => self.start(pools, key),
            Err(refused) => self.answers.push(refused),
        }
    }

    fn enter(&mut self, pools: &Pools, wait: Wait, completions: &mut Vec<Completion>) {
        let before = completions.len();
        self.end_dismissals();
        completions.append(&mut self.answers);
        self.carry_on(pools, completions);
        let answered = completions.len() > before;
        let nothing_to_ask = wait == Wait::No && self.table.operations() == 0;
        if nothing_to_ask || (answered && !self.poll_due) {
            self.poll_due = answered;
            return;
        }
        loop {
            let hungry = !self.starving.is_empty() && self.has_buffer(pools);
            let busy = completions.len() > before || !self.ready.is_empty() || hungry;
            let woken = self.poll(self.timeout(wait, busy));
            self.carry_on(pools, completions);
            let due = match wait {
                Wait::No => true,
                Wait::Until(time) => woken || completions.len() > before || self.now() >= time,
            };
            if due {
                return;
            }
        }
    }

    fn ready(&self) -> bool {
        !self.answers.is_empty()
            || !self.ready.is_empty()
            || self.files.ready()
            || self.table.regions.is_due()
    }

    fn room(&self) -> usize {
        // Ops wait on their sockets, not in a queue.
        usize::MAX
    }

    fn now(&self) -> Time {
        sys::now()
    }

    fn waker(&self) -> Waker {
        Waker::Mio(Arc::clone(&self.waker))
    }

    fn adopt(&mut self, socket: ListenSocket) -> io::Result<SocketId> {
        match socket.source {
            ListenSource::Os(socket) => self.admit(Source::listener(socket)?),
            ListenSource::Sim(..) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn bind(&mut self, address: SocketAddr, backlog: u32, count: usize) -> io::Result<Vec<ListenSocket>> {
        let (address, sockets) = sys::listen_together(address, backlog, count)?;
        let listening = |socket| ListenSocket { address, source: ListenSource::Os(socket) };
        Ok(sockets.into_iter().map(listening).collect())
    }

    fn connecting(&mut self, address: SocketAddr, options: &ConnectOptions) -> io::Result<SocketId> {
        self.open_socket(address, options)
    }

    fn ledger(&self) -> DriverLedger {
        DriverLedger {
            sockets: self.table.sockets(),
            operations: self.table.operations(),
            enters: self.enters,
            buffer_shortages: self.buffer_shortages,
            ..DriverLedger::default()
        }
    }

    fn drain(&mut self, pools: &Pools, patience: Duration) -> Left {
        let left = self.drain_files(pools, self.now().after(patience));
        // Between two calls the kernel holds no memory of ours: of sockets nothing has to be waited for, and nothing can leak.
        for id in self.table.socket_ids() {
            let Some(socket) = self.table.socket(id) else { continue };
            let (outward, inward) = (socket.outward(), socket.inward());
            if let Some(key) = outward {
                self.table.advance_send(key, Err(Errno::ECANCELED), false, &pools.send);
            }
            if let Some(key) = inward {
                self.table.end(key);
            }
            self.discard(id);
        }
        self.ready.clear();
        self.starving.clear();
        self.answers.clear();
        if let Some(buffer) = self.filling.take() {
            pools.receive.give_back(buffer);
        }
        left
    }
}

/// Puts a socket among those to try, if something is under way on it that its readiness lets get further.
fn look_at(socket: &mut Socket<Source>, id: SocketId, ready: &mut VecDeque<SocketId>) {
    let (outward, inward) = (socket.outward().is_some(), socket.inward().is_some());
    let source = &mut socket.handle;
    let outward = outward && source.may_send();
    let inward = inward && source.may_go_inward();
    if (outward || inward) && !source.queued {
        source.queued = true;
        ready.push_back(id);
    }
}

fn token_of(id: SocketId) -> ::mio::Token {
    ::mio::Token(id.0.to_bits() as usize)
}
