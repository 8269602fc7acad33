//! What the kernel says of a file, and asking it.
//!
//! Knows: numbers of the kernel. Must not know who asks.

use std::fs::Metadata;
use std::time::SystemTime;

/// What a name of a file system stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileKind {
    /// A file with bytes.
    #[default]
    File,
    /// A directory.
    Directory,
    /// A link, a device, a pipe, a socket.
    Other,
}

/// The size and kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileStat {
    /// Bytes in it.
    pub size: u64,
    /// What it is.
    pub kind: FileKind,
    /// When it was last written, where the file system knows.
    pub modified: Option<SystemTime>,
}

impl From<&Metadata> for FileStat {
    fn from(metadata: &Metadata) -> FileStat {
        let kind = match () {
            () if metadata.is_file() => FileKind::File,
            () if metadata.is_dir() => FileKind::Directory,
            () => FileKind::Other,
        };
        FileStat { size: metadata.len(), kind, modified: metadata.modified().ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_what_a_name_stands_for() {
        let directory = FileStat::from(&std::fs::metadata("/").unwrap());
        assert_eq!(directory.kind, FileKind::Directory);
        let program = std::env::current_exe().unwrap();
        let metadata = std::fs::metadata(program).unwrap();
        let file = FileStat::from(&metadata);
        assert_eq!((file.kind, file.size), (FileKind::File, metadata.len()));
        assert_eq!(file.modified, Some(metadata.modified().unwrap()));
        let device = FileStat::from(&std::fs::metadata("/dev/null").unwrap());
        assert_eq!(device.kind, FileKind::Other);
    }
}
