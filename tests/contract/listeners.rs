//! Listening sockets: their backlog, and their address afterwards.

use std::io::ErrorKind;

use odeon::driver::Op;
use odeon::driver::backend::Backend;

use crate::harness::{Harness, Limits};
use crate::world::{Last, World};

pub fn a_cancelled_accept_keeps_the_backlog<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    world.step();
    let listener = world.listener;
    world.stop_accepting(listener);
    let _client = world.net.connect(world.address, None).expect("it still listens");
    for _ in 0..10 {
        world.step();
    }
    assert!(world.accepted.is_empty(), "nobody accepts");
    world.accept(listener);
    world.until("the connection from the backlog", |world| world.accepted.len() == 1);
    world.finish();
}

pub fn a_closed_listener_lets_its_address_be_bound_again<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    // A connection that lives on must not keep the address.
    let (_socket, _client) = world.connection();
    for _ in 0..3 {
        let listener = world.listener;
        world.stop_accepting(listener);
        let close = world.submit(Op::Close { socket: listener, reset: false });
        assert_eq!(world.await_last(close), Last::Closed);
        let refused = world.net.connect(world.address, None).err().expect("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let again = world.net.backend().bind(world.address, 16, 1).expect("the address is free").pop();
        let again = again.expect("one was asked for");
        assert_eq!(again.address, world.address);
        world.listener = world.net.backend().adopt(again).expect("room for it");
        let listener = world.listener;
        world.accept(listener);
        let (_socket, _client) = world.connection();
    }
    world.finish();
}

pub fn an_address_in_use_is_an_error<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    for count in [1, 2] {
        let refused = world.net.backend().bind(world.address, 16, count).expect_err("it is in use");
        assert_eq!(refused.kind(), ErrorKind::AddrInUse);
    }
    world.finish();
}

pub fn sockets_of_one_address_share_the_connections<H: Harness>(round: u32) {
    const COUNT: usize = 64;
    let mut world = World::<H>::start(round, &Limits::default());
    let mut any_port = world.address;
    any_port.set_port(0);
    let bound = world.net.backend().bind(any_port, 128, 2).expect("a free port");
    let address = bound[0].address;
    assert_eq!(bound[1].address, address);
    for socket in bound {
        let listener = world.net.backend().adopt(socket).expect("room for it");
        world.accept(listener);
    }
    let _clients: Vec<H::Client> =
        (0..COUNT).map(|_| world.net.connect(address, None).expect("somebody listens")).collect();
    world.until("every connection", |world| world.accepted.len() == COUNT);
    world.finish();
}
