//! Waiting until output has been sent.
//!
//! Knows: a connection that waits for its output, peers that read late or never. Must not know what is beneath.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use odeon::Timeout;
use odeon::prelude::*;

use crate::client::{connect, reset};
use crate::ways::tell;
use crate::world::{PATIENCE, World};

/// More than the kernel holds for a peer that does not read.
const MUCH: usize = 8 << 20;

/// Writes much, waits until it has been sent, and says a last word.
struct Teller {
    told: Sender<Result<(), ErrorKind>>,
    begun: Sender<()>,
    /// It is a task that waits, which does not end with the connection.
    apart: bool,
}

impl Actor for Teller {
    type Message = Never;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        cx.write(vec![7; MUCH]);
        let flushed = cx.flush();
        cx.write(b"behind");
        tell(&self.begun, ());
        if self.apart {
            let told = self.told.clone();
            odeon::task::spawn(async move { tell(&told, flushed.await.map_err(|error| error.kind())) })
                .detach();
            return Flow::Continue;
        }
        cx.exclusive("Teller::flush", Timeout::Never, async move |me: &mut Teller, cx| {
            let flushed = flushed.await.map_err(|error| error.kind());
            tell(&me.told, flushed);
            if flushed.is_ok() {
                cx.write(b"last");
            }
            Flow::Close
        })
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Teller {
    type Codec = Raw;
    const OUTBOX_BYTES_MAX: Option<usize> = Some(2 * MUCH);

    fn frame(&mut self, _: &[u8], _: &mut Context<Self>) -> Flow {
        Flow::Continue
    }
}

fn begin(world: &mut World, apart: bool) -> (TcpStream, Receiver<Result<(), ErrorKind>>) {
    let ((told, is_told), (begun, has_begun)) = (channel(), channel());
    let address = world.serve(move |_| Teller { told: told.clone(), begun: begun.clone(), apart });
    let client = connect(address);
    has_begun.recv_timeout(PATIENCE).expect("it has written");
    (client, is_told)
}

pub(crate) fn output_is_flushed_when_the_peer_has_made_room_for_it(backend: BackendChoice) {
    let world = &mut World::new(backend, 1);
    let (mut client, told) = begin(world, false);
    assert!(told.try_recv().is_err(), "the kernel does not hold as much");
    let mut all = Vec::new();
    client.read_to_end(&mut all).expect("it is closed in order");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Ok(())));
    assert_eq!(all.len(), MUCH + "behindlast".len());
    assert!(all.ends_with(b"behindlast") && all[..MUCH].iter().all(|byte| *byte == 7));
    drop(client);
    world.settle();
}

pub(crate) fn a_peer_that_vanishes_does_not_flush(backend: BackendChoice) {
    let world = &mut World::new(backend, 1);
    let (client, told) = begin(world, false);
    reset(client);
    world.wait_for_figure("the connection to end", 1, |ledger| ledger.connections_closed);
    // Most often the handler is dropped with its connection, before it hears of it.
    let flushed = told.try_recv();
    assert!(matches!(flushed, Err(TryRecvError::Empty) | Ok(Err(ErrorKind::BrokenPipe))), "{flushed:?}");
    world.settle();
    // A task that waits must hear of it.
    let (client, told) = begin(world, true);
    reset(client);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Err(ErrorKind::BrokenPipe)));
    world.settle();
}
