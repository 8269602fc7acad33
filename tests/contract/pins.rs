//! Sends whose memory is read for longer than they take. Where nothing is pinned, all is as with any other send.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use odeon::driver::Op;
use odeon::mem::Bytes;

use crate::harness::{Client, Harness, Limits, Pinning, Pins};
use crate::world::{Last, World, pattern};

impl<H: Harness> World<H> {
    fn is_pinned(&self, send: u64) -> bool {
        self.ops[&send].pinned
    }

    /// True if a send was pinned at any time.
    fn was_pinned(&self, send: u64) -> bool {
        self.ops[&send].pinned || self.ops[&send].released
    }

    /// Every send was pinned, or none, or any, as the backend has it.
    fn assert_pinned(&self, sends: &[u64]) {
        for send in sends {
            match H::PINS {
                Pinning::Never => assert!(!self.was_pinned(*send)),
                Pinning::Perhaps => {}
                Pinning::AsAsked => assert!(self.was_pinned(*send)),
            }
        }
    }

    /// No more slots are in use than sends are under way or pinned.
    fn assert_slots(&self, sends: &[u64]) {
        let held = sends.iter().filter(|send| self.last(**send).is_none() || self.is_pinned(**send)).count();
        assert!(self.pools.send.taken() <= held, "slots are back when the last completion is seen");
    }
}

pub fn what_is_pinned_is_released_once_and_the_next_send_does_not_wait_for_it<H: Harness>(round: u32) {
    let limits = Limits { pins: Pins::All, send_slots: [0, 32, 0, 0, 0], ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let (socket, mut client) = world.connection();
    let mut sends: Vec<u64> = Vec::new();
    let mut read = Vec::new();
    world.until("everything to be read and released", |world| {
        // The next one does not wait for the release of those before it.
        if sends.len() < 20 && sends.last().is_none_or(|send| world.last(*send).is_some()) {
            sends.push(world.send(socket, &pattern(sends.len() * 1_000, 1_000)));
        }
        read.extend(client.read(1_000));
        world.assert_slots(&sends);
        sends.len() == 20 && read.len() == 20_000 && world.pools.send.taken() == 0
    });
    assert!(read == pattern(0, 20_000));
    for send in &sends {
        assert_eq!(world.last(*send), Some(Last::Sent { bytes: 1_000, error: None }));
    }
    world.assert_pinned(&sends);
    // Were there another release, it would come now.
    for _ in 0..20 {
        world.step();
    }
    world.close_ended(socket, false);
    world.finish();
}

pub fn a_send_of_several_parts_is_released_once<H: Harness>(round: u32) {
    const TOTAL: usize = 3 << 20;
    let limits = Limits { pins: Pins::All, send_slots: [0, 0, 0, 0, 48], ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let (socket, mut client) = world.connection_with(Some(4096));
    let send = world.send(socket, &pattern(0, TOTAL));
    assert!(world.read_exactly(&mut client, TOTAL) == pattern(0, TOTAL));
    assert_eq!(world.await_released(send), Last::Sent { bytes: TOTAL as u32, error: None });
    assert_eq!(world.pools.send.taken(), 0);
    world.assert_pinned(&[send]);
    world.finish();
}

/// Bytes that tell when they are let go.
struct Owner(Vec<u8>, Arc<AtomicBool>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Looked at by this thread alone.
        self.1.store(true, Ordering::Relaxed);
    }
}

pub fn what_is_held_by_reference_is_sent_and_let_go_when_it_is_released<H: Harness>(round: u32) {
    const OWNED: usize = 50_000;
    let limits = Limits { pins: Pins::UntilRead, ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let (socket, mut client) = world.connection();
    let receive = world.receive(socket);
    world.hold_leases = true;
    world.write_all(&mut client, b"passed on");
    world.until("all of it", |world| world.held(receive) == 9);
    let leases: Vec<_> = world.ops.get_mut(&receive).expect("it was asked for").held.drain(..).collect();
    let let_go = Arc::new(AtomicBool::new(false));
    let is_let_go = || let_go.load(Ordering::Relaxed);
    let mut chain = world.chain(b"head");
    let owner = Owner(pattern(0, OWNED), Arc::clone(&let_go));
    world.pools.send.push_bytes(&mut chain, Bytes::from_owner(owner)).expect("there is a part");
    for lease in leases {
        world.pools.send.push_lease(&mut chain, lease, &world.pools.receive).expect("there is a part");
    }
    let total = chain.bytes() as usize;
    let send = world.submit(Op::Send { socket, chain });
    let mut read = Vec::new();
    world.until("all but a byte", |world| {
        read.extend(client.read(total - 1 - read.len()));
        let is_held = H::PINS == Pinning::AsAsked || world.last(send).is_none();
        assert!(!is_held || !is_let_go(), "the last byte is not read");
        read.len() == total - 1
    });
    read.extend(world.read_exactly(&mut client, 1));
    let expected = [b"head".to_vec(), pattern(0, OWNED), b"passed on".to_vec()].concat();
    assert!(read == expected, "the parts came in order");
    assert_eq!(world.await_released(send), Last::Sent { bytes: total as u32, error: None });
    world.step();
    assert!(is_let_go());
    assert_eq!((world.pools.send.taken(), world.pools.receive.lent()), (0, 0));
    world.finish();
}

pub fn a_send_that_is_cut_short_is_released_as_well<H: Harness>(round: u32) {
    const TOTAL: usize = 3 << 20;
    let limits = Limits { pins: Pins::UntilRead, send_slots: [0, 0, 0, 0, 48], ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let (socket, client) = world.connection_with(Some(4096));
    let send = world.send(socket, &pattern(0, TOTAL));
    for _ in 0..10 {
        world.step();
    }
    client.reset();
    let Last::Sent { bytes, error } = world.await_released(send) else { panic!("a send answers as one") };
    assert!((bytes as usize) < TOTAL && error.is_some());
    assert_eq!(world.pools.send.taken(), 0);
    world.close_ended(socket, false);
    world.finish();
}

pub fn slots_are_not_back_before_what_is_pinned_is_read_or_reset<H: Harness>(round: u32) {
    let limits = Limits { pins: Pins::UntilRead, ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let (socket, mut client) = world.connection();
    let sends = [b"first", b"other"].map(|bytes| {
        let send = world.send(socket, bytes);
        assert_eq!(world.await_last(send), Last::Sent { bytes: 5, error: None });
        send
    });
    for _ in 0..20 {
        world.step();
    }
    world.assert_pinned(&sends);
    if H::PINS == Pinning::AsAsked {
        assert_eq!(sends.map(|send| world.is_pinned(send)), [true; 2], "nobody has read them");
        assert_eq!(world.pools.send.taken(), 2);
    }
    assert_eq!(world.read_exactly(&mut client, 5), b"first");
    world.await_released(sends[0]);
    let reset = world.submit(Op::Reset { socket });
    assert_eq!(world.await_last(reset), Last::ShutDown(None));
    world.await_released(sends[1]);
    assert_eq!(world.pools.send.taken(), 0);
    world.close_ended(socket, true);
    world.finish();
}

pub fn a_drain_takes_back_what_is_pinned<H: Harness>(round: u32) {
    let limits = Limits { pins: Pins::UntilRead, ..Limits::default() };
    for steps in [0, 1, 10] {
        let mut world = World::<H>::start(round, &limits);
        let connections: Vec<_> = (0..4).map(|_| world.connection()).collect();
        for (socket, _) in &connections {
            let send = world.send(*socket, &pattern(0, 1_000));
            world.await_last(send);
            world.send(*socket, &pattern(0, 1_000));
        }
        for _ in 0..steps {
            world.step();
        }
        world.finish();
    }
}
