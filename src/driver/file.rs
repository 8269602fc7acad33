//! Requests that are about files, or memory for them: what is asked for, with the memory for it, and what became of it.
//!
//! Knows: paths, offsets, bytes. Must not know who asks, nor how a request is carried out.

use std::ffi::CString;
use std::fmt;
use std::sync::Arc;

use super::op::FileId;
use crate::mem::{BlockPool, Buffer, Chain};
use crate::sys::{Errno, FileStat};

/// The last place in a file that kernels know. To io_uring what is above may mean a place that the file itself remembers.
pub const OFFSET_MAX: u64 = i64::MAX as u64;

/// Something to be done with a file. It goes in with an op and comes back with its completion.
#[derive(Debug)]
pub struct FileRequest {
    /// On which file. [`FileWork::Open`] is asked without one, or with the directory that the path is to stay in, and comes back
    /// with the file if it succeeded. What is about a region is asked without one.
    pub file: Option<FileId>,
    /// What.
    pub work: FileWork,
    /// How many bytes were read or written, zero for what has no bytes; or why nothing was done. `EBADF` if the file is gone, `EINVAL`
    /// if no file is as long.
    pub outcome: Result<u32, Errno>,
}

/// What is to be done. Offsets count from the beginning of the file; those that no file reaches ([`OFFSET_MAX`]) are refused.
#[derive(Debug)]
pub enum FileWork {
    /// Open a file. Below a directory, the path may not lead out of it: neither by `..`, nor from the root, nor by a link. Nothing is
    /// waited for: `ENXIO` for a pipe to write to that nobody reads. What has no places to read or write at, as a pipe, a terminal and
    /// a socket, is closed again: `ESPIPE`. Of a device that has nothing to read just now, that is told: `EAGAIN`.
    Open { path: CString, options: FileOptions },
    /// Ask for its size and kind.
    Stat { stat: FileStat },
    /// Read once, behind what `buffer` holds and up to its capacity, which is more than that. Zero bytes: the end of the file.
    Read { offset: u64, buffer: Buffer },
    /// Read once into the one slot of a chain that has no bytes yet. Zero bytes: the end of the file.
    Load { offset: u64, chain: Chain },
    /// Write `buffer` from `from` on, once: perhaps not all of it.
    Write { offset: u64, buffer: Buffer, from: usize },
    /// Write the chain from its byte `from` on, once: perhaps not all of it.
    Store { offset: u64, chain: Chain, from: u32 },
    /// Write all of `buffer`, whose first byte goes to `offset`, however many writes that takes, and wait until it has reached the disk, as
    /// after a [`FileWork::Sync`] of the data. The first `written` bytes are there already; it comes back with how many are by then: without
    /// an error fewer than all only if the file takes no more. An error of either is that of both.
    WriteSynced { offset: u64, buffer: Buffer, written: usize },
    /// Wait until what was written has reached the disk. `data`: not what nobody needs to find it again.
    Sync { data: bool },
    /// Close it: nothing else is under way on it.
    Close,
    /// Take a region in, for what is read, written or sent. One if the kernel knows its memory from now on, zero if it does without.
    /// `ENOSPC` if there are as many regions as may be, `ENOMEM` if the kernel may lock no more memory.
    Enrol { pool: Arc<BlockPool> },
    /// Let a region go, once nobody has a block of it. Asked again, it is as good as gone.
    Dismiss { pool: Arc<BlockPool> },
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileOptions {
    /// It can be read.
    pub read: bool,
    /// It can be written.
    pub write: bool,
    /// It is emptied.
    pub truncate: bool,
    /// It is made if there is none.
    pub create: bool,
    /// It is made, and there must have been none.
    pub create_new: bool,
    /// It is a directory, opened to name what is below it.
    pub directory: bool,
    /// Permissions of one that is made, before the process takes away those of its mask.
    pub mode: u32,
}

impl FileWork {
    /// Where in the file something is read or written, if it is.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        match self {
            FileWork::Read { offset, .. }
            | FileWork::Load { offset, .. }
            | FileWork::Write { offset, .. }
            | FileWork::WriteSynced { offset, .. }
            | FileWork::Store { offset, .. } => Some(*offset),
            FileWork::Open { .. } | FileWork::Stat { .. } | FileWork::Sync { .. } | FileWork::Close => None,
            FileWork::Enrol { .. } | FileWork::Dismiss { .. } => None,
        }
    }

    /// True if it is about a file that is open.
    #[must_use]
    pub fn needs_file(&self) -> bool {
        !matches!(self, FileWork::Open { .. }) && !self.is_of_region()
    }

    /// True if it is about a region.
    #[must_use]
    pub fn is_of_region(&self) -> bool {
        matches!(self, FileWork::Enrol { .. } | FileWork::Dismiss { .. })
    }
}

/// What it asks for, for people.
impl fmt::Display for FileWork {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileWork::Open { path, .. } => write!(out, "open {path:?}"),
            FileWork::Stat { .. } => out.write_str("ask for a size"),
            FileWork::Read { .. } | FileWork::Load { .. } => out.write_str("read"),
            FileWork::Write { .. } | FileWork::Store { .. } => out.write_str("write"),
            FileWork::WriteSynced { .. } => out.write_str("write and sync"),
            FileWork::Sync { .. } => out.write_str("sync"),
            FileWork::Close => out.write_str("close"),
            FileWork::Enrol { .. } => out.write_str("register memory"),
            FileWork::Dismiss { .. } => out.write_str("forget memory"),
        }
    }
}

impl FileRequest {
    /// A request that nothing has become of yet.
    #[must_use]
    pub fn new(file: Option<FileId>, work: FileWork) -> Box<FileRequest> {
        Box::new(FileRequest { file, work, outcome: Ok(0) })
    }
}
