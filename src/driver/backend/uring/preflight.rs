//! Proofs, by doing: that the kernel receives again and again into provided buffers, that it lets closed sockets go, and that
//! it says of what it sends without a copy whether it has copied it.
//!
//! Knows: rings of its own, pairs of sockets, a few buffers. Must not know the backend.
//!
//! A kernel that does something else than it should leaves answers behind: hence the ring of its own.
//!
//! Invariants:
//! 1. The buffer and its ring live until the group is unregistered, or are leaked.
//! 2. No entry names memory, other than that of the group, and a message or a mapping that lives until the answer, or is leaked.
#![allow(unsafe_code)]

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use io_uring::squeue::Entry;
use io_uring::{opcode, types};
use socket2::{Domain, Socket, Type};

use super::outgoing::REPORT_USAGE;
use crate::sys::{Answer, BufferRing, Errno, Mapping, Pause, Ring};

const GROUP: u16 = 1;
const BUFFER_LEN: usize = 4096;
/// One for each receive where none is shared: two texts and the end.
const BUFFERS: u16 = 4;

/// The kernel answers at once; a second means that it never will.
const PATIENCE: Duration = Duration::from_secs(1);

/// Receives twice with one entry, then the end of the stream. `incremental`: both times into one buffer.
///
/// # Errors
/// What the kernel said; `EINVAL` when it did something else than it should.
pub(super) fn receives_again(incremental: bool) -> Result<(), Errno> {
    receives_as(incremental, incremental)
}

/// As `expected`, where `asked` was asked for.
fn receives_as(asked: bool, expected: bool) -> Result<(), Errno> {
    let mut ring = Ring::open(2, 4)?;
    let memory = Mapping::new(usize::from(BUFFERS) * BUFFER_LEN)?;
    let mut buffers = BufferRing::new(BUFFERS)?;
    // SAFETY: unregistered below, or leaked (invariant 1).
    unsafe { ring.register_buffers(&buffers, GROUP, asked) }?;
    for buffer in 0..BUFFERS {
        let start = memory.start().wrapping_add(usize::from(buffer) * BUFFER_LEN);
        // SAFETY: the buffer lies inside the mapping, which lives as long as the group (invariant 1).
        unsafe { buffers.add(buffer, start, BUFFER_LEN as u32) };
    }
    buffers.publish();
    let result = receive_twice(&mut ring, &memory, expected);
    let ended = ring.unregister_buffers(GROUP);
    if result.is_err() || ended.is_err() {
        // An operation may still be in flight.
        std::mem::forget((memory, buffers));
    }
    result.and(ended)
}

fn receive_twice(ring: &mut Ring, memory: &Mapping, incremental: bool) -> Result<(), Errno> {
    let (mut near, far) =
        Socket::pair(Domain::UNIX, Type::STREAM, None).map_err(|error| Errno::of(&error))?;
    let receive: Entry = opcode::RecvMulti::new(types::Fd(far.as_raw_fd()), GROUP).build();
    push(ring, &receive);
    let mut sent_before = 0;
    for text in [b"first", b"again"] {
        near.write_all(text).map_err(|error| Errno::of(&error))?;
        let answer = wait(ring)?;
        answer.outcome()?;
        let place = answer.buffer().ok_or(Errno::EINVAL)?;
        let offset = if incremental { sent_before } else { usize::from(place) * BUFFER_LEN };
        let as_expected = answer.more()
            && answer.outcome() == Ok(text.len() as u32)
            && answer.buffer_more() == incremental
            && place < BUFFERS
            && (!incremental || place == 0);
        if !as_expected || !holds(memory, offset, text) {
            return Err(Errno::EINVAL);
        }
        sent_before += text.len();
    }
    drop(near);
    let last = wait(ring)?;
    if last.more() || last.outcome()? != 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

fn push(ring: &mut Ring, entry: &Entry) {
    // SAFETY: names no memory but the group's (invariants 1 and 2).
    let pushed = unsafe { ring.push(entry) };
    assert!(pushed, "a new ring has room");
}

/// A kernel that lets a socket go does so before it answers; this is for one that is slow about it.
const RELEASE_PATIENCE: Duration = Duration::from_millis(100);

/// True if a socket of the table is gone when it has been closed, though an operation on an older one goes on. Linux 6.1 lets
/// them go in the order in which they came: one connection that waits keeps all that were closed after it began to.
///
/// # Errors
/// What the kernel said; `EINVAL` when it did something else than it should.
pub(super) fn closes_at_once() -> Result<bool, Errno> {
    let socket_pair = || Socket::pair(Domain::UNIX, Type::STREAM, None);
    let (_older_peer, older) = socket_pair().map_err(|error| Errno::of(&error))?;
    let (peer, closed) = socket_pair().map_err(|error| Errno::of(&error))?;
    is_released(&older, closed, peer)
}

fn is_released(older: &Socket, closed: Socket, mut peer: Socket) -> Result<bool, Errno> {
    let mut ring = Ring::open(2, 4)?;
    ring.register_files(2)?;
    ring.set_file(0, older.as_raw_fd())?;
    ring.set_file(1, closed.as_raw_fd())?;
    // Now it is the table that keeps it open.
    drop(closed);
    push(&mut ring, &opcode::PollAdd::new(types::Fixed(0), libc::POLLIN as u32).build());
    ring.try_enter(Pause::No)?;
    push(&mut ring, &opcode::Close::new(types::Fixed(1)).build());
    wait(&mut ring)?.outcome()?;
    peer.set_read_timeout(Some(RELEASE_PATIENCE)).map_err(|error| Errno::of(&error))?;
    loop {
        match peer.read(&mut [0]) {
            Ok(0) => return Ok(true),
            Ok(_) => return Err(Errno::EINVAL),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(Errno::of(&error)),
        }
    }
}

/// True if the kernel sends without a copy, and reports whether it has copied. Linux 6.1 does not report.
/// A pair of sockets cannot be sent to in that way: being told so is the proof that the rest is understood.
///
/// # Errors
/// What the kernel said.
pub(super) fn sends_without_copy() -> Result<bool, Errno> {
    understands(|socket, message| opcode::SendMsgZc::new(socket, message).ioprio(REPORT_USAGE).build())
}

/// True if the kernel sends from registered memory without a copy. Found out in the same way.
///
/// # Errors
/// What the kernel said.
pub(super) fn sends_registered() -> Result<bool, Errno> {
    let memory = Mapping::new(BUFFER_LEN)?;
    let mut ring = Ring::open(2, 4)?;
    ring.register_memory_table(1)?;
    let (start, all) = (memory.start(), std::ptr::slice_from_raw_parts_mut(memory.start(), memory.len()));
    // SAFETY: the mapping lives until the answer and the end of the ring, or is leaked (invariant 1).
    unsafe { ring.set_memory(0, all) }?;
    let (_peer, socket) =
        Socket::pair(Domain::UNIX, Type::STREAM, None).map_err(|error| Errno::of(&error))?;
    let send = opcode::SendZc::new(types::Fd(socket.as_raw_fd()), start, 1).buf_index(Some(0));
    push(&mut ring, &send.zc_flags(REPORT_USAGE).build());
    let answer = wait(&mut ring);
    drop(ring);
    if answer.is_err() {
        // It may still be in flight.
        std::mem::forget(memory);
    }
    Ok(answer?.outcome() != Err(Errno::EINVAL))
}

/// True if the kernel understands an entry about a socket of a pair, whatever it says to it.
fn understands(entry: impl FnOnce(types::Fd, *const libc::msghdr) -> Entry) -> Result<bool, Errno> {
    let (_peer, socket) =
        Socket::pair(Domain::UNIX, Type::STREAM, None).map_err(|error| Errno::of(&error))?;
    // SAFETY: a message header of zeroes is a valid one: no name, no parts, no control data.
    let message = Box::new(unsafe { std::mem::zeroed() });
    let mut ring = Ring::open(2, 4)?;
    push(&mut ring, &entry(types::Fd(socket.as_raw_fd()), &raw const *message));
    let answer = wait(&mut ring);
    if answer.is_err() {
        // It may still be in flight.
        std::mem::forget(message);
    }
    Ok(answer?.outcome() != Err(Errno::EINVAL))
}

fn wait(ring: &mut Ring) -> Result<Answer, Errno> {
    let until = crate::sys::now().after(PATIENCE);
    let mut answer = [Answer::default()];
    let mut pause = Pause::No;
    while ring.take(&mut answer) == 0 {
        if crate::sys::now() >= until {
            return Err(Errno::EINVAL);
        }
        ring.try_enter(pause)?;
        pause = Pause::Until(until);
    }
    Ok(answer[0])
}

fn holds(memory: &Mapping, offset: usize, text: &[u8]) -> bool {
    text.iter().enumerate().all(|(place, byte)| {
        // SAFETY: the kernel has answered that it has written these bytes, which lie inside the mapping, and writes
        // nowhere but behind them.
        let found = unsafe { memory.start().wrapping_add(offset + place).read() };
        found == *byte
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::needs_io_uring;

    #[test]
    fn this_kernel_receives_into_provided_buffers() {
        needs_io_uring!();
        receives_again(false).unwrap();
        // No promise of every kernel: but it must answer.
        let _ = receives_again(true);
    }

    #[test]
    fn sends_that_the_kernel_does_not_understand_are_noticed() {
        needs_io_uring!();
        // No promise of every kernel: but it must answer.
        sends_without_copy().unwrap();
        sends_registered().unwrap();
        // A socket has nothing to write to a disk.
        assert_eq!(understands(|socket, _| opcode::Fsync::new(socket).build()), Ok(false));
    }

    #[test]
    fn what_the_kernel_does_differently_is_noticed() {
        needs_io_uring!();
        // Asked for whole buffers, it does not fill them bit by bit.
        assert_eq!(receives_as(false, true), Err(Errno::EINVAL));
    }

    #[test]
    fn a_closed_socket_that_is_kept_open_is_noticed() {
        needs_io_uring!();
        let (_older_peer, older) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        let (peer, closed) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        let kept = closed.try_clone().unwrap();
        assert_eq!(is_released(&older, closed, peer), Ok(false));
        drop(kept);
        // No promise of every kernel: but it must answer.
        closes_at_once().unwrap();
    }
}
