//! Peers that do everything a byte at a time: send a request, send a body, read an answer. Each time that one is ended there is another.
//!
//! Knows: when each is due, how it is found out that one has ended. Must not know which server it is, nor what is measured meanwhile.
//!
//! They live in the process of the load: another one would take its core away. One thing is done at a time, between two looks of the load,
//! and none takes much longer than what is between two requests.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::pairs::Window;

/// A request for this server; of what follows on its first bytes only these two say something.
pub(crate) const REQUEST_BYTES: usize = 64;
pub(crate) const BODY: [u8; 8] = [0x00; 8];
pub(crate) const ANSWER: [u8; 8] = [0xFF; 8];
/// So many answers are asked for that the kernel of the server does not take all of them.
const ANSWERS: usize = 8;

/// How long the server lets one be slow, and how much longer it may be there, for the time of an answer begins anew with all that the
/// kernel takes: then the server has not ended it.
pub(crate) const LIFE_NS: u64 = 800_000_000;
const SLACK_NS: u64 = LIFE_NS;
/// How long it takes until as many end as are opened anew, and the first would have been there for too long.
pub(crate) const SETTLE_NS: u64 = LIFE_NS + SLACK_NS + GAP_NS;
/// Between two bytes of one peer.
const GAP_NS: u64 = LIFE_NS / 10;
/// Where the load or the server had no core for a greater part of the time, it says nothing who was there for too long.
const DOUBTFUL: f64 = 0.1;

/// A small window and small segments: with them the kernel of the server takes little for a peer that does not read.
const WINDOW_BYTES: usize = 16 << 10;
const SEGMENT_BYTES: u32 = 536;

/// What a peer is slow with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Body,
    Answer,
}

const KINDS: [Kind; 3] = [Kind::Request, Kind::Body, Kind::Answer];

struct Peer {
    stream: TcpStream,
    since_ns: u64,
    begun: bool,
}

/// What became of those that have been there.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ends {
    /// By kind, how many the server has ended.
    pub(crate) ended: [u64; KINDS.len()],
    /// How many were there for too long.
    pub(crate) outlived: [u64; KINDS.len()],
}

pub(crate) struct Slowly {
    server: SocketAddr,
    peers: Vec<Option<Peer>>,
    /// For the next one.
    spare: Option<Socket>,
    /// Whose turn is next, and when.
    next: usize,
    due_ns: u64,
    /// When another one may be opened: evenly, so that they end evenly.
    open_ns: u64,
    /// As many end as are opened.
    pub(crate) settled: bool,
    /// Since they have come.
    doubtful: bool,
    since: Ends,
    /// Of all that counts.
    ends: Ends,
}

impl Slowly {
    pub(crate) fn new(server: SocketAddr, count: usize) -> Slowly {
        let peers = (0..count).map(|_| None).collect();
        Slowly {
            server,
            peers,
            spare: None,
            next: 0,
            due_ns: 0,
            open_ns: 0,
            settled: false,
            doubtful: false,
            since: Ends::default(),
            ends: Ends::default(),
        }
    }

    /// Does what is due, of one peer at most.
    pub(crate) fn step(&mut self, now_ns: u64) -> io::Result<()> {
        if self.peers.is_empty() {
            return Ok(());
        }
        if self.spare.is_none() {
            self.spare = Some(socket(self.server)?);
        } else if now_ns >= self.due_ns {
            // What was missed is not made up for.
            self.due_ns = now_ns.max(self.due_ns + GAP_NS / self.peers.len() as u64);
            let index = self.next;
            self.next = (index + 1) % self.peers.len();
            self.turn(index, now_ns)?;
        }
        Ok(())
    }

    fn turn(&mut self, index: usize, now_ns: u64) -> io::Result<()> {
        let kind = KINDS[index % KINDS.len()];
        let Some(peer) = &mut self.peers[index] else {
            if now_ns >= self.open_ns {
                self.open_ns = now_ns.max(self.open_ns + LIFE_NS / self.peers.len() as u64);
                self.peers[index] =
                    self.spare.take().map(|socket| Peer::connect(socket, self.server, now_ns)).transpose()?;
            }
            return Ok(());
        };
        if !std::mem::replace(&mut peer.begun, true) {
            return peer.begin(kind);
        }
        if peer.has_ended(kind)? {
            self.since.ended[kind as usize] += 1;
        } else if now_ns > peer.since_ns + LIFE_NS + SLACK_NS {
            self.since.outlived[kind as usize] += 1;
        } else {
            return Ok(());
        }
        self.peers[index] = None;
        Ok(())
    }

    /// Notes how it was for the load and the server meanwhile.
    pub(crate) fn note(&mut self, window: &Window) {
        self.doubtful |= window.is_disturbed(DOUBTFUL);
    }

    /// Goes away with all of them. None of these counts.
    pub(crate) fn leave(&mut self) {
        let since = std::mem::take(&mut self.since);
        if !std::mem::take(&mut self.doubtful) {
            self.ends.add(since);
        }
        self.peers.iter_mut().for_each(|peer| *peer = None);
        self.settled = false;
    }

    pub(crate) fn ends(&self) -> Ends {
        self.ends
    }
}

impl Ends {
    fn add(&mut self, more: Ends) {
        for (own, more) in [(&mut self.ended, more.ended), (&mut self.outlived, more.outlived)] {
            own.iter_mut().zip(more).for_each(|(own, more)| *own += more);
        }
    }

    /// For the process that measures.
    pub(crate) fn tell(self) {
        let numbers =
            [self.ended, self.outlived].as_flattened().iter().map(u64::to_string).collect::<Vec<_>>();
        println!("result {}", numbers.join(" "));
    }

    pub(crate) fn parse(numbers: &[f64]) -> io::Result<Ends> {
        let (&[ended, outlived], []) = numbers.as_chunks::<3>() else {
            return Err(io::Error::other("ends are six numbers"));
        };
        let counts = |numbers: [f64; 3]| numbers.map(|count| count as u64);
        Ok(Ends { ended: counts(ended), outlived: counts(outlived) })
    }
}

impl Peer {
    fn connect(socket: Socket, server: SocketAddr, now_ns: u64) -> io::Result<Peer> {
        socket.connect(&server.into())?;
        socket.set_nonblocking(true)?;
        Ok(Peer { stream: TcpStream::from(socket), since_ns: now_ns, begun: false })
    }

    /// Sends what comes before it is slow.
    fn begin(&mut self, kind: Kind) -> io::Result<()> {
        let request = |begins: [u8; 8]| {
            let mut request = [0x5A; REQUEST_BYTES];
            request[..begins.len()].copy_from_slice(&begins);
            request
        };
        match kind {
            Kind::Request => self.stream.write_all(b"x"),
            Kind::Body => self.stream.write_all(&request(BODY)),
            Kind::Answer => self.stream.write_all(&request(ANSWER).repeat(ANSWERS)),
        }
    }

    /// Sends or reads a byte. Answers whether the server has ended the connection.
    fn has_ended(&mut self, kind: Kind) -> io::Result<bool> {
        // A reset comes ahead of what has not been read.
        if self.stream.take_error()?.is_some() {
            return Ok(true);
        }
        if kind != Kind::Answer && is_over(self.stream.write(b"x"))? {
            return Ok(true);
        }
        let mut byte = [0];
        Ok(match self.stream.read(&mut byte) {
            Ok(0) => true,
            other => is_over(other)?,
        })
    }
}

/// One that is not connected yet.
fn socket(server: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    socket.set_recv_buffer_size(WINDOW_BYTES)?;
    socket.set_tcp_mss(SEGMENT_BYTES)?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

/// Whether there is no connection any more.
fn is_over(result: io::Result<usize>) -> io::Result<bool> {
    match result {
        Ok(_) => Ok(false),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock => Ok(false),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Ok(true),
            _ => Err(error),
        },
    }
}
