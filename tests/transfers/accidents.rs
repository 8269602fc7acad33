//! Transfers that end on their way, and those that might.
//!
//! Knows: accidents, and the reasons that servers are told. Must not know how they are carried out.

use std::thread;
use std::time::Duration;

use odeon::BackendChoice;
use odeon::sim::each_seed;
use odeon::sys::Random;

use crate::plan::{Accident, Faults, Plan};
use crate::servers::Kind;
use crate::transfer::Transfer;
use crate::wire::log_uniform;
use crate::world::{World, until};

/// One accident in each direction and at each server, before bytes drawn from a seed, before the first, and behind the last.
fn everywhere(on: BackendChoice, accident: Accident) {
    let mut world = World::new(on, 1);
    let services = Kind::ALL.map(|kind| world.echo(kind));
    each_seed(3, 1, |seed| {
        let mut random = Random::new(seed);
        for service in &services {
            let length = 3 + log_uniform(&mut random, 4 << 20);
            for byte in [0, 1, random.below(length), random.below(length), length - 1, length] {
                let faults = Faults::at(byte, accident);
                for plan in [Plan::up(faults), Plan::down(faults)] {
                    Transfer { seed, length, plan }.go(&world, service);
                }
            }
        }
        world.rests(&services);
    });
    world.ends(&services);
}

pub(crate) fn a_reset_is_told_and_leaves_nothing(on: BackendChoice) {
    everywhere(on, Accident::Reset);
}

pub(crate) fn a_half_close_leaves_the_answers_whole(on: BackendChoice) {
    everywhere(on, Accident::HalfClose);
}

pub(crate) fn a_close_in_the_middle_is_told_and_leaves_nothing(on: BackendChoice) {
    everywhere(on, Accident::Close);
}

/// More than all sockets hold.
const TOO_MUCH: u64 = 24 << 20;

pub(crate) fn a_peer_that_does_not_read_for_long_gets_everything_in_the_end(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let services = Kind::ALL.map(|kind| world.echo(kind));
    for service in &services {
        let plan = Plan { narrow: Some(64 << 10), ..Plan::down(Faults::at(10_000, Accident::Stall)) };
        Transfer { seed: 5, length: TOO_MUCH, plan }.go_beside(service, |proxy| {
            proxy.gates[1].reached();
            // Until the core has slept some times, while output waited and nothing was handled.
            let (mut before, mut quiet) = ((0, 0), 0);
            until("the peer to be in the way", || {
                let ledger = world.ledgers()[0];
                let (handled, slept) = (ledger.handled, ledger.sleeps);
                let stands_still = handled == before.0 && ledger.send_slots > 0;
                quiet = if stands_still { quiet + slept - before.1 } else { 0 };
                before = (handled, slept);
                quiet > 50
            });
            proxy.gates[1].release();
        });
        world.rests(&services);
    }
    world.ends(&services);
}

pub(crate) fn a_peer_that_never_reads_is_told_and_leaves_nothing(on: BackendChoice) {
    // More than the sockets between server and proxy hold, and so little that the server reads all of it.
    const A_LITTLE_TOO_MUCH: u64 = 700 << 10;
    let mut world = World::with(on, 1, |config| {
        config.write_stall = Duration::from_millis(150);
        config.close_deadline = Duration::from_millis(300);
    });
    let services = Kind::ALL.map(|kind| world.echo(kind));
    for (service, number) in services.iter().zip(0..) {
        for (length, byte, cut_off) in [(TOO_MUCH, 0, 1), (A_LITTLE_TOO_MUCH, 30_000, 2)] {
            let plan = Plan { narrow: Some(64 << 10), ..Plan::down(Faults::at(byte, Accident::Deaf)) };
            Transfer { seed: byte, length, plan }.go_beside(service, |_| {});
            let in_all = 2 * number + cut_off;
            world.wait_for_figure("it to be cut off", in_all, |ledger| ledger.connections_cut_off);
            world.rests(&services);
        }
    }
    world.ends(&services);
}

pub(crate) fn whatever_happens_every_stream_arrives_or_its_end_is_told(on: BackendChoice) {
    const LARGEST: u64 = 2 << 20;
    let mut world = World::with(on, 2, |config| {
        // Few of everything, so that connections are in each other's way.
        config.receive_buffers = 4;
        config.receive_buffer_bytes = 8 << 10;
        config.send_slots = [64, 32, 16, 4, 2];
    });
    let services = Kind::ALL.map(|kind| world.echo(kind));
    each_seed(12, 1, |seed| {
        let mut random = Random::new(seed);
        thread::scope(|scope| {
            for service in &services {
                let (mut random, world) = (random.fork(), &world);
                scope.spawn(move || {
                    for _ in 0..3 {
                        let length = 3 + log_uniform(&mut random, LARGEST);
                        let plan = Plan::drawn(&mut random, length);
                        Transfer { seed: random.bits(), length, plan }.go(world, service);
                    }
                });
            }
        });
        world.rests(&services);
    });
    world.ends(&services);
}
