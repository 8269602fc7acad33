//! A simulated backend driven by hand, with the answers to each op.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// A backend, and what became of what it was asked.
pub(super) struct Bench {
    pub(super) network: Network,
    pub(super) pools: Pools,
    pub(super) sim: Sim,
    /// By token, in the order in which they came.
    pub(super) answers: Vec<Vec<Event>>,
}

impl Bench {
    pub(super) fn new(seed: u64, faults: Faults) -> Bench {
        let network = Network::new(seed);
        let pools = Pools { receive: ReceivePool::new(2, 128), send: SendPool::new([64, 16, 4, 0, 0]) };
        let sim = Sim::new(&network, SimConfig { sockets: 40, queue: 4, faults, ..SimConfig::default() });
        Bench { network, pools, sim, answers: Vec::new() }
    }

    pub(super) fn submit(&mut self, op: Op) -> usize {
        let token = self.answers.len();
        self.answers.push(Vec::new());
        self.sim.submit(&self.pools, Token(token as u64), op);
        token
    }

    pub(super) fn step(&mut self) {
        if !self.sim.ready()
            && let Some(time) = self.network.next_event()
        {
            self.network.advance_to(time);
        }
        let mut completions = Vec::new();
        self.sim.enter(&self.pools, Wait::No, &mut completions);
        for Completion { token, event } in completions {
            let answers = &mut self.answers[token.0 as usize];
            assert!(answers.last().is_none_or(Event::more), "{event:?} after the last answer");
            answers.push(event);
        }
    }

    /// True if an op has had its last answer.
    pub(super) fn is_over(&self, op: usize) -> bool {
        self.answers[op].last().is_some_and(|event| !event.more())
    }

    pub(super) fn until(&mut self, what: &str, mut condition: impl FnMut(&mut Bench) -> bool) {
        for _ in 0..20_000 {
            if condition(self) {
                return;
            }
            self.step();
        }
        panic!("waited in vain for {what}");
    }

    /// The last answer to an op, as soon as it has come.
    pub(super) fn last(&mut self, op: usize) -> Event {
        self.until("the last answer", |bench| bench.is_over(op));
        self.answers[op].pop().expect("it was waited for")
    }

    pub(super) fn finish(mut self) {
        assert_eq!(self.sim.drain(&self.pools, Duration::ZERO), Left::default());
        let ledger = self.sim.ledger();
        assert_eq!((ledger.sockets, ledger.operations), (0, 0));
        assert_eq!((self.pools.receive.free(), self.pools.receive.lent()), (2, 0));
        assert_eq!(self.pools.send.taken(), 0);
        assert_eq!((self.network.streams(), self.network.listeners()), (0, 0));
        assert_eq!(self.network.disk().open_files(), 0);
    }
}

/// True if a scenario fails for one of the seeds, with a mistake of the backend.
pub(super) fn is_found(canary: Canary, faults: Faults, scenario: fn(u64, Faults) -> u64) -> bool {
    (0..SEEDS).any(|seed| {
        let faults = Faults { canary, ..faults.clone() };
        catch_unwind(AssertUnwindSafe(|| scenario(seed, faults))).is_err()
    })
}

/// What must hold of every scenario: accidents do it no harm, and one seed gives one run.
pub(super) fn check(scenario: fn(u64, Faults) -> u64) {
    let of = |seed| scenario(seed, Faults::from_seed(seed).harmless());
    for seed in 0..SEEDS {
        of(seed);
    }
    for seed in 0..SEEDS.min(10) {
        assert_eq!(of(seed), of(seed), "seed {seed}");
    }
    assert_ne!(of(0), of(1));
}
