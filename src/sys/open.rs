//! Opening files, also so that no path leads out of a directory, and closing them.
//!
//! Knows: how a path is walked. Must not know what a file is for.
//!
//! Where the kernel keeps a path below a directory by itself (`openat2` on Linux) it may have links and `..` that stay inside.
//! Elsewhere, and where a filter of system calls refuses that, the path is walked name by name, and a link or `..` is an error
//! wherever it leads.
//!
//! Invariants:
//! 1. A path is a C string, and lives until the call has returned.
//! 2. A descriptor that the kernel has just given has no other owner.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};

use super::{Errno, open_beneath};

/// Nobody's terminal, nothing that a child inherits, and no waiting for the other end of a pipe.
pub const OPEN_ALWAYS: i32 = libc::O_CLOEXEC | libc::O_NOCTTY | libc::O_NONBLOCK;

/// Opens a file, below a directory if there is one: then the path may not lead out of it, neither by `..`, nor from the root, nor by
/// a link. `flags` are the kernel's, `mode` counts where a file is made.
///
/// # Errors
/// As the kernel says. `EXDEV` where the path leads out; on platforms that cannot keep it in, `EXDEV` for any `..`, and for any link
/// what the kernel says to one that is not followed (`ELOOP`, `EMLINK`, `ENOTDIR`).
pub fn open_file(below: Option<&File>, path: &CStr, flags: i32, mode: u32) -> io::Result<File> {
    let flags = flags | OPEN_ALWAYS;
    let Some(directory) = below else { return open_at(libc::AT_FDCWD, path, flags, mode) };
    match open_beneath(directory.as_raw_fd(), path, flags, mode) {
        // Filters answer with either to a call that they do not know. Where it was meant, the walk meets it again.
        Err(Errno::ENOSYS | Errno::EPERM) => walk(directory, path, flags, mode),
        Err(error) => Err(error.into()),
        Ok(descriptor) => {
            // SAFETY: it has just been opened (invariant 2).
            Ok(unsafe { File::from_raw_fd(descriptor) })
        }
    }
}

/// Looks whether a file has places where something can be read or written, which a pipe, a terminal and a socket do not have.
/// **Costs** a system call that waits for nothing.
///
/// # Errors
/// `ESPIPE` if it has none.
pub fn expect_places(mut file: &File) -> io::Result<()> {
    file.stream_position().map(drop)
}

/// Closes a file, and says if what was written to it is lost.
///
/// # Errors
/// As the kernel says. The file is closed all the same.
pub fn close_file(file: File) -> io::Result<()> {
    // SAFETY: the descriptor was the file's, which has let go of it.
    let result = unsafe { libc::close(file.into_raw_fd()) };
    // Interrupted or not, the descriptor is gone.
    if result == 0 || Errno::last() == Errno::EINTR { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn open_at(directory: RawFd, path: &CStr, flags: i32, mode: u32) -> io::Result<File> {
    loop {
        // SAFETY: the path is one (invariant 1).
        let result = unsafe { libc::openat(directory, path.as_ptr(), flags, mode as libc::c_uint) };
        if result >= 0 {
            // SAFETY: it has just been opened (invariant 2).
            return Ok(unsafe { File::from_raw_fd(result) });
        }
        let error = io::Error::last_os_error();
        if Errno::of(&error) != Errno::EINTR {
            return Err(error);
        }
    }
}

/// Opens a file below a directory by names that are no links.
fn walk(directory: &File, path: &CStr, flags: i32, mode: u32) -> io::Result<File> {
    let path = path.to_bytes();
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    if path.is_empty() {
        return Err(Errno::ENOENT.into());
    }
    if path[0] == b'/' || names.contains(&&b".."[..]) {
        return Err(Errno::EXDEV.into());
    }
    // A path that ends like this is one of a directory.
    let last_is_directory = matches!(names.last(), Some(&(b"" | b".")));
    let names = names.into_iter().filter(|name| !matches!(*name, b"" | b"."));
    let mut names = names.map(|name| CString::new(name).map_err(|_| Errno::EINVAL)).peekable();
    let mut inner = None::<File>;
    while let Some(name) = names.next() {
        let name = name?;
        let at = inner.as_ref().unwrap_or(directory).as_raw_fd();
        if names.peek().is_none() {
            let directory = if last_is_directory { libc::O_DIRECTORY } else { 0 };
            return open_at(at, &name, flags | libc::O_NOFOLLOW | directory, mode);
        }
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        inner = Some(open_at(at, &name, flags, 0)?);
    }
    open_at(directory.as_raw_fd(), c".", flags, mode)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    type Open = fn(&File, &CStr, i32, u32) -> io::Result<File>;

    /// By whatever the platform has, and by the walk.
    const WAYS: [Open; 2] = [|below, path, flags, mode| open_file(Some(below), path, flags, mode), walk];

    /// A directory of a test's own with a file above it and one in it.
    struct Fixture {
        root: PathBuf,
        directory: File,
    }

    impl Fixture {
        fn new(name: &str) -> Fixture {
            let root = std::env::temp_dir().join(format!("odeon-open-{}-{name}", std::process::id()));
            fs::create_dir_all(root.join("inside/deeper")).unwrap();
            fs::write(root.join("secret"), "secret").unwrap();
            fs::write(root.join("inside/deeper/file"), "inside").unwrap();
            symlink("../secret", root.join("inside/up")).unwrap();
            symlink(root.join("secret"), root.join("inside/away")).unwrap();
            symlink("..", root.join("inside/above")).unwrap();
            symlink("deeper/file", root.join("inside/within")).unwrap();
            let directory = File::open(root.join("inside")).unwrap();
            Fixture { root, directory }
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.root).unwrap();
        }
    }

    fn content(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn what_is_below_is_opened() {
        let fixture = Fixture::new("below");
        for open in WAYS {
            for path in [c"deeper/file", c"./deeper//file", c"deeper/./file"] {
                let file = open(&fixture.directory, path, libc::O_RDONLY, 0).unwrap();
                assert_eq!(content(file), "inside", "{path:?}");
            }
            for path in [c".", c"deeper", c"deeper/", c"deeper/.", c"./"] {
                let directory =
                    open(&fixture.directory, path, libc::O_RDONLY | libc::O_DIRECTORY, 0).unwrap();
                assert!(directory.metadata().unwrap().is_dir(), "{path:?}");
            }
            for path in [c"deeper/file/", c"deeper/file/."] {
                assert!(open(&fixture.directory, path, libc::O_RDONLY, 0).is_err(), "{path:?}");
            }
            let error = open(&fixture.directory, c"", libc::O_RDONLY, 0).unwrap_err();
            assert_eq!(Errno::of(&error), Errno::ENOENT);
        }
    }

    #[test]
    fn no_path_leads_out() {
        let fixture = Fixture::new("out");
        let absolute = CString::new(fixture.root.join("secret").to_str().unwrap()).unwrap();
        for open in WAYS {
            let out = [c"../secret", c"deeper/../../secret", c"up", c"away", c"above/secret", &absolute];
            for path in out {
                let error = open(&fixture.directory, path, libc::O_RDONLY, 0).expect_err("it leads out");
                assert_ne!(Errno::of(&error), Errno::ENOENT, "{path:?} is there, and refused");
            }
            let made = open(&fixture.directory, c"../made", libc::O_WRONLY | libc::O_CREAT, 0o600);
            assert!(made.is_err() && !fixture.root.join("made").exists());
        }
        assert!(
            walk(&fixture.directory, c"within", libc::O_RDONLY, 0).is_err(),
            "it cannot know where links lead"
        );
    }

    #[test]
    fn a_file_is_made_with_its_mode_and_nothing_waits_for_a_pipe() {
        let fixture = Fixture::new("made");
        for (open, name) in WAYS.into_iter().zip([c"one", c"two"]) {
            let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
            let mut file = open(&fixture.directory, name, flags, 0o640).unwrap();
            file.write_all(b"text").unwrap();
            let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
            assert_eq!(mode & 0o7777 & !0o640, 0, "{mode:o}");
            assert_eq!(mode & 0o600, 0o600, "{mode:o}");
            close_file(file).unwrap();
            let again = open(&fixture.directory, name, flags, 0o640).unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        }
        let pipe = fixture.root.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let path = CString::new(pipe.to_str().unwrap()).unwrap();
        let opened = open_file(None, &path, libc::O_RDONLY, 0).unwrap();
        assert!(!opened.metadata().unwrap().is_file());
        assert_eq!(Errno::of(&expect_places(&opened).unwrap_err()), Errno(libc::ESPIPE));
        for name in ["secret", "inside", "/dev/null"] {
            expect_places(&File::open(fixture.root.join(name)).unwrap()).unwrap();
        }
    }
}
