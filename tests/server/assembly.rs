//! More clients that send in part than a core has room for.
//!
//! Knows: frames, what is held of them. Must not know who has to wait.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;

use odeon::prelude::*;

use crate::client::{connect, request};
use crate::pressure::push;
use crate::session::{Habits, sessions};
use crate::world::World;

/// The bound of what is held.
const BOUND: usize = 1 << 20;
const LENGTH: usize = 256 << 10;

/// Answers each frame with its length.
struct Lengths;

#[actor(codec = LengthDelimited<1_048_576>)]
impl Lengths {
    #[frame]
    fn whole(&mut self, frame: &[u8], cx: &mut Context<Self>) {
        writeln!(cx, "{}", frame.len());
    }
}

fn holds(world: &World) {
    let held = world.ledgers()[0].assembly_bytes;
    assert!(held <= BOUND, "{held} bytes are held");
}

pub(crate) fn what_comes_in_part_is_held_within_a_bound(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.assembly_bytes_max = BOUND);
    let (make, _events) = sessions(Habits::default());
    let other = world.serve(make);
    let address = world.serve(|_| Lengths);
    let mut frame = (LENGTH as u32).to_be_bytes().to_vec();
    frame.resize(4 + LENGTH, b'x');
    let mut clients: Vec<(TcpStream, usize)> = (0..32).map(|_| (connect(address), 0)).collect();
    for (stream, sent) in &mut clients {
        stream.set_nonblocking(true).expect("a socket can be made not to block");
        *sent = push(stream, &frame[..LENGTH]);
        holds(&world);
    }
    for _ in 0..100 {
        holds(&world);
    }
    // Those whose frames are small are served.
    request(&mut connect(other), "echo hello", "hello\n");
    let mut served = 0;
    let mut rounds = 0..1_000_000;
    while !clients.is_empty() {
        assert!(rounds.next().is_some(), "all are served, or closed: {:#?}", world.ledgers());
        clients.retain_mut(|(stream, sent)| {
            let mut answer = [0; 100];
            match stream.read(&mut answer) {
                Ok(0) => return false,
                Ok(read) => {
                    assert_eq!(&answer[..read], format!("{LENGTH}\n").as_bytes());
                    served += 1;
                    return false;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // What has not been read of it when it is closed.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return false,
                Err(error) => panic!("it is open, or closed: {error}"),
            }
            match std::io::Write::write(stream, &frame[*sent..]) {
                Ok(more) => *sent += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return false,
            }
            true
        });
        holds(&world);
    }
    let closed = world.ledgers()[0].connections_assembly_full;
    assert_eq!(served + closed, 32, "whoever is not served is counted");
    assert!(served >= 3, "{served} are served: so many have room");
    world.finish();
}
