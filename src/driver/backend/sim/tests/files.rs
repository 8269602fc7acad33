//! Requests about files of a simulated disk, against plain bytes.

use super::bench::{Bench, check, is_found};
use super::*;
use crate::driver::{FileKind, FileOptions, FileRequest, FileStat, FileWork};

/// Bytes of the file, at most.
const SIZE: usize = 500;
const REQUESTS: usize = 60;

const BOTH: FileOptions = FileOptions {
    read: true,
    write: true,
    truncate: false,
    create: true,
    create_new: false,
    directory: false,
    mode: 0o600,
};

impl Bench {
    fn ask(&mut self, file: Option<FileId>, work: FileWork) -> usize {
        self.submit(Op::File { request: FileRequest::new(file, work) })
    }

    fn answer(&mut self, op: usize) -> Box<FileRequest> {
        match self.last(op) {
            Event::File { request } => request,
            other => panic!("not expected: {other:?}"),
        }
    }

    fn run(&mut self, file: Option<FileId>, work: FileWork) -> Box<FileRequest> {
        let op = self.ask(file, work);
        self.answer(op)
    }

    fn open(&mut self, path: &str, options: FileOptions) -> Result<FileId, Errno> {
        let path = std::ffi::CString::new(path).unwrap();
        let request = self.run(None, FileWork::Open { path, options });
        request.outcome.map(|_| request.file.expect("it was opened"))
    }
}

fn read(offset: usize, room: usize) -> FileWork {
    FileWork::Read { offset: offset as u64, buffer: Vec::with_capacity(room).into() }
}

/// Reads and writes here and there, several at once, where they do not touch.
fn scribble(seed: u64, faults: Faults) -> u64 {
    let mut bench = Bench::new(seed, faults);
    let mut random = Random::new(seed);
    let file = bench.open("some/file", BOTH).expect_err("there is no directory");
    assert!(matches!(file, Errno::ENOENT | Errno::EIO));
    bench.network.disk().make_directory("some");
    let file = (0..100).find_map(|_| bench.open("some/file", BOTH).ok()).expect("it can be opened");
    let mut twin: Vec<u8> = Vec::new();
    for _ in 0..REQUESTS {
        let at = random.index(SIZE - 60);
        let bytes: Vec<u8> = (0..1 + random.index(60)).map(|_| random.bits() as u8).collect();
        let written = write_all(&mut bench, file, at, &bytes);
        if written > 0 {
            twin.resize(twin.len().max(at + written), 0);
            twin[at..at + written].copy_from_slice(&bytes[..written]);
        }
        let from = random.index(SIZE);
        let reads = [from, 0].map(|from| bench.ask(Some(file), read(from, 80)));
        for (op, from) in reads.into_iter().zip([from, 0]) {
            let request = bench.answer(op);
            let FileWork::Read { buffer, .. } = &request.work else { panic!("{request:?}") };
            match request.outcome {
                Err(error) => assert_eq!((error, buffer.len()), (Errno::EIO, 0)),
                Ok(count) => {
                    assert_eq!(count as usize, buffer.len());
                    let expected = &twin[from.min(twin.len())..];
                    assert!(expected.starts_with(buffer), "what was read was written");
                    assert_eq!(buffer.is_empty(), expected.is_empty(), "zero bytes are the end");
                }
            }
        }
    }
    assert_eq!(bench.network.disk().contents("some/file"), Some(twin));
    assert_eq!(bench.run(Some(file), FileWork::Close).outcome, Ok(0));
    assert_eq!(bench.run(Some(file), FileWork::Close).outcome, Err(Errno::EBADF));
    assert_eq!(bench.network.disk().open_files(), 0);
    let trace = bench.network.trace();
    bench.finish();
    trace
}

/// Writes until everything is written or a write has failed, by a buffer and by a chain in turn; how much was written.
fn write_all(bench: &mut Bench, file: FileId, at: usize, bytes: &[u8]) -> usize {
    let mut done = 0;
    while done < bytes.len() {
        let offset = (at + done) as u64;
        let request = if at.is_multiple_of(2) {
            bench.run(Some(file), FileWork::Write { offset, buffer: bytes.to_vec().into(), from: done })
        } else {
            let mut chain = Chain::EMPTY;
            bench.pools.send.write(&mut chain, bytes).unwrap();
            bench.run(Some(file), FileWork::Store { offset, chain, from: done as u32 })
        };
        let outcome = request.outcome;
        if let FileWork::Store { chain, .. } = request.work {
            bench.pools.send.release(chain);
        }
        match outcome {
            Ok(count) => {
                assert!(count > 0 && done + count as usize <= bytes.len());
                done += count as usize;
            }
            Err(error) => {
                assert!(matches!(error, Errno::EIO | Errno::ENOSPC));
                break;
            }
        }
    }
    done
}

#[test]
fn what_was_written_is_read_whatever_the_accidents() {
    check(scribble);
    for seed in 0..SEEDS {
        scribble(seed, Faults { failed_file: 0.1, full_disk: 0.1, ..Faults::from_seed(seed) });
    }
}

#[test]
fn writes_and_failures_that_are_told_wrongly_are_found() {
    let short = Faults { short_file: 0.5, ..Faults::default() };
    assert!(is_found(Canary::WholeWrite, short, scribble));
    for faults in
        [Faults { failed_file: 0.1, ..Faults::default() }, Faults { full_disk: 0.1, ..Faults::default() }]
    {
        assert!(is_found(Canary::HideFailure, faults, scribble));
    }
}

#[test]
fn requests_about_one_file_are_answered_in_any_order() {
    let mut bench = Bench::new(1, Faults { slow_file: 0.5, ..Faults::default() });
    bench.network.disk().put("file", &[7; 10]);
    let file = bench.open("file", BOTH).unwrap();
    let reads: Vec<usize> = (0..8).map(|at| bench.ask(Some(file), read(at, 1))).collect();
    let mut order = Vec::new();
    bench.until("all answers", |bench| {
        let new: Vec<usize> =
            reads.iter().copied().filter(|op| bench.is_over(*op) && !order.contains(op)).collect();
        order.extend(new);
        order.len() == reads.len()
    });
    assert!(!order.is_sorted(), "{order:?}");
    bench.finish();
}

#[test]
fn a_file_is_what_it_was_opened_as() {
    let mut bench = Bench::new(1, Faults::default());
    let disk = bench.network.disk();
    disk.put("site/page", b"a page");
    disk.put("secret", b"a secret");
    let only_read = FileOptions { write: false, create: false, ..BOTH };
    assert_eq!(bench.open("site/none", only_read), Err(Errno::ENOENT));
    assert_eq!(bench.open("site/page", FileOptions { create_new: true, ..BOTH }), Err(Errno::EEXIST));
    assert_eq!(bench.open("site", BOTH), Err(Errno::EISDIR));
    let directory = FileOptions { directory: true, ..only_read };
    assert_eq!(bench.open("site/page", directory), Err(Errno::ENOTDIR));
    let site = bench.open("site", directory).unwrap();
    let open = FileWork::Open { path: c"../secret".into(), options: only_read };
    assert_eq!(bench.run(Some(site), open).outcome, Err(Errno::EXDEV));
    let open = FileWork::Open { path: c"page".into(), options: only_read };
    let page = bench.run(Some(site), open).file.unwrap();
    let write = FileWork::Write { offset: 0, buffer: vec![1].into(), from: 0 };
    assert_eq!(bench.run(Some(page), write).outcome, Err(Errno::EBADF));
    let request = bench.run(Some(page), FileWork::Stat { stat: FileStat::default() });
    let FileWork::Stat { stat } = request.work else { panic!("it was asked for that") };
    assert_eq!((stat.kind, stat.size), (FileKind::File, 6));
    assert_eq!(bench.run(Some(site), read(0, 1)).outcome, Err(Errno::EISDIR));
    assert_eq!(bench.run(Some(page), FileWork::Sync { data: true }).outcome, Ok(0));
    let receive = bench.submit(Op::Receive { socket: SocketId(page.0) });
    assert!(matches!(bench.last(receive), Event::ReceiveEnded { .. }));
    bench.finish();
}

#[test]
fn a_drain_closes_files_whatever_is_under_way_on_them() {
    for steps in 0..4 {
        let mut bench = Bench::new(1, Faults { late_completion: 1.0, ..Faults::default() });
        bench.network.disk().put("file", &[7; 10]);
        let [first, second] = [(), ()].map(|()| bench.open("file", BOTH).unwrap());
        bench.ask(Some(first), read(0, 10));
        let chain = bench.pools.send.space(10).unwrap();
        bench.ask(Some(first), FileWork::Load { offset: 0, chain });
        let mut chain = Chain::EMPTY;
        bench.pools.send.write(&mut chain, b"stored").unwrap();
        bench.ask(Some(first), FileWork::Store { offset: 0, chain, from: 0 });
        bench.ask(Some(second), FileWork::Close);
        bench.ask(None, FileWork::Open { path: c"file".into(), options: BOTH });
        (0..steps).for_each(|_| bench.step());
        bench.finish();
    }
}
