//! A peer that reads late, on real sockets.
//!
//! Knows: sessions, and what a kernel has taken. Must not know what becomes of what it does not take: `tests/contract/actors/outboxes.rs`.

use std::io::Write;
use std::time::Duration;

use odeon::prelude::*;
use socket2::SockRef;

use crate::client::{connect, pattern, rest};
use crate::session::{Habits, sessions};
use crate::world::World;

pub(crate) fn a_peer_that_reads_only_when_its_connection_has_closed_gets_everything(on: BackendChoice) {
    // So much the kernel takes, and so little of it is with the peer.
    const BYTES: usize = 200_000;
    const WINDOW: usize = 4 << 10;
    let mut world = World::with(on, 1, |config| {
        // So long the kernel may take nothing, on a busy machine; and so long it takes until a connection has closed.
        config.close_deadline = Duration::from_millis(300);
        config.linger_after = Duration::from_secs(3600);
    });
    let (make, events) = sessions(Habits::default());
    let address = world.serve(make);
    for round in 1..=3 {
        let mut stream = connect(address);
        SockRef::from(&stream).set_recv_buffer_size(WINDOW).expect("the option exists");
        stream.write_all(format!("big {BYTES}\nclose\n").as_bytes()).expect("the server reads");
        assert_eq!(events.stopped(), StopReason::Stopped);
        world.wait_for_figure("its end", round, |ledger| ledger.connections_closed);
        assert!(rest(&mut stream) == pattern(1, BYTES), "the kernel delivers what it has taken");
    }
    assert_eq!(world.sum(|ledger| ledger.connections_cut_off), 0);
    world.finish();
}
