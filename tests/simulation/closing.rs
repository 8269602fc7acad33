//! Connections that close while their peers read slowly, or not at all.
//!
//! Knows: virtual time, what the kernel holds, peers that take as much as they are told to. Must not know how the runtime closes.

use std::time::Duration;

use odeon::prelude::*;
use odeon::system::simulation::{Faults, SimPeer, Simulation, SimulationConfig};

use super::world::{World, small};

const SECOND: Duration = Duration::from_secs(1);

/// Says so many bytes, and ends if it is told to.
struct Speaker;

#[actor(codec = Lines<80>)]
impl Speaker {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        let (word, bytes) = line.split_once(' ').expect("a word and a number");
        cx.write(vec![b'x'; bytes.parse().expect("a number")]);
        if word == "end" { Flow::Close } else { Flow::Continue }
    }
}

struct Scene {
    simulation: Simulation,
    peer: SimPeer,
}

impl Scene {
    fn new(adapt: impl FnOnce(&mut SimulationConfig)) -> Scene {
        let mut plan = small(1);
        adapt(&mut plan);
        let mut simulation = Simulation::new(plan).expect("the limits are possible");
        simulation.listener(World::address()).start(|_| Speaker).expect("nobody listens there yet");
        let peer = simulation.network().connect(World::address()).expect("the backlog has room");
        simulation.settle();
        Scene { simulation, peer }
    }

    fn ask(&mut self, line: &str) {
        assert_eq!(self.peer.write(line.as_bytes()), line.len());
        self.simulation.settle();
    }

    fn cut_off(&mut self) -> u64 {
        self.simulation.ledgers()[0].connections_cut_off
    }

    /// The connection has ended for the system, and left nothing behind but this many that were cut off.
    fn has_ended(&mut self, cut_off: u64) {
        let ledger = &self.simulation.ledgers()[0];
        let closed = (ledger.connections_closed, ledger.driver.operations, ledger.send_slots, ledger.timers);
        assert_eq!((closed, ledger.connections_cut_off), ((1, 1, 0, 0), cut_off), "{ledger:#?}");
    }
}

#[test]
fn as_many_sends_may_be_pinned_as_there_may_be_while_a_connection_ends() {
    let mut scene = Scene::new(|plan| {
        (plan.config.pinned_parts_max, plan.config.send_slots) = (255, [256, 0, 0, 0, 0]);
        plan.faults = Faults { pinned_send: 1.0, pinned_until_read: 1.0, ..Faults::default() };
    });
    for _ in 0..254 {
        scene.ask("say 1\n");
    }
    // What it reads still is cancelled as well, and its output ended.
    scene.ask("end 1\n");
    assert_eq!((scene.cut_off(), scene.peer.is_reset()), (0, false));
    scene.simulation.run_for(6 * SECOND);
    assert!(scene.peer.is_reset(), "only by a reset does the kernel let go of what the peer has not read");
    scene.has_ended(0);
}
