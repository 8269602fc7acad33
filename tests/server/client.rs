//! Clients: plain sockets, with a bound on every wait.
//!
//! Knows: connecting, bytes and lines. Must not know the server.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use odeon::sys::Random;
use socket2::SockRef;

use crate::world::PATIENCE;

/// A connected socket that does not wait for ever.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    connect_unless_reset(address).expect("the server keeps the connection")
}

/// The same, or none where the server has reset the connection before the call that connects came back.
pub(crate) fn connect_unless_reset(address: SocketAddr) -> Option<TcpStream> {
    let stream = match TcpStream::connect(address) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
        connected => connected.expect("the server listens"),
    };
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.set_nodelay(true).expect("the option exists");
    Some(stream)
}

/// Connects, and says whether that ended by a reset: perhaps before the call that connects came back.
pub(crate) fn is_reset(address: SocketAddr) -> bool {
    connect_unless_reset(address).is_none_or(|mut stream| ends_by_reset(&mut stream))
}

/// Writes one line, and reads bytes until as many as `reply` have come, which they must equal.
pub(crate) fn request(stream: &mut TcpStream, line: &str, reply: &str) {
    stream.write_all(format!("{line}\n").as_bytes()).expect("the server reads");
    expect(stream, reply.as_bytes());
}

/// Reads exactly these bytes.
pub(crate) fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    stream.read_exact(&mut got).expect("the server answers");
    assert!(got == bytes, "got {:?}", String::from_utf8_lossy(&got[..got.len().min(200)]));
}

/// Reads to the end of the stream.
pub(crate) fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the stream ends in order");
    bytes
}

/// Reads until the stream ends, in whatever way; true if by a reset.
pub(crate) fn ends_by_reset(stream: &mut TcpStream) -> bool {
    let mut bytes = [0; 16 << 10];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(_) => {}
            // As reads with a timeout are now and then, although nobody catches a signal.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                assert!(
                    error.kind() == std::io::ErrorKind::ConnectionReset,
                    "the stream ends, in whatever way: {error}"
                );
                return true;
            }
        }
    }
}

/// Says that nothing more will be sent.
pub(crate) fn finish(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).expect("the connection is open");
}

/// Closes so that the other side sees a reset.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("the option exists");
    drop(stream);
}

/// Bytes that say where they belong.
pub(crate) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.bits().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Writes `bytes` in random pieces on a thread while this one reads as many, and compares.
pub(crate) fn exchange(stream: &TcpStream, random: &mut Random, bytes: &[u8]) {
    let mut pieces = random.fork();
    thread::scope(|scope| {
        scope.spawn(move || {
            let (mut writer, mut left) = (stream, bytes);
            while !left.is_empty() {
                let most = [1, 7, 300, 5000, 1 << 20][pieces.index(5)].min(left.len());
                let (piece, more) = left.split_at(1 + pieces.index(most));
                writer.write_all(piece).expect("the server reads");
                left = more;
            }
        });
        let (mut reader, mut got) = (stream, vec![0; bytes.len()]);
        reader.read_exact(&mut got).expect("everything comes back");
        assert!(got == bytes, "what came back differs from what was sent");
    });
}

/// A size of at most so many bits, small ones as likely as large ones.
pub(crate) fn size(random: &mut Random, bits: usize) -> usize {
    let below = 1 << (1 + random.index(bits));
    1 + random.index(below)
}
