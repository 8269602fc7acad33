//! Counted bytes for many connections are in memory once, and writing them takes none.

use std::io::Read;
use std::net::TcpStream;
use std::sync::mpsc::{SyncSender, sync_channel};

use odeon::prelude::*;

use crate::runner::{PATIENCE, Runner, allocations, system};

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
/// How often everything may have to grow before it is warm: clients that are read from late leave more under way than ever before.
const GROWTHS_MAX: usize = 20;

/// True if publications to all clients take no memory on the core, once everything is warm. None: it cannot be tried here.
fn takes_no_memory(backend: BackendChoice) -> Option<bool> {
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
    let is_warm = (0..GROWTHS_MAX).any(|_| {
        let after = (0..IN_A_ROW).map(|_| publish()).last().expect("a hundred times");
        std::mem::replace(&mut before, after) == after
    });
    drop(clients);
    system.shutdown();
    Some(is_warm)
}

#[test]
fn counted_bytes_for_many_connections_take_no_memory_on_io_uring() {
    assert_ne!(takes_no_memory(BackendChoice::Uring), Some(false));
}

#[test]
fn counted_bytes_for_many_connections_take_no_memory_on_mio() {
    assert_ne!(takes_no_memory(BackendChoice::Mio), Some(false));
}
