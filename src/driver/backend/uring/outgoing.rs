//! Queue entries on their way to the kernel: what each op looks like, and where it waits when the queue is full.
//!
//! Knows: entries, the submission queue, the backlog behind it. Must not know what became of them.
//!
//! Invariants:
//! 1. Memory that an entry names belongs to the driver until the entry's last completion: a chain owned by an operation
//!    in flight, a gather owned by a socket in the table, the count of the wake event, or a constant.
//! 2. Entries leave in the order in which they were pushed: while the backlog holds any, new ones go behind it.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::ptr;

use io_uring::squeue::Entry;
use io_uring::{opcode, types};

use crate::mem::Key;
use crate::sys::Ring;

/// The group of provided buffers that receives pick from.
pub(super) const BUFFER_GROUP: u16 = 0;

/// Entries that the backlog has room for from the start.
const BACKLOG_RESERVED: usize = 256;

/// Without `MSG_WAITALL`: the kernel would continue short sends by itself, and a peer that reads slowly could not be told
/// from one that does not read.
const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL;

/// An address of no family: to connect to it is to reset the connection, exactly as closing with linger zero does.
static NOWHERE: libc::sockaddr =
    libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };

/// What an entry is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// A place in the ring's table.
    Direct(u32),
    /// A descriptor of the process.
    Descriptor(RawFd),
}

macro_rules! entry {
    ($target:expr, $name:ident, |$file:ident| $entry:expr) => {
        match $target {
            Target::Direct(place) => {
                let $file = types::Fixed(place);
                $entry
            }
            Target::Descriptor(descriptor) => {
                let $file = types::Fd(descriptor);
                $entry
            }
        }
        .build()
        .user_data($name.to_bits())
    };
}

/// The way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) ring: Ring,
    backlog: VecDeque<Entry>,
    full: u64,
}

impl Outgoing {
    pub(super) fn new(ring: Ring) -> Outgoing {
        Outgoing { ring, backlog: VecDeque::with_capacity(BACKLOG_RESERVED), full: 0 }
    }

    /// Entries that fit into the queue now.
    pub(super) fn room(&self) -> usize {
        if self.backlog.is_empty() { (self.ring.capacity() - self.ring.queued()) as usize } else { 0 }
    }

    /// True if anything has not been given to the kernel yet.
    pub(super) fn waiting(&self) -> bool {
        self.ring.queued() > 0 || !self.backlog.is_empty()
    }

    /// How often an entry had to wait for room.
    pub(super) fn full(&self) -> u64 {
        self.full
    }

    /// Moves what waits into the queue. True if not all of it fitted.
    pub(super) fn refill(&mut self) -> bool {
        while let Some(entry) = self.backlog.front() {
            // SAFETY: the memory it names lives until its last completion (invariant 1).
            if !unsafe { self.ring.push(entry) } {
                return true;
            }
            self.backlog.pop_front();
        }
        false
    }

    /// Accepts whatever comes.
    pub(super) fn accept(&mut self, key: Key, target: Target) {
        self.push(entry!(target, key, |file| opcode::AcceptMulti::new(file).allocate_file_index(true)));
    }

    /// Accepts one connection.
    pub(super) fn accept_one(&mut self, key: Key, target: Target) {
        self.push(entry!(target, key, |file| {
            let place = Some(types::DestinationSlot::auto_target());
            opcode::Accept::new(file, ptr::null_mut(), ptr::null_mut()).file_index(place)
        }));
    }

    pub(super) fn receive(&mut self, key: Key, target: Target) {
        self.push(entry!(target, key, |file| opcode::RecvMulti::new(file, BUFFER_GROUP)));
    }

    /// # Safety
    /// The bytes stay as they are until the operation's completion.
    pub(super) unsafe fn send(&mut self, key: Key, target: Target, bytes: *const [u8]) {
        self.push(entry!(target, key, |file| {
            opcode::Send::new(file, bytes.cast(), bytes.len() as u32).flags(SEND_FLAGS)
        }));
    }

    /// # Safety
    /// The message, and all that it names, stays as it is until the operation's completion.
    pub(super) unsafe fn send_message(&mut self, key: Key, target: Target, message: *const libc::msghdr) {
        self.push(entry!(target, key, |file| opcode::SendMsg::new(file, message).flags(SEND_FLAGS as u32)));
    }

    /// # Safety
    /// The kernel may write to `count` until the operation's completion.
    pub(super) unsafe fn read_count(&mut self, key: Key, target: Target, count: *mut u64) {
        self.push(entry!(target, key, |file| opcode::Read::new(file, count.cast(), 8)));
    }

    pub(super) fn cancel(&mut self, key: Key, canceled: Key) {
        self.push(opcode::AsyncCancel::new(canceled.to_bits()).build().user_data(key.to_bits()));
    }

    pub(super) fn shutdown(&mut self, key: Key, target: Target, both: bool) {
        let how = if both { libc::SHUT_RDWR } else { libc::SHUT_WR };
        self.push(entry!(target, key, |file| opcode::Shutdown::new(file, how)));
    }

    /// Resets the connection, and drops what the kernel still has to send.
    pub(super) fn disconnect(&mut self, key: Key, target: Target) {
        let len = size_of_val(&NOWHERE) as libc::socklen_t;
        self.push(entry!(target, key, |file| opcode::Connect::new(file, &raw const NOWHERE, len)));
    }

    pub(super) fn close(&mut self, key: Key, place: u32) {
        self.push(opcode::Close::new(types::Fixed(place)).build().user_data(key.to_bits()));
    }

    #[inline]
    fn push(&mut self, entry: Entry) {
        // SAFETY: the memory it names lives until its last completion (invariant 1).
        if self.backlog.is_empty() && unsafe { self.ring.push(&entry) } {
            return;
        }
        self.wait(entry);
    }

    #[cold]
    fn wait(&mut self, entry: Entry) {
        self.full += 1;
        self.backlog.push_back(entry);
    }
}
