//! What a backend does not do yet, it refuses.

use odeon::driver::backend::Backend;
use odeon::driver::{ConnectOptions, FileOptions, FileRequest, FileWork, Fill, Op};
use odeon::sys::Errno;

use crate::harness::{Harness, Limits};
use crate::world::{Last, World};

pub fn connects_are_refused<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let address = world.address;
    let refused = world.net.backend().connecting(address, &ConnectOptions::default());
    assert_eq!(Errno::of(&refused.expect_err("it is not built")), Errno::ENOSYS);
    world.finish();
}

pub fn fills_are_refused<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let (socket, _client) = world.connection();
    let fill = Fill { buffer: Vec::with_capacity(1), outcome: Ok(0) };
    let fill = world.submit(Op::Fill { socket, fill: Box::new(fill) });
    assert_eq!(world.await_last(fill), Last::Filled(Err(Errno::ENOSYS)));
    world.finish();
}

pub fn files_are_refused<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let open = FileWork::Open { path: c"/".into(), options: FileOptions::default() };
    let open = world.submit(Op::File { request: FileRequest::new(None, open) });
    assert_eq!(world.await_last(open), Last::File(Err(Errno::ENOSYS)));
    world.finish();
}
