//! Sockets that are connected from here: in the table and beside it, refused, cancelled, at the limit.

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use super::answers::Desk;
use super::*;
use crate::driver::backend::uring::connect::Connecting;
use crate::driver::backend::uring::handle::Accepting;

const CONNECT: Token = Token(20);
const ANYWHERE: ConnectOptions = ConnectOptions { source: None };

fn peer() -> (TcpListener, SocketAddr) {
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = peer.local_addr().unwrap();
    (peer, address)
}

impl Rig {
    /// One whose sockets keep their descriptors, because the table has no place that is free.
    fn with_a_full_table() -> Rig {
        let mut rig = Rig::new();
        let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
        let places = 256 + UringConfig::default().head_room;
        for place in 0..places {
            rig.uring.outgoing.ring.set_file(place, stranger.as_raw_fd()).unwrap();
        }
        assert!(rig.uring.outgoing.ring.set_file(places, stranger.as_raw_fd()).is_err(), "that was the last");
        rig
    }

    fn connecting(&mut self, address: SocketAddr) -> SocketId {
        let socket = self.uring.connecting(address, &ANYWHERE).unwrap();
        self.submit(CONNECT, Op::Connect { socket });
        socket
    }

    fn connected(&mut self) -> Option<Errno> {
        match self.next(CONNECT) {
            Event::Connected { error } => error,
            other => panic!("instead of a connect: {other:?}"),
        }
    }
}

/// An address where nobody accepts and no more connections wait: whoever connects there waits.
fn crowded() -> (TcpListener, SocketAddr, Vec<socket2::Socket>) {
    use socket2::{Domain, Socket, Type};

    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        // It goes on by itself.
        let _ = client.connect(&address);
        client
    };
    let clients = (0..8).map(|_| connect()).collect();
    (listener.into(), address.as_socket().unwrap(), clients)
}

#[test]
fn a_connected_socket_works_like_an_accepted_one() {
    needs_io_uring!();
    for mut rig in [Rig::new(), Rig::with_a_full_table()] {
        let (peer, address) = peer();
        let socket = rig.connecting(address);
        assert_eq!(rig.connected(), None);
        let (mut other, _) = peer.accept().unwrap();
        rig.submit(RECEIVE, Op::Receive { socket });
        rig.send(socket, b"from here");
        assert_eq!(rig.sent(), (9, None));
        let mut bytes = [0; 9];
        other.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"from here");
        other.write_all(b"from there").unwrap();
        assert_eq!(rig.receive(RECEIVE, 10), b"from there");
        rig.submit(SHUTDOWN, Op::Shutdown { socket, both: false });
        assert!(matches!(rig.next(SHUTDOWN), Event::ShutDown { error: None }));
        assert_eq!(read(&mut other).unwrap(), 0);
        drop(other);
        assert_eq!(rig.receive_end(RECEIVE), ReceiveEnd::EndOfStream);
        rig.close(socket, false);
        rig.assert_at_baseline();
        rig.end();
    }
}

#[test]
fn a_connected_socket_is_closed_or_reset_as_asked_for() {
    needs_io_uring!();
    for mut rig in [Rig::new(), Rig::with_a_full_table()] {
        for reset in [true, false] {
            let (peer, address) = peer();
            let socket = rig.connecting(address);
            assert_eq!(rig.connected(), None);
            let (mut other, _) = peer.accept().unwrap();
            rig.close(socket, reset);
            match (reset, read(&mut other)) {
                (true, read) => assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset),
                (false, read) => assert_eq!(read.unwrap(), 0),
            }
        }
        rig.assert_at_baseline();
        rig.end();
    }
}

#[test]
fn connected_sockets_have_places_in_the_table_that_are_used_again() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (peer, address) = peer();
    // Far more than the table has places for.
    for _ in 0..400 {
        let (_client, accepted) = rig.connect();
        let socket = rig.connecting(address);
        assert_eq!(rig.connected(), None);
        drop(peer.accept().unwrap());
        let place = |rig: &mut Rig, id| match rig.handle(id).file {
            File::Direct(place) => place,
            _ => panic!("it has a place"),
        };
        assert_ne!(place(&mut rig, socket), place(&mut rig, accepted));
        assert!(rig.uring.connects.is_empty());
        rig.close(socket, false);
        rig.close(accepted, false);
    }
    rig.assert_at_baseline();
    rig.end();
}

/// What the descriptor stands for by which a socket was opened.
fn opened(rig: &mut Rig, socket: SocketId) -> (PathBuf, PathBuf) {
    let File::Descriptor(descriptor) = &rig.handle(socket).file else { panic!("it has just been opened") };
    let path = PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()));
    let stands_for = std::fs::read_link(&path).unwrap();
    (path, stands_for)
}

/// True if that number stands for the same socket as before. Others may have been given it meanwhile.
fn is_open((path, stood_for): &(PathBuf, PathBuf)) -> bool {
    std::fs::read_link(path).is_ok_and(|stands_for| stands_for == *stood_for)
}

#[test]
fn a_socket_that_is_in_the_table_has_no_descriptor_and_keeps_it_where_there_is_no_place() {
    needs_io_uring!();
    let (_peer, address) = peer();
    for (mut rig, keeps) in [(Rig::new(), false), (Rig::with_a_full_table(), true)] {
        let socket = rig.uring.connecting(address, &ANYWHERE).unwrap();
        let descriptor = opened(&mut rig, socket);
        rig.submit(CONNECT, Op::Connect { socket });
        assert_eq!(rig.connected(), None);
        assert_eq!(matches!(rig.handle(socket).file, File::Descriptor(_)), keeps);
        assert_eq!(is_open(&descriptor), keeps);
        rig.close(socket, false);
        assert!(!is_open(&descriptor));
        rig.assert_at_baseline();
        rig.end();
    }
}

/// A socket that is connected, with the entry on its way by which the kernel puts it into the table.
fn entering(rig: &mut Rig, address: SocketAddr) -> (SocketId, (PathBuf, PathBuf)) {
    let socket = rig.uring.connecting(address, &ANYWHERE).unwrap();
    let descriptor = opened(rig, socket);
    rig.submit(CONNECT, Op::Connect { socket });
    let until = rig.uring.now().after(PATIENCE);
    while !matches!(rig.uring.connects[&socket], Connecting::Entering(_)) {
        assert!(rig.uring.now() < until, "it is connected");
        rig.turn(Wait::No);
    }
    (socket, descriptor)
}

#[test]
fn an_entry_may_name_the_descriptor_of_a_socket_that_enters_the_table() {
    needs_io_uring!();
    for begin in [|socket| Op::Reset { socket }, |socket| Op::Cancel { socket }] {
        let mut rig = Rig::new();
        let (_peer, address) = peer();
        let (socket, descriptor) = entering(&mut rig, address);
        rig.submit(SHUTDOWN, begin(socket));
        assert_eq!(rig.connected(), None);
        assert!(matches!(rig.handle(socket).file, File::Direct(_)));
        assert!(is_open(&descriptor), "the number is nobody else's before the entry has been answered");
        assert!(matches!(rig.next(SHUTDOWN), Event::ShutDown { .. } | Event::Cancelled));
        rig.close(socket, false);
        assert!(!is_open(&descriptor) && rig.uring.connects.is_empty());
        rig.assert_at_baseline();
        rig.end();
    }
}

#[test]
fn a_socket_that_enters_the_table_as_everything_ends_is_closed() {
    needs_io_uring!();
    for patience in [PATIENCE, Duration::ZERO] {
        let mut rig = Rig::new();
        let (peer, address) = peer();
        let (_, descriptor) = entering(&mut rig, address);
        let mut other = peer.accept().unwrap().0;
        other.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(rig.uring.drain(&rig.pools, patience), Left::default());
        assert!(!is_open(&descriptor));
        assert_eq!(read(&mut other).unwrap(), 0);
        rig.end();
    }
}

#[test]
fn a_kernel_that_keeps_what_is_closed_is_not_asked_to_keep_a_connected_socket() {
    needs_io_uring!();
    let mut desk = Desk::new();
    desk.rig.uring.keeps_closed = true;
    let (_peer, address) = peer();
    let socket = desk.rig.uring.connecting(address, &ANYWHERE).unwrap();
    let key = desk.begin(Op::Connect { socket });
    desk.answer(key, 0, 0);
    assert!(matches!(desk.told(), Event::Connected { error: None }));
    assert!(matches!(desk.rig.handle(socket).file, File::Descriptor(_)));
    assert!(!desk.rig.uring.outgoing.waiting());
}

#[test]
fn a_connect_that_is_given_up_as_it_succeeds_is_answered_at_once() {
    needs_io_uring!();
    let mut desk = Desk::new();
    let (_peer, address) = peer();
    let socket = desk.rig.uring.connecting(address, &ANYWHERE).unwrap();
    let key = desk.begin(Op::Connect { socket });
    desk.rig.handle(socket).cancelling = true;
    desk.answer(key, 0, 0);
    assert!(matches!(desk.told(), Event::Connected { error: None }));
    assert!(desk.rig.uring.connects.is_empty() && !desk.rig.uring.outgoing.waiting());
}

#[test]
fn nobody_there_is_an_answer() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let (gone, address) = peer();
    drop(gone);
    let socket = rig.connecting(address);
    assert_eq!(rig.connected(), Some(Errno::ECONNREFUSED));
    rig.submit(CONNECT, Op::Connect { socket });
    assert_eq!(rig.connected(), Some(Errno::EISCONN), "a socket is connected once");
    rig.close(socket, false);
    assert!(rig.uring.connects.is_empty());
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn why_a_connect_fails_is_told_as_it_is() {
    needs_io_uring!();
    for error in [Errno::ETIMEDOUT, Errno::ENETUNREACH, Errno::EHOSTUNREACH, Errno::EADDRNOTAVAIL] {
        let mut desk = Desk::new();
        let (_peer, address) = peer();
        let socket = desk.rig.uring.connecting(address, &ANYWHERE).unwrap();
        let key = desk.begin(Op::Connect { socket });
        desk.answer(key, -error.0, 0);
        let Event::Connected { error: Some(told) } = desk.told() else { panic!("it is told") };
        assert_eq!(told, error);
        assert!(desk.rig.uring.connects.is_empty(), "the kernel does not read it any more");
    }
}

#[test]
fn a_connect_that_waits_can_be_cancelled_and_its_socket_closed() {
    needs_io_uring!();
    let (_listener, address, _clients) = crowded();
    for mut rig in [Rig::new(), Rig::with_a_full_table()] {
        let socket = rig.connecting(address);
        let soon = rig.uring.now().after(Duration::from_millis(5));
        rig.turn(Wait::Until(soon));
        assert!(rig.queue.is_empty(), "nobody accepts there: {:?}", rig.queue);
        rig.cancel(socket);
        assert_eq!(rig.connected(), Some(Errno::ECANCELED));
        rig.close(socket, false);
        rig.assert_at_baseline();
        rig.end();
    }
}

#[test]
fn a_connect_that_waits_is_ended_by_a_reset_and_by_a_drain() {
    needs_io_uring!();
    let (_listener, address, _clients) = crowded();
    let mut rig = Rig::new();
    let socket = rig.connecting(address);
    rig.turn(Wait::No);
    rig.submit(SHUTDOWN, Op::Reset { socket });
    assert!(matches!(rig.next(SHUTDOWN), Event::ShutDown { .. }));
    assert!(rig.connected().is_some(), "it is not connected");
    rig.close(socket, false);
    rig.assert_at_baseline();
    rig.connecting(address);
    rig.turn(Wait::No);
    rig.end();
}

#[test]
fn the_limit_of_sockets_is_told_before_one_is_opened() {
    needs_io_uring!();
    let config = UringConfig { sockets_max: 2, ..UringConfig::default() };
    let mut rig = Rig::of(&config, ReceivePool::new(2, 64));
    let (_peer, address) = peer();
    let socket = rig.uring.connecting(address, &ANYWHERE).unwrap();
    let refused = rig.uring.connecting(address, &ANYWHERE).unwrap_err();
    assert_eq!(Errno::of(&refused), Errno::ENFILE);
    rig.close(socket, false);
    assert!(rig.uring.connects.is_empty(), "it was never connected");
    assert!(rig.uring.connecting(address, &ANYWHERE).is_ok());
    rig.end();
}

#[test]
fn sockets_to_be_connected_make_accepts_careful_in_time() {
    needs_io_uring!();
    let config = UringConfig { sockets_max: 40, head_room: 0, ..UringConfig::default() };
    let mut rig = Rig::with_backlog(&config, ReceivePool::new(2, 64), 20);
    rig.turn(Wait::No);
    let listener = rig.listener;
    assert_eq!(rig.handle(listener).accepting, Accepting::All);
    let (_peer, address) = peer();
    for _ in 0..19 {
        rig.uring.connecting(address, &ANYWHERE).unwrap();
    }
    rig.turn(Wait::No);
    rig.turn(Wait::No);
    assert_eq!(rig.handle(listener).accepting, Accepting::One, "as many may come as there are places");
    let clients: Vec<_> = (0..20).map(|_| TcpStream::connect(rig.address).unwrap()).collect();
    for _ in &clients {
        rig.accepted();
    }
    let Event::AcceptEnded { error: Errno::ENFILE } = rig.next(ACCEPT) else {
        panic!("there is no place left")
    };
    assert_eq!(rig.uring.ledger().sockets, 40);
    rig.end();
}
