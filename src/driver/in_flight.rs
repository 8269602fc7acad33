//! The one table of sockets and of operations in flight, shared by every backend.
//!
//! Knows: which op is under way on which socket, and who asked for it. Must not know how it is carried out.
//!
//! An operation is named by its [`Key`] in one table: its bits are the `user_data` of whatever the backend hands to the
//! kernel. A socket is named by its key in the other. What the rules forbid (two receives or two sends at once on one
//! socket, closing a socket that is in use) is asserted here, once for all backends.

use super::file::{FileRequest, FileWork, OFFSET_MAX};
use super::op::{Completion, Event, FileId, Fill, Op, ReceiveEnd, SocketId, Token};
use super::regions::{REGIONS_MAX, Regions};
use crate::config::FILE_REQUESTS_LIMIT;
use crate::mem::{Chain, Key, MaybeKey, SendPool, Slab};
use crate::sys::Errno;

/// What an operation does, with what it owns meanwhile.
#[derive(Debug)]
pub enum Work {
    /// See [`Op::Accept`].
    Accept,
    /// See [`Op::Connect`].
    Connect,
    /// See [`Op::Receive`].
    Receive,
    /// See [`Op::Fill`].
    Fill { fill: Box<Fill> },
    /// See [`Op::Send`]. `sent` bytes of the chain have been taken by the kernel, which may still read its memory until it has
    /// said `pins` times that it does not.
    Send { chain: Chain, sent: u32, pins: u16 },
    /// A send that has been answered for, while the kernel may still read its memory. See [`Event::Released`].
    Pinned { chain: Chain, pins: u16 },
    /// See [`Op::Cancel`].
    Cancel,
    /// See [`Op::Shutdown`].
    Shutdown { both: bool },
    /// See [`Op::Reset`].
    Reset,
    /// See [`Op::Close`].
    Close { reset: bool },
    /// See [`Op::File`].
    File { request: Box<FileRequest> },
    /// The backend's own: an entry linked behind that of another operation, which its answer belongs to.
    Follow { first: Key },
    /// The backend's own: a wake from another thread. It answers nobody.
    Wake,
}

/// An operation in flight.
#[derive(Debug)]
pub struct Operation {
    /// Who asked.
    pub token: Token,
    /// On which socket or file; meaningless for [`Work::Wake`], and for a file that is being opened where it is below none.
    pub socket: SocketId,
    /// What it does.
    pub work: Work,
}

/// A socket or a file, with the backend's own state of it.
#[derive(Debug)]
pub struct Socket<S> {
    /// What the backend keeps of it.
    pub handle: S,
    inward: MaybeKey,
    outward: MaybeKey,
    /// Operations that name this socket, of every kind.
    pub operations: u32,
    /// Parts of sends that the kernel has taken and whose memory it may still read.
    pinned: u8,
    /// It was to be connected once.
    connected: bool,
    closing: bool,
}

const _: () = assert!(size_of::<Socket<()>>() <= 24, "there is one for each connection");

impl<S> Socket<S> {
    /// The connect, accept or receive under way.
    #[must_use]
    pub fn inward(&self) -> Option<Key> {
        self.inward.get()
    }

    /// The send under way.
    #[must_use]
    pub fn outward(&self) -> Option<Key> {
        self.outward.get()
    }

    /// True if the kernel may still read the memory of something that was sent.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pinned > 0
    }
}

/// Sockets and operations of one core. `S` is the backend's state per socket.
#[derive(Debug)]
pub struct InFlight<S> {
    sockets: Slab<Socket<S>>,
    operations: Slab<Operation>,
    /// Parts of sends, of all sockets, whose memory the kernel may still read.
    pinned: u32,
    pinned_max: u32,
    pinned_per_socket_max: u8,
    /// The regions that memory of operations may lie in.
    pub regions: Regions,
}

/// Not a socket: no table has this place.
const NOBODY: SocketId = SocketId(Key { index: u32::MAX, generation: u32::MAX });

/// Parts of sends whose memory the kernel may still read, at most, of one socket, where nobody says anything else.
const PINNED_PER_SOCKET_MAX: u8 = 64;

/// What to do after the kernel has answered a send.
#[derive(Debug)]
pub enum SendStep {
    /// Not all of it was taken: the same operation goes on, before anything else of this socket. Told, if any was taken.
    Continue(Option<Completion>),
    /// Nothing more will happen: this is the last completion.
    Done(Completion),
}

impl<S> InFlight<S> {
    /// Tables for at most `sockets` sockets. Operations are bounded by what the rules allow per socket.
    #[must_use]
    pub fn new(sockets: u32) -> InFlight<S> {
        InFlight::with_pins(sockets, PINNED_PER_SOCKET_MAX)
    }

    /// The same, with so many parts of sends of one socket whose memory the kernel may still read.
    #[must_use]
    pub fn with_pins(sockets: u32, pinned_per_socket_max: u8) -> InFlight<S> {
        // Per socket: one inward, one outward, one cancel, one shutdown or close. Of a file, which has a place among them, one at a
        // time is neither counted among the requests of futures nor asked for by them: what a cell stores in it, or its close. A
        // request of a future has two where it is a pair. A few for the backend itself.
        let operations = sockets.saturating_mul(4).saturating_add(16 + 2 * FILE_REQUESTS_LIMIT);
        // Each region comes once, and goes once, and no more are under way than there are places for.
        let operations = operations.saturating_add(2 * u32::from(REGIONS_MAX));
        // Of each socket one, or of few sockets many. Each may be an operation of its own.
        let pinned_max = sockets.max(pinned_per_socket_max.into());
        InFlight {
            sockets: Slab::new(sockets),
            operations: Slab::new(operations.saturating_add(pinned_max)),
            pinned: 0,
            pinned_max,
            pinned_per_socket_max,
            regions: Regions::default(),
        }
    }

    /// Takes a socket into the table; hands it back when the table is full.
    pub fn insert(&mut self, handle: S) -> Result<SocketId, S> {
        let (inward, outward) = (MaybeKey::NONE, MaybeKey::NONE);
        let socket =
            Socket { handle, inward, outward, operations: 0, pinned: 0, connected: false, closing: false };
        self.sockets.insert(socket).map(SocketId).map_err(|socket| socket.handle)
    }

    /// Takes a socket out that the backend will not keep, or keeps no longer; none for a stale id.
    ///
    /// # Panics
    /// When anything is under way on it.
    pub fn remove(&mut self, id: SocketId) -> Option<S> {
        let socket = self.sockets.remove(id.0)?;
        assert!(socket.operations == 0, "removing a socket that is in use");
        Some(socket.handle)
    }

    /// The socket behind an id, unless the id is stale.
    #[must_use]
    pub fn socket(&self, id: SocketId) -> Option<&Socket<S>> {
        self.sockets.get(id.0)
    }

    /// The socket behind an id, unless the id is stale.
    pub fn socket_mut(&mut self, id: SocketId) -> Option<&mut Socket<S>> {
        self.sockets.get_mut(id.0)
    }

    /// The operation behind a key; none for a key whose operation has ended.
    #[must_use]
    pub fn operation(&self, key: Key) -> Option<&Operation> {
        self.operations.get(key)
    }

    /// What a send needs: the backend's state of its socket, the chain, and how many bytes of it have been taken.
    ///
    /// # Panics
    /// When `key` is not a send in flight.
    pub fn sending(&mut self, key: Key) -> (&mut S, &Chain, u32) {
        let operation = self.operations.get(key).expect("a send in flight");
        let Work::Send { chain, sent, .. } = &operation.work else { panic!("what goes outward is a send") };
        let socket = self.sockets.get_mut(operation.socket.0).expect("a socket outlives its operations");
        (&mut socket.handle, chain, *sent)
    }

    /// Sockets in the table.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// Operations in flight, the backend's own included.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.operations.len()
    }

    /// Every socket's id, for the drain.
    pub fn socket_ids(&self) -> Vec<SocketId> {
        self.sockets.keys().map(SocketId).collect()
    }

    /// Enters an op that the runtime asked for. Answers at once when its socket is gone.
    ///
    /// # Panics
    /// When the op breaks a rule of the boundary: that is a bug of the runtime.
    pub fn begin(&mut self, token: Token, op: Op, send: &SendPool) -> Result<Key, Completion> {
        let (id, work) = match op {
            Op::Accept { listener } => (listener, Work::Accept),
            Op::Receive { socket } => (socket, Work::Receive),
            Op::Send { socket, chain } => (socket, Work::Send { chain, sent: 0, pins: 0 }),
            Op::Connect { socket } => (socket, Work::Connect),
            Op::Fill { socket, fill } => (socket, Work::Fill { fill }),
            Op::File { request } => return self.begin_file(token, request, send),
            Op::Cancel { socket } => (socket, Work::Cancel),
            Op::Shutdown { socket, both } => (socket, Work::Shutdown { both }),
            Op::Reset { socket } => (socket, Work::Reset),
            Op::Close { socket, reset } => (socket, Work::Close { reset }),
        };
        let Some(socket) = self.sockets.get_mut(id.0) else {
            return Err(Completion { token, event: refused(work, send) });
        };
        assert!(!socket.closing, "an op on a socket that is being closed");
        match &work {
            Work::Accept | Work::Connect | Work::Receive | Work::Fill { .. } => {
                assert!(socket.inward().is_none(), "a second receive on one socket")
            }
            Work::Send { .. } => assert!(socket.outward().is_none(), "a second send in flight on one socket"),
            Work::Shutdown { both } => {
                assert!(*both || socket.outward().is_none(), "a shutdown ahead of a send in flight");
            }
            Work::Close { .. } => assert!(socket.operations == 0, "closing a socket that is in use"),
            Work::Cancel | Work::Reset | Work::Wake | Work::Follow { .. } => {}
            Work::Pinned { .. } | Work::File { .. } => unreachable!("no op begins as this"),
        }
        if matches!(work, Work::Connect) && std::mem::replace(&mut socket.connected, true) {
            // The first goes on in the kernel or does not, as the platform has it: nobody could say which of the two has ended.
            return Err(Completion { token, event: Event::Connected { error: Some(Errno::EISCONN) } });
        }
        let closing = matches!(work, Work::Close { .. });
        let inward = matches!(work, Work::Accept | Work::Connect | Work::Receive | Work::Fill { .. });
        let outward = matches!(work, Work::Send { .. });
        let key = self.add(Operation { token, socket: id, work });
        let socket = self.sockets.get_mut(id.0).expect("the socket was found above");
        socket.operations += 1;
        socket.closing = closing;
        if inward {
            socket.inward = MaybeKey::some(key);
        }
        if outward {
            socket.outward = MaybeKey::some(key);
        }
        Ok(key)
    }

    /// Enters the second of two linked entries, which is answered by itself.
    pub fn begin_follow(&mut self, first: Key) -> Key {
        self.add(Operation { token: Token(u64::MAX), socket: NOBODY, work: Work::Follow { first } })
    }

    /// Enters an operation of the backend's own, which answers nobody.
    pub fn begin_wake(&mut self) -> Key {
        self.add(Operation { token: Token(u64::MAX), socket: NOBODY, work: Work::Wake })
    }

    /// Enters a request about a file into the table, or answers it if the file is gone or never as long. Out of the way of sends and
    /// receives, which are many more.
    #[cold]
    fn begin_file(
        &mut self,
        token: Token,
        mut request: Box<FileRequest>,
        send: &SendPool,
    ) -> Result<Key, Completion> {
        let id = request.file.map_or(NOBODY, |file| SocketId(file.0));
        if let Some(file) = self.sockets.get_mut(id.0) {
            assert!(!file.closing, "a request about a file that is being closed");
            if request.work.offset().is_some_and(|offset| offset > OFFSET_MAX) {
                request.outcome = Err(Errno::EINVAL);
                return Err(Completion { token, event: Event::File { request } });
            }
            let closing = matches!(request.work, FileWork::Close);
            assert!(!closing || file.operations == 0, "closing a file that is in use");
            file.closing = closing;
            file.operations += 1;
        } else if request.file.is_some() || request.work.needs_file() {
            return Err(Completion { token, event: refused(Work::File { request }, send) });
        }
        Ok(self.add(Operation { token, socket: id, work: Work::File { request } }))
    }

    /// The request behind a key.
    ///
    /// # Panics
    /// When `key` is not a request about a file in flight.
    pub fn file_request(&mut self, key: Key) -> &mut FileRequest {
        match self.operations.get_mut(key).map(|operation| &mut operation.work) {
            Some(Work::File { request }) => request,
            other => panic!("instead of a request about a file: {other:?}"),
        }
    }

    /// What a receive into owned memory fills.
    ///
    /// # Panics
    /// When `key` is not such a receive in flight.
    pub fn filling(&mut self, key: Key) -> &mut Fill {
        match self.operations.get_mut(key).map(|operation| &mut operation.work) {
            Some(Work::Fill { fill }) => fill,
            other => panic!("instead of a receive into owned memory: {other:?}"),
        }
    }

    /// Ends a request about a file with what has become of it. `opened` is the file, if it was to open one and has; a file that was
    /// to be closed is gone, and the backend's state of it is handed back.
    ///
    /// # Panics
    /// When `key` is not such a request in flight.
    pub fn end_file(
        &mut self,
        key: Key,
        outcome: Result<u32, Errno>,
        opened: Option<FileId>,
    ) -> (Completion, Option<S>) {
        let Operation { token, socket, work } = self.end(key);
        let Work::File { mut request } = work else {
            panic!("the end of a request about a file on another op")
        };
        request.outcome = outcome;
        let closed = matches!(request.work, FileWork::Close).then(|| self.sockets.remove(socket.0)).flatten();
        if matches!(request.work, FileWork::Open { .. }) {
            request.file = opened;
        }
        (Completion { token, event: Event::File { request } }, closed.map(|file| file.handle))
    }

    /// Takes every request about a file out of the table that has not ended, with its key, which is stale then, and the backend's state
    /// of the file where it was to be closed. Whoever carries them out may still use the memory that they own.
    pub fn leave_files(&mut self) -> Vec<(Key, Box<FileRequest>, Option<S>)> {
        let requests = self.operations.keys().filter(|key| {
            let work = self.operations.get(*key).map(|operation| &operation.work);
            matches!(work, Some(Work::File { .. }))
        });
        let keys: Vec<Key> = requests.collect();
        let take_out = |key| {
            let Operation { socket, work, .. } = self.end(key);
            let Work::File { request } = work else { unreachable!("looked at above") };
            let closes = matches!(request.work, FileWork::Close);
            let closed = closes.then(|| self.sockets.remove(socket.0)).flatten();
            (key, request, closed.map(|file| file.handle))
        };
        keys.into_iter().map(take_out).collect()
    }

    /// Takes every second entry of two out of the table that has not been answered, where the requests that they belong to
    /// [are left](InFlight::leave_files). Says how many those were.
    pub fn leave_follows(&mut self) -> usize {
        let follows = self.operations.keys().filter(|key| {
            let work = self.operations.get(*key).map(|operation| &operation.work);
            matches!(work, Some(Work::Follow { .. }))
        });
        let keys: Vec<Key> = follows.collect();
        keys.into_iter().map(|key| self.end(key)).count()
    }

    /// Ends a receive into owned memory. The backend has set the length of the buffer to what is in it.
    ///
    /// # Panics
    /// When `key` is not such a receive in flight.
    pub fn end_fill(&mut self, key: Key, outcome: Result<u32, Errno>) -> Completion {
        let operation = self.end(key);
        let Work::Fill { mut fill } = operation.work else { panic!("the end of a fill on another op") };
        fill.outcome = outcome;
        Completion { token: operation.token, event: Event::Filled { fill } }
    }

    /// Ends a connect, an accept, a receive of either kind or a request about a file without result, for this reason.
    ///
    /// # Panics
    /// When `key` is none of these.
    pub fn refuse(&mut self, key: Key, error: Errno) -> Completion {
        let why = if error == Errno::ECANCELED { ReceiveEnd::Cancelled } else { ReceiveEnd::Failed(error) };
        let event = match self.operations.get(key).map(|operation| &operation.work) {
            Some(Work::Accept) => Event::AcceptEnded { error },
            Some(Work::Connect) => Event::Connected { error: Some(error) },
            Some(Work::Receive) => Event::ReceiveEnded { why },
            Some(Work::Fill { .. }) => return self.end_fill(key, Err(error)),
            Some(Work::File { .. }) => return self.end_file(key, Err(error), None).0,
            other => panic!("what cannot be refused: {other:?}"),
        };
        Completion { token: self.end(key).token, event }
    }

    /// The kernel took `bytes` of a send, or refused; `pins`: it may read their memory until it says so. `Continue` leaves the
    /// operation in flight at its new offset.
    ///
    /// # Panics
    /// When `key` is not a send in flight.
    pub fn advance_send(
        &mut self,
        key: Key,
        result: Result<u32, Errno>,
        pinned: bool,
        send: &SendPool,
    ) -> SendStep {
        let operation = self.operations.get_mut(key).expect("a completion of a send names a send in flight");
        let Work::Send { chain, sent, pins } = &mut operation.work else {
            panic!("a send's completion on another op")
        };
        let token = operation.token;
        if pinned {
            *pins += 1;
            self.pinned += 1;
            let socket = self.sockets.get_mut(operation.socket.0).expect("a socket outlives its operations");
            socket.pinned = socket.pinned.checked_add(1).expect("it was asked whether another may be pinned");
        }
        let error = match result {
            Ok(bytes) => {
                *sent += bytes;
                assert!(*sent <= chain.bytes(), "the kernel took more than it was given");
                if *sent < chain.bytes() && bytes > 0 {
                    return SendStep::Continue(Some(Completion { token, event: Event::Sending { bytes } }));
                }
                (*sent < chain.bytes()).then_some(Errno::EPIPE)
            }
            Err(Errno::EINTR | Errno::EAGAIN) => return SendStep::Continue(None),
            Err(error) => Some(error),
        };
        let (bytes, pinned) = (*sent, *pins > 0);
        if pinned {
            self.pin(key);
        } else {
            let chain = chain.take();
            self.take_out(key);
            send.release(chain);
        }
        SendStep::Done(Completion { token, event: Event::Sent { bytes, error, pinned } })
    }

    /// A send has been answered for while the kernel still reads its memory: another may begin.
    #[cold]
    fn pin(&mut self, key: Key) {
        let operation = self.operations.get_mut(key).expect("a send in flight");
        let Work::Send { chain, pins, .. } = &mut operation.work else { panic!("what is pinned is a send") };
        operation.work = Work::Pinned { chain: chain.take(), pins: *pins };
        let socket = self.sockets.get_mut(operation.socket.0).expect("a socket outlives its operations");
        socket.outward = MaybeKey::NONE;
    }

    /// True if the kernel may go on reading the memory of the next part of a send after it has taken it: it reads few enough others.
    #[must_use]
    pub fn may_pin(&self, id: SocketId) -> bool {
        let of_socket = self.sockets.get(id.0).map_or(0, |socket| socket.pinned);
        self.pinned < self.pinned_max && of_socket < self.pinned_per_socket_max
    }

    /// Parts of sends whose memory the kernel may still read.
    #[must_use]
    pub fn pinned(&self) -> u32 {
        self.pinned
    }

    /// The kernel has said of a part of a send that it does not read its memory any more. The last time answers with the
    /// completion.
    ///
    /// # Panics
    /// When `key` is no send, or the kernel has said so too often.
    pub fn unpin(&mut self, key: Key, send: &SendPool) -> Option<Completion> {
        let operation = self.operations.get_mut(key).expect("what is pinned is in flight");
        let (pins, answered) = match &mut operation.work {
            Work::Send { pins, .. } => (pins, false),
            Work::Pinned { pins, .. } => (pins, true),
            other => panic!("the release of what was not sent: {other:?}"),
        };
        *pins = pins.checked_sub(1).expect("a part is released once");
        let is_last = answered && *pins == 0;
        self.pinned -= 1;
        self.sockets.get_mut(operation.socket.0).expect("a socket outlives its operations").pinned -= 1;
        if !is_last {
            return None;
        }
        let Operation { token, work, .. } = self.end(key);
        let Work::Pinned { chain, .. } = work else { unreachable!("looked at above") };
        send.release(chain);
        Some(Completion { token, event: Event::Released })
    }

    /// Takes an operation out of the table: its last completion is at hand. After a close the socket is gone too.
    ///
    /// # Panics
    /// When `key` is stale: an operation ends once.
    pub fn end(&mut self, key: Key) -> Operation {
        self.take_out(key)
    }

    /// The same. Inlined for the end of each send, so that nothing is moved but what is used.
    #[inline(always)]
    fn take_out(&mut self, key: Key) -> Operation {
        let operation = self.operations.remove(key).expect("an operation ends once");
        let Some(socket) = self.sockets.get_mut(operation.socket.0) else {
            assert!(operation.socket == NOBODY, "a socket outlives its operations");
            return operation;
        };
        socket.operations -= 1;
        if socket.inward == MaybeKey::some(key) {
            socket.inward = MaybeKey::NONE;
        }
        if socket.outward == MaybeKey::some(key) {
            socket.outward = MaybeKey::NONE;
        }
        operation
    }

    /// Ends a close and hands back the backend's state of the socket.
    ///
    /// # Panics
    /// When `key` is stale or not a close.
    pub fn end_close(&mut self, key: Key) -> (Completion, S) {
        let operation = self.end(key);
        assert!(matches!(operation.work, Work::Close { .. }), "the end of a close on another op");
        let socket = self.sockets.remove(operation.socket.0).expect("a socket is closed once");
        (Completion { token: operation.token, event: Event::Closed }, socket.handle)
    }

    // So that an operation is put together where it will be.
    #[inline(always)]
    fn add(&mut self, operation: Operation) -> Key {
        match self.operations.insert(operation) {
            Ok(key) => key,
            Err(_) => panic!("more operations in flight than the rules allow per socket"),
        }
    }
}

/// The answer to an op on a socket that is gone.
#[cold]
fn refused(work: Work, send: &SendPool) -> Event {
    match work {
        Work::Accept => Event::AcceptEnded { error: Errno::EBADF },
        Work::Receive => Event::ReceiveEnded { why: ReceiveEnd::Failed(Errno::EBADF) },
        Work::Send { chain, .. } => {
            send.release(chain);
            Event::Sent { bytes: 0, error: Some(Errno::EBADF), pinned: false }
        }
        Work::Connect => Event::Connected { error: Some(Errno::EBADF) },
        Work::Fill { mut fill } => {
            fill.outcome = Err(Errno::EBADF);
            Event::Filled { fill }
        }
        Work::File { mut request } => {
            request.outcome = Err(Errno::EBADF);
            Event::File { request }
        }
        Work::Pinned { .. } => unreachable!("no op begins as this"),
        Work::Cancel | Work::Wake | Work::Follow { .. } => Event::Cancelled,
        Work::Shutdown { .. } | Work::Reset => Event::ShutDown { error: Some(Errno::EBADF) },
        Work::Close { .. } => Event::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::FileOptions;

    fn begun(pool: &SendPool, bytes: &[u8]) -> (InFlight<()>, Key) {
        let mut table = InFlight::new(1);
        let socket = table.insert(()).unwrap();
        let mut chain = Chain::EMPTY;
        pool.write(&mut chain, bytes).unwrap();
        let key = table.begin(Token(7), Op::Send { socket, chain }, pool).unwrap();
        (table, key)
    }

    #[test]
    fn a_send_of_which_the_kernel_takes_nothing_has_failed() {
        let pool = SendPool::new([1, 0, 0, 0, 0]);
        let (mut table, key) = begun(&pool, b"hello");
        let SendStep::Continue(Some(told)) = table.advance_send(key, Ok(2), false, &pool) else {
            panic!("it ends")
        };
        assert!(matches!(told.event, Event::Sending { bytes: 2 }));
        let SendStep::Done(completion) = table.advance_send(key, Ok(0), false, &pool) else {
            panic!("it goes on")
        };
        assert!(matches!(completion.event, Event::Sent { bytes: 2, error: Some(Errno::EPIPE), .. }));
        assert_eq!((table.operations(), pool.taken()), (0, 0));
    }

    #[test]
    fn a_send_that_fails_says_how_far_it_came() {
        let pool = SendPool::new([1, 0, 0, 0, 0]);
        let (mut table, key) = begun(&pool, b"hello");
        assert!(matches!(table.advance_send(key, Ok(1), false, &pool), SendStep::Continue(Some(_))));
        assert!(matches!(
            table.advance_send(key, Err(Errno::EAGAIN), false, &pool),
            SendStep::Continue(None)
        ));
        let step = table.advance_send(key, Err(Errno::ECONNRESET), false, &pool);
        let SendStep::Done(completion) = step else { panic!("it goes on") };
        assert!(matches!(completion.event, Event::Sent { bytes: 1, error: Some(Errno::ECONNRESET), .. }));
        assert_eq!((table.operations(), pool.taken()), (0, 0));
    }
    #[test]
    #[should_panic(expected = "an op on a socket that is being closed")]
    fn a_socket_that_is_being_closed_takes_no_op_that_would_reach_the_next_one_in_its_place() {
        let pool = SendPool::new([1, 0, 0, 0, 0]);
        let mut table = InFlight::new(1);
        let socket = table.insert(()).unwrap();
        table.begin(Token(1), Op::Close { socket, reset: false }, &pool).unwrap();
        let _ = table.begin(Token(2), Op::Cancel { socket }, &pool);
    }

    #[test]
    #[should_panic(expected = "a shutdown ahead of a send in flight")]
    fn a_shutdown_does_not_pass_a_send() {
        let pool = SendPool::new([1, 0, 0, 0, 0]);
        let (mut table, send) = begun(&pool, b"hello");
        let socket = table.operation(send).unwrap().socket;
        let _ = table.begin(Token(8), Op::Shutdown { socket, both: false }, &pool);
    }

    #[test]
    #[should_panic(expected = "a send's completion on another op")]
    fn an_answer_of_another_kind_is_refused() {
        let pool = SendPool::new([1, 0, 0, 0, 0]);
        let mut table = InFlight::new(1);
        let socket = table.insert(()).unwrap();
        let key = table.begin(Token(1), Op::Receive { socket }, &pool).unwrap();
        let _ = table.advance_send(key, Ok(1), false, &pool);
    }

    #[test]
    fn what_the_kernel_still_reads_is_kept_until_it_says_so_for_each_part() {
        let pool = SendPool::new([1, 0, 0, 0, 0]);
        let (mut table, key) = begun(&pool, b"hello");
        let socket = table.operation(key).unwrap().socket;
        assert!(matches!(table.advance_send(key, Ok(2), true, &pool), SendStep::Continue(Some(_))));
        assert!(matches!(table.advance_send(key, Ok(2), true, &pool), SendStep::Continue(Some(_))));
        assert!(table.unpin(key, &pool).is_none(), "the send goes on");
        let SendStep::Done(sent) = table.advance_send(key, Err(Errno::ECONNRESET), true, &pool) else {
            panic!("it goes on")
        };
        let Event::Sent { bytes: 4, error: Some(Errno::ECONNRESET), pinned: true } = sent.event else {
            panic!("{sent:?}")
        };
        let (outward, operations) = table.socket(socket).map(|it| (it.outward(), it.operations)).unwrap();
        assert_eq!((outward, operations, pool.taken()), (None, 1, 1), "the next send may begin");
        assert!(table.unpin(key, &pool).is_none());
        let released = table.unpin(key, &pool).expect("that was the last part");
        assert!(matches!(released, Completion { token: Token(7), event: Event::Released }));
        assert_eq!((table.operations(), pool.taken()), (0, 0));
    }

    #[test]
    fn few_parts_of_one_socket_are_pinned_and_few_of_all_together() {
        const OF_ONE: u8 = 20;
        const SOCKETS: u8 = OF_ONE + 1;
        let pool = SendPool::new([512, 0, 0, 0, 0]);
        let mut table = InFlight::with_pins(SOCKETS.into(), OF_ONE);
        let sockets: Vec<SocketId> = (0..SOCKETS).map(|_| table.insert(()).unwrap()).collect();
        let pin = |table: &mut InFlight<()>, socket| {
            let mut chain = Chain::EMPTY;
            pool.write(&mut chain, b"hello").unwrap();
            let key = table.begin(Token(7), Op::Send { socket, chain }, &pool).unwrap();
            assert!(matches!(table.advance_send(key, Ok(2), true, &pool), SendStep::Continue(Some(_))));
            assert!(matches!(table.advance_send(key, Ok(3), false, &pool), SendStep::Done(_)));
            key
        };
        let (first, second, third) = (sockets[0], sockets[1], sockets[2]);
        let mut pinned = Vec::new();
        while table.may_pin(first) {
            pinned.push(pin(&mut table, first));
        }
        assert_eq!(pinned.len(), usize::from(OF_ONE));
        assert!(table.may_pin(second), "of another it does not know");
        pinned.push(pin(&mut table, second));
        assert!(!table.may_pin(second) && !table.may_pin(third), "of all together no more are");
        assert_eq!(table.pinned(), u32::from(SOCKETS));
        assert!(table.unpin(pinned[0], &pool).is_some());
        assert!(table.may_pin(first) && table.may_pin(third));
        pinned[1..].iter().for_each(|key| drop(table.unpin(*key, &pool)));
        assert_eq!((table.pinned(), table.operations(), pool.taken()), (0, 0, 0));
        assert!(sockets.iter().all(|socket| !table.socket(*socket).unwrap().is_pinned()));
    }

    #[test]
    #[should_panic(expected = "a part is released once")]
    fn a_part_that_was_not_pinned_is_not_released() {
        let pool = SendPool::new([1, 0, 0, 0, 0]);
        let (mut table, key) = begun(&pool, b"hello");
        let _ = table.unpin(key, &pool);
    }

    #[test]
    #[should_panic(expected = "closing a socket that is in use")]
    fn a_socket_of_which_something_is_pinned_is_not_closed() {
        let pool = SendPool::new([1, 0, 0, 0, 0]);
        let (mut table, key) = begun(&pool, b"hello");
        let socket = table.operation(key).unwrap().socket;
        assert!(matches!(table.advance_send(key, Ok(5), true, &pool), SendStep::Done(_)));
        let _ = table.begin(Token(8), Op::Close { socket, reset: false }, &pool);
    }

    #[test]
    fn a_file_lives_from_its_opening_to_its_close() {
        let pool = SendPool::new([1, 0, 0, 0, 0]);
        let mut table = InFlight::new(1);
        let ask = |table: &mut InFlight<()>, file, work| {
            table.begin(Token(3), Op::File { request: FileRequest::new(file, work) }, &pool)
        };
        let open = FileWork::Open { path: c"a".into(), options: FileOptions::default() };
        let key = ask(&mut table, None, open).unwrap();
        let file = FileId(table.insert(()).unwrap().0);
        let (opened, handle) = table.end_file(key, Ok(0), Some(file));
        let Event::File { request } = opened.event else { panic!("{opened:?}") };
        assert_eq!((request.file, request.outcome, handle), (Some(file), Ok(0), None));
        let read = FileWork::Read { offset: 0, buffer: Vec::with_capacity(8).into() };
        let key = ask(&mut table, Some(file), read).unwrap();
        assert_eq!(table.socket(SocketId(file.0)).unwrap().operations, 1);
        assert!(table.end_file(key, Err(Errno::EBUSY), None).1.is_none());
        let key = ask(&mut table, Some(file), FileWork::Close).unwrap();
        assert_eq!(table.end_file(key, Ok(0), None).1, Some(()));
        let late = ask(&mut table, Some(file), FileWork::Close).expect_err("it is gone");
        let Event::File { request } = late.event else { panic!("{late:?}") };
        assert_eq!(request.outcome, Err(Errno::EBADF));
        assert_eq!((table.operations(), table.sockets()), (0, 0));
    }

    #[test]
    #[should_panic(expected = "closing a file that is in use")]
    fn a_file_that_is_read_is_not_closed() {
        let pool = SendPool::new([1, 0, 0, 0, 0]);
        let mut table = InFlight::new(1);
        let file = Some(FileId(table.insert(()).unwrap().0));
        let read = FileWork::Read { offset: 0, buffer: Vec::with_capacity(8).into() };
        table.begin(Token(1), Op::File { request: FileRequest::new(file, read) }, &pool).unwrap();
        let _ = table.begin(Token(2), Op::File { request: FileRequest::new(file, FileWork::Close) }, &pool);
    }
}
