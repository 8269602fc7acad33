//! Requests about files, against a directory of the test's own.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::answers::Desk;
use super::*;
use crate::driver::{FileId, FileKind, FileOptions, FileRequest, FileStat, FileWork};

const FILE: Token = Token(22);
pub(super) const READ: FileOptions = FileOptions {
    read: true,
    write: false,
    truncate: false,
    create: false,
    create_new: false,
    directory: false,
    mode: 0o640,
};
pub(super) const MAKE: FileOptions = FileOptions { write: true, create: true, truncate: true, ..READ };
const DIRECTORY: FileOptions = FileOptions { directory: true, ..READ };

/// A directory that goes with the test.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("odeon-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Directory(path)
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn open(path: &Path, options: FileOptions) -> FileWork {
    FileWork::Open { path: std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap(), options }
}

/// Descriptors of this process that stand for the file.
fn descriptors(path: &Path) -> usize {
    let all = fs::read_dir("/proc/self/fd").unwrap();
    let names = all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    names.filter(|name| name == path).count()
}

impl Rig {
    pub(super) fn ask(&mut self, file: Option<FileId>, work: FileWork) {
        self.submit(FILE, Op::File { request: FileRequest::new(file, work) });
    }

    pub(super) fn answered(&mut self) -> FileRequest {
        match self.next(FILE) {
            Event::File { request } => *request,
            other => panic!("instead of a file: {other:?}"),
        }
    }

    pub(super) fn file(&mut self, file: Option<FileId>, work: FileWork) -> FileRequest {
        self.ask(file, work);
        self.answered()
    }

    pub(super) fn opened(&mut self, file: Option<FileId>, work: FileWork) -> Option<FileId> {
        let request = self.file(file, work);
        assert_eq!(request.outcome, Ok(0));
        assert!(request.file.is_some());
        request.file
    }

    pub(super) fn close_file(&mut self, file: Option<FileId>) {
        assert_eq!(self.file(file, FileWork::Close).outcome, Ok(0));
        let gone = self.file(file, FileWork::Close);
        assert_eq!(gone.outcome, Err(Errno::EBADF));
    }
}

#[test]
fn a_file_is_made_written_asked_about_read_and_closed() {
    needs_io_uring!();
    let directory = Directory::new("whole");
    let path = directory.join("file");
    let mut rig = Rig::new();
    let file = rig.opened(None, open(&path, MAKE));
    assert_eq!(rig.uring.ledger().sockets, 2, "it counts like a socket");
    let written = rig
        .file(file, FileWork::Write { offset: 0, buffer: b"skipped, hello world".to_vec().into(), from: 9 });
    assert_eq!(written.outcome, Ok(11));
    let FileWork::Write { buffer, .. } = written.work else { panic!("the request comes back") };
    assert_eq!(buffer, b"skipped, hello world");
    for data in [true, false] {
        assert_eq!(rig.file(file, FileWork::Sync { data }).outcome, Ok(0));
    }
    let FileWork::Stat { stat } = rig.file(file, FileWork::Stat { stat: FileStat::default() }).work else {
        panic!("the request comes back")
    };
    assert_eq!(stat, FileStat::from(&fs::metadata(&path).unwrap()));
    assert_eq!((stat.kind, stat.size), (FileKind::File, 11));
    let mut buffer = Vec::with_capacity(64);
    buffer.extend_from_slice(b"> ");
    let read = rig.file(file, FileWork::Read { offset: 6, buffer: buffer.into() });
    let FileWork::Read { buffer, .. } = read.work else { panic!("the request comes back") };
    assert_eq!((&buffer[..], read.outcome), (&b"> world"[..], Ok(5)));
    let end = rig.file(file, FileWork::Read { offset: 11, buffer });
    let FileWork::Read { buffer, .. } = end.work else { panic!("the request comes back") };
    assert_eq!((&buffer[..], end.outcome), (&b"> world"[..], Ok(0)), "the end of the file");
    assert_eq!(descriptors(&path), 1);
    rig.close_file(file);
    assert_eq!(descriptors(&path), 0);
    assert_eq!(fs::read(&path).unwrap(), b"hello world");
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_path_below_a_directory_does_not_lead_out_of_it() {
    needs_io_uring!();
    let directory = Directory::new("below");
    let inside = directory.join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(directory.join("secret"), "secret").unwrap();
    fs::write(inside.join("file"), "file").unwrap();
    symlink("../secret", inside.join("out")).unwrap();
    symlink("/etc/passwd", inside.join("root")).unwrap();
    symlink("file", inside.join("within")).unwrap();
    let mut rig = Rig::new();
    let below = rig.opened(None, open(&inside, DIRECTORY));
    for name in ["../secret", "out", "root", "/etc/passwd", "x/../../secret"] {
        let request = rig.file(below, open(Path::new(name), READ));
        let refused = matches!(request.outcome, Err(Errno::EXDEV | Errno::ENOENT));
        assert!(refused && request.file.is_none(), "{name}: {:?}", request.outcome);
    }
    assert_eq!(rig.file(below, open(Path::new("../secret"), READ)).outcome, Err(Errno::EXDEV));
    for name in ["file", "within", "./file"] {
        let file = rig.opened(below, open(Path::new(name), READ));
        let read = rig.file(file, FileWork::Read { offset: 0, buffer: Vec::with_capacity(10).into() });
        assert_eq!(read.outcome, Ok(4));
        rig.close_file(file);
    }
    rig.close_file(below);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn what_the_kernel_says_against_opening_is_told_as_it_is() {
    needs_io_uring!();
    let directory = Directory::new("refused");
    let path = directory.join("file");
    let mut rig = Rig::new();
    let mut refused = |options| {
        let request = rig.file(None, open(&path, options));
        assert!(request.file.is_none());
        request.outcome.unwrap_err()
    };
    assert_eq!(refused(READ), Errno::ENOENT);
    fs::write(&path, "").unwrap();
    assert_eq!(refused(FileOptions { create_new: true, ..MAKE }), Errno::EEXIST);
    assert_eq!(refused(DIRECTORY), Errno::ENOTDIR);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_chain_is_written_from_where_it_is_to_go_on() {
    needs_io_uring!();
    let directory = Directory::new("chain");
    let path = directory.join("file");
    let mut rig = Rig::new();
    let file = rig.opened(None, open(&path, MAKE));
    let text: Vec<u8> = (0..40 * 300_u32).map(|byte| (byte * 7 / 3) as u8).collect();
    for parts in [1, 40] {
        let mut chain = Chain::EMPTY;
        for part in text.chunks(text.len() / parts) {
            let more = rig.chain(part);
            rig.pools.send.join(&mut chain, more);
        }
        let mut from = 0;
        while (from as usize) < text.len() {
            // More parts than one entry names go out in several.
            let stored = rig.file(file, FileWork::Store { offset: from.into(), chain, from });
            from += stored.outcome.unwrap();
            let FileWork::Store { chain: back, .. } = stored.work else { panic!("the request comes back") };
            chain = back;
        }
        rig.pools.send.release(chain);
        assert!(fs::read(&path).unwrap() == text);
        fs::write(&path, "").unwrap();
    }
    assert!(rig.uring.notes.is_empty());
    rig.close_file(file);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn the_limit_is_told_before_a_file_is_made() {
    needs_io_uring!();
    let directory = Directory::new("limit");
    let config = UringConfig { sockets_max: 2, ..UringConfig::default() };
    let mut rig = Rig::of(&config, ReceivePool::new(2, 64));
    // Both at once: there is one place.
    rig.ask(None, open(&directory.join("first"), MAKE));
    rig.ask(None, open(&directory.join("second"), MAKE));
    let outcomes = [rig.answered(), rig.answered()].map(|request| (request.outcome, request.file));
    assert!(outcomes.contains(&(Err(Errno::ENFILE), None)), "{outcomes:?}");
    assert!(!directory.join("second").exists());
    let file = outcomes.iter().find_map(|(_, file)| *file);
    rig.close_file(file);
    let again = rig.opened(None, open(&directory.join("second"), MAKE));
    rig.close_file(again);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_drain_closes_files_and_awaits_requests() {
    needs_io_uring!();
    let directory = Directory::new("drain");
    let path = directory.join("file");
    let mut rig = Rig::new();
    let file = rig.opened(None, open(&path, MAKE));
    let chain = rig.chain(b"hello");
    rig.ask(file, FileWork::Store { offset: 0, chain, from: 0 });
    rig.ask(file, FileWork::Read { offset: 0, buffer: Vec::with_capacity(8).into() });
    rig.ask(None, open(&path, READ));
    assert_eq!(descriptors(&path), 1);
    rig.end();
    assert_eq!(descriptors(&path), 0);
}

/// Ends a backend with a connection that receives, an open file, and a request about that which the kernel has never heard of, so
/// that it never answers.
fn end_with(work: impl FnOnce(&Rig) -> FileWork) -> (Left, Rc<Pools>) {
    let directory = Directory::new("stuck");
    let path = directory.join("file");
    let mut rig = Rig::new();
    let file = rig.opened(None, open(&path, MAKE));
    let (mut client, socket) = rig.connect();
    rig.submit(RECEIVE, Op::Receive { socket });
    rig.turn(Wait::No);
    let work = work(&rig);
    let closes = matches!(work, FileWork::Close);
    let request = FileRequest::new(file, work);
    rig.uring.in_flight.begin(FILE, Op::File { request }, &rig.pools.send).unwrap();
    let left = rig.uring.drain(&rig.pools, Duration::from_millis(20));
    assert_eq!(rig.uring.ledger().sockets, 0);
    assert_eq!(descriptors(&path), usize::from(closes), "who closes it is the kernel");
    assert!(read(&mut client).map_or(true, |bytes| bytes == 0), "the others are closed");
    assert_eq!(rig.pools.receive.free(), usize::from(rig.pools.receive.count()));
    let Rig { uring, pools, .. } = rig;
    drop(uring);
    (left, pools)
}

#[test]
fn a_request_that_hangs_is_left_behind_and_everything_else_ends() {
    needs_io_uring!();
    let buffer = Vec::with_capacity(8);
    for (work, what) in [
        (FileWork::Sync { data: true }, "1 to sync"),
        (FileWork::Read { offset: 0, buffer: buffer.into() }, "1 to read"),
        (FileWork::Close, "1 to close"),
    ] {
        let (left, pools) = end_with(|_| work);
        assert_eq!((left.operations, left.requests(), left.to_string()), (0, 1, what.to_owned()));
        assert_eq!((Rc::strong_count(&pools), pools.send.taken()), (1, 0), "nothing of the pools is in use");
    }
    let (left, pools) = end_with(|rig| FileWork::Store { offset: 0, chain: rig.chain(b"hello"), from: 0 });
    assert_eq!((left.operations, left.to_string()), (0, "1 to write".to_owned()));
    assert_eq!((Rc::strong_count(&pools), pools.send.taken()), (2, 1), "the pools are kept for the kernel");
}

#[test]
fn a_pair_that_hangs_is_left_behind_as_one_request() {
    needs_io_uring!();
    for write_is_answered in [false, true] {
        let (_directory, mut desk, key, _) = pair("stuck-pair");
        if write_is_answered {
            desk.answer(key, 10, 0);
        }
        let left = desk.rig.uring.drain(&desk.rig.pools, Duration::from_millis(20));
        assert_eq!((left.operations, left.to_string()), (0, "1 to write and sync".to_owned()));
        assert_eq!((desk.rig.uring.in_flight.operations(), desk.rig.uring.ledger().operations), (0, 0));
        let Rig { uring, pools, .. } = desk.rig;
        drop(uring);
        assert_eq!(Rc::strong_count(&pools), 1, "nothing of the pools is in use");
    }
}

#[test]
fn a_file_that_opens_after_its_request_was_left_behind_is_closed() {
    needs_io_uring!();
    let directory = Directory::new("late-open");
    let path = directory.join("file");
    let mut desk = Desk::new();
    let [opens, refused] = [(); 2].map(|()| {
        let request = FileRequest::new(None, open(&path, MAKE));
        desk.begin(Op::File { request })
    });
    assert_eq!(desk.rig.uring.leave_requests().requests(), 2);
    let late = fs::File::create(&path).unwrap();
    desk.answer(opens, std::os::fd::IntoRawFd::into_raw_fd(late), 0);
    desk.answer(refused, -libc::ENOENT, 0);
    assert_eq!((descriptors(&path), desk.told.len()), (0, 0));
    assert_eq!(desk.rig.uring.stale_answers(), 0, "they were expected");
}

#[test]
fn a_descriptor_that_the_kernel_has_closed_is_not_closed_again() {
    needs_io_uring!();
    let directory = Directory::new("again");
    let path = directory.join("file");
    let mut rig = Rig::new();
    let file = rig.opened(None, open(&path, MAKE));
    rig.ask(file, FileWork::Close);
    while descriptors(&path) > 0 {
        rig.uring.outgoing.ring.enter(Pause::No).unwrap();
    }
    // By now the number may stand for something else.
    let others: Vec<_> = (0..4).map(|_| fs::File::open("/dev/null").unwrap()).collect();
    assert_eq!(rig.answered().outcome, Ok(0));
    for other in &others {
        other.metadata().unwrap();
    }
    rig.end();
}

#[test]
fn what_is_interrupted_is_asked_again_and_a_close_is_not() {
    needs_io_uring!();
    let mut desk = Desk::new();
    let work = open(Path::new("/dev/null"), READ);
    let key = desk.begin(Op::File { request: FileRequest::new(None, work) });
    desk.rig.uring.issue(&desk.rig.pools, key);
    desk.rig.uring.outgoing.ring.enter(Pause::No).unwrap();
    desk.answer(key, -libc::EAGAIN, 0);
    desk.assert_goes_on(key);
    assert_eq!(desk.rig.uring.opening, 1, "once, however often it is asked");
    desk.answer(key, -libc::EMFILE, 0);
    let Event::File { request } = desk.told() else { panic!("it is told") };
    assert_eq!((request.outcome, desk.rig.uring.opening), (Err(Errno::EMFILE), 0));

    let null = fs::File::open("/dev/null").unwrap();
    let file = desk.rig.uring.in_flight.insert(Handle::new(File::Descriptor(null.into()))).unwrap();
    let request = FileRequest::new(Some(FileId(file.0)), FileWork::Close);
    let key = desk.begin(Op::File { request });
    desk.answer(key, -libc::EINTR, 0);
    let Event::File { request } = desk.told() else { panic!("it is told") };
    assert_eq!(request.outcome, Err(Errno::EINTR), "its number is not ours any more");
}

#[test]
fn what_stays_disturbed_is_not_asked_for_ever() {
    needs_io_uring!();
    let mut desk = Desk::new();
    for _ in 0..2 {
        let work = open(Path::new("/dev/null"), READ);
        let key = desk.begin(Op::File { request: FileRequest::new(None, work) });
        desk.rig.uring.issue(&desk.rig.pools, key);
        for _ in 1..16 {
            desk.rig.uring.outgoing.ring.enter(Pause::No).unwrap();
            desk.answer(key, -libc::EAGAIN, 0);
            desk.assert_goes_on(key);
        }
        desk.rig.uring.outgoing.ring.enter(Pause::No).unwrap();
        desk.answer(key, -libc::EAGAIN, 0);
        let Event::File { request } = desk.told() else { panic!("it is told") };
        assert_eq!((request.outcome, desk.rig.uring.opening), (Err(Errno::EAGAIN), 0));
        assert!(desk.rig.uring.tries.is_empty());
    }
}

#[test]
fn a_file_is_read_into_a_chain() {
    needs_io_uring!();
    let directory = Directory::new("load");
    let path = directory.join("file");
    let text: Vec<u8> = (0..5000_u32).map(|byte| (byte * 7 / 3) as u8).collect();
    fs::write(&path, &text).unwrap();
    let mut rig = Rig::new();
    let file = rig.opened(None, open(&path, READ));
    let mut read = Vec::new();
    loop {
        let chain = rig.pools.send.space(2000).unwrap();
        let loaded = rig.file(file, FileWork::Load { offset: read.len() as u64, chain });
        let FileWork::Load { chain, .. } = loaded.work else { panic!("the request comes back") };
        assert_eq!(loaded.outcome, Ok(chain.bytes()));
        rig.pools.send.segments(&chain, 0).for_each(|bytes| read.extend_from_slice(bytes));
        let end = chain.is_empty();
        rig.pools.send.release(chain);
        if end {
            break;
        }
    }
    assert!(read == text);
    let chain = rig.pools.send.space(2000).unwrap();
    rig.close_file(file);
    let gone = rig.file(file, FileWork::Load { offset: 0, chain });
    let FileWork::Load { chain, .. } = gone.work else { panic!("the request comes back") };
    assert_eq!(gone.outcome, Err(Errno::EBADF));
    rig.pools.send.release(chain);
    let chain = rig.pools.send.space(2000).unwrap();
    let file = rig.opened(None, open(&path, READ));
    rig.ask(file, FileWork::Load { offset: 0, chain });
    rig.end();
}

/// What a request to write and to sync has come to: its outcome, and how many bytes are written.
fn synced(request: FileRequest) -> (Result<u32, Errno>, usize) {
    let FileWork::WriteSynced { written, .. } = request.work else { panic!("the request comes back") };
    (request.outcome, written)
}

fn write_synced(offset: u64, bytes: &[u8]) -> FileWork {
    FileWork::WriteSynced { offset, buffer: bytes.to_vec().into(), written: 0 }
}

#[test]
fn pairs_that_do_not_fit_into_the_queue_wait_as_a_whole() {
    needs_io_uring!();
    let directory = Directory::new("pairs");
    let path = directory.join("file");
    let config = UringConfig { submission_entries: 4, sockets_max: 16, ..UringConfig::default() };
    let mut rig = Rig::of(&config, ReceivePool::new(2, 4096));
    let file = rig.opened(None, open(&path, MAKE));
    let operations = rig.uring.ledger().operations;
    for number in 0..100_u64 {
        rig.ask(file, write_synced(8 * number, &number.to_be_bytes()));
        if number % 3 == 0 {
            rig.ask(file, FileWork::Stat { stat: FileStat::default() });
        }
    }
    let mut pairs = 0;
    for _ in 0..134 {
        let request = rig.answered();
        assert_eq!(request.outcome, Ok(0));
        if let FileWork::WriteSynced { .. } = request.work {
            assert_eq!(synced(request), (Ok(0), 8));
            pairs += 1;
        }
    }
    assert_eq!((pairs, rig.uring.ledger().operations), (100, operations), "nothing is left of any");
    assert!(rig.uring.ledger().queue_full > 0 && rig.uring.outgoing.torn() == 0);
    let expected: Vec<u8> = (0..100_u64).flat_map(u64::to_be_bytes).collect();
    assert_eq!(fs::read(&path).unwrap(), expected);
    rig.close_file(file);
}

#[test]
fn no_pair_is_torn_by_the_end_of_the_queue() {
    needs_io_uring!();
    let directory = Directory::new("untorn-pairs");
    let config = UringConfig { submission_entries: 4, sockets_max: 16, ..UringConfig::default() };
    let mut rig = Rig::of(&config, ReceivePool::new(2, 4096));
    let file = rig.opened(None, open(&directory.join("file"), MAKE));
    assert!(!rig.uring.outgoing.waiting());
    rig.ask(file, FileWork::Stat { stat: FileStat::default() });
    rig.ask(file, write_synced(0, b"one"));
    rig.ask(file, write_synced(3, b"two"));
    let outgoing = &mut rig.uring.outgoing;
    assert_eq!((outgoing.ring.capacity(), outgoing.ring.queued(), outgoing.room()), (4, 3, 0));
    assert!(outgoing.refill());
    assert_eq!(outgoing.ring.queued(), 3, "there is room for a half");
    for _ in 0..3 {
        assert_eq!(rig.answered().outcome, Ok(0));
    }
    rig.close_file(file);
}

#[test]
fn a_queue_of_one_entry_takes_a_write_and_then_its_sync() {
    needs_io_uring!();
    let directory = Directory::new("parted-pairs");
    let path = directory.join("file");
    let config = UringConfig { submission_entries: 1, sockets_max: 16, ..UringConfig::default() };
    let mut rig = Rig::of(&config, ReceivePool::new(2, 4096));
    assert!(!rig.uring.outgoing.can_link());
    let file = rig.opened(None, open(&path, MAKE));
    for number in 0..10_u64 {
        rig.ask(file, write_synced(8 * number, &number.to_be_bytes()));
    }
    for _ in 0..10 {
        assert_eq!(synced(rig.answered()), (Ok(0), 8));
    }
    let expected: Vec<u8> = (0..10_u64).flat_map(u64::to_be_bytes).collect();
    assert_eq!(fs::read(&path).unwrap(), expected);
    rig.close_file(file);
}

#[test]
fn a_sync_is_answered_also_where_the_write_before_it_fails() {
    needs_io_uring!();
    let directory = Directory::new("failing-pair");
    let path = directory.join("file");
    fs::write(&path, b"as it was").unwrap();
    let mut rig = Rig::new();
    let file = rig.opened(None, open(&path, READ));
    let operations = rig.uring.ledger().operations;
    for _ in 0..10 {
        rig.ask(file, write_synced(0, b"refused"));
    }
    for _ in 0..10 {
        assert_eq!(synced(rig.answered()), (Err(Errno::EBADF), 0));
    }
    assert_eq!(rig.uring.ledger().operations, operations);
    rig.turn(Wait::No);
    assert!(rig.uring.pairs.is_empty() && rig.uring.stale_answers() == 0);
    assert_eq!(fs::read(&path).unwrap(), b"as it was");
    rig.close_file(file);
}

#[test]
fn a_drain_ends_pairs() {
    needs_io_uring!();
    let directory = Directory::new("drained-pairs");
    let mut rig = Rig::new();
    let file = rig.opened(None, open(&directory.join("file"), MAKE));
    for number in 0..200 {
        rig.ask(file, write_synced(number, &[7; 4096]));
    }
    assert_eq!(rig.uring.drain(&rig.pools, PATIENCE), Left::default());
    assert_eq!(rig.uring.in_flight.operations(), 0);
    assert_eq!(descriptors(&directory.join("file")), 0);
}

/// A pair of which the kernel knows nothing, on a file that it does.
fn pair(name: &str) -> (Directory, Desk, Key, Key) {
    let directory = Directory::new(name);
    let mut desk = Desk::new();
    let file = desk.rig.opened(None, open(&directory.join("file"), MAKE));
    let key = desk.begin(Op::File { request: FileRequest::new(file, write_synced(0, b"0123456789")) });
    let second = desk.rig.uring.expect_pair(key);
    (directory, desk, key, second)
}

#[test]
fn a_short_write_is_gone_on_with_and_synced_in_whatever_order_the_answers_come() {
    needs_io_uring!();
    for (sync_first, sync) in [(false, -libc::ECANCELED), (true, -libc::ECANCELED), (true, 0)] {
        let (directory, mut desk, key, second) = pair("short-pair");
        // The first bytes are where the kernel would have put them.
        fs::write(directory.join("file"), b"0123").unwrap();
        let mut answers = [(key, 4), (second, sync)];
        if sync_first {
            answers.reverse();
        }
        desk.answer(answers[0].0, answers[0].1, 0);
        assert!(desk.told.is_empty() && !desk.rig.uring.outgoing.waiting(), "one answer decides nothing");
        desk.answer(answers[1].0, answers[1].1, 0);
        assert_eq!(desk.rig.uring.outgoing.ring.queued(), 2, "what is left, and a sync of its own");
        let Event::File { request } = desk.rig.next(Token(9)) else { panic!("it was about a file") };
        assert_eq!(synced(*request), (Ok(0), 10));
        assert_eq!(fs::read(directory.join("file")).unwrap(), b"0123456789");
    }
}

#[test]
fn the_first_error_of_a_pair_is_that_of_both() {
    needs_io_uring!();
    let (enospc, ecanceled, eio) = (-libc::ENOSPC, -libc::ECANCELED, -libc::EIO);
    for ([write, sync], outcome) in [
        ([enospc, ecanceled], (Err(Errno::ENOSPC), 0)),
        ([10, eio], (Err(Errno::EIO), 10)),
        ([0, ecanceled], (Ok(0), 0)),
        ([10, 0], (Ok(0), 10)),
    ] {
        let (_directory, mut desk, key, second) = pair("error-of-a-pair");
        desk.answer(key, write, 0);
        desk.answer(second, sync, 0);
        let Event::File { request } = desk.told() else { panic!("it was about a file") };
        assert_eq!(synced(*request), outcome);
    }
}

#[test]
fn a_sync_that_may_not_have_waited_is_done_again() {
    needs_io_uring!();
    let (_directory, mut desk, key, second) = pair("torn-pair");
    desk.rig.uring.outgoing.tear();
    desk.answer(second, 0, 0);
    desk.answer(key, 10, 0);
    desk.assert_goes_on(key);
    let Event::File { request } = desk.rig.next(Token(9)) else { panic!("it was about a file") };
    assert_eq!(synced(*request), (Ok(0), 10));
}
