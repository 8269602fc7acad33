//! Connections that a backend makes: who answers, who does not, and what ends the waiting.

use std::io::ErrorKind;
use std::net::SocketAddr;

use odeon::driver::backend::Backend;
use odeon::driver::{ConnectOptions, Op, ReceiveEnd, SocketId};
use odeon::sys::Errno;

use crate::connections::assert_refused;
use crate::harness::{Client, Harness, Limits, Server};
use crate::world::{Last, World};

impl<H: Harness> World<H> {
    fn connecting(&mut self, to: SocketAddr) -> SocketId {
        let socket = self.net.backend().connecting(to, &ConnectOptions::default());
        socket.expect("room for one socket")
    }

    fn connect(&mut self, to: SocketAddr) -> (SocketId, u64) {
        let socket = self.connecting(to);
        (socket, self.submit(Op::Connect { socket }))
    }

    /// Connects to a server, which accepts.
    fn connected_to(&mut self, server: &mut H::Server) -> (SocketId, H::Client) {
        let (socket, connect) = self.connect(server.address());
        let mut accepted = None;
        self.until("a connection", |world| {
            accepted = accepted.take().or_else(|| server.accept());
            accepted.is_some() && world.last(connect).is_some()
        });
        assert_eq!(self.last(connect), Some(Last::Connected(None)));
        (socket, accepted.expect("it was waited for").0)
    }

    /// An address that nobody listens on.
    fn deserted(&mut self) -> SocketAddr {
        let server = self.net.listen();
        server.address()
    }

    /// A listener that nobody accepts on, and connects to it of which not all are answered.
    fn crowded(&mut self) -> (SocketId, Vec<(SocketId, u64)>) {
        let mut any_port = self.address;
        any_port.set_port(0);
        let bound = self.net.backend().bind(any_port, 1, 1).expect("a free port").pop();
        let bound = bound.expect("one was asked for");
        let address = bound.address;
        let listener = self.net.backend().adopt(bound).expect("room for it");
        let connects: Vec<(SocketId, u64)> = (0..8).map(|_| self.connect(address)).collect();
        self.until("one that is answered", |world| {
            connects.iter().any(|(_, connect)| world.last(*connect).is_some())
        });
        for _ in 0..20 {
            self.step();
        }
        assert!(connects.iter().any(|(_, connect)| self.last(*connect).is_none()), "the backlog is full");
        (listener, connects)
    }
}

pub fn a_connection_is_made_and_is_as_good_as_one_that_was_accepted<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let mut server = world.net.listen();
    let (socket, mut client) = world.connected_to(&mut server);
    let receive = world.receive(socket);
    let send = world.send(socket, b"a question");
    assert_eq!(world.await_last(send), Last::Sent { bytes: 10, error: None });
    assert_eq!(world.read_exactly(&mut client, 10), b"a question");
    world.write_all(&mut client, b"an answer");
    client.shutdown_write();
    assert_eq!(world.await_last(receive), Last::ReceiveEnded(ReceiveEnd::EndOfStream));
    assert_eq!(world.received(receive), b"an answer");
    let shutdown = world.submit(Op::Shutdown { socket, both: false });
    assert_eq!(world.await_last(shutdown), Last::ShutDown(None));
    world.until("the end of the stream", |_| client.is_ended());
    world.close_ended(socket, false);
    world.finish();
}

pub fn a_backend_can_connect_to_itself<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let address = world.address;
    let (near, connect) = world.connect(address);
    assert_eq!(world.await_last(connect), Last::Connected(None));
    world.until("an accepted connection", |world| !world.accepted.is_empty());
    let far = world.accepted.pop_front().expect("it was waited for");
    for (from, to) in [(near, far), (far, near)] {
        let receive = world.receive(to);
        let send = world.send(from, b"hello");
        assert_eq!(world.await_last(send), Last::Sent { bytes: 5, error: None });
        world.until("a greeting", |world| world.received(receive) == b"hello");
    }
    world.finish();
}

pub fn a_connect_where_nobody_listens_is_refused<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let address = world.deserted();
    for _ in 0..3 {
        let (socket, connect) = world.connect(address);
        assert_eq!(world.await_last(connect), Last::Connected(Some(Errno::ECONNREFUSED)));
        world.close_ended(socket, false);
    }
    world.finish();
}

pub fn a_connect_that_nobody_answers_is_cancelled<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (listener, connects) = world.crowded();
    let mut cancelled = 0;
    for (socket, connect) in connects {
        let waits = world.last(connect).is_none();
        let cancel = world.submit(Op::Cancel { socket });
        match world.await_last(connect) {
            Last::Connected(Some(Errno::ECANCELED)) if waits => cancelled += 1,
            last => assert_eq!(last, Last::Connected(None)),
        }
        assert_eq!(world.await_last(cancel), Last::Cancelled);
        world.close_ended(socket, true);
    }
    assert!(cancelled > 0, "one of them was waiting");
    world.close_ended(listener, false);
    world.finish();
}

pub fn a_connect_waits_for_room_in_a_backlog<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (listener, connects) = world.crowded();
    world.accept(listener);
    for (_, connect) in &connects {
        assert_eq!(world.await_last(*connect), Last::Connected(None));
    }
    world.until("everybody", |world| world.accepted.len() == connects.len());
    world.finish();
}

pub fn a_reset_of_a_new_connection_is_seen<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let mut server = world.net.listen();
    let (socket, client) = world.connected_to(&mut server);
    client.reset();
    let receive = world.receive(socket);
    assert_eq!(world.await_last(receive), Last::ReceiveEnded(ReceiveEnd::Failed(Errno::ECONNRESET)));
    world.close_ended(socket, false);
    world.finish();
}

pub fn a_connection_comes_from_the_address_that_was_asked_for<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let mut server = world.net.listen();
    let options = ConnectOptions { source: Some(SocketAddr::from(([127, 0, 0, 2], 0))) };
    let socket = world.net.backend().connecting(server.address(), &options).expect("it is ours");
    let connect = world.submit(Op::Connect { socket });
    let mut accepted = None;
    world.until("a connection", |world| {
        accepted = accepted.take().or_else(|| server.accept());
        accepted.is_some() && world.last(connect).is_some()
    });
    let (_client, from) = accepted.expect("it was waited for");
    assert_eq!(from.ip().to_string(), "127.0.0.2");
    let options = ConnectOptions { source: Some(from) };
    let refused = world.net.backend().connecting(server.address(), &options).expect_err("it is in use");
    assert_eq!(refused.kind(), ErrorKind::AddrInUse);
    world.finish();
}

pub fn a_second_connect_beside_the_first_is_a_bug<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (_listener, connects) = world.crowded();
    let waits = connects.iter().find(|(_, connect)| world.last(*connect).is_none());
    let socket = waits.expect("not all are answered").0;
    assert_refused(|| world.submit(Op::Connect { socket }), "a second receive");
}

pub fn a_socket_is_connected_once_whatever_becomes_of_it<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let again = |world: &mut World<H>, socket| {
        let connect = world.submit(Op::Connect { socket });
        assert_eq!(world.await_last(connect), Last::Connected(Some(Errno::EISCONN)));
    };
    let (accepted, _client) = world.connection();
    again(&mut world, accepted);
    let mut server = world.net.listen();
    let (connected, mut client) = world.connected_to(&mut server);
    again(&mut world, connected);
    let send = world.send(connected, b"as before");
    assert_eq!(world.await_last(send), Last::Sent { bytes: 9, error: None });
    assert_eq!(world.read_exactly(&mut client, 9), b"as before");
    let deserted = world.deserted();
    let (refused, connect) = world.connect(deserted);
    assert_eq!(world.await_last(connect), Last::Connected(Some(Errno::ECONNREFUSED)));
    let (listener, connects) = world.crowded();
    let waits = connects.iter().find(|(_, connect)| world.last(*connect).is_none());
    let (cancelled, connect) = *waits.expect("not all are answered");
    world.submit(Op::Cancel { socket: cancelled });
    let error = world.await_last(connect);
    assert!(matches!(error, Last::Connected(Some(Errno::ECANCELED) | None)), "{error:?}");
    again(&mut world, refused);
    again(&mut world, cancelled);
    // There is room for it now.
    world.accept(listener);
    again(&mut world, cancelled);
    world.finish();
}

pub fn a_socket_that_was_never_connected_is_closed<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let address = world.address;
    let socket = world.connecting(address);
    world.close_ended(socket, false);
    let stale = world.submit(Op::Connect { socket });
    assert_eq!(world.await_last(stale), Last::Connected(Some(Errno::EBADF)));
    world.finish();
}

pub fn a_full_table_has_no_room_for_a_socket<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits { sockets: 3, ..Limits::default() });
    let address = world.address;
    let sockets = [(); 2].map(|()| world.connecting(address));
    let full = world.net.backend().connecting(address, &ConnectOptions::default());
    assert_eq!(Errno::of(&full.expect_err("there is the listener as well")), Errno::ENFILE);
    world.close_ended(sockets[0], false);
    let again = world.connecting(address);
    world.close_ended(again, false);
    world.finish();
}

pub fn a_drain_ends_connects<H: Harness>(round: u32) {
    for steps in [0, 1, 10] {
        let mut world = World::<H>::start(round, &Limits { queue: 2, ..Limits::default() });
        let (_listener, _connects) = world.crowded();
        let (listening, deserted) = (world.address, world.deserted());
        world.connecting(listening);
        for address in [listening, deserted] {
            world.connect(address);
        }
        for _ in 0..steps {
            world.step();
        }
        world.finish();
    }
}
