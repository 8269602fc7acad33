//! Answers that the kernel gives seldom, made by hand for operations that it has never heard of.

use super::*;

/// Bits of an answer: it used a buffer, more will come.
const BUFFER: u32 = 1;
pub(super) const MORE: u32 = 2;
/// Used a buffer by its number.
fn in_buffer(number: u32) -> u32 {
    number << 16 | BUFFER
}

/// A backend, an accepted connection, and what has been told since.
pub(super) struct Desk {
    pub(super) rig: Rig,
    pub(super) socket: SocketId,
    pub(super) client: TcpStream,
    pub(super) told: Vec<Completion>,
}

impl Desk {
    pub(super) fn new() -> Desk {
        Desk::of(Rig::new())
    }

    pub(super) fn of(mut rig: Rig) -> Desk {
        let (client, socket) = rig.connect();
        rig.turn(Wait::No);
        assert!(!rig.uring.outgoing.waiting(), "nothing is on its way to the kernel");
        Desk { rig, socket, client, told: Vec::new() }
    }

    /// Begins an operation that the kernel is not told of.
    pub(super) fn begin(&mut self, op: Op) -> Key {
        self.rig.uring.in_flight.begin(Token(9), op, &self.rig.pools.send).unwrap()
    }

    pub(super) fn send(&mut self) -> Key {
        let (socket, chain) = (self.socket, self.rig.chain(b"hello"));
        self.begin(Op::Send { socket, chain })
    }

    pub(super) fn receive(&mut self) -> Key {
        let socket = self.socket;
        self.begin(Op::Receive { socket })
    }

    /// Another listener, to accept on.
    fn accept(&mut self) -> Key {
        let bound = self.rig.uring.bind("127.0.0.1:0".parse().unwrap(), 4, 1).unwrap().remove(0);
        let listener = self.rig.uring.adopt(bound).unwrap();
        self.begin(Op::Accept { listener })
    }

    pub(super) fn answer(&mut self, key: Key, result: i32, flags: u32) {
        let answer = Answer { user_data: key.to_bits(), result, flags };
        self.rig.uring.complete(&self.rig.pools, answer, &mut self.told);
    }

    pub(super) fn told(&mut self) -> Event {
        assert_eq!(self.told.len(), 1, "{:?}", self.told);
        self.told.pop().unwrap().event
    }

    /// The operation goes on, unseen: its entry is on its way again.
    pub(super) fn assert_goes_on(&mut self, key: Key) {
        assert!(self.told.is_empty(), "{:?}", self.told);
        assert!(self.rig.uring.in_flight.operation(key).is_some());
        assert_eq!(self.rig.uring.outgoing.ring.queued(), 1, "one entry, and not two");
    }
}

#[test]
fn a_buffer_that_brought_nothing_comes_back() {
    needs_io_uring!();
    for result in [0, -libc::ECONNRESET, -libc::ECANCELED] {
        let mut desk = Desk::new();
        let key = desk.receive();
        assert!(!desk.rig.pools.receive.has_free(), "the kernel has them all");
        desk.answer(key, result, in_buffer(0));
        assert!(matches!(desk.told(), Event::ReceiveEnded { .. }));
        assert!(desk.rig.pools.receive.has_free() && desk.rig.pools.receive.lent() == 0);
    }
}

#[test]
fn a_last_answer_that_comes_twice_is_counted_and_its_buffer_comes_back() {
    needs_io_uring!();
    let mut desk = Desk::new();
    let key = desk.receive();
    desk.answer(key, 0, 0);
    assert!(matches!(desk.told(), Event::ReceiveEnded { why: ReceiveEnd::EndOfStream }));
    // Its slot has a new occupant by now, which must not take it for its own.
    let next = desk.receive();
    assert_eq!((key.index, key == next), (next.index, false));
    desk.answer(key, 0, in_buffer(1));
    assert!(desk.told.is_empty() && desk.rig.uring.in_flight.operation(next).is_some());
    assert_eq!(desk.rig.uring.stale_answers(), 1);
    assert!(desk.rig.pools.receive.has_free() && desk.rig.pools.receive.lent() == 0);
}

#[test]
fn a_receive_goes_on_after_bytes_that_ended_it_by_the_way() {
    needs_io_uring!();
    let mut desk = Desk::new();
    let key = desk.receive();
    desk.answer(key, 5, in_buffer(0) | MORE);
    let Event::Received { lease } = desk.told() else { panic!("bytes came") };
    desk.rig.pools.receive.release(lease);
    assert!(!desk.rig.uring.outgoing.waiting(), "the kernel goes on by itself");
    desk.answer(key, 7, in_buffer(1));
    let Event::Received { lease } = desk.told() else { panic!("bytes came") };
    assert_eq!(lease.len(), 7);
    desk.rig.pools.receive.release(lease);
    desk.assert_goes_on(key);
}

#[test]
fn an_interrupted_operation_goes_on() {
    needs_io_uring!();
    for error in [libc::EINTR, libc::EAGAIN] {
        for begin in [Desk::receive, Desk::send, Desk::accept] {
            let mut desk = Desk::new();
            let key = begin(&mut desk);
            desk.answer(key, -error, 0);
            desk.assert_goes_on(key);
        }
    }
}

#[test]
fn an_accept_survives_a_connection_that_is_gone_already() {
    needs_io_uring!();
    let mut desk = Desk::new();
    let key = desk.accept();
    desk.answer(key, -libc::ECONNABORTED, 0);
    desk.assert_goes_on(key);
}

#[test]
fn an_accept_goes_on_after_a_connection_that_ended_it_by_the_way() {
    needs_io_uring!();
    let mut desk = Desk::new();
    let key = desk.accept();
    desk.answer(key, 100, 0);
    assert!(matches!(desk.told(), Event::Accepted { .. }));
    desk.assert_goes_on(key);
}

#[test]
fn an_accept_without_descriptors_ends_and_says_so() {
    needs_io_uring!();
    for error in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM] {
        let mut desk = Desk::new();
        let key = desk.accept();
        desk.answer(key, -error.0, 0);
        let Event::AcceptEnded { error: told } = desk.told() else { panic!("it is told") };
        assert_eq!(told, error);
        assert!(desk.rig.uring.in_flight.operation(key).is_none(), "trying again at once would spin");
    }
}

#[test]
fn a_send_that_the_kernel_leaves_alone_for_want_of_a_peer_gives_its_slots_back() {
    needs_io_uring!();
    for error in [libc::EPIPE, libc::ECONNRESET, libc::ETIMEDOUT] {
        let mut desk = Desk::new();
        let key = desk.send();
        desk.answer(key, 2, 0);
        assert!(matches!(desk.told(), Event::Sending { bytes: 2 }));
        desk.assert_goes_on(key);
        desk.answer(key, -error, 0);
        let Event::Sent { bytes: 2, error: Some(told), .. } = desk.told() else { panic!("it is told") };
        assert_eq!((told, desk.rig.pools.send.taken()), (Errno(error), 0));
    }
}

#[test]
fn a_listener_that_does_not_block_is_made_to() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let bound = rig.uring.bind("127.0.0.1:0".parse().unwrap(), 4, 1).unwrap().remove(0);
    let ListenSource::Os(listener) = &bound.source else { panic!("it is one of the system's") };
    listener.set_nonblocking(true).unwrap();
    let id = rig.uring.adopt(bound).unwrap();
    let File::Listener(listener) = &rig.uring.in_flight.socket(id).unwrap().handle.file else {
        panic!("a listener has a descriptor")
    };
    assert!(!listener.nonblocking().unwrap(), "a kernel may answer EAGAIN instead of waiting");
}

#[test]
fn a_drain_that_may_take_no_time_ends_what_needs_none() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (mut client, socket) = rig.connect();
    rig.submit(RECEIVE, Op::Receive { socket });
    rig.turn(Wait::No);
    assert_eq!(rig.uring.drain(&rig.pools, Duration::ZERO), Left::default());
    assert_eq!(rig.uring.ledger().sockets, 0);
    assert!(read(&mut client).map_or(true, |bytes| bytes == 0), "it is closed");
    assert_eq!(rig.pools.receive.free(), usize::from(rig.pools.receive.count()));
}

#[test]
fn what_does_not_end_is_counted_and_its_memory_left_alone() {
    needs_io_uring!();
    let mut desk = Desk::new();
    // The kernel has never heard of it, so it never answers.
    desk.send();
    let Desk { mut rig, .. } = desk;
    let left = rig.uring.drain(&rig.pools, Duration::from_millis(20));
    assert_eq!((left.operations, left.requests()), (1, 0));
    assert_eq!(rig.pools.send.taken(), 1, "its slot is not used again");
    let Rig { uring, pools, .. } = rig;
    drop(uring);
    assert!(Rc::strong_count(&pools) > 1, "the backend has leaked them");
}
