//! What the kernel says of a file when it is asked through a ring.
//!
//! Knows: numbers of the kernel. Must not know who asks.

use std::time::{Duration, SystemTime};

use super::{FileKind, FileStat};

impl From<&libc::statx> for FileStat {
    fn from(stat: &libc::statx) -> FileStat {
        let kind = match u32::from(stat.stx_mode) & libc::S_IFMT {
            libc::S_IFREG => FileKind::File,
            libc::S_IFDIR => FileKind::Directory,
            _ => FileKind::Other,
        };
        let seconds = Duration::from_secs(stat.stx_mtime.tv_sec.unsigned_abs());
        let second = match stat.stx_mtime.tv_sec {
            0.. => SystemTime::UNIX_EPOCH.checked_add(seconds),
            _ => SystemTime::UNIX_EPOCH.checked_sub(seconds),
        };
        // Nanoseconds count forward, before the epoch too.
        let nanoseconds = Duration::from_nanos(stat.stx_mtime.tv_nsec.into());
        let modified = second.and_then(|second| second.checked_add(nanoseconds));
        FileStat { size: stat.stx_size, kind, modified }
    }
}
