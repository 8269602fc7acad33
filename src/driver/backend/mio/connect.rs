//! Connections that are being made.
//!
//! Knows: how a socket comes to be connected without waiting for it. Must not know what is sent on it.
//!
//! A connect is begun when it is asked for, and not when its socket is opened. Only then is the poll told of the socket: to a socket
//! that is not connected it would say at once that its stream has ended. Until the connect has ended the socket is neither read nor
//! written, whatever its edges say.

use std::io;
use std::net::SocketAddr;

use super::{Mio, Source, token_of};
use crate::driver::{Completion, ConnectOptions, Event, SocketId};
use crate::mem::Key;
use crate::sys::{self, Errno};

impl Mio {
    pub(super) fn open_socket(
        &mut self,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<SocketId> {
        let source = Source::unconnected(sys::connecting(address, options)?)?;
        let id = self.table.insert(source).map_err(|_| io::Error::from(Errno::ENFILE))?;
        self.targets.insert(id.0, address);
        Ok(id)
    }

    /// Begins a connect. Answers at once if it has failed already.
    pub(super) fn connect(&mut self, key: Key, id: SocketId) {
        match self.begin_connect(id) {
            Ok(()) => self.look_at(id),
            Err(error) => {
                let refused = self.table.refuse(key, error);
                self.answers.push(refused);
            }
        }
    }

    fn begin_connect(&mut self, id: SocketId) -> Result<(), Errno> {
        // One that was accepted has none.
        let address = self.targets.remove(&id.0).ok_or(Errno::EISCONN)?;
        let socket = self.table.socket_mut(id).expect("a socket outlives its operations");
        socket.handle.connect(address)?;
        socket.handle.register(self.poll.registry(), token_of(id)).map_err(|error| Errno::of(&error))?;
        socket.handle.connecting = true;
        Ok(())
    }

    /// Looks whether a connect has ended, if an edge says that it may have.
    pub(super) fn carry_on_connect(&mut self, id: SocketId, key: Key, completions: &mut Vec<Completion>) {
        let socket = self.table.socket_mut(id).expect("a socket outlives its operations");
        let Some(result) = socket.handle.connected() else { return };
        socket.handle.connecting = false;
        let completion = match result {
            Err(error) => self.table.refuse(key, error),
            Ok(()) => {
                let token = self.table.end(key).token;
                Completion { token, event: Event::Connected { error: None } }
            }
        };
        completions.push(completion);
    }
}
