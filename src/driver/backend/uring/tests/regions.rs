//! Regions: that the kernel is really asked by the place of memory, and what happens where it does not want to be.
//!
//! Invariants: 1. Memory that an entry names is kept by the test until its answer.
#![allow(unsafe_code)]

use std::sync::Arc;

use super::files::{Directory, MAKE, open};
use super::*;
use crate::driver::{FileId, FileRequest, FileWork};
use crate::mem::{BlockPool, Buffer, Bytes, RegionBuf};

const LEN: usize = 40_000;

impl Rig {
    fn region(&mut self) -> Arc<BlockPool> {
        let pool = BlockPool::new(2, LEN).unwrap();
        assert_eq!(self.enrol(&pool), Ok(1), "the kernel knows it");
        pool
    }

    fn enrol(&mut self, pool: &Arc<BlockPool>) -> Result<u32, Errno> {
        self.file(None, FileWork::Enrol { pool: Arc::clone(pool) }).outcome
    }

    fn dismiss(&mut self, pool: Arc<BlockPool>) {
        assert_eq!(self.file(None, FileWork::Dismiss { pool }).outcome, Ok(0));
    }

    /// Writes the bytes from that buffer, and reads them back into it.
    fn there_and_back(&mut self, file: Option<FileId>, buffer: Buffer, bytes: &[u8]) -> Buffer {
        let written = self.file(file, FileWork::Write { offset: 0, buffer, from: 0 });
        assert_eq!(written.outcome, Ok(bytes.len() as u32));
        let mut buffer = buffer_of(written);
        buffer.fill(0);
        buffer.resize(0);
        let read = self.file(file, FileWork::Read { offset: 0, buffer });
        assert_eq!(read.outcome, Ok(bytes.len() as u32));
        let buffer = buffer_of(read);
        assert!(buffer == bytes);
        buffer
    }

    /// What the kernel says to a read into memory that it is told to know by this place.
    fn read_by_place(&mut self, file: Option<FileId>, memory: *mut [u8], place: u16) -> Result<u32, Errno> {
        let work = FileWork::Read { offset: 0, buffer: Vec::with_capacity(LEN).into() };
        let op = Op::File { request: FileRequest::new(file, work) };
        let key = self.uring.in_flight.begin(Token(22), op, &self.pools.send).unwrap();
        let file = self.uring.descriptor(SocketId(file.unwrap().0));
        // SAFETY: the test keeps the memory (invariant 1).
        unsafe { self.uring.outgoing.read(key, file, memory, 0, Some(place)) };
        self.answered().outcome
    }

    /// Sends the bytes, which arrive and come back.
    fn pass(&mut self, client: &mut TcpStream, socket: SocketId, chain: Chain, bytes: &[u8]) {
        self.submit(SEND, Op::Send { socket, chain });
        let mut pinned = loop {
            match self.next(SEND) {
                Event::Sent { error: None, pinned, .. } => break pinned,
                Event::Sending { .. } => {}
                other => panic!("instead of a send: {other:?}"),
            }
        };
        let mut arrived = vec![0; bytes.len()];
        client.read_exact(&mut arrived).unwrap();
        assert!(arrived == bytes);
        while pinned {
            pinned = !matches!(self.next(SEND), Event::Released);
        }
        self.pools.settle(drop);
    }
}

fn buffer_of(request: FileRequest) -> Buffer {
    match request.work {
        FileWork::Read { buffer, .. } | FileWork::Write { buffer, .. } => buffer,
        other => panic!("the request comes back, and not {other:?}"),
    }
}

fn filled(pool: &Arc<BlockPool>) -> RegionBuf {
    let mut block = pool.take().unwrap();
    block.set_len(LEN);
    block.copy_from_slice(&text());
    block
}

fn text() -> Vec<u8> {
    (0..LEN).map(|byte| ((byte * 7) >> 3) as u8).collect()
}

#[test]
fn files_are_asked_by_the_place_of_memory_where_the_kernel_knows_it() {
    needs_io_uring!();
    let directory = Directory::new("regions");
    let (mut rig, mut other) = (Rig::new(), Rig::new());
    let text = text();
    let file = rig.opened(None, open(&directory.join("file"), MAKE));
    rig.there_and_back(file, text.clone().into(), &text);
    assert_eq!(rig.uring.registered(), [0, 0, 0]);
    let [first, second] = [(); 2].map(|()| rig.region());
    for pool in [&second, &first, &second] {
        drop(rig.there_and_back(file, filled(pool).into(), &text));
    }
    assert_eq!(rig.uring.registered(), [3, 3, 0]);
    // Memory of another ring is memory like any other.
    let elsewhere = other.region();
    rig.there_and_back(file, filled(&elsewhere).into(), &text);
    assert_eq!((rig.uring.registered(), other.uring.registered()), ([3, 3, 0], [0, 0, 0]));
    // Another region takes the place of one that is gone, and that the kernel does not know any more.
    let memory = first.memory();
    rig.dismiss(first.clone());
    assert_eq!(rig.read_by_place(file, memory, 0), Err(Errno::EFAULT));
    drop(first);
    let third = rig.region();
    drop(rig.there_and_back(file, filled(&third).into(), &text));
    assert_eq!(rig.uring.registered(), [4, 4, 0]);
    rig.close_file(file);
    other.dismiss(elsewhere);
    rig.dismiss(second);
    rig.dismiss(third);
    assert_eq!(rig.uring.in_flight.regions.count(), 0);
    rig.assert_at_baseline();
    rig.end();
    other.end();
}

#[test]
fn one_piece_of_a_region_is_sent_by_the_place_of_memory() {
    needs_io_uring!();
    const FORCED: UringConfig =
        UringConfig { submission_entries: 64, completion_entries: 64, zero_copy_always: true, ..SCARCE };
    let mut rig = Rig::of(&FORCED, ReceivePool::new(8, 16_384));
    if rig.uring.zero_copy.bytes_min == u32::MAX {
        // Not by `eprintln!`, which the test runner would swallow.
        let text = b"SKIPPED: this kernel does not report what it has copied\n";
        return io::stderr().write_all(text).unwrap();
    }
    let (mut client, socket) = rig.connect();
    let region = rig.region();
    let bytes = filled(&region).freeze();
    let part = bytes.slice(5..30_000).unwrap();
    let push = |rig: &Rig, chain: &mut Chain, bytes: &Bytes| {
        rig.pools.send.push_bytes(chain, bytes.clone()).unwrap();
    };
    for (sends, bytes) in [(1, &bytes), (2, &part)] {
        let mut chain = Chain::EMPTY;
        push(&rig, &mut chain, bytes);
        rig.pass(&mut client, socket, chain, bytes);
        assert_eq!(rig.uring.registered(), [0, 0, sends]);
    }
    // Two pieces, or one of elsewhere, are sent without a copy as always.
    let elsewhere = Bytes::from(text());
    for pieces in [[&bytes, &part], [&Bytes::new(), &elsewhere], [&elsewhere, &part]] {
        let mut chain = Chain::EMPTY;
        pieces.iter().for_each(|piece| push(&rig, &mut chain, piece));
        rig.pass(&mut client, socket, chain, &pieces.map(|piece| &piece[..]).concat());
    }
    assert_eq!(rig.uring.registered(), [0, 0, 2]);
    assert!(rig.uring.zero_copy_sends() >= 5);
    drop((bytes, part));
    rig.dismiss(region);
    rig.close(socket, false);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_block_is_not_back_before_the_kernel_has_done_with_it() {
    needs_io_uring!();
    let mut desk = super::answers::Desk::new();
    let region = desk.rig.region();
    let mut chain = Chain::EMPTY;
    desk.rig.pools.send.push_bytes(&mut chain, filled(&region).freeze()).unwrap();
    let socket = desk.socket;
    let send = desk.begin(Op::Send { socket, chain });
    desk.rig.ask(None, FileWork::Dismiss { pool: Arc::clone(&region) });
    desk.answer(send, LEN as i32, super::answers::MORE);
    desk.rig.pools.settle(drop);
    desk.rig.turn(Wait::No);
    assert_eq!((region.free(), desk.rig.uring.in_flight.regions.count()), (1, 1), "it is pinned");
    // The bit of an answer that says that memory is free again.
    desk.answer(send, 0, 8);
    desk.rig.pools.settle(drop);
    assert_eq!(desk.rig.answered().outcome, Ok(0));
    assert_eq!((region.free(), desk.rig.uring.in_flight.regions.count()), (2, 0));
}

#[test]
fn where_the_kernel_refuses_everything_is_done_as_without() {
    needs_io_uring!();
    let directory = Directory::new("refused");
    let mut rig = Rig::new();
    // It has none, so that every place is refused.
    rig.uring.has_memory_table = true;
    let (pool, text) = (BlockPool::new(2, LEN).unwrap(), text());
    assert_eq!(rig.enrol(&pool), Ok(0));
    let file = rig.opened(None, open(&directory.join("file"), MAKE));
    drop(rig.there_and_back(file, filled(&pool).into(), &text));
    assert_eq!(rig.uring.registered(), [0, 0, 0]);
    rig.close_file(file);
    rig.dismiss(pool);
    rig.assert_at_baseline();
    rig.end();
}

#[test]
fn a_read_into_a_region_that_hangs_is_left_behind_with_the_memory() {
    needs_io_uring!();
    let directory = Directory::new("stuck-block");
    let mut desk = super::answers::Desk::new();
    let [used, other] = [(); 2].map(|()| desk.rig.region());
    let file = desk.rig.opened(None, open(&directory.join("file"), MAKE));
    let work = FileWork::Read { offset: 0, buffer: used.take().unwrap().into() };
    desk.begin(Op::File { request: FileRequest::new(file, work) });
    desk.rig.ask(None, FileWork::Dismiss { pool: Arc::clone(&used) });
    let left = desk.rig.uring.drain(&desk.rig.pools, Duration::from_millis(20));
    assert_eq!((left.operations, left.to_string()), (0, "1 to read".to_owned()));
    assert_eq!(desk.rig.uring.in_flight.regions.count(), 0, "every place is cleared");
    drop(desk);
    assert_eq!([used, other].map(|region| Arc::strong_count(&region)), [2, 1], "its block keeps the memory");
}

#[test]
fn a_drain_takes_regions_back_whose_blocks_are_out() {
    needs_io_uring!();
    let mut rig = Rig::new();
    let regions = [(); 3].map(|()| rig.region());
    let blocks = [filled(&regions[0]), filled(&regions[1])];
    rig.ask(None, FileWork::Dismiss { pool: Arc::clone(&regions[0]) });
    assert_eq!(rig.uring.drain(&rig.pools, PATIENCE), Left::default());
    assert_eq!(rig.uring.in_flight.regions.count(), 0);
    drop(rig);
    assert!(blocks.iter().all(|block| **block == text()[..]));
    assert_eq!(regions.map(|region| Arc::strong_count(&region)), [2, 2, 1]);
}
