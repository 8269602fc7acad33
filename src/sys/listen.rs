//! Listening sockets that share one address, one for each core of a system.
//!
//! Knows: how sockets come to share a port, on each platform. Must not know who accepts on them.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use super::{bound_unsent, share_port};

/// Twice the steps in which the kernel takes what is sent to a peer that reads slowly.
pub(super) const UNSENT_MAX: u32 = 256 << 10;

/// Opens `count` sockets that listen on one address: the kernel spreads connections over them. Port zero chooses a
/// free one, the same for all. Answers with the address as bound.
///
/// # Errors
/// `EADDRINUSE` when anybody listens there already, also a process that shares its port: only sockets of one call share.
pub fn listen_together(
    address: SocketAddr,
    backlog: u32,
    count: usize,
) -> io::Result<(SocketAddr, Vec<Socket>)> {
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    let mut sockets = Vec::with_capacity(count);
    let mut address = address;
    for _ in 0..count {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A prompt restart must not wait for connections of the last run in TIME_WAIT.
        socket.set_reuse_address(true)?;
        // Accepted sockets inherit it.
        bound_unsent(&socket, UNSENT_MAX)?;
        let first = sockets.is_empty();
        if !first {
            share_port(&socket)?;
        }
        socket.bind(&address.into())?;
        if first {
            // The first socket binds alone, and so finds out whether the address is free; from then on it shares.
            share_port(&socket)?;
            address = socket.local_addr()?.as_socket().unwrap_or(address);
        }
        sockets.push(socket);
    }
    // Nobody listens before all are bound: a connection never meets half of a failed start.
    for socket in &sockets {
        socket.listen(backlog)?;
    }
    Ok((address, sockets))
}

/// Waits until nobody listens there: whatever another test starts has every socket of this process from its fork to its exec.
#[cfg(test)]
pub(crate) fn assert_deserted(address: SocketAddr) {
    let until = super::now().after(std::time::Duration::from_secs(40));
    while std::net::TcpStream::connect(address).is_ok() {
        assert!(super::now() < until, "somebody still listens");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn sockets_of_one_call_share_a_port() {
        let (address, sockets) = listen_together(LOOPBACK, 16, 3).unwrap();
        assert_ne!(address.port(), 0);
        assert_eq!(sockets.len(), 3);
        for socket in &sockets {
            assert_eq!(socket.local_addr().unwrap().as_socket(), Some(address));
        }
    }

    #[test]
    fn connections_are_spread_over_the_sockets() {
        let (address, sockets) = listen_together(LOOPBACK, 128, 2).unwrap();
        let clients: Vec<_> = (0..64).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let mut accepted = 0;
        for socket in &sockets {
            socket.set_nonblocking(true).unwrap();
            let mine = std::iter::from_fn(|| socket.accept().ok()).count();
            assert!(mine > 0, "the kernel's hash leaves nobody out of 64");
            accepted += mine;
        }
        assert_eq!(accepted, clients.len());
    }

    #[test]
    fn an_address_in_use_is_refused_whoever_uses_it() {
        let (shared, _keep) = listen_together(LOOPBACK, 16, 2).unwrap();
        let alone = std::net::TcpListener::bind(LOOPBACK).unwrap();
        for address in [shared, alone.local_addr().unwrap()] {
            for count in [1, 2] {
                let error = listen_together(address, 16, count).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
            }
        }
    }

    #[test]
    fn a_closed_address_can_be_bound_again_at_once() {
        let (address, sockets) = listen_together(LOOPBACK, 16, 2).unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        drop(sockets);
        let (again, _keep) = listen_together(address, 16, 2).unwrap();
        assert_eq!(again, address);
        drop(client);
    }
}
