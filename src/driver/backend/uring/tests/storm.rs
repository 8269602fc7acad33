//! Random ops on many connections, with everything scarce: no byte is lost or repeated, and everything comes back.

use std::collections::VecDeque;

use super::*;
use crate::sys::{Random, raise_descriptor_limit};

/// What is known of a connection. Its place in the list is the token of its ops.
struct Story {
    client: Option<TcpStream>,
    socket: SocketId,
    /// What the client has sent, and what the backend has delivered of it.
    written: u64,
    received: u64,
    receiving: bool,
    sending: bool,
    /// Something was sent to the client.
    answered: bool,
    others: u32,
    /// Cut short by one side or the other: not everything needs to arrive.
    cut: bool,
    ended: Option<ReceiveEnd>,
    closing: bool,
    closed: bool,
}

struct Storm {
    rig: Rig,
    random: Random,
    stories: Vec<Story>,
    /// Clients that have connected and were not accepted yet.
    early: VecDeque<TcpStream>,
    leases: VecDeque<Lease>,
}

/// The byte at a place of a stream, so that losses and repetitions show, and mistaken connections.
fn byte_at(stream: u64, place: u64) -> u8 {
    (stream * 7 + place * 31 + place / 251) as u8
}

impl Storm {
    fn step(&mut self) {
        // One at a time: those that connect together need not be accepted in that order.
        if self.early.is_empty() && (self.stories.is_empty() || self.random.chance(0.05)) {
            let client = TcpStream::connect(self.rig.address).unwrap();
            client.set_nonblocking(true).unwrap();
            self.early.push_back(client);
            return self.turn();
        }
        if self.stories.is_empty() {
            return self.turn();
        }
        let at = self.random.index(self.stories.len());
        let story = &mut self.stories[at];
        if story.closing {
            return self.turn();
        }
        match self.random.below(10) {
            0..=2 => story.write(at as u64, self.random.below(600)),
            3 => {
                let chain = self.rig.chain(&vec![1; self.random.below(3000) as usize]);
                if story.sending {
                    self.rig.pools.send.release(chain);
                } else {
                    story.sending = true;
                    story.answered = true;
                    self.rig.submit(Token(at as u64), Op::Send { socket: story.socket, chain });
                }
            }
            4 => {
                story.others += 1;
                self.rig.submit(Token(at as u64), Op::Cancel { socket: story.socket });
            }
            5 => self.end(at),
            6 => {
                let lease = self.leases.pop_front();
                lease.into_iter().for_each(|lease| self.rig.pools.receive.release(lease));
            }
            _ => self.turn(),
        }
    }

    /// Ends a connection from the one side or the other, one time in two by a reset.
    fn end(&mut self, at: usize) {
        let story = &mut self.stories[at];
        let reset = self.random.chance(0.5);
        if self.random.chance(0.5) {
            let Some(client) = story.client.take() else { return };
            // What the backend sends and nobody reads becomes a reset too.
            story.cut = true;
            if reset {
                socket2::Socket::from(client).set_linger(Some(Duration::ZERO)).unwrap();
            }
        } else {
            story.cut = true;
            story.others += 1;
            self.rig.submit(Token(at as u64), Op::Shutdown { socket: story.socket, both: true });
        }
    }

    fn turn(&mut self) {
        self.rig.turn(Wait::No);
        for Completion { token, event } in std::mem::take(&mut self.rig.queue) {
            self.told(token, event);
        }
        for at in 0..self.stories.len() {
            self.go_on(at);
        }
    }

    fn told(&mut self, token: Token, event: Event) {
        if let Event::Accepted { socket } = event {
            assert_eq!(token, ACCEPT);
            return self.stories.push(Story::new(socket, self.early.pop_front()));
        }
        let story = &mut self.stories[token.0 as usize];
        match event {
            Event::Received { lease } => {
                assert!(story.receiving);
                for byte in self.rig.pools.receive.bytes(&lease) {
                    assert_eq!(*byte, byte_at(token.0, story.received));
                    story.received += 1;
                }
                self.leases.push_back(lease);
            }
            Event::ReceiveEnded { why } => {
                assert!(std::mem::take(&mut story.receiving));
                if why != ReceiveEnd::Cancelled {
                    story.ended = Some(why);
                }
            }
            Event::Sending { .. } => assert!(story.sending),
            Event::Sent { .. } => assert!(std::mem::take(&mut story.sending)),
            Event::Cancelled | Event::ShutDown { .. } => story.others -= 1,
            Event::Closed => story.closed = true,
            other => panic!("{other:?}"),
        }
    }

    /// Receives again after a cancel; closes what has ended.
    fn go_on(&mut self, at: usize) {
        let story = &mut self.stories[at];
        let token = Token(at as u64);
        if story.closing {
            return;
        }
        if story.ended.is_none() && !story.receiving {
            story.receiving = true;
            self.rig.submit(token, Op::Receive { socket: story.socket });
        } else if let Some(why) = story.ended
            && !story.sending
            && story.others == 0
        {
            let (received, written) = (story.received, story.written);
            assert!(story.cut || received == written, "whole: {received} of {written} bytes, then {why:?}");
            story.closing = true;
            let reset = self.random.chance(0.3);
            self.rig.submit(token, Op::Close { socket: story.socket, reset });
        }
    }

    /// Lets every connection come to its end.
    fn calm(mut self) {
        let until = self.rig.uring.now().after(PATIENCE);
        while !self.early.is_empty() || self.stories.iter().any(|story| !story.closed) {
            assert!(self.rig.uring.now() < until, "not everything comes to its end");
            self.leases.drain(..).for_each(|lease| self.rig.pools.receive.release(lease));
            for story in &mut self.stories {
                // A client that leaves without having read resets: then not everything needs to arrive, either.
                story.cut |= story.answered;
                story.client = None;
            }
            self.turn();
        }
        self.leases.drain(..).for_each(|lease| self.rig.pools.receive.release(lease));
        self.rig.assert_at_baseline();
        self.rig.end();
    }
}

impl Story {
    fn new(socket: SocketId, client: Option<TcpStream>) -> Story {
        Story {
            client,
            socket,
            written: 0,
            received: 0,
            receiving: false,
            sending: false,
            answered: false,
            others: 0,
            cut: false,
            ended: None,
            closing: false,
            closed: false,
        }
    }

    fn write(&mut self, stream: u64, len: u64) {
        let Some(client) = &mut self.client else { return };
        let bytes: Vec<u8> = (0..len).map(|place| byte_at(stream, self.written + place)).collect();
        // Full, or shut down by the other side: then that is what is tested.
        self.written += client.write(&bytes).unwrap_or(0) as u64;
    }
}

fn storm(seed: u64, config: &UringConfig, receive: ReceivePool) {
    let descriptors = u64::from(config.sockets_max + config.head_room);
    assert!(raise_descriptor_limit(descriptors).unwrap() >= descriptors, "the storm needs more descriptors");
    let rig = Rig::of(config, receive);
    let (stories, early, leases) = (Vec::new(), VecDeque::new(), VecDeque::new());
    let mut storm = Storm { rig, random: Random::new(seed), stories, early, leases };
    for _ in 0..4_000 {
        storm.step();
    }
    storm.calm();
}

#[test]
fn random_ops_with_queues_and_pools_of_two_lose_nothing() {
    needs_io_uring!();
    for seed in 0..10 {
        let incremental = seed % 2 == 0;
        let config = UringConfig { sockets_max: 2000, incremental, ..SCARCE };
        storm(seed, &config, ReceivePool::new(2, 128));
    }
}

#[test]
fn random_ops_with_ample_queues_lose_nothing() {
    needs_io_uring!();
    for seed in 100..110 {
        let incremental = seed % 2 == 0;
        let config = UringConfig { sockets_max: 2000, incremental, ..UringConfig::default() };
        storm(seed, &config, ReceivePool::new(16, 1024));
    }
}
