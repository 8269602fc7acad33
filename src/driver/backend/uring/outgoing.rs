//! Queue entries on their way to the kernel: what each op looks like, and where it waits when the queue is full.
//!
//! Knows: entries, the submission queue, the backlog behind it. Must not know what became of them.
//!
//! Invariants:
//! 1. Memory that an entry names belongs to the driver until the entry's last completion: a chain or a request owned by an operation
//!    in flight, a gather owned by a socket in the table, the note of a request, the address or the descriptor of a socket that is being connected,
//!    the count of the wake event, or a constant.
//! 2. Entries leave in the order in which they were pushed: while the backlog holds any, new ones go behind it.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::ptr;

use io_uring::squeue::{Entry, Flags};
use io_uring::{opcode, types};
use socket2::SockAddr;

use crate::mem::Key;
use crate::sys::{Pause, Ring};

/// The group of provided buffers that receives pick from.
pub(super) const BUFFER_GROUP: u16 = 0;

/// Entries that the backlog has room for from the start.
const BACKLOG_RESERVED: usize = 256;

/// Without `MSG_WAITALL`: the kernel would continue short sends by itself, and a peer that reads slowly could not be told
/// from one that does not read.
const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL;

/// The kernel says of what it sends without a copy whether it has copied it after all (`IORING_SEND_ZC_REPORT_USAGE`).
pub(super) const REPORT_USAGE: u16 = 8;

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
    backlog: VecDeque<Waiting>,
    full: u64,
    torn: u64,
}

/// An entry that waits behind the queue.
#[derive(Debug)]
struct Waiting {
    entry: Entry,
    /// The next one is linked to it.
    linked: bool,
}

/// A write of bytes that may lie in registered memory.
fn write_of(key: Key, file: RawFd, bytes: *const [u8], offset: u64, registered: Option<u16>) -> Entry {
    let (file, start, len) = (types::Fd(file), bytes.cast::<u8>(), bytes.len() as u32);
    let write = match registered {
        Some(place) => opcode::WriteFixed::new(file, start, len, place).offset(offset).build(),
        None => opcode::Write::new(file, start, len).offset(offset).build(),
    };
    write.user_data(key.to_bits())
}

impl Outgoing {
    pub(super) fn new(ring: Ring) -> Outgoing {
        Outgoing { ring, backlog: VecDeque::with_capacity(BACKLOG_RESERVED), full: 0, torn: 0 }
    }

    /// Entries that fit into the queue now.
    pub(super) fn room(&self) -> usize {
        if self.backlog.is_empty() { self.ring_room() } else { 0 }
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
        while let Some(front) = self.backlog.front() {
            let count = 1 + usize::from(front.linked);
            if self.ring_room() < count {
                return true;
            }
            for waiting in self.backlog.drain(..count) {
                // SAFETY: the memory it names lives until its last completion (invariant 1).
                let pushed = unsafe { self.ring.push(&waiting.entry) };
                assert!(pushed, "there is room, as looked at above");
            }
        }
        false
    }

    fn ring_room(&self) -> usize {
        (self.ring.capacity() - self.ring.queued()) as usize
    }

    /// True if two linked entries ever fit into the queue.
    pub(super) fn can_link(&self) -> bool {
        self.ring.capacity() >= 2
    }

    /// How often the kernel has taken fewer entries than there were: it ends a chain with what it takes, and begins the rest by itself.
    pub(super) fn torn(&self) -> u64 {
        self.torn
    }

    /// As if it had.
    #[cfg(test)]
    pub(super) fn tear(&mut self) {
        self.torn += 1;
    }

    /// One system call. False when the kernel is short of something.
    pub(super) fn enter(&mut self, pause: Pause) -> bool {
        let entered = self.ring.enter(pause).is_ok();
        self.torn += u64::from(self.ring.queued() > 0);
        entered
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

    /// As [`Outgoing::send_message`], without a copy.
    ///
    /// # Safety
    /// The message stays as it is until the operation's completion, and all that it names until the kernel has said that it does not
    /// read it any more, or that it never will.
    pub(super) unsafe fn send_message_zero_copy(
        &mut self,
        key: Key,
        target: Target,
        message: *const libc::msghdr,
    ) {
        self.push(entry!(target, key, |file| {
            opcode::SendMsgZc::new(file, message).flags(SEND_FLAGS as u32).ioprio(REPORT_USAGE)
        }));
    }

    /// As [`Outgoing::send`], without a copy, from registered memory in this place.
    ///
    /// # Safety
    /// The bytes stay as they are until the kernel has said that it does not read them any more, or that it never will.
    pub(super) unsafe fn send_registered(
        &mut self,
        key: Key,
        target: Target,
        bytes: *const [u8],
        place: u16,
    ) {
        self.push(entry!(target, key, |file| {
            opcode::SendZc::new(file, bytes.cast(), bytes.len() as u32)
                .buf_index(Some(place))
                .flags(SEND_FLAGS)
                .zc_flags(REPORT_USAGE)
        }));
    }

    /// # Safety
    /// The address stays as it is until the operation's completion.
    pub(super) unsafe fn connect(&mut self, key: Key, target: Target, address: &SockAddr) {
        self.push(entry!(target, key, |file| {
            opcode::Connect::new(file, address.as_ptr().cast(), address.len())
        }));
    }

    /// Puts a descriptor into a free place of the table, whose number is written over it.
    ///
    /// # Safety
    /// It does not move until the operation's completion.
    pub(super) unsafe fn enter_table(&mut self, key: Key, descriptor: &mut RawFd) {
        /// The kernel picks the place (`IORING_FILE_INDEX_ALLOC`).
        const ANYWHERE: i32 = -1;
        let enter = opcode::FilesUpdate::new(&raw mut *descriptor, 1).offset(ANYWHERE);
        self.push(enter.build().user_data(key.to_bits()));
    }

    /// Receives once.
    ///
    /// # Safety
    /// The kernel may write to `room` until the operation's completion.
    pub(super) unsafe fn fill(&mut self, key: Key, target: Target, room: *mut [u8]) {
        self.push(entry!(target, key, |file| opcode::Recv::new(file, room.cast(), room.len() as u32)));
    }

    /// # Safety
    /// The path and `how` stay as they are until the operation's completion.
    pub(super) unsafe fn open(
        &mut self,
        key: Key,
        directory: RawFd,
        path: *const libc::c_char,
        how: *const types::OpenHow,
    ) {
        let open = opcode::OpenAt2::new(types::Fd(directory), path, how);
        self.push(open.build().user_data(key.to_bits()));
    }

    /// # Safety
    /// The kernel may write to `stat` until the operation's completion.
    pub(super) unsafe fn stat(&mut self, key: Key, file: RawFd, stat: *mut libc::statx) {
        let ask = opcode::Statx::new(types::Fd(file), c"".as_ptr(), stat.cast());
        let ask = ask.flags(libc::AT_EMPTY_PATH).mask(libc::STATX_BASIC_STATS);
        self.push(ask.build().user_data(key.to_bits()));
    }

    /// `registered`: the place of registered memory that the room lies in.
    ///
    /// # Safety
    /// The kernel may write to `room` until the operation's completion.
    pub(super) unsafe fn read(
        &mut self,
        key: Key,
        file: RawFd,
        room: *mut [u8],
        offset: u64,
        registered: Option<u16>,
    ) {
        let (file, start, len) = (types::Fd(file), room.cast::<u8>(), room.len() as u32);
        let read = match registered {
            Some(place) => opcode::ReadFixed::new(file, start, len, place).offset(offset).build(),
            None => opcode::Read::new(file, start, len).offset(offset).build(),
        };
        self.push(read.user_data(key.to_bits()));
    }

    /// `registered`: the place of registered memory that the bytes lie in.
    ///
    /// # Safety
    /// The bytes stay as they are until the operation's completion.
    pub(super) unsafe fn write(
        &mut self,
        key: Key,
        file: RawFd,
        bytes: *const [u8],
        offset: u64,
        registered: Option<u16>,
    ) {
        self.push(write_of(key, file, bytes, offset, registered));
    }

    /// A write, and a sync of the data behind it. `registered` as above.
    ///
    /// # Safety
    /// The bytes stay as they are until the completion of the first operation.
    pub(super) unsafe fn write_synced(
        &mut self,
        [key, second]: [Key; 2],
        file: RawFd,
        bytes: *const [u8],
        offset: u64,
        registered: Option<u16>,
    ) {
        let sync = opcode::Fsync::new(types::Fd(file)).flags(types::FsyncFlags::DATASYNC).build();
        let write = write_of(key, file, bytes, offset, registered);
        self.push_linked(write, sync.user_data(second.to_bits()));
    }

    /// # Safety
    /// The parts, and the bytes that they name, stay as they are until the operation's completion.
    pub(super) unsafe fn write_parts(
        &mut self,
        key: Key,
        file: RawFd,
        parts: *const libc::iovec,
        count: u32,
        offset: u64,
    ) {
        let write = opcode::Writev::new(types::Fd(file), parts, count).offset(offset);
        self.push(write.build().user_data(key.to_bits()));
    }

    pub(super) fn sync(&mut self, key: Key, file: RawFd, data: bool) {
        let flags = if data { types::FsyncFlags::DATASYNC } else { types::FsyncFlags::empty() };
        self.push(opcode::Fsync::new(types::Fd(file)).flags(flags).build().user_data(key.to_bits()));
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

    pub(super) fn close(&mut self, key: Key, target: Target) {
        self.push(entry!(target, key, |file| opcode::Close::new(file)));
    }

    #[inline]
    fn push(&mut self, entry: Entry) {
        // SAFETY: the memory it names lives until its last completion (invariant 1).
        if self.backlog.is_empty() && unsafe { self.ring.push(&entry) } {
            return;
        }
        self.wait(entry, false);
    }

    /// Two entries next to each other, of which the second begins when the first has succeeded; or both wait.
    fn push_linked(&mut self, first: Entry, second: Entry) {
        let first = first.flags(Flags::IO_LINK);
        if self.room() < 2 {
            self.wait(first, true);
            return self.wait(second, false);
        }
        self.push(first);
        self.push(second);
    }

    #[cold]
    fn wait(&mut self, entry: Entry, linked: bool) {
        self.full += 1;
        self.backlog.push_back(Waiting { entry, linked });
    }
}
