//! Connections that are made from here.

use super::*;

const CONNECT: Token = Token(20);

impl Rig {
    fn connecting(&mut self, address: SocketAddr) -> SocketId {
        let socket = self.mio.connecting(address, &ConnectOptions::default()).unwrap();
        self.submit(CONNECT, Op::Connect { socket });
        socket
    }

    fn connected(&mut self) -> Option<Errno> {
        match self.next() {
            (CONNECT, Event::Connected { error }) => error,
            other => panic!("expected the end of a connect, got {other:?}"),
        }
    }

    /// A few looks at the kernel, which find nothing.
    fn assert_quiet(&mut self) {
        for _ in 0..10 {
            self.enter(Wait::Until(self.mio.now().after(Duration::from_millis(1))));
        }
        assert!(self.seen.is_empty(), "{:?}", self.seen);
    }
}

/// A listener with so many connections waiting that a further one is not answered, and those.
fn crowded() -> (std::net::TcpListener, Vec<socket2::Socket>) {
    let (address, mut sockets) = sys::listen_together("127.0.0.1:0".parse().unwrap(), 1, 1).unwrap();
    let listener = std::net::TcpListener::from(sockets.pop().unwrap());
    let mut waiting = Vec::new();
    for _ in 0..16 {
        let socket = sys::connecting(address, &ConnectOptions::default()).unwrap();
        // One is waiting in the backlog, and one more than it is to hold. Whether those behind are told so is not waited for.
        let time = if waiting.len() < 2 { PATIENCE } else { Duration::from_millis(50) };
        if socket.connect_timeout(&address.into(), time).is_err() {
            return (listener, waiting);
        }
        waiting.push(socket);
    }
    panic!("a backlog of one is never full");
}

#[test]
fn a_connection_that_was_made_is_like_one_that_was_accepted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut rig = Rig::new(8, 4, 4096);
    let socket = rig.connecting(listener.local_addr().unwrap());
    let chain = rig.chain(b"question");
    // Before anybody knows how the connect ends.
    rig.submit(Token(8), Op::Send { socket, chain });
    assert_eq!(rig.connected(), None);
    assert!(matches!(rig.next(), (Token(8), Event::Sent { bytes: 8, error: None, .. })));
    let (mut peer, _) = listener.accept().unwrap();
    let mut question = [0; 8];
    peer.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"question");
    rig.submit(Token(7), Op::Receive { socket });
    for answer in [b"one", b"two"] {
        peer.write_all(answer).unwrap();
        assert_eq!(rig.next_bytes(), (Token(7), answer.to_vec()));
    }
    rig.submit(Token(9), Op::Shutdown { socket, both: false });
    assert!(matches!(rig.next(), (Token(9), Event::ShutDown { error: None })));
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    drop(peer);
    assert!(matches!(rig.next(), (Token(7), Event::ReceiveEnded { why: ReceiveEnd::EndOfStream })));
    rig.submit(CONNECT, Op::Connect { socket });
    assert_eq!(rig.connected(), Some(Errno::EISCONN));
    rig.close(socket, false);
    assert_eq!(rig.mio.targets.len(), 0);
    rig.assert_nothing_left();
}

#[test]
fn bytes_that_come_with_the_connection_are_not_missed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for _ in 0..50 {
        let mut rig = Rig::new(8, 4, 4096);
        let socket = rig.connecting(listener.local_addr().unwrap());
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"welcome").unwrap();
        drop(peer);
        // One edge for the connection, the bytes and the end.
        assert_eq!(rig.connected(), None);
        rig.submit(Token(7), Op::Receive { socket });
        assert_eq!(rig.next_bytes().1, b"welcome");
        assert!(matches!(rig.next(), (Token(7), Event::ReceiveEnded { why: ReceiveEnd::EndOfStream })));
        rig.assert_nothing_left();
    }
}

#[test]
fn a_refusal_is_told_as_it_is() {
    let mut rig = Rig::new(8, 4, 4096);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let socket = rig.connecting(nobody);
    assert_eq!(rig.connected(), Some(Errno(libc::ECONNREFUSED)));
    let chain = rig.chain(b"to nobody");
    rig.submit(Token(8), Op::Send { socket, chain });
    assert!(matches!(rig.next(), (Token(8), Event::Sent { bytes: 0, error: Some(_), .. })));
    rig.close(socket, false);
    rig.assert_nothing_left();
}

#[test]
fn a_connect_that_cannot_begin_is_answered_at_once() {
    let mut rig = Rig::new(1, 4, 4096);
    // Nobody is there to whom this could go.
    let socket = rig.connecting("255.255.255.255:9".parse().unwrap());
    assert!(rig.mio.ready());
    assert!(rig.connected().is_some());
    let full = rig.mio.connecting("127.0.0.1:9".parse().unwrap(), &ConnectOptions::default());
    assert_eq!(Errno::of(&full.unwrap_err()), Errno::ENFILE);
    rig.close(socket, false);
    assert_eq!(rig.mio.targets.len(), 0);
    let mine = Some("203.0.113.1:0".parse().unwrap());
    let foreign = rig.mio.connecting("127.0.0.1:9".parse().unwrap(), &ConnectOptions { source: mine });
    assert_eq!(foreign.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    rig.assert_nothing_left();
}

#[test]
fn a_connect_that_waits_is_cancelled_and_nothing_is_sent_before() {
    let (listener, _waiting) = crowded();
    let mut rig = Rig::new(8, 4, 4096);
    let socket = rig.connecting(listener.local_addr().unwrap());
    let chain = rig.chain(b"too early");
    rig.submit(Token(8), Op::Send { socket, chain });
    rig.assert_quiet();
    rig.submit(Token(9), Op::Cancel { socket });
    assert_eq!(rig.connected(), Some(Errno::ECANCELED));
    assert!(matches!(rig.next(), (Token(9), Event::Cancelled)));
    // To the kernel it goes on.
    rig.submit(CONNECT, Op::Connect { socket });
    assert_eq!(rig.connected(), Some(Errno::EISCONN));
    rig.submit(Token(10), Op::Shutdown { socket, both: true });
    assert!(matches!(rig.next(), (Token(10), Event::ShutDown { .. })));
    assert!(matches!(rig.next(), (Token(8), Event::Sent { bytes: 0, error: Some(_), .. })));
    rig.close(socket, true);
    rig.assert_nothing_left();
}

#[test]
fn a_connect_that_waits_ends_with_the_socket() {
    let (listener, _waiting) = crowded();
    let address = listener.local_addr().unwrap();
    let mut rig = Rig::new(8, 4, 4096);
    let reset = rig.connecting(address);
    rig.assert_quiet();
    rig.submit(Token(9), Op::Reset { socket: reset });
    assert_eq!(rig.connected(), Some(Errno::ECONNRESET));
    assert!(matches!(rig.next(), (Token(9), Event::ShutDown { error: None })));
    rig.close(reset, true);
    let shut = rig.connecting(address);
    rig.assert_quiet();
    rig.submit(Token(10), Op::Shutdown { socket: shut, both: true });
    assert!(matches!(rig.next(), (Token(10), Event::ShutDown { .. })));
    assert!(rig.connected().is_some());
    rig.connecting(address);
    rig.assert_nothing_left();
    assert_eq!(rig.mio.targets.len(), 0);
}
