//! Holds idle connections open, as many as it is told.
//!
//! Knows: a target number per line of input. Must not know which server it is, nor what is measured meanwhile.

use std::io::{self, BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::round_trip::SILENCE;

const MESSAGE: [u8; 64] = [0x5A; 64];

/// For each number on a line of input: opens connections until there are as many, then says so.
///
/// Each has exchanged one message, so the server has accepted it and its state is complete.
pub(crate) fn run(server: SocketAddr) -> io::Result<()> {
    let mut held = Vec::new();
    for line in io::stdin().lock().lines() {
        let target: usize = line?.trim().parse().map_err(io::Error::other)?;
        while held.len() < target {
            held.push(open(server)?);
        }
        println!("held {target}");
    }
    Ok(())
}

fn open(server: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(&MESSAGE)?;
    let mut answer = [0; MESSAGE.len()];
    stream.read_exact(&mut answer)?;
    if answer == MESSAGE { Ok(stream) } else { Err(io::Error::other("what came back is not what was sent")) }
}
