//! Echo over the simulated network, with accidents by seed: nothing lost, order kept, everything back, and one seed
//! gives one run.

mod bench;
mod files;
mod outgoing;
mod pins;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::*;
use crate::mem::{Chain, ReceivePool, SendPool};

/// An echo server with one connection per peer, and peers that send numbered bytes.
struct World {
    network: Network,
    pools: Pools,
    sim: Sim,
    listener: SocketId,
    connections: BTreeMap<u64, Connection>,
    token_next: u64,
    peers: Vec<(Peer, usize, usize)>,
}

struct Connection {
    socket: SocketId,
    pending: Vec<u8>,
    sending: bool,
    receiving: bool,
    ended: bool,
}

/// Miri is a thousand times slower: there the point is the memory, not the variety.
const BYTES_EACH: usize = if cfg!(miri) { 200 } else { 3_000 };
const SEEDS: u64 = if cfg!(miri) { 2 } else { 100 };
const LISTEN: u64 = 0;

impl World {
    fn new(seed: u64, faults: Faults) -> World {
        let network = Network::new(seed);
        let pools = Pools { receive: ReceivePool::new(2, 128), send: SendPool::new([64, 16, 4, 0, 0]) };
        let mut sim = Sim::new(&network, SimConfig { sockets: 20, queue: 4, faults, ..SimConfig::default() });
        let mut bound = sim.bind(SocketAddr::from(([127, 0, 0, 1], 0)), 64, 1).unwrap();
        let socket = bound.pop().unwrap();
        let address = socket.address;
        let listener = sim.adopt(socket).unwrap();
        sim.submit(&pools, Token(LISTEN), Op::Accept { listener });
        let peers = (0..10).map(|_| (network.connect(address).unwrap(), 0, 0)).collect();
        World { network, pools, sim, listener, connections: BTreeMap::new(), token_next: 1, peers }
    }

    fn run(&mut self) {
        for _ in 0..200_000 {
            self.play_peers();
            self.turn();
            if self.peers.iter().all(|(peer, _, read)| *read == BYTES_EACH || peer.is_reset()) {
                return;
            }
            if !self.sim.ready()
                && let Some(time) = self.network.next_event()
            {
                self.network.advance_to(time);
            }
        }
        panic!("the echo came to a halt");
    }

    fn play_peers(&mut self) {
        for (peer, written, read) in &mut self.peers {
            let part: Vec<u8> = (*written..BYTES_EACH.min(*written + 100)).map(|at| at as u8).collect();
            *written += peer.write(&part);
            let bytes = peer.read(50);
            assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == (*read + at) as u8), "order is kept");
            *read += bytes.len();
        }
    }

    fn turn(&mut self) {
        let mut completions = Vec::new();
        self.sim.enter(&self.pools, Wait::No, &mut completions);
        for Completion { token, event } in completions {
            self.route(token, event);
        }
        let tokens: Vec<u64> = self.connections.keys().copied().collect();
        tokens.into_iter().for_each(|token| self.push(token));
    }

    fn route(&mut self, token: Token, event: Event) {
        if let Event::Accepted { socket } = event {
            let connection =
                Connection { socket, pending: Vec::new(), sending: false, receiving: true, ended: false };
            self.connections.insert(self.token_next, connection);
            self.sim.submit(&self.pools, Token(self.token_next), Op::Receive { socket });
            self.token_next += 1;
            return;
        }
        if let Event::AcceptEnded { .. } = event {
            return self.sim.submit(&self.pools, Token(LISTEN), Op::Accept { listener: self.listener });
        }
        let connection = self.connections.get_mut(&{ token.0 }).expect("a completion for a connection");
        match event {
            Event::Received { lease } => {
                connection.pending.extend_from_slice(self.pools.receive.bytes(&lease));
                self.pools.receive.release(lease);
            }
            Event::Sending { .. } | Event::Released => {}
            Event::ReceiveEnded { .. } => (connection.receiving, connection.ended) = (false, true),
            Event::Sent { error, .. } => {
                connection.sending = false;
                connection.ended |= error.is_some();
            }
            Event::Starving => {}
            other => panic!("not expected: {other:?}"),
        }
    }

    fn push(&mut self, token: u64) {
        let connection = self.connections.get_mut(&token).expect("it was listed");
        if connection.sending || connection.ended || connection.pending.is_empty() {
            return;
        }
        let mut chain = Chain::EMPTY;
        if self.pools.send.write(&mut chain, &connection.pending).is_ok() {
            connection.pending.clear();
            connection.sending = true;
            self.sim.submit(&self.pools, Token(token), Op::Send { socket: connection.socket, chain });
        }
    }

    fn assert_drained(&mut self) {
        assert_eq!(self.sim.drain(&self.pools, Duration::ZERO), Left::default());
        let ledger = self.sim.ledger();
        assert_eq!((ledger.sockets, ledger.operations), (0, 0));
        assert_eq!((self.pools.receive.free(), self.pools.receive.lent()), (2, 0));
        assert_eq!(self.pools.send.taken(), 0);
        self.peers.clear();
        assert_eq!((self.network.streams(), self.network.listeners()), (0, 0));
    }
}

#[test]
fn whatever_the_accidents_every_byte_arrives_in_order_and_every_buffer_comes_back() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed, Faults::from_seed(seed).harmless());
        world.run();
        assert!(world.peers.iter().all(|(_, _, read)| *read == BYTES_EACH), "seed {seed}: nothing is lost");
        world.assert_drained();
    }
}

#[test]
fn connections_that_are_cut_off_leave_nothing_behind() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed, Faults { reset: 0.02, ..Faults::from_seed(seed) });
        world.run();
        world.assert_drained();
    }
}

#[test]
fn one_seed_gives_one_run() {
    let trace = |seed| {
        let mut world =
            World::new(seed, Faults { late_completion: 0.1, reorder: 0.5, ..Faults::from_seed(seed) });
        world.run();
        (world.network.trace(), world.network.now())
    };
    for seed in 0..SEEDS.min(20) {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
    assert_ne!(trace(1), trace(2));
}

#[test]
fn each_accident_alone_is_survived_even_when_it_always_happens() {
    let one = |set: fn(&mut Faults)| {
        let mut faults = Faults::default();
        set(&mut faults);
        let mut world = World::new(1, faults);
        world.run();
        world.assert_drained();
        world.sim.ledger()
    };
    one(|faults| faults.short_send = 1.0);
    one(|faults| faults.again = 1.0);
    one(|faults| faults.short_receive = 1.0);
    one(|faults| faults.buffer_cut = 1.0);
    one(|faults| faults.short_queue = 1.0);
    one(|faults| faults.reorder = 1.0);
    one(|faults| faults.postpone = 1.0);
    one(|faults| faults.delay = 1.0);
    one(|faults| faults.late_completion = 1.0);
    one(|faults| faults.disarm = 1.0);
    one(|faults| faults.slow_reader = 1.0);
    one(|faults| faults.pinned_send = 1.0);
    one(|faults| faults.reset_later = 1.0);
    one(|faults| (faults.reset, faults.given_up) = (1.0, 1.0));
    assert!(one(|faults| faults.no_buffer = 1.0).buffer_shortages > 0);
    assert!(one(|faults| faults.overflow = 1.0).overflows > 0);
}

#[test]
fn what_is_left_of_a_short_send_goes_out_before_what_was_submitted_after_it() {
    let network = Network::new(1);
    let pools = Pools { receive: ReceivePool::new(1, 64), send: SendPool::new([8, 0, 0, 0, 0]) };
    let faults = Faults { short_send: 1.0, ..Faults::default() };
    let mut sim = Sim::new(&network, SimConfig { sockets: 4, queue: 1, faults, ..SimConfig::default() });
    let socket = sim.bind(SocketAddr::from(([127, 0, 0, 1], 0)), 64, 1).unwrap().pop().unwrap();
    let address = socket.address;
    let listener = sim.adopt(socket).unwrap();
    let mut peers = [network.connect(address).unwrap(), network.connect(address).unwrap()];
    sim.submit(&pools, Token(0), Op::Accept { listener });
    let mut completions = Vec::new();
    sim.enter(&pools, Wait::No, &mut completions);
    let sockets: Vec<SocketId> = completions
        .drain(..)
        .filter_map(|completion| match completion.event {
            Event::Accepted { socket } => Some(socket),
            _ => None,
        })
        .collect();
    for (token, &socket) in sockets.iter().enumerate() {
        let mut chain = Chain::EMPTY;
        pools.send.write(&mut chain, &[7; 200]).unwrap();
        sim.submit(&pools, Token(token as u64), Op::Send { socket, chain });
    }
    while completions.is_empty() {
        assert!(peers[1].read(1).is_empty(), "the first send is not over");
        sim.enter(&pools, Wait::No, &mut completions);
        completions.retain(|completion| !completion.event.more());
    }
    assert_eq!(completions[0].token, Token(0));
    assert_eq!(peers[0].read(200).len(), 200);
}

#[test]
fn a_listener_that_is_lost_before_it_is_taken_over_ends() {
    let network = Network::new(0);
    let mut sim = Sim::new(&network, SimConfig::default());
    let mut bound = sim.bind(SocketAddr::from(([127, 0, 0, 1], 80)), 1, 2).unwrap();
    let address = bound[0].address;
    sim.adopt(bound.pop().unwrap()).unwrap();
    assert_eq!(network.listeners(), 2);
    drop(bound);
    assert_eq!(network.listeners(), 1, "the other one accepts still");
    network.connect(address).unwrap();
    network.connect(address).unwrap_err();
    let lost = sim.bind(SocketAddr::from(([127, 0, 0, 1], 81)), 1, 1).unwrap();
    let waits = network.connect(lost[0].address).unwrap();
    drop(lost);
    network.connect(SocketAddr::from(([127, 0, 0, 1], 81))).unwrap_err();
    assert!(waits.is_reset(), "as by the kernel");
}
