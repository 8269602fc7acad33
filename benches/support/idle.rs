//! Holds connections open, as many as it is told: idle ones, or ones that send and never read.
//!
//! Knows: a target number per line of input. Must not know which server it is, nor what is measured meanwhile.

use std::io::{self, BufRead, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use super::bare_epoll::written;
use super::machine::set_option;
use super::round_trip::SILENCE;

const MESSAGE: [u8; 64] = [0x5A; 64];

/// Small buffers of the kernel, so that what is not read is queued at the server.
pub(crate) const SOCKET_BYTES: i32 = 16 << 10;
/// Nobody takes more when so many looks in a row, each so long after the last, have sent nothing.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// For each number on a line of input: opens connections until there are as many, then says so.
///
/// Each has exchanged one message, so the server has accepted it and its state is complete.
pub(crate) fn run(server: SocketAddr) -> io::Result<()> {
    hold(|held, target| {
        while held.len() < target {
            held.push(open(server)?);
        }
        Ok(())
    })
}

/// The same with connections that send until no more is taken, and never read. Fewer are as many that were opened first.
pub(crate) fn never_read(server: SocketAddr) -> io::Result<()> {
    hold(|held, target| {
        held.truncate(target);
        while held.len() < target {
            let stream = TcpStream::connect(server)?;
            set_option(&stream, libc::SOL_SOCKET, libc::SO_RCVBUF, SOCKET_BYTES)?;
            set_option(&stream, libc::SOL_SOCKET, libc::SO_SNDBUF, SOCKET_BYTES)?;
            stream.set_nonblocking(true)?;
            held.push(stream);
        }
        let mut looks = 0;
        while looks < LOOKS {
            let mut sent = 0;
            for stream in held.iter_mut() {
                sent += fill(stream)?;
            }
            looks = if sent > 0 { 0 } else { looks + 1 };
            thread::sleep(BETWEEN_LOOKS);
        }
        Ok(())
    })
}

fn hold(mut reach: impl FnMut(&mut Vec<TcpStream>, usize) -> io::Result<()>) -> io::Result<()> {
    let mut held = Vec::new();
    for line in io::stdin().lock().lines() {
        let target: usize = line?.trim().parse().map_err(io::Error::other)?;
        reach(&mut held, target)?;
        println!("held {target}");
    }
    Ok(())
}

/// Sends until no more is taken; answers how many bytes were.
fn fill(stream: &mut TcpStream) -> io::Result<usize> {
    let bytes = [0x5A; SOCKET_BYTES as usize];
    let mut sent = 0;
    loop {
        match written(stream.write(&bytes))? {
            0 => return Ok(sent),
            more => sent += more,
        }
    }
}

fn open(server: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(&MESSAGE)?;
    let mut answer = [0; MESSAGE.len()];
    stream.read_exact(&mut answer)?;
    if answer == MESSAGE { Ok(stream) } else { Err(io::Error::other("what came back is not what was sent")) }
}
