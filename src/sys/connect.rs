//! Sockets that are to be connected.
//!
//! Knows: what is set before. Must not know how the connection is made.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use super::bound_unsent;
use super::listen::UNSENT_MAX;

/// What is set on a socket before it is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectOptions {
    /// The address that the peer sees, with port 0 for any.
    pub source: Option<SocketAddr>,
}

/// A socket of the family of `address`, not connected: it blocks, does not wait for more to send, and survives no `exec`.
///
/// # Errors
/// As the kernel says: no descriptors are left, or the source address is not one of this machine, or is in use.
pub fn connecting(address: SocketAddr, options: &ConnectOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    bound_unsent(&socket, UNSENT_MAX)?;
    if let Some(source) = options.source {
        socket.bind(&source.into())?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_its_source_and_one_that_is_in_use_is_refused() {
        let peer: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let source = Some("127.0.0.2:0".parse().unwrap());
        let first = connecting(peer, &ConnectOptions { source }).unwrap();
        let bound = first.local_addr().unwrap().as_socket().unwrap();
        assert_eq!(bound.ip().to_string(), "127.0.0.2");
        assert!(first.tcp_nodelay().unwrap());
        let again = connecting(peer, &ConnectOptions { source: Some(bound) });
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
