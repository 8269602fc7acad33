//! Clients that ask without a pause until there is no server any more, and a server that counts what it answers.
//!
//! Knows: requests, and who counts them. Must not know how the server ends.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use odeon::prelude::*;

use crate::world::PATIENCE;

/// Counts each line before it writes it back.
pub(crate) struct Counted(Arc<AtomicU64>);

impl Actor for Counted {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Counted {
    type Codec = Lines<100>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        self.0.fetch_add(1, Ordering::Relaxed);
        cx.write_line(line);
        Flow::Continue
    }
}

/// A way to make such actors, and their count.
pub(crate) fn counted() -> (impl FnMut(Peer) -> Counted + Clone + Send + 'static, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let one = count.clone();
    (move |_| Counted(one.clone()), count)
}

/// A client that does not get to run for a while is no silent one, which would not be waited for.
pub(crate) fn patient(config: &mut Config) {
    (config.linger_after, config.close_deadline, config.drain_deadline) = (PATIENCE, PATIENCE, PATIENCE);
}

/// Clients at work.
pub(crate) struct Load {
    clients: Vec<JoinHandle<()>>,
    /// Replies that have come back whole.
    pub(crate) answered: Arc<AtomicU64>,
}

impl Load {
    pub(crate) fn new(address: SocketAddr, clients: usize) -> Load {
        let answered = Arc::new(AtomicU64::new(0));
        let client = || {
            let answered = answered.clone();
            thread::spawn(move || ask_until_the_end(address, &answered))
        };
        Load { clients: (0..clients).map(|_| client()).collect(), answered }
    }

    /// Waits for the clients, which end when they find no server; answers how many replies came.
    pub(crate) fn ended(self) -> u64 {
        self.clients.into_iter().for_each(|client| client.join().expect("no client failed"));
        self.answered.load(Ordering::Relaxed)
    }
}

/// Requests in one write, which the server reads at once: more than it handles in one activation.
const TOGETHER: u64 = 200;

fn ask_until_the_end(address: SocketAddr, answered: &AtomicU64) {
    let mut round = 0_u64;
    while let Ok(mut stream) = TcpStream::connect(address) {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        // One connection in so many is for one round only.
        for at in 0..=round % 30 {
            let lines: String = (0..TOGETHER).map(|number| format!("{round}.{number}\n")).collect();
            let got = match stream.write_all(lines.as_bytes()) {
                Ok(()) => read(&mut stream, lines.len()),
                Err(error) => Err(error),
            };
            match got {
                Ok(replies) if replies.is_empty() => break,
                Ok(replies) => assert!(replies == lines.as_bytes(), "what was read is answered, in order"),
                // Nobody had taken the connection when the listener closed.
                Err(_) if at == 0 => break,
                Err(error) => panic!("a connection that is served ends in order: {error}"),
            }
            answered.fetch_add(TOGETHER, Ordering::Relaxed);
            round += 1;
        }
    }
}

/// Reads so many bytes, or what comes before the end of the stream.
fn read(stream: &mut TcpStream, count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(count);
    stream.take(count as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
