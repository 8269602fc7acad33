//! Requests about files.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crossbeam_channel::{Receiver, bounded};

use super::*;
use crate::driver::pool::{CLIENT_TASKS, Task};
use crate::driver::{FileId, FileKind, FileOptions, FileRequest, FileWork};

const FILE: Token = Token(40);

const READ: FileOptions = FileOptions {
    read: true,
    write: false,
    truncate: false,
    create: false,
    create_new: false,
    directory: false,
    mode: 0o600,
};
const MADE: FileOptions = FileOptions { write: true, create: true, ..READ };

/// A directory of a test's own.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("odeon-mio-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn path(&self, name: &str) -> CString {
        path(&self.0.join(name))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn read(offset: u64, room: usize) -> FileWork {
    FileWork::Read { offset, buffer: Vec::with_capacity(room).into() }
}

impl Rig {
    fn request(&mut self, file: Option<FileId>, work: FileWork) {
        self.submit(FILE, Op::File { request: FileRequest::new(file, work) });
    }

    fn answered(&mut self) -> FileRequest {
        match self.next() {
            (FILE, Event::File { request }) => *request,
            other => panic!("expected the end of a request about a file, got {other:?}"),
        }
    }

    fn do_it(&mut self, file: Option<FileId>, work: FileWork) -> FileRequest {
        self.request(file, work);
        self.answered()
    }

    fn open(&mut self, below: Option<FileId>, path: CString, options: FileOptions) -> Result<FileId, Errno> {
        let asked = path.clone();
        let request = self.do_it(below, FileWork::Open { path, options });
        let FileWork::Open { path, .. } = request.work else { panic!("it comes back as what it was") };
        assert_eq!(path, asked);
        request.outcome.map(|_| request.file.expect("it is open"))
    }

    fn close_file(&mut self, file: FileId) {
        assert_eq!(self.do_it(Some(file), FileWork::Close).outcome, Ok(0));
    }
}

#[test]
fn a_file_is_made_written_read_and_closed() {
    let directory = Directory::new("life");
    let mut rig = Rig::new(8, 4, 4096);
    let options = FileOptions { create: false, create_new: true, ..MADE };
    let file = rig.open(None, directory.path("a"), options).unwrap();
    assert_eq!(rig.open(None, directory.path("a"), options), Err(Errno(libc::EEXIST)));
    let request =
        rig.do_it(Some(file), FileWork::Write { offset: 3, buffer: b"xxbytes".to_vec().into(), from: 2 });
    let FileWork::Write { buffer, from: 2, offset: 3 } = request.work else { panic!("{request:?}") };
    assert_eq!((request.outcome, &buffer[..]), (Ok(5), &b"xxbytes"[..]), "the memory comes back");
    for data in [true, false] {
        assert_eq!(rig.do_it(Some(file), FileWork::Sync { data }).outcome, Ok(0));
    }
    let mut buffer = Vec::with_capacity(64);
    buffer.extend_from_slice(b"held");
    let request = rig.do_it(Some(file), FileWork::Read { offset: 2, buffer: buffer.into() });
    let FileWork::Read { buffer, .. } = request.work else { panic!("{request:?}") };
    assert_eq!((request.outcome, &buffer[..]), (Ok(6), &b"held\0bytes"[..]));
    assert_eq!(rig.do_it(Some(file), read(8, 64)).outcome, Ok(0), "the end of the file");
    let request = rig.do_it(Some(file), FileWork::Stat { stat: Default::default() });
    let FileWork::Stat { stat } = request.work else { panic!("{request:?}") };
    assert_eq!((stat.size, stat.kind, stat.modified.is_some()), (8, FileKind::File, true));
    assert_eq!(rig.mio.ledger().sockets, 1);
    rig.close_file(file);
    assert_eq!(fs::read(directory.0.join("a")).unwrap(), b"\0\0\0bytes");
    assert_eq!(rig.do_it(Some(file), read(0, 8)).outcome, Err(Errno::EBADF), "it is gone");
    let emptied = rig.open(None, directory.path("a"), FileOptions { truncate: true, ..MADE }).unwrap();
    assert_eq!(rig.do_it(Some(emptied), read(0, 64)).outcome, Ok(0));
    rig.close_file(emptied);
    assert_eq!((rig.mio.files.open.len(), rig.mio.ledger().sockets), (0, 0));
    rig.assert_nothing_left();
}

#[test]
fn errors_are_told_as_they_are() {
    let directory = Directory::new("errors");
    fs::write(directory.0.join("a"), "a").unwrap();
    let mut rig = Rig::new(8, 4, 4096);
    assert_eq!(rig.open(None, directory.path("b"), READ), Err(Errno::ENOENT));
    assert_eq!(
        rig.open(None, directory.path("a"), FileOptions { directory: true, ..READ }),
        Err(Errno(libc::ENOTDIR))
    );
    let emptied_unwritten = FileOptions { truncate: true, ..READ };
    assert_eq!(rig.open(None, directory.path("a"), emptied_unwritten), Err(Errno::EINVAL));
    let file = rig.open(None, directory.path("a"), READ).unwrap();
    let write = |offset| FileWork::Write { offset, buffer: b"b".to_vec().into(), from: 0 };
    assert_eq!(rig.do_it(Some(file), write(0)).outcome, Err(Errno::EBADF), "it is not open for that");
    assert_eq!(rig.do_it(Some(file), write(u64::MAX)).outcome, Err(Errno::EINVAL));
    assert_eq!(rig.do_it(Some(file), read(u64::MAX, 8)).outcome, Err(Errno::EINVAL));
    // A bug of whoever asks: it reaches the one who asked, and nobody else.
    let beyond = FileWork::Write { offset: 0, buffer: b"b".to_vec().into(), from: 2 };
    let request = rig.do_it(Some(file), beyond);
    let FileWork::Write { buffer, .. } = request.work else { panic!("{request:?}") };
    assert_eq!((request.outcome, &buffer[..]), (Err(Errno::EIO), &b"b"[..]));
    assert_eq!(rig.do_it(Some(file), read(0, 8)).outcome, Ok(1), "the threads live on");
    rig.close_file(file);
    rig.assert_nothing_left();
}

#[test]
fn no_path_leads_out_of_a_directory() {
    let directory = Directory::new("below");
    fs::create_dir_all(directory.0.join("inside/deeper")).unwrap();
    fs::write(directory.0.join("secret"), "secret").unwrap();
    fs::write(directory.0.join("inside/deeper/file"), "text").unwrap();
    std::os::unix::fs::symlink("../secret", directory.0.join("inside/link")).unwrap();
    let mut rig = Rig::new(8, 4, 4096);
    let below = rig.open(None, directory.path("inside"), FileOptions { directory: true, ..READ }).unwrap();
    let file = rig.open(Some(below), c"deeper/file".into(), READ).unwrap();
    assert_eq!(rig.do_it(Some(file), read(0, 8)).outcome, Ok(4));
    for out in [
        c"../secret".to_owned(),
        c"deeper/../../secret".to_owned(),
        c"link".to_owned(),
        directory.path("secret"),
    ] {
        let refused = rig.open(Some(below), out.clone(), READ).expect_err("it leads out");
        assert_ne!(refused, Errno::ENOENT, "{out:?}");
    }
    rig.close_file(file);
    rig.close_file(below);
    assert_eq!(rig.open(Some(below), c"deeper/file".into(), READ), Err(Errno::EBADF));
    rig.assert_nothing_left();
}

#[test]
fn a_chain_is_stored_and_comes_back() {
    let directory = Directory::new("store");
    let mut rig = Rig::new(8, 4, 4096);
    let file = rig.open(None, directory.path("a"), MADE).unwrap();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|index| (index / 7) as u8).collect();
    let mut chain = rig.chain(&bytes);
    let (mut stored, mut calls) = (0, 0);
    while stored < chain.bytes() {
        let work = FileWork::Store { offset: 10 + u64::from(stored), chain, from: stored };
        let request = rig.do_it(Some(file), work);
        stored += request.outcome.unwrap();
        let FileWork::Store { chain: back, .. } = request.work else {
            panic!("it comes back as what it was")
        };
        chain = back;
        calls += 1;
    }
    assert!(calls > 1, "what is copied at a time has a bound");
    rig.pools.send.release(chain);
    rig.close_file(file);
    assert!(fs::read(directory.0.join("a")).unwrap()[10..] == bytes);
    let chain = rig.chain(b"nowhere");
    let request = rig.do_it(Some(file), FileWork::Store { offset: 0, chain, from: 0 });
    let (Err(Errno::EBADF), FileWork::Store { chain, .. }) = (request.outcome, request.work) else {
        panic!("the file is gone, the chain is not")
    };
    rig.pools.send.release(chain);
    rig.assert_nothing_left();
}

#[test]
fn a_slot_is_loaded() {
    let directory = Directory::new("load");
    let bytes: Vec<u8> = (0..3_000_u32).map(|index| (index / 7) as u8).collect();
    fs::write(directory.0.join("a"), &bytes).unwrap();
    let mut rig = Rig::new(8, 4, 4096);
    let file = rig.open(None, directory.path("a"), READ).unwrap();
    for (offset, expected) in [(0, &bytes[..1024]), (2_500, &bytes[2_500..]), (3_000, &[])] {
        let chain = rig.pools.send.space(1024).unwrap();
        let request = rig.do_it(Some(file), FileWork::Load { offset, chain });
        assert_eq!(request.outcome, Ok(expected.len() as u32));
        let FileWork::Load { chain, .. } = request.work else { panic!("it comes back as what it was") };
        let loaded: Vec<u8> = rig.pools.send.segments(&chain, 0).flatten().copied().collect();
        assert!(chain.bytes() as usize == loaded.len() && loaded == expected);
        rig.pools.send.release(chain);
    }
    let chain = rig.pools.send.space(1024).unwrap();
    let request = rig.do_it(Some(file), FileWork::Load { offset: u64::MAX, chain });
    let (Err(Errno::EINVAL), FileWork::Load { chain, .. }) = (request.outcome, request.work) else {
        panic!("no file is as long")
    };
    rig.pools.send.release(chain);
    let chain = rig.pools.send.space(1024).unwrap();
    rig.request(Some(file), FileWork::Load { offset: 0, chain });
    rig.assert_nothing_left();
}

#[test]
fn requests_that_find_no_room_wait_and_all_are_done() {
    let directory = Directory::new("many");
    let mut rig = Rig::new(256, 4, 4096);
    let file = rig.open(None, directory.path("a"), MADE).unwrap();
    let count = CLIENT_TASKS * 3;
    for at in 0..count {
        rig.request(
            Some(file),
            FileWork::Write { offset: at as u64, buffer: vec![at as u8].into(), from: 0 },
        );
    }
    assert_eq!(rig.mio.files.waiting.len(), count - CLIENT_TASKS);
    for _ in 0..count {
        assert_eq!(rig.answered().outcome, Ok(1));
    }
    rig.close_file(file);
    let expected: Vec<u8> = (0..count).map(|at| at as u8).collect();
    assert_eq!(fs::read(directory.0.join("a")).unwrap(), expected);
    rig.assert_nothing_left();
}

#[test]
fn a_file_for_which_there_is_no_place_is_not_made() {
    let directory = Directory::new("full");
    let mut rig = Rig::new(1, 4, 4096);
    let file = rig.open(None, directory.path("a"), MADE).unwrap();
    assert_eq!(rig.open(None, directory.path("b"), MADE), Err(Errno::ENFILE));
    assert!(!directory.0.join("b").exists());
    rig.close_file(file);
    // Two at once for one place: the second finds it taken though nothing is open yet.
    for name in ["b", "c"] {
        rig.request(None, FileWork::Open { path: directory.path(name), options: MADE });
    }
    let mut outcomes = [rig.answered().outcome, rig.answered().outcome];
    outcomes.sort_by_key(Result::is_err);
    assert_eq!(outcomes, [Ok(0), Err(Errno::ENFILE)]);
    assert!(!directory.0.join("c").exists());
    rig.assert_nothing_left();
}

#[test]
fn a_place_is_free_again_when_an_open_has_failed() {
    let directory = Directory::new("failed");
    let mut rig = Rig::new(1, 4, 4096);
    for _ in 0..3 {
        assert_eq!(rig.open(None, directory.path("a"), READ), Err(Errno::ENOENT));
    }
    assert_eq!(rig.mio.ledger().sockets, 0);
    rig.assert_nothing_left();
}

#[test]
fn a_core_sleeps_until_a_request_is_done() {
    let directory = Directory::new("sleep");
    let mut rig = Rig::new(8, 4, 4096);
    for _ in 0..20 {
        let before = rig.mio.ledger().enters;
        let file = rig.open(None, directory.path("a"), MADE).unwrap();
        rig.close_file(file);
        assert!(rig.mio.ledger().enters - before <= 4, "it is woken, and does not look again and again");
    }
    rig.assert_nothing_left();
}

#[test]
fn a_drain_waits_for_what_is_being_done_and_closes_files() {
    let directory = Directory::new("drain");
    let mut rig = Rig::new(256, 4, 4096);
    let file = rig.open(None, directory.path("a"), MADE).unwrap();
    let chain = rig.chain(&[1; 100_000]);
    rig.request(Some(file), FileWork::Store { offset: 0, chain, from: 0 });
    rig.request(None, FileWork::Open { path: directory.path("b"), options: MADE });
    for _ in 0..CLIENT_TASKS {
        let chain = rig.chain(&[1; 10]);
        rig.request(Some(file), FileWork::Store { offset: 0, chain, from: 0 });
    }
    assert_eq!(rig.mio.files.waiting.len(), 2, "these are not begun any more");
    rig.assert_nothing_left();
    assert_eq!(fs::read(directory.0.join("a")).unwrap(), [1; 100_000]);
    assert_eq!(rig.mio.files.open.len(), 0);
}

/// Keeps a thread until the other end of the channel is dropped.
struct Busy(Receiver<()>);

impl Task for Busy {
    fn run(&mut self) {
        let _ = self.0.recv();
    }
}

#[test]
fn what_does_not_end_in_time_goes_on_by_itself_and_is_counted() {
    let directory = Directory::new("late");
    let pool = BlockingPool::new(2, CLIENT_TASKS);
    let mut rig = Rig { mio: Mio::with_pool(8, &pool).unwrap(), ..Rig::new(8, 4, 4096) };
    let file = rig.open(None, directory.path("a"), MADE).unwrap();
    let (open, gate) = bounded(0);
    let mut busy = pool.client(Waker::None);
    for _ in 0..CLIENT_TASKS {
        assert!(busy.submit(Busy(gate.clone())).is_ok());
    }
    rig.request(Some(file), FileWork::Sync { data: false });
    let chain = rig.chain(b"stored");
    rig.request(Some(file), FileWork::Store { offset: 0, chain, from: 0 });
    rig.request(None, FileWork::Open { path: directory.path("b"), options: MADE });
    rig.enter(Wait::No);
    let left = rig.mio.drain(&rig.pools, Duration::from_millis(20));
    let said = format!("1 to open {:?}, 1 to sync, 1 to write", directory.path("b"));
    assert_eq!((left.operations, left.requests(), left.to_string()), (0, 3, said));
    // What goes on by itself is not waited for.
    rig.assert_nothing_left_within(Duration::ZERO);
    let Rig { mio, pools, .. } = rig;
    drop((mio, pools));
    drop(open);
    // The last of them: then nothing of the others is under way.
    until(|| directory.0.join("b").exists() && fs::read(directory.0.join("a")).unwrap() == b"stored");
}

fn until(condition: impl Fn() -> bool) {
    let deadline = sys::now().after(PATIENCE);
    while !condition() {
        assert!(sys::now() < deadline, "it has not come true in time");
        std::thread::yield_now();
    }
}
