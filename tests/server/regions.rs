//! Regions of a core: blocks that are read into, written from and sent, and how a region ends.
//!
//! Knows: what `odeon::fs::Region` promises. Must not know what the kernel is told.

use std::fs;
use std::io::{ErrorKind, Read};
use std::rc::Rc;
use std::sync::mpsc::channel;

use futures_lite::future::{poll_once, yield_now};
use odeon::fs::{File, Region, RegionBuf, RegionError};
use odeon::prelude::*;

use crate::client::{connect, pattern};
use crate::files::Folder;
use crate::owned::{may_copy_nothing, zero_copy};
use crate::world::World;

/// More than the kernel holds for a peer that does not read.
const LEN: usize = 100_000;

/// A block with these bytes in it.
fn filled(region: &Region, bytes: &[u8]) -> RegionBuf {
    let mut block = region.take().expect("one is free");
    block.set_len(bytes.len());
    block.copy_from_slice(bytes);
    block
}

pub(crate) fn a_file_goes_through_blocks_to_a_peer(on: BackendChoice) {
    let (mut world, folder) = (World::new(on, 2), Folder::new());
    let bytes = pattern(3, LEN);
    let path = folder.0.join("written");
    let served = path.clone();
    let listening = world.system.listener("127.0.0.1:0").serve(move |mut stream: Stream| {
        let path = served.clone();
        async move {
            let region = Region::new(4, 1 << 14).await?;
            assert_eq!(region.is_registered(), on == BackendChoice::Uring);
            let file = File::open(&path).await?;
            let mut sent = 0;
            while sent < LEN {
                let Some(block) = region.take() else {
                    stream.flush().await?;
                    // What is sent comes back at the end of a turn.
                    yield_now().await;
                    continue;
                };
                let (read, block) = file.read_at(block, sent as u64).await;
                sent += read?;
                stream.write_bytes(block.freeze()).await?;
            }
            region.remove().await;
            Ok(())
        }
    });
    let address = listening.expect("a free port is found").address();
    world.listens();
    let text = bytes.clone();
    world.run(move || async move {
        let region = Region::new(1, LEN).await.expect("there is room");
        let (written, block) =
            File::create(path).await.expect("it is made").write_all_at(filled(&region, &text), 0).await;
        written.expect("the disk has room");
        assert!(*block == text[..]);
    });
    for _ in 0..4 {
        let (mut client, mut got) = (connect(address), Vec::new());
        client.read_to_end(&mut got).expect("everything comes");
        assert!(got == bytes);
    }
    let [without, _, regions] = zero_copy(&world);
    if may_copy_nothing(&world, on) {
        assert!(regions > 0 && regions <= without, "{regions} of {without} were sent from regions");
    } else {
        assert_eq!([without, regions], [0, 0]);
    }
    world.finish();
}

pub(crate) fn a_block_is_used_on_another_core(on: BackendChoice) {
    let (world, folder) = (World::new(on, 2), Folder::new());
    let (give, given) = channel();
    let path = folder.file("page", b"a page");
    let owner = world.system.spawn_task(0, move || async move {
        let region = Region::new(1, 100).await.expect("there is room");
        give.send(filled(&region, b"it is ")).expect("somebody waits");
        // Until the other core has dropped it.
        region.remove().await;
    });
    let block = given.recv().expect("it comes");
    let elsewhere = world.system.spawn_task(1, move || async move {
        let file = File::open(path).await.expect("it is there");
        let (read, block) = file.read_at(block, 0).await;
        assert_eq!((read.expect("it is open"), &block[..]), (6, &b"it is a page"[..]));
    });
    elsewhere.expect("the core runs").wait().expect("it is read");
    owner.expect("the core runs").wait().expect("it is gone");
    world.finish();
}

pub(crate) fn a_region_is_removed_when_its_last_block_is_back(on: BackendChoice) {
    let (world, folder) = (World::new(on, 1), Folder::new());
    let path = folder.file("page", &pattern(1, LEN));
    let (give, given) = channel();
    let (tell, told) = channel();
    let removed = world.system.spawn_task(0, move || async move {
        let region = Region::new(3, LEN).await.expect("there is room");
        let file = File::open(path).await.expect("it is there");
        // Nobody waits for it.
        let mut read = Box::pin(file.read_at(region.take().expect("one is free"), 0));
        assert!(poll_once(&mut read).await.is_none());
        drop(read);
        let block = filled(&region, b"somewhere").freeze();
        let part = block.slice(4..).expect("it is long enough");
        drop(block);
        let other = region.clone();
        let mut removing = Box::pin(region.remove());
        assert!(poll_once(&mut removing).await.is_none());
        assert!(other.take().is_none(), "nobody takes another");
        assert_eq!(other.blocks(), 3);
        give.send(part).expect("somebody waits");
        removing.await;
        assert_eq!(other.free(), 3);
        tell.send(()).expect("somebody waits");
    });
    let part = given.recv().expect("it comes");
    // Behind turns of the core, so that it waits.
    world.wait_for("the read to end", |ledgers| ledgers[0].file_requests == 1);
    assert!(told.try_recv().is_err());
    assert_eq!(world.ledgers()[0].regions, 1);
    drop(part);
    removed.expect("the core runs").wait().expect("it is gone");
    world.finish();
}

pub(crate) fn a_block_is_written_while_others_wait_for_its_region_to_go(on: BackendChoice) {
    let (world, folder) = (World::with(on, 1, |config| config.file_requests_max = 1), Folder::new());
    let path = folder.file("page", b"");
    world.run(move || async move {
        let region = Region::new(2, 64).await.expect("there is room");
        let file = File::create(path).await.expect("it is made");
        let block = filled(&region, b"written");
        for _ in 0..10 {
            assert!(poll_once(&mut Box::pin(region.clone().remove())).await.is_none(), "it gives up");
        }
        let mut removing = Box::pin(region.clone().remove());
        assert!(poll_once(&mut removing).await.is_none());
        let (written, block) = file.write_all_at(block, 0).await;
        written.expect("there is room");
        drop(block);
        removing.await;
        region.remove().await;
    });
    assert_eq!(world.ledgers()[0].regions, 0);
    world.finish();
}

pub(crate) fn a_region_goes_with_its_last_handle_and_its_last_block(on: BackendChoice) {
    let world = World::new(on, 1);
    let block = world.run(|| async {
        let region = Region::new(2, 64).await.expect("there is room");
        filled(&region, b"left")
    });
    world.wait_for("the core to be told", |ledgers| ledgers[0].file_requests == 1);
    assert_eq!((&block[..], world.ledgers()[0].regions), (&b"left"[..], 1));
    drop(block);
    world.finish();
}

pub(crate) fn regions_beyond_the_limits_are_refused_and_say_why(on: BackendChoice) {
    let world = World::with(on, 1, |config| {
        (config.regions_max, config.region_bytes_max) = (2, 1 << 20);
    });
    world.run(|| async {
        let first = Rc::new(Region::new(1, 4096).await.expect("there is room"));
        let error = Region::new(2, 1 << 19).await.expect_err("that is too much");
        let (bytes, region_bytes_max) = (1 << 20, 1 << 20);
        assert_eq!(error, RegionError::TooLarge { bytes, left: bytes - 4096, region_bytes_max });
        let second = Region::new(1, 64).await.expect("there is room");
        let error = Region::new(1, 64).await.expect_err("there are two");
        assert!(error.to_string().contains("Config::regions_max"), "{error}");
        assert_eq!(std::io::Error::from(error).kind(), ErrorKind::QuotaExceeded);
        second.remove().await;
        drop(Region::new(1, 64).await.expect("there is room again"));
        drop(Region::new(1, 64).await.expect("and again"));
        let error = Region::new(0, 64).await.expect_err("of nothing");
        assert_eq!(std::io::Error::from(error).kind(), ErrorKind::InvalidInput);
        drop(first);
    });
    world.finish();
}

pub(crate) fn a_system_ends_while_blocks_are_out(on: BackendChoice) {
    let (world, folder) = (World::new(on, 1), Folder::new());
    let path = folder.file("page", &pattern(1, LEN));
    let (give, given) = channel();
    let kept = world.system.spawn_task(0, move || async move {
        let region = Region::new(8, LEN).await.expect("there is room");
        let file = File::open(path).await.expect("it is there");
        for _ in 0..4 {
            let read = file.read_at(region.take().expect("one is free"), 0);
            assert!(poll_once(Box::pin(read)).await.is_none());
        }
        give.send(filled(&region, b"kept")).expect("somebody waits");
        region.remove().await;
    });
    let block = given.recv().expect("it comes");
    assert_eq!(world.system.shutdown().tasks_cut_off, 1);
    assert!(kept.expect("the core ran").wait().is_err(), "it waits until the end");
    assert_eq!(*block, *b"kept");
    drop(block);
    assert!(fs::metadata(&folder.0).is_ok());
}
