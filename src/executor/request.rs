//! What a core asks of its executor, because it needs the driver.
//!
//! Knows: the requests as data. Must not know the backend.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use super::core::Core;
use crate::driver::{ConnectOptions, DriverLedger, ListenSocket, SocketId};

/// Called back with the socket. Once per listener and core, or outgoing connection, so an indirect call is of no account (R6).
pub type Adopted = Box<dyn FnOnce(&Core, io::Result<SocketId>)>;

/// Called with what the driver holds. A question of a test or of an operator, so an indirect call is of no account (R6).
pub type Inspect = Box<dyn FnOnce(&Core, DriverLedger)>;

/// Why a listening socket is not taken over, where there is no room for the cell that closes it.
pub const NO_ROOM: &str = "the core holds as many actors as Config::actors_max allows";

/// Something that only the executor can do. It is done in the turn in which it was asked for.
pub enum Request {
    /// Take a listening socket over, if there is room for a cell, which is made for it at once.
    Adopt(ListenSocket, Adopted),
    /// Open a socket that is to be connected to this address.
    Connect(SocketAddr, ConnectOptions, Adopted),
    /// Tell what the driver holds.
    Inspect(Inspect),
    /// End the loop of this core.
    Finish,
}

impl fmt::Debug for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Adopt(socket, _) => out.debug_tuple("Adopt").field(socket).finish(),
            Request::Connect(address, ..) => out.debug_tuple("Connect").field(address).finish(),
            Request::Inspect(_) => out.write_str("Inspect"),
            Request::Finish => out.write_str("Finish"),
        }
    }
}
