//! The whole runtime on the simulated backend, seed by seed.
use odeon::prelude::*;
use odeon::system::simulation::{Faults, Simulation, SimulationConfig};
use std::time::Duration;

struct Echo;
impl Actor for Echo {
    type Message = Never;
    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}
impl Connection for Echo {
    type Codec = Raw;
    fn frame(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> Flow {
        cx.write(bytes);
        Flow::Continue
    }
}

#[test]
fn echo_under_faults() {
    for seed in 0..300 {
        let mut plan = SimulationConfig::new(seed);
        plan.cores = 2;
        plan.config.close_deadline = Duration::from_secs(3600);
        plan.faults = Faults::from_seed(seed).harmless();
        let mut simulation = Simulation::new(plan).unwrap();
        let address = "10.0.0.1:80".parse().unwrap();
        simulation.listener(address).start(|_| Echo).unwrap();
        let network = simulation.network().clone();
        let mut peers: Vec<_> =
            (0..5).map(|_| (network.connect(address).unwrap(), Vec::new(), Vec::new())).collect();
        for round in 0..40u64 {
            for (n, (peer, sent, got)) in peers.iter_mut().enumerate() {
                let bytes: Vec<u8> =
                    (0..(round * 37 * (n as u64 + 1)) % 3000).map(|b| (b + round) as u8).collect();
                let taken = peer.write(&bytes);
                sent.extend_from_slice(&bytes[..taken]);
                got.extend(peer.read(usize::MAX));
            }
            simulation.run_for(Duration::from_millis(3));
        }
        for (peer, _, _) in &mut peers {
            peer.shutdown_write();
        }
        for _ in 0..2000 {
            simulation.run_for(Duration::from_millis(10));
            let mut ended = true;
            for (peer, _, got) in &mut peers {
                got.extend(peer.read(usize::MAX));
                ended &= peer.is_ended();
            }
            if ended {
                break;
            }
        }
        for (peer, sent, got) in peers {
            assert_eq!(sent.len(), got.len(), "seed {seed}");
            assert!(sent == got);
            assert!(peer.is_ended());
        }
        let (ledgers, leaked) = simulation.shutdown();
        assert_eq!(leaked, 0, "seed {seed}");
        for ledger in ledgers {
            assert_eq!(ledger.held(), [0; 7], "seed {seed}: {ledger:?}");
        }
    }
}
