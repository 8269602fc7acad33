//! Reading into what a vector has room for, without making it any longer first.
//!
//! Knows: calls that fill memory. Must not know who wants the bytes, nor when there are some.
//!
//! Invariants: 1. A call that fills memory has written as many bytes as it answers, from the beginning of what it was given on.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use socket2::Socket;

use super::Errno;

/// No call asks for more: some kernels refuse what does not fit into an `int`.
const BYTES_MAX: usize = 1 << 30;

/// Memory with room behind the bytes that it holds, as a vector has.
pub trait Room {
    /// The room: always the same, until anything is put there.
    ///
    /// # Safety
    /// No byte of it is made uninitialised that was not so before.
    unsafe fn room(&mut self) -> &mut [MaybeUninit<u8>];

    /// So many bytes of the room, from its beginning on, belong to what it holds.
    ///
    /// # Safety
    /// They have been written, and there is room for so many.
    unsafe fn filled(&mut self, bytes: usize);
}

impl Room for Vec<u8> {
    unsafe fn room(&mut self) -> &mut [MaybeUninit<u8>] {
        self.spare_capacity_mut()
    }

    unsafe fn filled(&mut self, bytes: usize) {
        let len = self.len() + bytes;
        // SAFETY: the first bytes are those of the vector, and the others have been written, within its capacity (promised by the
        // caller).
        unsafe { self.set_len(len) };
    }
}

/// Reads once from an offset of a file, behind what the buffer holds and up to its capacity. Zero at the end of the file.
///
/// # Errors
/// As the kernel says; `EINVAL` for an offset that no file has.
pub fn read_at(file: &File, buffer: &mut impl Room, offset: u64) -> io::Result<usize> {
    let offset = libc::off_t::try_from(offset).map_err(|_| Errno::EINVAL)?;
    let read = loop {
        // SAFETY: nothing but the kernel writes there.
        let spare = unsafe { buffer.room() };
        let len = spare.len().min(BYTES_MAX);
        // SAFETY: `spare` covers `len` bytes, and is borrowed until the call has returned.
        let result = unsafe { libc::pread(file.as_raw_fd(), spare.as_mut_ptr().cast(), len, offset) };
        match usize::try_from(result) {
            Ok(read) => break read,
            Err(_) if Errno::last() == Errno::EINTR => {}
            Err(_) => return Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: `read` bytes of the room have been written (invariant 1).
    unsafe { buffer.filled(read) };
    Ok(read)
}

/// Receives once, behind what the buffer holds and up to its capacity, which is more than that, and at most `max` bytes, which is
/// more than none. Zero at the end of the stream.
///
/// # Errors
/// As the kernel says.
pub fn receive(socket: &Socket, buffer: &mut Vec<u8>, max: usize) -> io::Result<usize> {
    let spare = buffer.spare_capacity_mut();
    let len = spare.len().min(max).min(BYTES_MAX);
    debug_assert!(len > 0, "nothing received would look like the end of the stream");
    let received = socket.recv(&mut spare[..len])?;
    // SAFETY: `received` bytes of the room have been written (invariant 1).
    unsafe { buffer.filled(received) };
    Ok(received)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn with_room(held: &[u8], room: usize) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(held.len() + room);
        buffer.extend_from_slice(held);
        buffer
    }

    #[test]
    fn a_file_is_read_behind_what_is_there_and_nothing_grows() {
        let program = std::env::current_exe().unwrap();
        let (whole, file) = (std::fs::read(&program).unwrap(), File::open(&program).unwrap());
        let mut buffer = with_room(b"held", 64);
        let room = buffer.capacity() - buffer.len();
        assert_eq!(read_at(&file, &mut buffer, 5).unwrap(), room);
        assert_eq!((&buffer[..4], &buffer[4..]), (&b"held"[..], &whole[5..5 + room]));
        assert_eq!(read_at(&file, &mut buffer, 5).unwrap(), 0, "there is no room");
        let mut buffer = with_room(b"", 64);
        assert_eq!(read_at(&file, &mut buffer, whole.len() as u64 - 3).unwrap(), 3);
        assert_eq!(buffer, whole[whole.len() - 3..]);
        assert_eq!(read_at(&file, &mut buffer, whole.len() as u64).unwrap(), 0);
        for offset in [u64::MAX, 1 << 63] {
            assert_eq!(Errno::of(&read_at(&file, &mut buffer, offset).unwrap_err()), Errno::EINVAL);
        }
        assert_eq!(buffer.len(), 3);
    }

    #[test]
    fn bytes_are_received_behind_what_is_there() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let far = Socket::from(std::os::fd::OwnedFd::from(far));
        far.set_nonblocking(true).unwrap();
        let mut buffer = with_room(b"held", 64);
        let error = receive(&far, &mut buffer, usize::MAX).unwrap_err();
        assert_eq!((error.kind(), &buffer[..]), (io::ErrorKind::WouldBlock, &b"held"[..]));
        near.write_all(b"bytes").unwrap();
        assert_eq!(receive(&far, &mut buffer, usize::MAX).unwrap(), 5);
        drop(near);
        assert_eq!(receive(&far, &mut buffer, usize::MAX).unwrap(), 0);
        assert_eq!(buffer, b"heldbytes");
    }
}
