//! Transfers that arrive, whatever happens to them on their way.
//!
//! Knows: sizes, cuts, stalls, paces. Must not know accidents that end a connection.

use std::io::Write as _;
use std::time::Duration;
use std::{fs, io, thread};

use odeon::BackendChoice;
use odeon::sim::each_seed;
use odeon::sys::{Random, now};

use crate::plan::{Accident, Cuts, Faults, Plan};
use crate::servers::Kind;
use crate::transfer::Transfer;
use crate::wire::log_uniform;
use crate::world::World;

/// Both directions as one says.
fn both(faults: Faults) -> Plan {
    Plan { up: faults, down: faults, narrow: None }
}

pub(crate) fn streams_arrive_though_they_are_split_at_every_byte(on: BackendChoice) {
    const LARGEST: u64 = 64 << 10;
    let mut world = World::new(on, 1);
    let services = Kind::ALL.map(|kind| world.echo(kind));
    let cut = Faults { cuts: Cuts::EveryByte, ..Faults::NONE };
    each_seed(6, 1, |seed| {
        let mut random = Random::new(seed);
        let length = if seed == 0 { LARGEST } else { log_uniform(&mut random, LARGEST) };
        // Every other client reads a byte at a time, too.
        let gulp = if seed % 2 == 0 { cut.gulp } else { 1 };
        let plan = both(Faults { gulp, ..cut });
        for service in &services {
            Transfer { seed, length, plan }.go(&world, service);
        }
        world.rests(&services);
    });
    world.ends(&services);
}

pub(crate) fn streams_arrive_though_they_stall_before_any_byte(on: BackendChoice) {
    const LENGTH: u64 = 40;
    let mut world = World::new(on, 1);
    let services = Kind::ALL.map(|kind| world.echo(kind));
    for byte in 0..=LENGTH {
        for service in &services {
            let stall = Faults::at(byte, Accident::Stall);
            for plan in [Plan::up(stall), Plan::down(stall), both(stall)] {
                Transfer { seed: byte, length: LENGTH, plan }.go(&world, service);
            }
        }
    }
    world.ends(&services);
}

pub(crate) fn streams_arrive_though_they_trickle(on: BackendChoice) {
    const LENGTH: u64 = 300;
    let mut world = World::new(on, 1);
    let services = Kind::ALL.map(|kind| world.echo(kind));
    let pace = Some(Duration::from_millis(1));
    let trickle = Faults { cuts: Cuts::EveryByte, gulp: 1, pace, ..Faults::NONE };
    let plans = [Plan::up(trickle), Plan::down(trickle), both(trickle)];
    thread::scope(|scope| {
        for service in &services {
            scope.spawn(|| {
                for plan in plans {
                    let plan = Plan { narrow: Some(4 << 10), ..plan };
                    Transfer { seed: 1, length: LENGTH, plan }.go_beside(service, |_| {});
                }
            });
        }
    });
    world.ends(&services);
}

pub(crate) fn large_streams_arrive_however_they_are_cut(on: BackendChoice) {
    const LARGEST: u64 = 64 << 20;
    let mut world = World::new(on, 2);
    let services = Kind::ALL.map(|kind| world.echo(kind));
    each_seed(8, 1, |seed| {
        let mut random = Random::new(seed);
        let length = if seed == 0 { LARGEST } else { log_uniform(&mut random, LARGEST) };
        let plan = Plan::cut(&mut random, length);
        Transfer { seed, length, plan }.go_beside(&services[seed as usize % services.len()], |_| {});
        world.rests(&services);
    });
    world.ends(&services);
}

/// Resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it says so");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// With `ODEON_SOAK=1` in the environment, of a gibibyte to each server. Only then is memory looked at: other cases of the same
/// process take some as well.
pub(crate) fn the_largest_stream_arrives_and_in_a_soak_takes_no_more_memory(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let kinds: &[Kind] = if is_soak() { &Kind::ALL } else { &[Kind::Raw] };
    for (seed, kind) in (0..).zip(kinds) {
        let services = [world.echo(*kind)];
        let go = |length| Transfer { seed, length, plan: Plan::NOTHING }.go_beside(&services[0], |_| {});
        go(16 << 20);
        let (memory, start) = (resident(), now());
        let length = if is_soak() { 1 << 30 } else { 32 << 20 };
        go(length);
        let (took, grown) = (now().since(start), resident().saturating_sub(memory));
        world.rests(&services);
        if is_soak() {
            // Past the test runner.
            let _ =
                writeln!(io::stderr(), "{kind:?}: {length} bytes in {took:.1?}, {grown} KiB resident more");
            // Of what its server holds at a time, the allocator may keep some.
            let most = (16 << 10) + kind.held_bytes_max() / 1024;
            assert!(grown < most, "memory grew by {grown} KiB");
        }
    }
    world.finish();
}

/// True if whoever runs this has time.
fn is_soak() -> bool {
    std::env::var_os("ODEON_SOAK").is_some()
}
