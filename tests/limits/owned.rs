//! Counted bytes for many connections are in memory once, and writing them takes none.

use std::io::Read;
use std::net::TcpStream;
use std::sync::mpsc::{SyncSender, sync_channel};

use odeon::prelude::*;

use crate::runner::{PATIENCE, Runner, allocations, system, when_warm};

const LEN: usize = 256 << 10;
const CLIENTS: usize = 8;

/// Writes what it is given.
struct Reader(SyncSender<Addr<Reader>>);

#[derive(Message)]
struct Give(Bytes);

#[actor(codec = Raw)]
impl Reader {
    #[started]
    fn begin(&mut self, cx: &mut Context<Self>) {
        self.0.send(cx.me()).expect("the test waits for it");
    }

    #[message]
    fn give(&mut self, Give(bytes): Give, cx: &mut Context<Self>) {
        cx.write_bytes(bytes);
    }

    #[frame]
    fn bytes(&mut self, _: &[u8]) {}
}

/// Publications in a row that are to take no memory.
const IN_A_ROW: usize = 100;

/// The allocations that publications to all clients take on the core, once everything is warm. None: it cannot be tried here.
fn taken(backend: BackendChoice) -> Option<u64> {
    // What is copied would not find room in so few slots, and would take memory.
    let system = system(backend, 1, |config| config.send_slots = [64, 0, 0, 0, 0])?;
    let runner = system.spawn(Runner).expect("there is room for a runner");
    let (told, readers) = sync_channel(CLIENTS);
    let listening = system.listener("127.0.0.1:0").start(move |_| Reader(told.clone()));
    let address = listening.expect("a free port is found").address();
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let client = TcpStream::connect(address).expect("the server listens");
            (client, readers.recv_timeout(PATIENCE).expect("it is accepted"))
        })
        .collect();
    let bytes = Bytes::from(vec![7; LEN]);
    let mut got = vec![0; LEN];
    let mut publish = || {
        for (_, reader) in &clients {
            reader.tell(Give(bytes.clone())).or_dead_letter();
        }
        for (client, _) in &mut clients {
            client.read_exact(&mut got).expect("it comes whole");
            assert!(got == *bytes);
        }
        allocations(runner)
    };
    let mut before = publish();
    let [taken] = when_warm([0], || {
        let after = (0..IN_A_ROW).map(|_| publish()).last().expect("a hundred times");
        [after - std::mem::replace(&mut before, after)]
    });
    drop(clients);
    system.shutdown();
    Some(taken)
}

#[test]
fn counted_bytes_for_many_connections_take_no_memory_on_io_uring() {
    assert!(taken(BackendChoice::Uring).is_none_or(|taken| taken == 0));
}

#[test]
fn counted_bytes_for_many_connections_take_no_memory_on_mio() {
    assert!(taken(BackendChoice::Mio).is_none_or(|taken| taken == 0));
}
