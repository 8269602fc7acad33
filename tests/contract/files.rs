//! Files: what is written is read, what is gone is told, and no path leads out of a directory.

use std::ffi::CString;

use odeon::Bytes;
use odeon::driver::backend::Backend;
use odeon::driver::{FileId, FileKind, FileOptions, FileRequest, FileStat, FileWork, Op};
use odeon::mem::{Buffer, Chain};
use odeon::sys::Errno;

use crate::connections::assert_refused;
use crate::harness::{Files, Harness, Limits};
use crate::world::{Last, World, pattern};

pub const READ: FileOptions = FileOptions {
    read: true,
    write: false,
    truncate: false,
    create: false,
    create_new: false,
    directory: false,
    mode: 0o600,
};
pub const CREATE: FileOptions = FileOptions { write: true, create: true, ..READ };
const DIRECTORY: FileOptions = FileOptions { directory: true, ..READ };

impl<H: Harness> World<H> {
    pub fn ask(&mut self, file: Option<FileId>, work: FileWork) -> u64 {
        self.submit(Op::File { request: FileRequest::new(file, work) })
    }

    pub fn answer(&mut self, op: u64) -> Box<FileRequest> {
        let last = self.await_last(op);
        let request = self.ops.get_mut(&op).and_then(|op| op.request.take()).expect("it was handed back");
        assert_eq!(last, Last::File(request.outcome));
        request
    }

    pub fn run(&mut self, file: FileId, work: FileWork) -> Box<FileRequest> {
        let op = self.ask(Some(file), work);
        self.answer(op)
    }

    fn open_below(
        &mut self,
        directory: Option<FileId>,
        path: &str,
        options: FileOptions,
    ) -> Result<FileId, Errno> {
        let path = CString::new(path).expect("a path of plain letters");
        let op = self.ask(directory, FileWork::Open { path, options });
        let request = self.answer(op);
        request.outcome.map(|_| request.file.expect("it was opened"))
    }

    pub fn open(&mut self, files: &H::Files, name: &str, options: FileOptions) -> Result<FileId, Errno> {
        self.open_below(None, &format!("{}/{name}", files.directory()), options)
    }

    /// Writes all, in as many requests as it takes.
    fn write_file(&mut self, file: FileId, offset: u64, bytes: &[u8]) {
        let mut buffer = Buffer::from(bytes.to_vec());
        let mut from = 0;
        while from < bytes.len() {
            let request = self.run(file, FileWork::Write { offset: offset + from as u64, buffer, from });
            let FileWork::Write { buffer: back, .. } = request.work else { panic!("{request:?}") };
            let count = request.outcome.expect("there is room") as usize;
            assert!(count > 0 && from + count <= bytes.len());
            assert_eq!(back, bytes, "it comes back as it was");
            (buffer, from) = (back, from + count);
        }
    }

    /// Reads to the end, with so much room each time.
    fn read_file(&mut self, file: FileId, offset: u64, room: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let (count, buffer) = self.read_once(file, offset + bytes.len() as u64, room);
            assert!(count.expect("it can be read") as usize == buffer.len() && buffer.len() <= room);
            if buffer.is_empty() {
                return bytes;
            }
            bytes.extend(buffer);
        }
    }

    fn read_once(&mut self, file: FileId, offset: u64, room: usize) -> (Result<u32, Errno>, Vec<u8>) {
        let mut buffer = Vec::new();
        buffer.reserve_exact(room);
        let request = self.run(file, FileWork::Read { offset, buffer: buffer.into() });
        let FileWork::Read { buffer, .. } = request.work else { panic!("it was asked for that") };
        (request.outcome, buffer.to_vec())
    }

    /// So many bytes and more as they were received, with some that were written in front of the last of them.
    fn received_chain(&mut self, least: usize) -> (Chain, Vec<u8>) {
        let (socket, mut client) = self.connection();
        self.hold_leases = true;
        let receive = self.receive(socket);
        self.write_all(&mut client, &pattern(0, least));
        self.until("leases", |world| world.held(receive) == least);
        self.hold_leases = false;
        let cancel = self.submit(Op::Cancel { socket });
        self.await_last(receive);
        self.await_last(cancel);
        let leases = std::mem::take(&mut self.ops.get_mut(&receive).expect("it was asked for").held);
        let (mut chain, mut bytes, last) = (Chain::EMPTY, Vec::new(), leases.len() - 1);
        for (number, lease) in leases.into_iter().enumerate() {
            if number == last {
                self.pools.send.write(&mut chain, b"between").expect("slots are left");
                bytes.extend(b"between");
            }
            bytes.extend(self.pools.receive.bytes(&lease));
            self.pools.send.push_lease(&mut chain, lease, &self.pools.receive).expect("parts are left");
        }
        self.close_ended(socket, false);
        (chain, bytes)
    }

    /// Writes a chain, in as many requests as it takes; answers how much was taken, and why no more was.
    fn store_all(&mut self, file: FileId, place: u64, mut chain: Chain) -> (usize, Option<Errno>, Chain) {
        let mut from = 0;
        while from < chain.bytes() {
            let request = self.run(file, FileWork::Store { offset: place + u64::from(from), chain, from });
            let FileWork::Store { chain: back, .. } = request.work else { panic!("it was asked for that") };
            chain = back;
            match request.outcome {
                Ok(count) => {
                    assert!(count > 0 && from + count <= chain.bytes());
                    from += count;
                }
                Err(error) => return (from as usize, Some(error), chain),
            }
        }
        (from as usize, None, chain)
    }

    pub fn close_file(&mut self, file: FileId) {
        assert_eq!(self.run(file, FileWork::Close).outcome, Ok(0));
    }
}

pub fn what_was_written_is_read<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let files = world.net.files();
    let sockets = world.net.backend().ledger().sockets;
    let bytes = pattern(0, 100_000);
    let file = world.open(&files, "new", CREATE).expect("it is made");
    world.write_file(file, 0, &bytes);
    assert!(world.read_file(file, 0, 30_000) == bytes);
    assert_eq!(world.run(file, FileWork::Sync { data: false }).outcome, Ok(0));
    assert_eq!(world.run(file, FileWork::Sync { data: true }).outcome, Ok(0));
    let request = world.run(file, FileWork::Stat { stat: FileStat::default() });
    let FileWork::Stat { stat } = request.work else { panic!("it was asked for that") };
    assert_eq!((request.outcome, stat.size, stat.kind), (Ok(0), 100_000, FileKind::File));
    world.close_file(file);
    assert_eq!(world.net.backend().ledger().sockets, sockets, "it is not in the table any more");
    assert!(files.contents("new") == Some(bytes.clone()));
    let file = world.open(&files, "new", READ).expect("it is there");
    assert!(world.read_file(file, 99_000, 100_000) == bytes[99_000..]);
    world.close_file(file);
    world.finish();
}

pub fn a_chain_is_written<H: Harness>(round: u32) {
    let limits = Limits { send_slots: [8, 0, 0, 0, 0], ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let files = world.net.files();
    let file = world.open(&files, "new", CREATE).expect("it is made");
    let bytes = pattern(0, 1_000);
    let mut chain = world.chain(&bytes);
    let mut from = 0;
    while from < 1_000 {
        let request = world.run(file, FileWork::Store { offset: u64::from(from), chain, from });
        let FileWork::Store { chain: back, .. } = request.work else { panic!("it was asked for that") };
        let count = request.outcome.expect("there is room");
        assert!(count > 0 && from + count <= 1_000);
        (chain, from) = (back, from + count);
    }
    world.pools.send.release(chain);
    assert!(files.contents("new") == Some(bytes));
    world.close_file(file);
    world.finish();
}

pub fn a_write_and_its_sync_are_one_request<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let files = world.net.files();
    let file = world.open(&files, "new", CREATE).expect("it is made");
    let bytes = pattern(0, 300_000);
    for (offset, first) in [(0, 0), (100, 299_000), (7, 300_000)] {
        let work =
            FileWork::WriteSynced { offset: offset as u64, buffer: bytes.clone().into(), written: first };
        let request = world.run(file, work);
        let FileWork::WriteSynced { buffer, written, .. } = request.work else { panic!("{request:?}") };
        assert_eq!((request.outcome, written), (Ok(0), 300_000));
        assert!(buffer == bytes, "it comes back as it was");
        let kept = files.contents("new").expect("it was made");
        assert!(first == bytes.len() || kept[offset + first..offset + bytes.len()] == bytes[first..]);
    }
    world.close_file(file);
    let file = world.open(&files, "new", READ).expect("it is there");
    let work = FileWork::WriteSynced { offset: 0, buffer: b"refused".to_vec().into(), written: 0 };
    let request = world.run(file, work);
    assert_eq!(request.outcome, Err(Errno::EBADF));
    let FileWork::WriteSynced { buffer, written, .. } = request.work else { panic!("{request:?}") };
    assert_eq!((&buffer[..], written), (&b"refused"[..], 0));
    world.close_file(file);
    world.finish();
}

/// More parts than one call of a kernel may name, of bytes that lie elsewhere, and slots between them.
pub fn a_chain_of_many_parts_is_written<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let files = world.net.files();
    let file = world.open(&files, "new", CREATE).expect("it is made");
    let (mut bytes, mut chain) = (Vec::new(), Chain::EMPTY);
    for part in 0..50 {
        let more = pattern(part, 300 + part);
        world.pools.send.push_bytes(&mut chain, Bytes::copy_from(&more)).expect("parts are left");
        world.pools.send.write(&mut chain, b"between").expect("slots are left");
        bytes.extend([&more[..], b"between"].concat());
    }
    let mut from = 0;
    while from < chain.bytes() {
        let request = world.run(file, FileWork::Store { offset: 5 + u64::from(from), chain, from });
        let FileWork::Store { chain: back, .. } = request.work else { panic!("it was asked for that") };
        from += request.outcome.expect("there is room");
        chain = back;
    }
    assert_eq!(from as usize, bytes.len());
    world.pools.send.release(chain);
    assert!(files.contents("new").is_some_and(|kept| kept[5..] == bytes));
    world.close_file(file);
    world.finish();
}

/// What was received is written from where it lies: two leases, and a slot between them. It comes back with the buffers, however little of it
/// was taken, and if none was.
pub fn what_was_received_is_written_from_where_it_lies<H: Harness>(round: u32) {
    const TOTAL: usize = 6_000;
    let limits = Limits { receive_buffers: 4, ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let files = world.net.files();
    let file = world.open(&files, "new", CREATE).expect("it is made");
    let end = files.end("new");
    for place in [0, 100_000, end - 1_000] {
        let (chain, bytes) = world.received_chain(TOTAL);
        let lent = world.pools.receive.lent();
        assert!(lent > 0, "it lies where it was received");
        let (written, error, chain) = world.store_all(file, place, chain);
        assert_eq!(
            (world.pools.receive.lent(), chain.bytes() as usize),
            (lent, bytes.len()),
            "all of it is back"
        );
        world.pools.send.release(chain);
        world.pools.settle(drop);
        assert_eq!(world.pools.receive.lent(), 0, "and so are the buffers");
        if place + 1_000 == end {
            let why = error.expect("there is no room for all of it");
            assert!([Errno::ENOSPC, Errno(libc::EFBIG)].contains(&why), "{why}");
            assert_eq!(written, 1_000, "as many as there is room for");
        } else {
            assert_eq!((written, error), (bytes.len(), None));
        }
        assert!(world.read_file(file, place, 4_096)[..written] == bytes[..written], "at {place}");
    }
    world.close_file(file);
    let file = world.open(&files, "new", READ).expect("it is there");
    let (chain, bytes) = world.received_chain(TOTAL);
    let (written, error, chain) = world.store_all(file, 0, chain);
    assert_eq!((written, error, chain.bytes() as usize), (0, Some(Errno::EBADF), bytes.len()));
    world.pools.send.release(chain);
    world.close_file(file);
    world.finish();
}

pub fn a_slot_is_read_into<H: Harness>(round: u32) {
    let limits = Limits { send_slots: [1, 1, 0, 0, 0], ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let files = world.net.files();
    files.put("bytes", &pattern(0, 1_500));
    let file = world.open(&files, "bytes", READ).expect("it is there");
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let chain = world.pools.send.space(1_024).expect("no slot is taken");
        let request = world.run(file, FileWork::Load { offset: bytes.len() as u64, chain });
        let FileWork::Load { chain, .. } = request.work else { panic!("it was asked for that") };
        assert_eq!(request.outcome, Ok(chain.bytes()));
        bytes.extend(world.pools.send.segments(&chain, 0).flatten());
        let is_end = chain.is_empty();
        world.pools.send.release(chain);
        if is_end {
            break;
        }
    }
    assert!(bytes == pattern(0, 1_500));
    world.close_file(file);
    // It comes back whole also where nothing can be read.
    let chain = world.pools.send.space(1_024).expect("no slot is taken");
    let request = world.run(file, FileWork::Load { offset: 0, chain });
    let FileWork::Load { chain, .. } = request.work else { panic!("it was asked for that") };
    assert_eq!((request.outcome, chain.bytes()), (Err(Errno::EBADF), 0));
    world.pools.send.release(chain);
    world.finish();
}

pub fn a_read_goes_behind_what_is_there_and_is_short_at_the_end<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let files = world.net.files();
    files.put("ten", b"0123456789");
    let file = world.open(&files, "ten", READ).expect("it is there");
    let mut buffer = Vec::with_capacity(100);
    buffer.extend_from_slice(b"head:");
    let address = buffer.as_ptr();
    let request = world.run(file, FileWork::Read { offset: 6, buffer: buffer.into() });
    let FileWork::Read { buffer, .. } = request.work else { panic!("it was asked for that") };
    let count = request.outcome.expect("it can be read") as usize;
    assert!(count > 0 && buffer.len() == 5 + count && b"head:6789".starts_with(&buffer[..]));
    assert_eq!(buffer.as_ptr(), address, "it is the same memory");
    assert_eq!(world.read_file(file, 6, 100), b"6789");
    for offset in [10, 11, 1_000_000] {
        assert_eq!(world.read_once(file, offset, 10), (Ok(0), Vec::new()));
    }
    world.close_file(file);
    world.finish();
}

pub fn a_write_beyond_the_end_leaves_zeros<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let files = world.net.files();
    let file = world.open(&files, "new", CREATE).expect("it is made");
    world.write_file(file, 4, b"end");
    world.write_file(file, 0, b"ab");
    assert_eq!(world.read_file(file, 0, 10), b"ab\0\0end");
    world.close_file(file);
    world.finish();
}

pub fn no_place_is_beyond_the_longest_file<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let files = world.net.files();
    files.put("bytes", b"hello");
    let file = world.open(&files, "bytes", FileOptions { write: true, ..READ }).expect("it is there");
    for offset in [u64::MAX, u64::MAX - 1, 1 << 63] {
        assert_eq!(world.read_once(file, offset, 10), (Err(Errno::EINVAL), Vec::new()));
        let chain = world.pools.send.space(1).expect("a slot is free");
        let request = world.run(file, FileWork::Load { offset, chain });
        let FileWork::Load { chain, .. } = request.work else { panic!("it was asked for that") };
        world.pools.send.release(chain);
        assert_eq!(request.outcome, Err(Errno::EINVAL));
        let request = world.run(file, FileWork::Write { offset, buffer: b"gone".to_vec().into(), from: 1 });
        assert!(matches!(&request.work, FileWork::Write { buffer, .. } if buffer == b"gone"));
        assert_eq!(request.outcome, Err(Errno::EINVAL));
        let chain = world.chain(b"gone");
        let request = world.run(file, FileWork::Store { offset, chain, from: 0 });
        let FileWork::Store { chain, .. } = request.work else { panic!("it was asked for that") };
        world.pools.send.release(chain);
        assert_eq!(request.outcome, Err(Errno::EINVAL));
    }
    assert_eq!(world.read_file(file, 0, 10), b"hello", "nothing was written");
    world.close_file(file);
    world.finish();
}

pub fn a_file_is_opened_as_asked<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let files = world.net.files();
    files.put("there", b"bytes");
    files.put("below/it", b"");
    assert_eq!(world.open(&files, "missing", READ), Err(Errno::ENOENT));
    assert_eq!(world.open(&files, "missing/file", CREATE), Err(Errno::ENOENT));
    assert_eq!(world.open(&files, "there/file", READ), Err(Errno::ENOTDIR));
    assert_eq!(world.open(&files, "there", FileOptions { create_new: true, ..CREATE }), Err(Errno::EEXIST));
    assert_eq!(world.open(&files, "there", DIRECTORY), Err(Errno::ENOTDIR));
    let file = world.open(&files, "there", READ).expect("it is there");
    let write = FileWork::Write { offset: 0, buffer: vec![1].into(), from: 0 };
    assert_eq!(world.run(file, write).outcome, Err(Errno::EBADF), "it was opened to be read");
    world.close_file(file);
    let file = world.open(&files, "there", CREATE).expect("it is there");
    assert_eq!(world.read_file(file, 0, 10), b"bytes", "it keeps what is in it");
    world.close_file(file);
    let emptied = FileOptions { truncate: true, ..CREATE };
    let file = world.open(&files, "there", emptied).expect("it is there");
    assert_eq!(world.read_file(file, 0, 10), b"");
    world.close_file(file);
    let directory = world.open(&files, "below", DIRECTORY).expect("it is there");
    let request = world.run(directory, FileWork::Stat { stat: FileStat::default() });
    let FileWork::Stat { stat } = request.work else { panic!("it was asked for that") };
    assert_eq!(stat.kind, FileKind::Directory);
    world.close_file(directory);
    world.finish();
}

pub fn no_path_leads_out_of_a_directory<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let files = world.net.files();
    files.put("site/page", b"a page");
    files.put("site/deep/other", b"another");
    files.put("secret", b"a secret");
    files.link("site/up", "../secret");
    files.link("site/top", &format!("{}/secret", files.directory()));
    let site = world.open(&files, "site", DIRECTORY).expect("it is there");
    let absolute = format!("{}/site/page", files.directory());
    for path in ["../secret", "deep/../../secret", "up", "top", "..", &absolute] {
        assert_eq!(world.open_below(Some(site), path, READ), Err(Errno::EXDEV), "{path}");
    }
    assert_eq!(world.open_below(Some(site), "../new", CREATE), Err(Errno::EXDEV));
    assert_eq!(files.contents("new"), None);
    assert_eq!(world.open_below(Some(site), "none", READ), Err(Errno::ENOENT));
    for (path, bytes) in [("page", "a page"), ("deep/other", "another")] {
        let file = world.open_below(Some(site), path, READ).expect("it is there");
        assert_eq!(world.read_file(file, 0, 10), bytes.as_bytes());
        world.close_file(file);
    }
    let file = world.open_below(Some(site), "new", CREATE).expect("it is made");
    world.close_file(file);
    assert_eq!(files.contents("site/new"), Some(Vec::new()));
    world.close_file(site);
    world.finish();
}

pub fn a_file_that_is_closed_answers_and_hands_back_what_came<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let files = world.net.files();
    files.put("page", b"a page");
    let file = world.open(&files, "page", READ).expect("it is there");
    world.close_file(file);
    // Another one in its place is not reached.
    let other = world.open(&files, "page", READ).expect("it is there");
    assert_ne!(file, other);
    let chain = world.chain(b"bytes");
    let works = [
        FileWork::Stat { stat: FileStat::default() },
        FileWork::Read { offset: 0, buffer: vec![7].into() },
        FileWork::Write { offset: 0, buffer: vec![7].into(), from: 0 },
        FileWork::Store { offset: 0, chain, from: 0 },
        FileWork::Sync { data: true },
        FileWork::Open { path: c"page".into(), options: READ },
        FileWork::Close,
    ];
    for work in works {
        let request = world.run(file, work);
        assert_eq!(request.outcome, Err(Errno::EBADF), "{:?}", request.work);
        match request.work {
            FileWork::Read { buffer, .. } | FileWork::Write { buffer, .. } => assert_eq!(buffer, [7]),
            FileWork::Store { chain, .. } => world.pools.send.release(chain),
            _ => {}
        }
    }
    assert_eq!(world.read_file(other, 0, 10), b"a page");
    world.close_file(other);
    world.finish();
}

pub fn many_requests_about_one_file_are_answered_once_each<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits { queue: 4, ..Limits::default() });
    let files = world.net.files();
    files.put("bytes", &pattern(0, 1_000));
    let file = world.open(&files, "bytes", READ).expect("it is there");
    let reads: Vec<u64> = (0..100)
        .map(|at| {
            let buffer = Vec::with_capacity(1);
            world.ask(Some(file), FileWork::Read { offset: at * 10, buffer: buffer.into() })
        })
        .collect();
    for (at, read) in reads.into_iter().enumerate() {
        let request = world.answer(read);
        let FileWork::Read { buffer, .. } = request.work else { panic!("it was asked for that") };
        assert!(request.outcome.is_ok_and(|count| count as usize == buffer.len()));
        assert!(buffer == pattern(at * 10, buffer.len()) && !buffer.is_empty());
    }
    world.close_file(file);
    world.finish();
}

pub fn a_full_table_has_no_room_for_a_file<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits { sockets: 2, ..Limits::default() });
    let files = world.net.files();
    files.put("page", b"a page");
    let file = world.open(&files, "page", READ).expect("room beside the listener");
    assert_eq!(world.open(&files, "page", READ), Err(Errno::ENFILE));
    world.close_file(file);
    let file = world.open(&files, "page", READ).expect("there is room again");
    world.close_file(file);
    world.finish();
}

pub fn closing_a_file_in_use_is_a_bug<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let files = world.net.files();
    files.put("page", b"a page");
    let file = world.open(&files, "page", READ).expect("it is there");
    world.ask(Some(file), FileWork::Read { offset: 0, buffer: Vec::with_capacity(1).into() });
    assert_refused(|| world.ask(Some(file), FileWork::Close), "closing a file that is in use");
}

pub fn a_drain_closes_files<H: Harness>(round: u32) {
    for steps in [0, 1, 10] {
        let mut world = World::<H>::start(round, &Limits { queue: 2, ..Limits::default() });
        let files = world.net.files();
        files.put("page", b"a page");
        let [reading, closing] = [(); 2].map(|()| world.open(&files, "page", READ).expect("it is there"));
        for _ in 0..4 {
            let buffer = Vec::with_capacity(10);
            world.ask(Some(reading), FileWork::Read { offset: 0, buffer: buffer.into() });
        }
        world.ask(Some(closing), FileWork::Close);
        let path = CString::new(format!("{}/page", files.directory())).expect("a path of plain letters");
        world.ask(None, FileWork::Open { path, options: READ });
        for _ in 0..steps {
            world.step();
        }
        world.finish();
    }
}
