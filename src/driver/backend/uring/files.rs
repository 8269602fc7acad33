//! Requests about files: what each asks of the kernel, and what its answer means.
//!
//! Knows: files, requests, answers. Must not know how entries reach the kernel.
//!
//! A file has a descriptor of the process and no place in the ring's table: asking for its size and kind (`STATX`), and opening
//! what is below a directory, are the two things that the kernel does not do by such a place. In the backend's own table it
//! is an entry like a socket, and counts as one.
//!
//! Invariants:
//! 1. An operation owns its request, with the path, the buffer or the chain in it, until `end_file`, which happens only in an
//!    answer of the kernel; its note, in a box, is kept as long.
//! 2. A descriptor that the kernel has just opened is owned by nobody else.
#![allow(unsafe_code)]

use std::fmt;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use io_uring::types::OpenHow;

use super::complete::Answered;
use super::handle::{File, Handle};
use super::{Gather, Uring, room};
use crate::driver::{Completion, FileId, FileOptions, FileRequest, FileStat, FileWork, Pools, SocketId};
use crate::mem::Key;
use crate::sys::{Answer, Errno, OPEN_ALWAYS, expect_places};

/// The path may not lead out of the directory (`linux/openat2.h`).
const RESOLVE_BENEATH: u64 = 0x08;
/// How often a request is asked again that the kernel has not carried out: a path below a directory is looked up anew if anything was
/// renamed meanwhile.
const TRIES: u32 = 16;
/// What a mode is made of: the kernel refuses other bits.
const MODE_BITS: u32 = 0o7777;

/// What an entry names beside what is in its request. It does not move: the kernel may read it, or write to it.
pub(super) enum Note {
    /// How to open.
    Open(Box<OpenHow>),
    /// Where the kernel puts what it knows of a file.
    Stat(Box<libc::statx>),
    /// The parts of a write.
    Parts(Box<Gather>),
}

impl fmt::Debug for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::Open(how) => write!(out, "Open({how:p})"),
            Note::Stat(stat) => write!(out, "Stat({stat:p})"),
            Note::Parts(gather) => gather.fmt(out),
        }
    }
}

impl Uring {
    pub(super) fn issue_file(&mut self, pools: &Pools, key: Key, id: SocketId) {
        let request = self.in_flight.file_request(key);
        match request.work {
            FileWork::Open { .. } => return self.issue_open(key, id),
            FileWork::Enrol { .. } => return self.enrol(key),
            FileWork::Dismiss { .. } => return self.dismiss(key),
            _ => {}
        }
        let file = self.descriptor(id);
        let Uring { outgoing, notes, gathers, in_flight, counts, .. } = self;
        match &mut in_flight.file_request(key).work {
            FileWork::Open { .. } | FileWork::Enrol { .. } | FileWork::Dismiss { .. } => {
                unreachable!("seen above")
            }
            FileWork::Stat { .. } => {
                // SAFETY: an answer of zeroes is a valid one.
                let mut stat: Box<libc::statx> = Box::new(unsafe { std::mem::zeroed() });
                // SAFETY: the note is kept until the completion (invariant 1).
                unsafe { outgoing.stat(key, file, &raw mut *stat) };
                notes.insert(key, Note::Stat(stat));
            }
            FileWork::Read { offset, buffer } => {
                let (offset, room) = (*offset, room::lend_room(buffer, usize::MAX));
                let registered = in_flight.regions.place_of(room);
                counts.registered_reads += u64::from(registered.is_some());
                // SAFETY: the operation owns the buffer (invariant 1).
                unsafe { outgoing.read(key, file, room, offset, registered) };
            }
            FileWork::Load { offset, chain } => {
                // SAFETY: the operation owns the chain, which has room and no bytes (invariant 1).
                unsafe { outgoing.read(key, file, pools.send.space_address(chain), *offset, None) };
            }
            FileWork::Write { offset, buffer, from } => {
                let (offset, bytes) = (*offset, room::lend(buffer, *from));
                let registered = in_flight.regions.place_of(bytes);
                counts.registered_writes += u64::from(registered.is_some());
                // SAFETY: the operation owns the buffer (invariant 1).
                unsafe { outgoing.write(key, file, bytes, offset, registered) };
            }
            FileWork::Store { offset, chain, from } => {
                let mut parts = pools.send.segments(chain, *from);
                let first: *const [u8] = parts.next().unwrap_or(&[]);
                if parts.next().is_none() {
                    // SAFETY: the operation owns the chain (invariant 1).
                    unsafe { outgoing.write(key, file, first, *offset, None) };
                } else {
                    drop(parts);
                    let mut gather = gathers.pop().unwrap_or_else(|| Box::new(Gather::new()));
                    let (parts, count) = gather.list(pools.send.segments(chain, *from));
                    // SAFETY: the operation owns the chain, and the note is kept until the completion (invariant 1).
                    unsafe { outgoing.write_parts(key, file, parts, count, *offset) };
                    notes.insert(key, Note::Parts(gather));
                }
            }
            FileWork::WriteSynced { .. } => self.issue_synced(key, file),
            FileWork::Sync { data } => outgoing.sync(key, file, *data),
            FileWork::Close => outgoing.close(key, super::outgoing::Target::Descriptor(file)),
        }
    }

    /// A file that is being opened has its place already, so the limit is answered before anything was made or emptied.
    fn issue_open(&mut self, key: Key, id: SocketId) {
        if self.places_left() == 0 {
            let refused = self.in_flight.refuse(key, Errno::ENFILE);
            return self.instant.push(refused);
        }
        self.opening += 1;
        self.narrow_accepts();
        let directory = self.in_flight.file_request(key).file.map(|_| self.descriptor(id));
        let request = self.in_flight.file_request(key);
        let FileWork::Open { path, options } = &request.work else { unreachable!("the caller looked") };
        let how = Box::new(how(options, directory.is_some()));
        let from = directory.unwrap_or(libc::AT_FDCWD);
        // SAFETY: the operation owns the path, and the note is kept until the completion (invariant 1).
        unsafe { self.outgoing.open(key, from, path.as_ptr(), &raw const *how) };
        self.notes.insert(key, Note::Open(how));
    }

    pub(super) fn descriptor(&self, id: SocketId) -> RawFd {
        match &self.in_flight.socket(id).expect("a file outlives its operations").handle.file {
            File::Descriptor(descriptor) => descriptor.as_raw_fd(),
            other => panic!("it has no descriptor: {other:?}"),
        }
    }

    pub(super) fn file_done(
        &mut self,
        pools: &Pools,
        Answered { key, id, answer }: Answered,
        completions: &mut Vec<Completion>,
    ) {
        if let FileWork::WriteSynced { .. } = self.in_flight.file_request(key).work {
            return self.synced_done(pools, Answered { key, id, answer }, completions);
        }
        let note = self.notes.remove(&key);
        let mut outcome = answer.outcome();
        let request = self.in_flight.file_request(key);
        self.opening -= usize::from(matches!(request.work, FileWork::Open { .. }));
        give_back(pools, request, outcome.unwrap_or(0));
        let mut tries = self.tries.remove(&key).unwrap_or(0) + 1;
        if matches!(outcome, Err(Errno::EINTR | Errno::EAGAIN)) && !matches!(request.work, FileWork::Close) {
            if self.draining {
                outcome = Err(Errno::ECANCELED);
                tries = TRIES;
            }
            if tries < TRIES {
                self.tries.insert(key, tries);
                return self.issue_file(pools, key, id);
            }
        }
        let mut opened = None;
        match (&mut request.work, outcome, note) {
            (FileWork::Open { .. }, Ok(descriptor), _) => {
                // SAFETY: the kernel has just opened it, and nobody else knows it (invariant 2).
                let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) };
                let entered = self.enter_file(descriptor);
                opened = entered.ok();
                outcome = entered.map(|_| 0);
            }
            (FileWork::Stat { stat }, Ok(_), Some(Note::Stat(answer))) => *stat = FileStat::from(&*answer),
            (_, _, Some(Note::Parts(gather))) => self.gathers.push(gather),
            _ => {}
        }
        let (completion, closed) = self.in_flight.end_file(key, outcome, opened);
        if let Some(handle) = closed {
            self.closed_by_kernel(handle.file, outcome);
        }
        completions.push(completion);
    }

    /// Enters a file into the table, if there is anything to be asked of it.
    fn enter_file(&mut self, descriptor: OwnedFd) -> Result<FileId, Errno> {
        let file = std::fs::File::from(descriptor);
        expect_places(&file).map_err(|error| Errno::of(&error))?;
        let inserted = self.in_flight.insert(Handle::new(File::Descriptor(file.into())));
        // There is a place: the table has more than there may be, and opening counted.
        inserted.map(|id| FileId(id.0)).map_err(|_| Errno::ENFILE)
    }

    /// The kernel has answered to a close.
    pub(super) fn closed_by_kernel(&mut self, file: File, outcome: Result<u32, Errno>) {
        // A close that was never begun: dropping the descriptor does it, and a place goes with the ring. After any other answer the number
        // is not ours.
        if outcome != Err(Errno::ECANCELED)
            && let File::Descriptor(descriptor) = file
        {
            let _ = descriptor.into_raw_fd();
        }
    }
}

/// Closes what has been opened for a request that a drain has let go of.
pub(super) fn close_late(answer: Answer) {
    if let Ok(descriptor) = answer.outcome() {
        // SAFETY: the kernel has just opened it, and nobody else knows it (invariant 2).
        drop(unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) });
    }
}

/// Hands memory back to the request whose entry has been answered, with so many bytes in it.
fn give_back(pools: &Pools, request: &mut FileRequest, bytes: u32) {
    match &mut request.work {
        // SAFETY: that is what the kernel has answered.
        FileWork::Read { buffer, .. } => unsafe { room::take_back(buffer, bytes) },
        FileWork::Load { chain, .. } => pools.send.filled(chain, bytes),
        FileWork::Write { buffer, .. } => room::lent(buffer),
        _ => {}
    }
}

/// How to open, in the kernel's words.
fn how(options: &FileOptions, below: bool) -> OpenHow {
    let mut flags = match (options.read, options.write) {
        (true, true) => libc::O_RDWR,
        (false, true) => libc::O_WRONLY,
        (_, false) => libc::O_RDONLY,
    } | OPEN_ALWAYS;
    let makes = options.create || options.create_new;
    for (wanted, flag) in [
        (options.truncate, libc::O_TRUNC),
        (makes, libc::O_CREAT),
        (options.create_new, libc::O_EXCL),
        (options.directory, libc::O_DIRECTORY),
    ] {
        flags |= if wanted { flag } else { 0 };
    }
    // A mode for what is not made is refused.
    let mode = if makes { options.mode & MODE_BITS } else { 0 };
    let resolve = if below { RESOLVE_BENEATH } else { 0 };
    OpenHow::new().flags(flags as u64).mode(mode.into()).resolve(resolve)
}
