//! Regions: what lies in one is read, written and sent as anything else, and it goes when nobody uses it any more.

use std::sync::Arc;
use std::time::Duration;

use odeon::driver::backend::{Backend, Wait};
use odeon::driver::{FileId, FileRequest, FileWork, Left, Op, REGIONS_MAX};
use odeon::mem::{BlockPool, Buffer, Bytes, Chain, RegionBuf};
use odeon::sys::{Errno, Time};

use crate::files::{CREATE, READ};
use crate::harness::{Files, Harness, Limits, Pinning, Pins};
use crate::world::{Last, World, pattern};

impl<H: Harness> World<H> {
    /// A region of so many blocks, each of so many bytes.
    fn region(&mut self, blocks: u16, block_len: usize) -> Arc<BlockPool> {
        let pool = BlockPool::new(blocks, block_len).expect("there is memory");
        self.enrol(&pool).expect("there is room for it");
        pool
    }

    /// Asked again where the machine has no memory for it by accident.
    fn enrol(&mut self, pool: &Arc<BlockPool>) -> Result<u32, Errno> {
        for _ in 0..100 {
            let op = self.ask(None, FileWork::Enrol { pool: Arc::clone(pool) });
            let outcome = self.answer(op).outcome;
            if outcome != Err(Errno::ENOMEM) {
                return outcome;
            }
        }
        panic!("the machine has no memory")
    }

    fn dismiss(&mut self, pool: &Arc<BlockPool>) -> u64 {
        self.ask(None, FileWork::Dismiss { pool: Arc::clone(pool) })
    }

    /// Reads once into a block.
    fn read_block(&mut self, file: FileId, offset: u64, block: RegionBuf) -> (u32, RegionBuf) {
        let request = self.run(file, FileWork::Read { offset, buffer: block.into() });
        (request.outcome.expect("it can be read"), block_of(*request))
    }

    fn assert_waits(&mut self, op: u64) {
        for _ in 0..20 {
            self.step();
        }
        assert_eq!(self.last(op), None, "it waits");
    }
}

fn block_of(request: FileRequest) -> RegionBuf {
    match request.work {
        FileWork::Read { buffer: Buffer::Block(block), .. }
        | FileWork::Write { buffer: Buffer::Block(block), .. } => block,
        other => panic!("instead of a block: {other:?}"),
    }
}

/// A block with these bytes in it.
fn filled(pool: &Arc<BlockPool>, bytes: &[u8]) -> RegionBuf {
    let mut block = pool.take().expect("one is free");
    block.set_len(bytes.len());
    block.copy_from_slice(bytes);
    block
}

pub fn a_block_is_written_and_read_back<H: Harness>(round: u32) {
    const LEN: usize = 10_000;
    let mut world = World::<H>::start(round, &Limits::default());
    let files = world.net.files();
    let region = world.region(3, LEN);
    let file = world.open(&files, "new", CREATE).expect("it is made");
    let bytes = pattern(0, LEN);
    let (mut block, mut from) = (filled(&region, &bytes), 0);
    while from < LEN {
        let offset = from as u64;
        let request = world.run(file, FileWork::Write { offset, buffer: block.into(), from });
        from += request.outcome.expect("there is room") as usize;
        block = block_of(*request);
        assert!(*block == bytes, "it comes back as it was");
    }
    assert!(files.contents("new") == Some(bytes.clone()));
    block.set_len(0);
    while block.len() < LEN {
        let (offset, before) = (block.len() as u64, block.len());
        let count;
        (count, block) = world.read_block(file, offset, block);
        assert!(count > 0 && block.len() == before + count as usize);
    }
    assert!(*block == bytes);
    world.close_file(file);
    drop(block);
    let dismissed = world.dismiss(&region);
    assert_eq!(world.await_last(dismissed), Last::File(Ok(0)));
    world.finish();
}

pub fn a_block_is_read_behind_what_is_there_and_short_at_the_end<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let files = world.net.files();
    files.put("ten", b"0123456789");
    let region = world.region(2, 100);
    let file = world.open(&files, "ten", READ).expect("it is there");
    // The other one is not touched.
    let other = filled(&region, &[7; 100]);
    let (count, block) = world.read_block(file, 6, filled(&region, b"head:"));
    assert!(count > 0 && block.len() == 5 + count as usize && b"head:6789".starts_with(&block));
    let (count, block) = world.read_block(file, 10, block);
    assert_eq!(count, 0, "the end of the file");
    assert!(b"head:6789".starts_with(&block) && *other == [7; 100]);
    world.close_file(file);
    world.finish();
}

pub fn what_lies_in_a_region_is_sent_byte_for_byte<H: Harness>(round: u32) {
    const LEN: usize = 60_000;
    for pins in [Pins::Some, Pins::All] {
        let limits = Limits { pins, ..Limits::default() };
        let mut world = World::<H>::start(round, &limits);
        let (socket, mut client) = world.connection();
        let region = world.region(2, LEN);
        let bytes = filled(&region, &pattern(0, LEN)).freeze();
        // All of it, a part of it, and a part behind a few bytes of elsewhere: the last not as one piece.
        let part = bytes.slice(1_000..50_000).expect("it is long enough");
        let pieces: [(&[u8], Bytes); 3] = [(b"", bytes.clone()), (b"", part.clone()), (b"head", part)];
        for (head, piece) in pieces {
            let mut chain = world.chain(head);
            let expected = [head, &piece[..]].concat();
            world.pools.send.push_bytes(&mut chain, piece).expect("there is a part");
            let send = world.submit(Op::Send { socket, chain });
            assert!(world.read_exactly(&mut client, expected.len()) == expected);
            let sent = Last::Sent { bytes: expected.len() as u32, error: None };
            assert_eq!(world.await_released(send), sent);
        }
        let dismissed = world.dismiss(&region);
        world.assert_waits(dismissed);
        drop(bytes);
        assert_eq!(world.await_last(dismissed), Last::File(Ok(0)));
        world.close_ended(socket, false);
        world.finish();
    }
}

pub fn a_region_waits_for_a_send_whose_memory_is_still_read<H: Harness>(round: u32) {
    const LEN: usize = 50_000;
    let limits = Limits { pins: Pins::UntilRead, ..Limits::default() };
    let mut world = World::<H>::start(round, &limits);
    let (socket, mut client) = world.connection();
    let region = world.region(1, LEN);
    let mut chain = Chain::EMPTY;
    let bytes = filled(&region, &pattern(0, LEN)).freeze();
    world.pools.send.push_bytes(&mut chain, bytes).expect("there is a part");
    let send = world.submit(Op::Send { socket, chain });
    let dismissed = world.dismiss(&region);
    world.until("the send or its memory", |world| world.last(send).is_some());
    match H::PINS {
        Pinning::AsAsked => {
            assert!(world.ops[&send].pinned, "nobody has read it");
            world.assert_waits(dismissed);
        }
        Pinning::Perhaps => {
            world.step();
            assert!(!world.ops[&send].pinned || world.last(dismissed).is_none(), "the kernel still reads it");
        }
        Pinning::Never => {
            assert!(!world.ops[&send].pinned);
            assert_eq!(world.await_last(dismissed), Last::File(Ok(0)), "whether it has been read or not");
        }
    }
    assert!(world.read_exactly(&mut client, LEN) == pattern(0, LEN));
    world.await_released(send);
    assert_eq!(world.await_last(dismissed), Last::File(Ok(0)));
    world.close_ended(socket, false);
    world.finish();
}

pub fn a_region_waits_for_a_block_that_is_out<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let region = world.region(2, 64);
    let [first, second] = [b"first", b"other"].map(|bytes| filled(&region, bytes));
    let [dismissed, again] = [(); 2].map(|()| world.dismiss(&region));
    world.step();
    assert!(region.take().is_none(), "nobody takes another");
    drop(first);
    world.assert_waits(dismissed);
    assert_eq!(*second, *b"other", "it is still there");
    drop(second);
    for op in [dismissed, again] {
        assert_eq!(world.await_last(op), Last::File(Ok(0)));
    }
    world.finish();
}

pub fn a_block_that_another_thread_drops_ends_a_sleep<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let region = world.region(1, 64);
    let block = filled(&region, b"elsewhere");
    let dismissed = world.dismiss(&region);
    world.assert_waits(dismissed);
    let thread = std::thread::spawn(move || drop(block));
    if !H::sleeps() {
        thread.join().expect("nothing in it panics");
        assert_eq!(world.await_last(dismissed), Last::File(Ok(0)));
        return world.finish();
    }
    // Nothing else would end it.
    while world.last(dismissed).is_none() {
        world.enter(Wait::Until(Time::MAX));
    }
    thread.join().expect("nothing in it panics");
    world.finish();
}

pub fn a_region_waits_for_a_read_that_is_in_flight<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let files = world.net.files();
    files.put("page", &pattern(0, 1_000));
    let region = world.region(4, 1_000);
    let file = world.open(&files, "page", READ).expect("it is there");
    let reads: Vec<u64> = (0..4)
        .map(|_| {
            let buffer = region.take().expect("one is free").into();
            world.ask(Some(file), FileWork::Read { offset: 0, buffer })
        })
        .collect();
    let dismissed = world.dismiss(&region);
    for (at, read) in reads.into_iter().enumerate() {
        assert_eq!(world.last(dismissed), None, "{at} of them are back");
        let request = world.answer(read);
        let count = request.outcome.expect("it can be read") as usize;
        assert!(*block_of(*request) == pattern(0, count));
    }
    assert_eq!(world.await_last(dismissed), Last::File(Ok(0)));
    world.close_file(file);
    world.finish();
}

pub fn there_are_no_more_regions_than_there_may_be<H: Harness>(round: u32) {
    let mut world = World::<H>::start(round, &Limits::default());
    let regions: Vec<_> = (0..REGIONS_MAX).map(|_| world.region(1, 64)).collect();
    let beyond = BlockPool::new(1, 64).expect("there is memory");
    assert_eq!(world.enrol(&beyond), Err(Errno::ENOSPC));
    let dismissed = world.dismiss(&regions[7]);
    assert_eq!(world.await_last(dismissed), Last::File(Ok(0)));
    world.enrol(&beyond).expect("there is room for one");
    assert_eq!(world.enrol(&regions[7]), Err(Errno::ECANCELED), "nobody wants it any more");
    world.finish();
}

pub fn a_drain_waits_for_no_block_that_somebody_keeps<H: Harness>(round: u32) {
    for steps in [0, 1, 10] {
        let mut world = World::<H>::start(round, &Limits::default());
        let files = world.net.files();
        files.put("page", b"a page");
        let file = world.open(&files, "page", READ).expect("it is there");
        let [kept, used] = [(); 2].map(|()| world.region(2, 100));
        let block = filled(&kept, b"kept");
        let buffer = used.take().expect("one is free").into();
        world.ask(Some(file), FileWork::Read { offset: 0, buffer });
        world.dismiss(&kept);
        world.dismiss(&used);
        for _ in 0..steps {
            world.step();
        }
        let left = world.net.backend().drain(&world.pools, Duration::from_secs(5));
        assert_eq!(left, Left::default(), "everything in flight could be awaited");
        world.assert_empty();
        assert_eq!(*block, *b"kept", "the memory is its owner's");
        drop(world);
        assert_eq!(
            (Arc::strong_count(&kept), Arc::strong_count(&used)),
            (2, 1),
            "the block has a hold on it"
        );
    }
}
