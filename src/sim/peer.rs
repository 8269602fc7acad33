//! The far end of a simulated connection, played by a test.
//!
//! Knows: what has come, and how to wait for more. Must not know who is at the other end.

use std::net::SocketAddr;
use std::rc::Rc;

use super::scene::Scene;
use crate::system::simulation::{PeerListener as Inner, SimPeer};

/// The far end of a connection of the [simulated](super::Sim) system: a client ([`Sim::connect`](super::Sim::connect)), or whoever an
/// actor has connected to ([`PeerListener::accept`]).
///
/// It reads nothing unless it is told to, as a peer that does not read: what is sent to it piles up, up to 256 KiB or what
/// [`limit_unread`](Peer::limit_unread) says, and then the sender has to wait. Methods that begin with `read` and `expect`, and
/// [`write_all`](Peer::write_all), have the system go on until they have what they want, with [patience](super::Check::patience); the
/// others neither run anything nor let time pass.
///
/// Dropped, it closes the connection.
///
/// ```
/// use odeon::prelude::*;
/// use odeon::sim;
///
/// struct Echo;
///
/// #[actor(codec = Lines<80>)]
/// impl Echo {
///     #[frame]
///     fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
///         cx.write_line(line);
///         if line == "bye" { Flow::Close } else { Flow::Continue }
///     }
/// }
///
/// sim::check(|sim| {
///     let listening = sim.listener("10.0.0.1:7").start(|_| Echo).unwrap();
///     let mut client = sim.connect(listening.address());
///     client.write(b"hel");
///     sim.settle();
///     assert_eq!(client.take_lines(), [""; 0]);
///     client.write_all("lo\nbye\n");
///     client.expect_line("hello");
///     assert_eq!(client.read_to_end(), b"bye\n");
/// });
/// ```
#[derive(Debug)]
pub struct Peer {
    peer: SimPeer,
    /// What was taken from the network and not by the test.
    unread: Vec<u8>,
    scene: Rc<Scene>,
}

impl Peer {
    pub(super) fn new(peer: SimPeer, scene: &Rc<Scene>) -> Peer {
        Peer { peer, unread: Vec::new(), scene: Rc::clone(scene) }
    }

    /// Sends what there is room for, at once, and answers how many bytes that was: fewer than given if the other end does not read,
    /// none if the connection was reset.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> usize {
        self.peer.write(bytes.as_ref())
    }

    /// Sends all of it.
    ///
    /// # Panics
    /// When that cannot be: the connection was reset, or the other end does not read for as long as patience lasts.
    #[track_caller]
    pub fn write_all(&mut self, bytes: impl AsRef<[u8]>) {
        let mut rest = bytes.as_ref();
        let peer = &mut self.peer;
        let waited = self.scene.wait_for(|| {
            rest = &rest[peer.write(rest)..];
            rest.is_empty() || peer.is_reset()
        });
        if !rest.is_empty() {
            let why = why(&self.peer, waited);
            panic!("{} bytes could not be sent to {}: {why}", rest.len(), self.peer.remote_address());
        }
    }

    /// Sends a line, with a line feed behind it.
    ///
    /// # Panics
    /// As [`write_all`](Peer::write_all).
    #[track_caller]
    pub fn write_line(&mut self, line: &str) {
        self.write_all(format!("{line}\n"));
    }

    /// Takes all that has arrived by now, which may be nothing.
    pub fn take(&mut self) -> Vec<u8> {
        self.fill();
        std::mem::take(&mut self.unread)
    }

    /// Takes the whole lines that have arrived by now, without their ends. What is no text is replaced by `U+FFFD`.
    pub fn take_lines(&mut self) -> Vec<String> {
        self.fill();
        std::iter::from_fn(|| line(&mut self.unread)).collect()
    }

    /// The next line, without its end (`\n` or `\r\n`). What is no text is replaced by `U+FFFD`.
    ///
    /// # Panics
    /// When none comes: the connection ends before, or patience does.
    #[track_caller]
    pub fn read_line(&mut self) -> String {
        self.wait("a line", line)
    }

    /// Reads the next line, which is to be this one.
    ///
    /// # Panics
    /// When it is another, or none comes.
    #[track_caller]
    pub fn expect_line(&mut self, expected: &str) {
        let got = self.wait(&format!("the line {expected:?}"), line);
        assert_eq!(got, expected, "another line has come than the one that was expected");
    }

    /// So many bytes.
    ///
    /// # Panics
    /// When fewer come.
    #[track_caller]
    pub fn read_exact(&mut self, count: usize) -> Vec<u8> {
        self.wait(&format!("{count} bytes"), |unread| {
            (unread.len() >= count).then(|| unread.drain(..count).collect())
        })
    }

    /// What comes up to these bytes, with them.
    ///
    /// # Panics
    /// When they do not come.
    #[track_caller]
    pub fn read_until(&mut self, end: impl AsRef<[u8]>) -> Vec<u8> {
        let end = end.as_ref();
        self.wait(&format!("{:?}", String::from_utf8_lossy(end)), |unread| {
            let start = unread.windows(end.len().max(1)).position(|window| window == end)?;
            Some(unread.drain(..start + end.len()).collect())
        })
    }

    /// All that comes until the other end has finished sending.
    ///
    /// # Panics
    /// When it does not, or the connection is reset.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let waited = self.wait_until_over();
        if !self.peer.is_ended() {
            let why = why(&self.peer, waited);
            panic!("the end did not come from {}: {why}", self.peer.remote_address());
        }
        std::mem::take(&mut self.unread)
    }

    /// Waits until the connection is reset, and answers what has come before.
    ///
    /// # Panics
    /// When it is not, or ends in order.
    #[track_caller]
    pub fn expect_reset(&mut self) -> Vec<u8> {
        let waited = self.wait_until_over();
        if !self.peer.is_reset() {
            let why = why(&self.peer, waited);
            panic!("no reset came from {}: {why}", self.peer.remote_address());
        }
        std::mem::take(&mut self.unread)
    }

    /// Limits how many bytes pile up here unread before the sender must wait. At least one. Default: 256 KiB.
    pub fn limit_unread(&mut self, bytes: usize) {
        self.peer.limit_unread(bytes);
    }

    /// Sends no more: the other end reads the end of the stream once it has read everything. Reading goes on.
    pub fn shutdown_write(&mut self) {
        self.peer.shutdown_write();
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        self.peer.reset();
    }

    /// Closes the connection; with bytes that have arrived and were not taken from the network, that is a reset, as it is everywhere.
    pub fn close(self) {
        self.peer.close();
    }

    /// True if the other end has finished sending and every byte was read here.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.peer.is_ended() && self.unread.is_empty()
    }

    /// True if the connection was reset.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        self.peer.is_reset()
    }

    /// The address of this end.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.peer.local_address()
    }

    /// The address of the other end.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        self.peer.remote_address()
    }

    /// Takes all that is there: one that is made slow takes a little at a time, and makes room with it for what the kernel holds.
    fn fill(&mut self) {
        while let more @ [_, ..] = &*self.peer.read(usize::MAX) {
            self.unread.extend_from_slice(more);
        }
    }

    /// True if nothing more will come.
    fn is_over(&self) -> bool {
        self.peer.is_ended() || self.peer.is_reset()
    }

    fn wait_until_over(&mut self) -> Result<(), std::time::Duration> {
        let scene = Rc::clone(&self.scene);
        scene.wait_for(|| {
            self.fill();
            self.is_over()
        })
    }

    #[track_caller]
    fn wait<R>(&mut self, what: &str, mut find: impl FnMut(&mut Vec<u8>) -> Option<R>) -> R {
        let scene = Rc::clone(&self.scene);
        let mut found = None;
        let waited = scene.wait_for(|| {
            self.fill();
            found = find(&mut self.unread);
            found.is_some() || self.is_over()
        });
        match found {
            Some(found) => found,
            None => {
                let (from, why) = (self.peer.remote_address(), why(&self.peer, waited));
                let unread = String::from_utf8_lossy(&self.unread);
                panic!("{what} did not come from {from}: {why}. What has come: {unread:?}")
            }
        }
    }
}

/// Why there is nothing more to wait for.
fn why(peer: &SimPeer, waited: Result<(), std::time::Duration>) -> String {
    match waited {
        Err(patience) => format!("waited in vain for {patience:?}"),
        Ok(()) if peer.is_reset() => "the connection was reset".to_owned(),
        Ok(()) => "the connection has ended".to_owned(),
    }
}

/// Takes the first line, if it is whole.
fn line(unread: &mut Vec<u8>) -> Option<String> {
    let end = unread.iter().position(|byte| *byte == b'\n')?;
    let line: Vec<u8> = unread.drain(..=end).collect();
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    Some(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
}

/// Listens for connections that actors of the [simulated](super::Sim) system make: see [`Sim::listen`](super::Sim::listen). Until they
/// are accepted they wait. Dropped, it is closed, and those that wait are reset.
#[derive(Debug)]
pub struct PeerListener {
    listener: Inner,
    scene: Rc<Scene>,
}

impl PeerListener {
    pub(super) fn new(listener: Inner, scene: &Rc<Scene>) -> PeerListener {
        PeerListener { listener, scene: Rc::clone(scene) }
    }

    /// The address that it is bound to, with the port that was chosen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The next connection.
    ///
    /// # Panics
    /// When none comes for as long as patience lasts.
    #[track_caller]
    pub fn accept(&mut self) -> Peer {
        let mut peer = None;
        let listener = &mut self.listener;
        let waited = self.scene.wait_for(|| {
            peer = listener.accept();
            peer.is_some()
        });
        match (peer, waited) {
            (Some(peer), _) => Peer::new(peer, &self.scene),
            (None, waited) => {
                let patience = waited.err().unwrap_or_default();
                panic!("nobody connected to {}: waited in vain for {patience:?}", self.address())
            }
        }
    }

    /// The connection that has waited longest, if any does.
    pub fn try_accept(&mut self) -> Option<Peer> {
        self.listener.accept().map(|peer| Peer::new(peer, &self.scene))
    }
}
