//! Sends that the kernel cuts short: what is left goes on where it was cut, before anything else of that connection.
//!
//! The connection holds little and its client reads what the kernel has taken before that is asked again, so every message
//! goes out in many pieces, which end anywhere.

use super::*;
use crate::driver::Work;

/// What a connection holds, about: a small part of a message.
const WINDOW: usize = 4096;

/// A connection that takes little at a time, and the stream that goes through it.
struct Narrow {
    rig: Rig,
    client: TcpStream,
    socket: SocketId,
    /// Bytes of the messages before the one under way.
    before: usize,
    /// What the client has read.
    read: usize,
    /// Answers that were short.
    short: u32,
}

impl Narrow {
    fn new() -> Narrow {
        let mut rig = Rig::new();
        let File::Listener(listener) = &rig.uring.in_flight.socket(rig.listener).unwrap().handle.file else {
            panic!("a listener has a descriptor")
        };
        // Accepted sockets inherit it.
        listener.set_send_buffer_size(WINDOW).unwrap();
        let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        client.set_recv_buffer_size(WINDOW).unwrap();
        client.connect(&rig.address.into()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let socket = rig.accepted();
        Narrow { rig, client: client.into(), socket, before: 0, read: 0, short: 0 }
    }

    /// How much of the send under way the kernel has taken, as far as it has answered; none once it has ended.
    fn taken(&self) -> Option<u32> {
        let key = self.rig.uring.in_flight.socket(self.socket).unwrap().outward()?;
        let Work::Send { sent, .. } = &self.rig.uring.in_flight.operation(key).unwrap().work else {
            panic!("what goes outward is a send")
        };
        Some(*sent)
    }

    /// The client takes what the kernel has said to have sent, so that the connection has room again.
    fn drain(&mut self, sent: usize) {
        let mut bytes = vec![0; self.before + sent - self.read];
        self.client.read_exact(&mut bytes).unwrap();
        let expected: Vec<u8> = (self.read..self.read + bytes.len()).map(byte).collect();
        assert!(bytes == expected, "the stream is not in order after byte {}", self.read);
        self.read += bytes.len();
    }

    /// Sends a message, piece by piece.
    fn message(&mut self, parts: usize, part: usize) {
        let len = parts * part;
        let mut chain = Chain::EMPTY;
        for number in 0..parts {
            let start = self.before + number * part;
            let bytes: Vec<u8> = (start..start + part).map(byte).collect();
            let more = self.rig.chain(&bytes);
            self.rig.pools.send.join(&mut chain, more);
        }
        let socket = self.socket;
        self.rig.submit(SEND, Op::Send { socket, chain });
        let until = self.rig.uring.now().after(PATIENCE);
        let mut sent = 0;
        while let Some(taken) = self.taken() {
            self.short += u32::from(taken > sent);
            sent = taken;
            self.drain(sent as usize);
            assert!(self.rig.uring.now() < until, "the rest does not go out");
            self.rig.turn(Wait::Until(until));
        }
        assert_eq!(self.rig.sent(), (len as u32, None));
        self.drain(len);
        self.before += len;
    }

    fn end(mut self) {
        let socket = self.socket;
        self.rig.close(socket, false);
        assert_eq!(read(&mut self.client).unwrap(), 0, "nothing comes twice");
        self.rig.assert_at_baseline();
        self.rig.end();
    }
}

/// The byte at a place of the stream.
fn byte(place: usize) -> u8 {
    (place * 7 + place / 251) as u8
}

#[test]
fn a_send_of_one_part_that_is_cut_short_goes_on_where_it_was_cut() {
    needs_io_uring!();
    let mut narrow = Narrow::new();
    for _ in 0..4 {
        narrow.message(1, 60_000);
    }
    assert!(narrow.short >= 8, "{} short sends", narrow.short);
    narrow.end();
}

#[test]
fn a_send_of_many_parts_that_is_cut_short_goes_on_where_it_was_cut() {
    needs_io_uring!();
    let mut narrow = Narrow::new();
    for part in [700, 1000, 3000, 250] {
        narrow.message(40, part);
    }
    assert!(narrow.short >= 8, "{} short sends", narrow.short);
    narrow.end();
}
