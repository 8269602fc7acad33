//! Sockets that are connected from here.
//!
//! Knows: addresses, how a socket gets a place in the table. Must not know who asks.
//!
//! A socket is opened with a descriptor, by which it is connected. Then the kernel is asked to put it into the table, and picks the
//! place, as for what it accepts: whatever is done with the socket later does not look for it among the descriptors of the process,
//! which is dearer. Where the table has no room the socket keeps its descriptor, and works in the same way; and where the kernel keeps
//! what is closed, as it does with sockets of the table alone.

use std::net::SocketAddr;
use std::os::fd::{OwnedFd, RawFd};

use socket2::SockAddr;

use super::Uring;
use super::complete::Answered;
use super::handle::{Accepting, File, Handle};
use crate::driver::{Completion, ConnectOptions, Event, SocketId};
use crate::sys::{self, Errno};

/// How far a connect has come. What the kernel reads or writes meanwhile is boxed, because it must not move.
#[derive(Debug)]
pub(super) enum Connecting {
    /// It is to be connected to this address, or is being.
    To(Box<SockAddr>),
    /// It is connected, and put into the table: its descriptor, over which the kernel writes the place.
    Entering(Box<RawFd>),
    /// It is in the table, and its descriptor stays open until it is closed: another operation was under way, whose entry may name that.
    Entered { _descriptor: OwnedFd },
}

impl Uring {
    /// Opens a socket, and keeps the address for the op that connects it.
    pub(super) fn open_connecting(
        &mut self,
        address: SocketAddr,
        options: &ConnectOptions,
    ) -> std::io::Result<SocketId> {
        if self.places_left() == 0 {
            return Err(Errno::ENFILE.into());
        }
        let socket = sys::connecting(address, options)?;
        let inserted = self.in_flight.insert(Handle::new(File::Descriptor(socket.into())));
        let id = inserted.map_err(|_| std::io::Error::from(Errno::ENFILE))?;
        self.connects.insert(id, Connecting::To(Box::new(SockAddr::from(address))));
        self.narrow_accepts();
        Ok(id)
    }

    pub(super) fn connected(
        &mut self,
        Answered { key, id, answer }: Answered,
        completions: &mut Vec<Completion>,
    ) {
        let socket = self.in_flight.socket(id).expect("a socket outlives its operations");
        let ends = socket.handle.cancelling || self.draining;
        let error = match (self.connects.remove(&id), answer.outcome()) {
            // Whatever became of that, it is connected.
            (Some(Connecting::Entering(place)), outcome) => {
                if outcome == Ok(1) {
                    self.entered(id, *place as u32);
                }
                None
            }
            (_, Ok(_)) if !ends && !self.keeps_closed => {
                let descriptor = Box::new(self.descriptor(id));
                self.connects.insert(id, Connecting::Entering(descriptor));
                return self.issue_connect(key, id);
            }
            (_, Ok(_)) => None,
            // A thread of the kernel that is told to stop is interrupted.
            (_, Err(Errno::EINTR)) if ends => Some(Errno::ECANCELED),
            (_, Err(error)) => Some(error),
        };
        completions.push(self.end_inward(key, Event::Connected { error }));
    }

    /// The kernel has put a socket into a place of the table.
    fn entered(&mut self, id: SocketId, place: u32) {
        let socket = self.in_flight.socket_mut(id).expect("a socket outlives its operations");
        let file = std::mem::replace(&mut socket.handle.file, File::Direct(place));
        if socket.operations > 1
            && let File::Descriptor(descriptor) = file
        {
            self.connects.insert(id, Connecting::Entered { _descriptor: descriptor });
        }
    }

    /// Has accepts that take whatever comes exchanged for those of one connection, where there would soon be too many.
    pub(super) fn narrow_accepts(&mut self) {
        if self.places_left() > self.burst_max {
            return;
        }
        for listener in self.routes.iter().filter_map(|route| route.listener) {
            let socket = self.in_flight.socket_mut(listener).expect("a route ends with its listener");
            if socket.handle.accepting == Accepting::All
                && let Some(accept) = socket.inward()
            {
                socket.handle.accepting = Accepting::Narrowing;
                self.outgoing.cancel(self.narrow, accept);
            }
        }
    }
}
