//! Files, for futures on a core.
//!
//! Knows: what is asked of a file. Must not know how the kernel is asked.
//!
//! Reading and writing take memory by ownership and hand it back: a future may be dropped while the kernel still writes, and the
//! memory then stays with the request. On io_uring the kernel is asked directly; on mio a few threads do it (so does the kernel
//! where a file system cannot be asked without waiting). Requests that are in flight at one time are not ordered among each other. A
//! core has at most [`Config::file_requests_max`](crate::Config::file_requests_max) of them in flight; whoever asks for more waits in line.
//!
//! ```
//! use odeon::fs::{self, File};
//! use odeon::prelude::*;
//!
//! # let folder = std::env::temp_dir().join(format!("odeon-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let path = folder.join("numbers");
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let read = system.spawn_task(0, move || async move {
//!     fs::write(&path, b"one two three".to_vec()).await?;
//!     let file = File::open(&path).await?;
//!     assert_eq!(file.metadata().await?.len(), 13);
//!     let (read, buffer) = file.read_at(Vec::with_capacity(3), 4).await;
//!     assert_eq!(read?, 3);
//!     std::io::Result::Ok(buffer)
//! })?;
//! assert_eq!(read.wait().unwrap()?, b"two");
//! # std::fs::remove_dir_all(folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod buffer;
mod region;

use std::ffi::CString;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use crate::driver::{FileKind, FileOptions, FileStat, FileWork};
use crate::executor::{Asked, OpenFile};
use crate::mem::{self, Chain};

pub use crate::executor::RegionError;
pub use crate::mem::RegionBuf;
pub use buffer::Buffer;
pub use region::Region;

/// Read at a time by [`read`], where the size of the file is not known.
const CHUNK: usize = 64 << 10;
/// What [`read`] takes a file's word for, in bytes.
const CLAIM_MAX: usize = 64 << 20;

/// A file that is open. It stays on its core; dropping it closes it, once nothing that was asked of it is under way.
///
/// **Costs** a descriptor, and a place among those of the sockets of its core.
#[derive(Debug)]
pub struct File {
    open: Rc<OpenFile>,
}

/// A directory that is open, to name files below it: [`Directory::open_file`].
#[derive(Debug)]
pub struct Directory {
    open: Rc<OpenFile>,
}

/// How a file is opened, as [`std::fs::OpenOptions`].
///
/// ```
/// use odeon::fs::OpenOptions;
/// use odeon::prelude::*;
///
/// # let path = std::env::temp_dir().join(format!("odeon-log-{}", std::process::id()));
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let begun = system.spawn_task(0, move || async move {
///     let log = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path).await?;
///     # std::fs::remove_file(&path)?;
///     log.write_all_at(b"begun\n".to_vec(), 0).await.0?;
///     log.sync_data().await
/// })?;
/// begun.wait().unwrap()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct OpenOptions(FileOptions);

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions::new()
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: bool) -> OpenOptions {
            self.0.$name = $name;
            self
        }
    )+};
}

impl OpenOptions {
    /// Nothing is allowed yet. A file that is made can be read and written by everybody whom the mask of the process lets.
    #[must_use]
    pub fn new() -> OpenOptions {
        OpenOptions(FileOptions { mode: 0o666, ..FileOptions::default() })
    }

    setters! {
        /// The file can be read.
        read;
        /// The file can be written.
        write;
        /// The file is emptied.
        truncate;
        /// The file is made if there is none.
        create;
        /// The file is made, and there must have been none.
        create_new;
    }

    /// Permissions of a file that is made, before those of the process's mask are taken away.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> OpenOptions {
        self.0.mode = mode;
        self
    }

    /// Opens a file.
    ///
    /// # Errors
    /// As [`std::fs::OpenOptions::open`]; [`ErrorKind::Unsupported`] on a thread that runs no core; `ENFILE` if the core has as many
    /// sockets and files as it may; [`ErrorKind::NotSeekable`] for what is read and written in order only, as a pipe or a terminal.
    /// Nothing waits for the other end of a pipe.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        open(None, path.as_ref(), self.0).await.map(|open| File { open })
    }
}

impl File {
    /// Opens a file to read it.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).open(path).await
    }

    /// Opens a file to write it: a new one, or one that is emptied.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path).await
    }

    /// Reads once from `offset` on, behind what the buffer holds and up to its capacity, and hands the buffer back. Answers how many
    /// bytes that were, perhaps fewer than there is room for: none at the end of the file, or where there is no room.
    ///
    /// # Errors
    /// What the kernel says; `EINVAL` if `offset` is above [`i64::MAX`]; [`ErrorKind::WouldBlock`] of a device that has nothing now.
    pub async fn read_at<B: Buffer>(&self, buffer: B, offset: u64) -> (io::Result<usize>, B) {
        let buffer = buffer.moved_in();
        if buffer.len() == buffer.capacity() {
            return (Ok(0), B::handed_back(buffer));
        }
        let (outcome, work) = self.ask(FileWork::Read { offset, buffer }).await;
        let FileWork::Read { buffer, .. } = work else { unreachable!("a request comes back as it went") };
        (outcome, B::handed_back(buffer))
    }

    /// Writes once at `offset`, and hands the buffer back. Answers how many bytes that were, perhaps not all of them.
    ///
    /// # Errors
    /// What the kernel says; `EINVAL` if `offset` is above [`i64::MAX`].
    pub async fn write_at<B: Buffer>(&self, buffer: B, offset: u64) -> (io::Result<usize>, B) {
        let (outcome, buffer) = self.write_from(buffer.moved_in(), 0, offset).await;
        (outcome, B::handed_back(buffer))
    }

    /// Writes all of the bytes at `offset`, and hands the buffer back.
    ///
    /// # Errors
    /// As [`File::write_at`]; [`ErrorKind::WriteZero`] if it takes nothing. A part may have been written.
    pub async fn write_all_at<B: Buffer>(&self, buffer: B, offset: u64) -> (io::Result<()>, B) {
        let (mut buffer, mut from) = (buffer.moved_in(), 0);
        let outcome = loop {
            if from == buffer.len() {
                break Ok(());
            }
            let written;
            // No overflow: where anything has been written is at most half as far as the numbers go.
            (written, buffer) = self.write_from(buffer, from, offset + from as u64).await;
            match written {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(bytes) => from += bytes,
                Err(error) => break Err(error),
            }
        };
        (outcome, B::handed_back(buffer))
    }

    /// Writes all of the bytes at `offset`, waits until they have reached the disk, and hands the buffer back: what
    /// [`File::write_all_at`] and [`File::sync_data`] do, in one request. On io_uring the kernel begins with the second by itself
    /// when it has done the first; on mio it is one task of a thread.
    ///
    /// # Errors
    /// As those two. A part may have been written.
    ///
    /// ```
    /// use odeon::fs::{self, File};
    /// use odeon::prelude::*;
    ///
    /// # let path = std::env::temp_dir().join(format!("odeon-synced-{}", std::process::id()));
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let kept = system.spawn_task(0, move || async move {
    ///     let journal = File::create(&path).await?;
    ///     let (written, _buffer) = journal.write_all_synced_at(b"paid 100".to_vec(), 0).await;
    ///     written?; // a power cut does not take it away any more
    ///     let kept = fs::read(&path).await;
    ///     # std::fs::remove_file(&path)?;
    ///     kept
    /// })?;
    /// assert_eq!(kept.wait().unwrap()?, b"paid 100");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn write_all_synced_at<B: Buffer>(&self, buffer: B, offset: u64) -> (io::Result<()>, B) {
        let buffer = buffer.moved_in();
        let (outcome, work) = self.ask(FileWork::WriteSynced { offset, buffer, written: 0 }).await;
        let FileWork::WriteSynced { buffer, written, .. } = work else {
            unreachable!("a request comes back as it went")
        };
        let whole = written == buffer.len();
        let whole = outcome.and_then(|_| if whole { Ok(()) } else { Err(ErrorKind::WriteZero.into()) });
        (whole, B::handed_back(buffer))
    }

    async fn write_from(
        &self,
        buffer: mem::Buffer,
        from: usize,
        offset: u64,
    ) -> (io::Result<usize>, mem::Buffer) {
        if from == buffer.len() {
            return (Ok(0), buffer);
        }
        let (outcome, work) = self.ask(FileWork::Write { offset, buffer, from }).await;
        let FileWork::Write { buffer, .. } = work else { unreachable!("a request comes back as it went") };
        (outcome, buffer)
    }

    /// How large the file is, what it is, and when it was last written.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let (outcome, work) = self.ask(FileWork::Stat { stat: FileStat::default() }).await;
        let FileWork::Stat { stat } = work else { unreachable!("a request comes back as it went") };
        outcome.map(|_| Metadata(stat))
    }

    /// Waits until everything that was written, and what is known of the file, has reached the disk.
    ///
    /// # Errors
    /// What the kernel says: what was written before may be lost then.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.ask(FileWork::Sync { data: false }).await.0.map(drop)
    }

    /// Waits until everything that was written has reached the disk, and what is needed to find it again.
    ///
    /// # Errors
    /// As [`File::sync_all`].
    pub async fn sync_data(&self) -> io::Result<()> {
        self.ask(FileWork::Sync { data: true }).await.0.map(drop)
    }

    /// Reads once into room for bytes to send.
    pub(crate) fn load(&self, offset: u64, chain: Chain) -> Asked {
        Asked::new(Some(&self.open), FileWork::Load { offset, chain })
    }

    /// What is open, for whoever has it written to without a future.
    pub(crate) fn into_open(self) -> Rc<OpenFile> {
        self.open
    }

    /// The file that is open.
    pub(crate) fn of(open: Rc<OpenFile>) -> File {
        File { open }
    }

    async fn ask(&self, work: FileWork) -> (io::Result<usize>, FileWork) {
        let (asked, request, _) = Asked::new(Some(&self.open), work).await;
        let outcome = asked.and_then(|()| Ok(request.outcome? as usize));
        (outcome, request.work)
    }
}

impl Directory {
    /// Opens a directory.
    ///
    /// # Errors
    /// As [`OpenOptions::open`]; [`ErrorKind::NotADirectory`] if it is none.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Directory> {
        let options = FileOptions { read: true, directory: true, ..FileOptions::default() };
        open(None, path.as_ref(), options).await.map(|open| Directory { open })
    }

    /// Opens a file below the directory to read it. The path cannot lead out of it: neither by `..`, nor by a link, nor as an
    /// absolute one.
    ///
    /// # Errors
    /// As [`OpenOptions::open`]; [`ErrorKind::CrossesDevices`] (`EXDEV`) for a path that leads out.
    pub async fn open_file(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.open_with(OpenOptions::new().read(true), path).await
    }

    /// The same, with options.
    ///
    /// # Errors
    /// As [`Directory::open_file`].
    pub async fn open_with(&self, options: OpenOptions, path: impl AsRef<Path>) -> io::Result<File> {
        open(Some(&self.open), path.as_ref(), options.0).await.map(|open| File { open })
    }
}

async fn open(below: Option<&Rc<OpenFile>>, path: &Path, options: FileOptions) -> io::Result<Rc<OpenFile>> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())
        .map_err(|_| io::Error::new(ErrorKind::InvalidInput, "a path contains no zero byte"))?;
    let (asked, request, opened) = Asked::new(below, FileWork::Open { path, options }).await;
    asked?;
    request.outcome?;
    Ok(opened.expect("a file that has been opened comes with its answer"))
}

/// What is known of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Metadata(FileStat);

impl Metadata {
    /// Bytes in the file.
    #[allow(clippy::len_without_is_empty)]
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.size
    }

    /// True if it is a file with bytes: neither a directory nor a device.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.0.kind == FileKind::File
    }

    /// True if it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.0.kind == FileKind::Directory
    }

    /// When it was last written, where the file system knows.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        self.0.modified
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Reads a whole file. Memory is the only bound: where others choose the file, look at [`File::metadata`] first, or read a part by
/// [`File::read_at`]. A file that claims to be longer than it is costs 64 MiB at most.
///
/// # Errors
/// As [`File::open`] and [`File::read_at`]; [`ErrorKind::OutOfMemory`] if there is not enough of it.
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let file = File::open(path).await?;
    let size = file.metadata().await?.len();
    let mut bytes = Vec::new();
    loop {
        if bytes.len() == bytes.capacity() {
            make_room(&mut bytes, size)?;
        }
        let read;
        let offset = bytes.len() as u64;
        (read, bytes) = file.read_at(bytes, offset).await;
        if read? == 0 {
            return Ok(bytes);
        }
    }
}

/// Makes room for what a file of that size still has, if it is as long as it claims: at first [`CLAIM_MAX`] at most, then no more
/// than has come.
fn make_room(bytes: &mut Vec<u8>, size: u64) -> io::Result<()> {
    // One more, so that the last read finds room, and finds the end.
    let rest = usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(bytes.len()).saturating_add(1);
    let more = match (size, bytes.len()) {
        (1.., 0) => rest.min(CLAIM_MAX),
        (_, present) => rest.clamp(CHUNK, present.max(CHUNK)),
    };
    Ok(bytes.try_reserve_exact(more)?)
}

/// Writes a whole file: a new one, or one that is emptied.
///
/// # Errors
/// As [`File::create`] and [`File::write_all_at`].
pub async fn write(path: impl AsRef<Path>, bytes: Vec<u8>) -> io::Result<()> {
    let file = File::create(path).await?;
    file.write_all_at(bytes, 0).await.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_what_a_file_has_and_not_for_all_that_it_claims() {
        let room = |size: u64, present: usize| {
            let mut bytes = vec![0; present];
            make_room(&mut bytes, size).map(|()| bytes.capacity() - present)
        };
        assert_eq!(room(10, 0).unwrap(), 11, "and one to find the end");
        assert_eq!(room(0, 0).unwrap(), CHUNK, "it does not say");
        assert_eq!(room(10, 11).unwrap(), CHUNK, "it has grown");
        assert_eq!(room(u64::MAX, 0).unwrap(), CLAIM_MAX);
        assert_eq!(room(u64::MAX, 1 << 20).unwrap(), 1 << 20);
        assert_eq!(room(3 << 20, 2 << 20).unwrap(), (1 << 20) + 1);
    }
}
