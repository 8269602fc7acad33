//! Sockets that are connected from here.
//!
//! Knows: places of the table that the kernel does not choose from, addresses. Must not know who asks.
//!
//! The table has an upper part for such sockets: the kernel picks a place of the lower one for what it accepts, so the two do
//! not take each other's. Where there is no upper part, or it is full, the socket keeps its descriptor, and works in the
//! same way.

use std::net::SocketAddr;

use socket2::SockAddr;

use super::complete::Answered;
use super::handle::{Accepting, File, Handle};
use super::{Outgoing, Uring};
use crate::driver::{Completion, ConnectOptions, Event, SocketId};
use crate::sys::{self, Errno};

/// The upper part of the table.
#[derive(Debug, Default)]
pub(super) struct UpperPlaces {
    first: u32,
    /// The next one that was never used.
    fresh: u32,
    end: u32,
    /// Those that were used and are free again.
    free: Vec<u32>,
}

impl UpperPlaces {
    /// The places from `first` on, before `end`.
    pub(super) fn new(first: u32, end: u32) -> UpperPlaces {
        UpperPlaces { first, fresh: first, end, free: Vec::new() }
    }

    fn take(&mut self) -> Option<u32> {
        self.free.pop().or_else(|| {
            let place = self.fresh;
            (place < self.end).then(|| {
                self.fresh += 1;
                place
            })
        })
    }

    /// Takes a place back, unless it is one of those that the kernel picks. The kernel has let go of it.
    pub(super) fn give(&mut self, place: u32) {
        if (self.first..self.end).contains(&place) {
            debug_assert!(!self.free.contains(&place), "a place is given back once");
            self.free.push(place);
        }
    }
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
        let file = place_in_table(&mut self.outgoing, &mut self.upper_places, socket);
        let inserted = self.in_flight.insert(Handle::new(file));
        let id = inserted.map_err(|handle| {
            self.let_go(handle.file);
            std::io::Error::from(Errno::ENFILE)
        })?;
        self.addresses.insert(id, Box::new(SockAddr::from(address)));
        self.narrow_accepts();
        Ok(id)
    }

    /// Closes a socket that the kernel has been told nothing of.
    fn let_go(&mut self, file: File) {
        if let File::Direct(place) = file
            && self.outgoing.ring.clear_file(place).is_ok()
        {
            self.upper_places.give(place);
        }
    }

    pub(super) fn connected(
        &mut self,
        Answered { key, id, answer }: Answered,
        completions: &mut Vec<Completion>,
    ) {
        let handle = &self.in_flight.socket(id).expect("a socket outlives its operations").handle;
        let error = match answer.outcome() {
            Ok(_) => None,
            // A thread of the kernel that is told to stop is interrupted.
            Err(Errno::EINTR) if handle.cancelling || self.draining => Some(Errno::ECANCELED),
            Err(error) => Some(error),
        };
        self.addresses.remove(&id);
        completions.push(self.end_inward(key, Event::Connected { error }));
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

/// Moves a socket into the table. It keeps its descriptor where that has no place.
fn place_in_table(outgoing: &mut Outgoing, places: &mut UpperPlaces, socket: socket2::Socket) -> File {
    use std::os::fd::AsRawFd;

    let Some(place) = places.take() else { return File::Descriptor(socket.into()) };
    match outgoing.ring.set_file(place, socket.as_raw_fd()) {
        // The descriptor is closed, and the table keeps the socket open.
        Ok(()) => File::Direct(place),
        Err(_) => {
            places.give(place);
            File::Descriptor(socket.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_the_upper_part_are_used_again_and_others_are_not_taken() {
        let mut places = UpperPlaces::new(10, 12);
        assert_eq!((places.take(), places.take(), places.take()), (Some(10), Some(11), None));
        places.give(3);
        assert_eq!(places.take(), None, "the kernel chooses that one");
        places.give(10);
        assert_eq!((places.take(), places.take()), (Some(10), None));
        assert_eq!(UpperPlaces::default().take(), None);
    }
}
