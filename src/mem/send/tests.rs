//! Chains beside vectors, mixed ones too.
//!
//! Knows: what a chain should hold. Must not know who sends it.

use std::sync::Arc;

use super::*;

fn content(pool: &SendPool, chain: &Chain, skip: u32) -> Vec<u8> {
    pool.segments(chain, skip).flatten().copied().collect()
}

#[test]
fn small_writes_share_a_slot_and_grow_into_a_larger_one() {
    let pool = SendPool::new([4, 4, 0, 0, 0]);
    let mut chain = Chain::EMPTY;
    let mut twin = Vec::new();
    for part in 0..16_u8 {
        pool.write(&mut chain, &[part; 64]).unwrap();
        twin.extend_from_slice(&[part; 64]);
        assert_eq!(pool.taken(), 1, "one slot holds it all");
    }
    assert_eq!(content(&pool, &chain, 0), twin);
    assert_eq!(content(&pool, &chain, 100), twin[100..]);
    pool.release(chain);
    assert_eq!(pool.taken(), 0);
}

#[test]
fn a_large_write_spans_slots_and_keeps_its_order() {
    let pool = SendPool::new([8, 2, 0, 0, 0]);
    let mut chain = Chain::EMPTY;
    let twin: Vec<u8> = (0..3000_u32).map(|byte| byte as u8).collect();
    pool.write(&mut chain, &twin[..100]).unwrap();
    pool.write(&mut chain, &twin[100..]).unwrap();
    assert_eq!(content(&pool, &chain, 0), twin);
    assert_eq!(content(&pool, &chain, 1500), twin[1500..]);
    pool.release(chain);
    assert_eq!(pool.taken(), 0);
}

#[test]
fn a_write_that_does_not_fit_leaves_everything_as_it_was() {
    let pool = SendPool::new([2, 0, 0, 0, 0]);
    let mut chain = Chain::EMPTY;
    pool.write(&mut chain, &[1; 200]).unwrap();
    assert_eq!(pool.write(&mut chain, &[2; 400]), Err(Full));
    assert_eq!(content(&pool, &chain, 0), [1; 200]);
    pool.write(&mut chain, &[2; 312]).unwrap();
    assert_eq!(chain.bytes(), 512);
    assert!(!pool.has_free());
    pool.release(chain);
    assert!(pool.has_free());
}

#[test]
fn a_chain_of_another_pool_is_refused() {
    let (one, other) = (SendPool::new([2, 0, 0, 0, 0]), SendPool::new([2, 0, 0, 0, 0]));
    let stray = || {
        let mut chain = Chain::EMPTY;
        one.write(&mut chain, b"x").unwrap();
        chain
    };
    let refused = |act: &dyn Fn(Chain)| {
        let chain = stray();
        let slot = chain.first;
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| act(chain))).expect_err("of another pool");
        one.give(slot);
    };
    refused(&|chain| other.release(chain));
    refused(&|mut chain| other.write(&mut chain, b"y").unwrap());
    refused(&|chain| assert_eq!(other.segments(&chain, 0).count(), 0));
    refused(&|chain| other.join(&mut { Chain::EMPTY }, chain));
    refused(&|mut chain| other.join(&mut chain, Chain::EMPTY));
    other.release(Chain::EMPTY);
    assert_eq!((one.taken(), other.taken()), (0, 0));
}

#[test]
fn however_many_take_their_share_the_next_has_one() {
    const SLOTS: [u32; SEND_CLASSES.len()] = [1024, 512, 128, 32, 8];
    let pool = SendPool::new(SLOTS).bounded(100_000, 0);
    let mut chains: Vec<Chain> = Vec::new();
    for _ in 0..900 {
        let mut chain = Chain::EMPTY;
        while pool.share(chain.bytes() as usize) >= 100 {
            if pool.write(&mut chain, &[7; 100]).is_err() {
                break;
            }
        }
        assert!(chain.bytes() >= 200, "there is something for everybody");
        assert!(chain.bytes() <= 100_000, "nobody has more than the bound");
        chains.push(chain);
    }
    chains.into_iter().for_each(|chain| pool.release(chain));
    let all: u32 = SLOTS.iter().zip(SEND_CLASSES).map(|(slots, bytes)| slots * bytes).sum();
    assert_eq!(pool.free_bytes.get(), all as usize);
}

#[test]
fn what_waits_elsewhere_is_bounded_and_whoever_holds_most_of_it_is_refused_first() {
    let pool = SendPool::new([1, 0, 0, 0, 0]).bounded(100, 8000);
    assert_eq!(pool.wait(0, 1001), Err(Full));
    pool.wait(0, 1000).unwrap();
    assert_eq!(pool.wait(1000, 1), Err(Full));
    let mut owners = 1;
    while pool.wait(0, 500).is_ok() {
        owners += 1;
    }
    assert_eq!(owners, 1 + 7, "half of it is left");
    for _ in 0..100 {
        pool.wait(0, 10).unwrap();
    }
    assert_eq!(pool.wait(500, 1), Err(Full), "an owner whose share was larger before");
    pool.waited(pool.waiting_bytes.get());
    pool.wait(0, 1000).unwrap();
}

#[test]
fn chains_are_joined_without_copying() {
    let pool = SendPool::new([4, 0, 0, 0, 0]);
    let (mut one, mut two) = (Chain::EMPTY, Chain::EMPTY);
    pool.write(&mut one, b"abc").unwrap();
    pool.write(&mut two, b"def").unwrap();
    pool.join(&mut one, two);
    assert_eq!(content(&pool, &one, 0), b"abcdef");
    let mut empty = Chain::EMPTY;
    pool.join(&mut empty, one.take());
    pool.join(&mut empty, Chain::EMPTY);
    assert_eq!(empty.bytes(), 6);
    pool.release(empty);
    assert_eq!(pool.taken(), 0);
}

/// Counted bytes, and the count of their owner.
fn owned(bytes: &[u8]) -> (Bytes, Arc<[u8]>) {
    let owner: Arc<[u8]> = Arc::from(bytes);
    (Bytes::from(Arc::clone(&owner)), owner)
}

/// A lease of these bytes, in a pool of two buffers.
fn leased(bytes: &[u8]) -> (ReceivePool, Lease) {
    let receive = ReceivePool::new(2, bytes.len() as u32);
    let lease = lease(&receive, bytes).unwrap();
    (receive, lease)
}

fn lease(receive: &ReceivePool, bytes: &[u8]) -> Option<Lease> {
    let buffer = receive.take_free()?;
    let lease = receive.fill(buffer, |space| {
        space[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    });
    if !receive.is_full(buffer) {
        receive.give_back(buffer);
    }
    lease.unwrap()
}

/// Drops and releases what was let go; answers how much that was, if it has an end.
fn settle(pool: &SendPool, receive: &ReceivePool) -> usize {
    let released = std::iter::from_fn(|| pool.take_released());
    released
        .take(100)
        .map(|keeper| match keeper {
            Keeper::Bytes(bytes) => drop(bytes),
            Keeper::Lease(lease) => receive.release(lease),
        })
        .count()
}

#[test]
fn parts_stand_between_slots_and_are_not_copied() {
    let pool = SendPool::new([4, 0, 0, 0, 0]);
    let (bytes, _) = owned(b"012345");
    let (receive, lease) = leased(b"abcdef");
    let places = [bytes.as_ptr(), receive.bytes(&lease).as_ptr()];
    let mut chain = Chain::EMPTY;
    pool.push_bytes(&mut chain, bytes.slice(1..).unwrap()).unwrap();
    pool.write(&mut chain, b"--").unwrap();
    pool.push_lease(&mut chain, lease, &receive).unwrap();
    pool.push_bytes(&mut chain, bytes).unwrap();
    pool.write(&mut chain, b"!").unwrap();
    pool.write(&mut chain, b"?").unwrap();
    assert_eq!((chain.bytes(), pool.owned_bytes(&chain), pool.taken()), (21, 17, 5));
    assert_eq!(content(&pool, &chain, 0), b"12345--abcdef012345!?");
    let pieces: Vec<*const u8> = pool.segments(&chain, 0).map(<[u8]>::as_ptr).collect();
    assert_eq!([pieces[0], pieces[2], pieces[3]], [places[0].wrapping_add(1), places[1], places[0]]);
    for skip in 0..=21 {
        assert_eq!(content(&pool, &chain, skip), b"12345--abcdef012345!?"[skip as usize..]);
    }
    pool.hand_over(&chain);
    pool.release(chain);
    assert_eq!((pool.taken(), settle(&pool, &receive)), (0, 3));
}

#[test]
fn what_keeps_a_part_is_let_go_with_its_chain_and_dropped_by_whoever_takes_it() {
    let pool = SendPool::new([1, 0, 0, 0, 0]);
    let ((bytes, owner), (receive, lease)) = (owned(b"bytes"), leased(b"lease"));
    let mut chain = Chain::EMPTY;
    pool.push_bytes(&mut chain, bytes).unwrap();
    pool.push_lease(&mut chain, lease, &receive).unwrap();
    assert!(!pool.has_released() && pool.take_released().is_none());
    pool.release(chain);
    assert_eq!((pool.taken(), pool.has_released()), (0, true));
    assert_eq!((Arc::strong_count(&owner), receive.lent()), (2, 1), "nothing is dropped by the pool");
    assert_eq!(settle(&pool, &receive), 2);
    assert_eq!((Arc::strong_count(&owner), receive.lent(), receive.free()), (1, 0, 2));
    assert!(!pool.has_released() && pool.take_released().is_none());
}

#[test]
fn few_bytes_behind_a_part_go_into_a_small_slot() {
    let pool = SendPool::new([2, 2, 2, 2, 2]);
    let (bytes, _) = owned(&[7; 100_000]);
    let (mut chain, free) = (Chain::EMPTY, pool.free_bytes.get());
    for _ in 0..2 {
        pool.push_bytes(&mut chain, bytes.clone()).unwrap();
        pool.write(&mut chain, &[1; 20]).unwrap();
    }
    assert_eq!(free - pool.free_bytes.get(), 2 * 256);
    pool.write(&mut chain, &[2; 300]).unwrap();
    assert_eq!(free - pool.free_bytes.get(), 2 * 256 + 1024);
    let pieces: Vec<usize> = pool.segments(&chain, 0).map(<[u8]>::len).collect();
    assert_eq!(pieces, [100_000, 20, 100_000, 256, 64]);
    pool.release(chain);
    assert_eq!(pool.free_bytes.get(), free);
}

#[test]
fn parts_are_bounded_until_what_kept_them_has_been_taken() {
    let pool = SendPool::new([1, 0, 0, 0, 0]).with_parts(2, usize::MAX);
    let receive = ReceivePool::new(2, 8);
    let mut chain = Chain::EMPTY;
    pool.push_bytes(&mut chain, Bytes::from("one")).unwrap();
    pool.push_lease(&mut chain, lease(&receive, b"two").unwrap(), &receive).unwrap();
    let refused = pool.push_bytes(&mut chain, Bytes::from("three"));
    assert_eq!(refused, Err((Full, Bytes::from("three"))));
    let (Full, three) =
        pool.push_lease(&mut chain, lease(&receive, b"three").unwrap(), &receive).unwrap_err();
    receive.release(three);
    assert_eq!(content(&pool, &chain, 0), b"onetwo");
    pool.release(chain.take());
    assert!(pool.push_bytes(&mut chain, Bytes::from("three")).is_err(), "nobody has taken them yet");
    assert_eq!(settle(&pool, &receive), 2);
    pool.push_bytes(&mut chain, Bytes::from("three")).unwrap();
    pool.release(chain);
    assert_eq!((settle(&pool, &receive), receive.free()), (1, 2));
}

#[test]
fn no_bytes_are_let_go_at_once() {
    let (pool, receive) = (SendPool::new([1, 0, 0, 0, 0]), ReceivePool::new(1, 8));
    let (bytes, owner) = owned(b"");
    let mut chain = Chain::EMPTY;
    pool.push_bytes(&mut chain, bytes).unwrap();
    assert_eq!((chain.bytes(), chain.first, pool.taken()), (0, NONE, 0));
    assert_eq!((Arc::strong_count(&owner), settle(&pool, &receive)), (2, 1));
    assert_eq!(Arc::strong_count(&owner), 1);
}

#[test]
fn bytes_of_a_lease_outlive_the_pool_that_they_came_from() {
    let pool = SendPool::new([1, 0, 0, 0, 0]);
    let mut chain = Chain::EMPTY;
    let (receive, lease) = leased(b"still here");
    pool.push_lease(&mut chain, lease, &receive).unwrap();
    drop(receive);
    assert_eq!(content(&pool, &chain, 0), b"still here");
    pool.release(chain);
    assert_eq!(pool.taken(), 0);
}

#[test]
fn chains_of_parts_are_joined_and_refused_like_others() {
    let pool = SendPool::new([4, 0, 0, 0, 0]);
    let mut chains: Vec<Chain> = Vec::new();
    for text in ["ab", "cd", "ef"] {
        let mut chain = Chain::EMPTY;
        pool.push_bytes(&mut chain, Bytes::from(text)).unwrap();
        chains.push(chain);
    }
    let mut all = Chain::EMPTY;
    for chain in chains {
        pool.join(&mut all, chain);
        pool.write(&mut all, b"-").unwrap();
    }
    assert_eq!((content(&pool, &all, 0), pool.owned_bytes(&all)), (b"ab-cd-ef-".to_vec(), 6));
    let other = SendPool::new([1, 0, 0, 0, 0]);
    let push = || other.push_bytes(&mut { Chain { ..all } }, Bytes::new());
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(push)).is_err());
    pool.release(all);
    assert_eq!(pool.taken(), 0);
}

#[test]
fn random_chains_agree_with_vectors() {
    let pool = SendPool::new([16, 8, 4, 2, 1]).with_parts(20, usize::MAX);
    let receive = ReceivePool::new(8, 3000);
    let owner: Arc<[u8]> = (0..3000_u32).map(|byte| byte as u8).collect();
    let mut chains: Vec<(Chain, Vec<u8>, u32)> = (0..6).map(|_| (Chain::EMPTY, Vec::new(), 0)).collect();
    let mut state = 7_u64;
    for step in 0..if cfg!(miri) { 60 } else { 6_000_u32 } {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pick = (state >> 33) as usize;
        let len = (pick >> 8) % 3000;
        if pick.is_multiple_of(5) {
            let (more, more_bytes, more_owned) =
                std::mem::replace(&mut chains[(pick + 1) % 6], (Chain::EMPTY, Vec::new(), 0));
            let (chain, twin, owned) = &mut chains[pick % 6];
            pool.join(chain, more);
            twin.extend(more_bytes);
            *owned += more_owned;
        }
        let (chain, twin, owned) = &mut chains[pick % 6];
        if pick.is_multiple_of(7) {
            assert_eq!(content(&pool, chain, len.min(twin.len()) as u32), twin[len.min(twin.len())..]);
            pool.release(chain.take());
            twin.clear();
            *owned = 0;
            if pick.is_multiple_of(2) {
                settle(&pool, &receive);
            }
        } else if pick % 7 == 1 {
            let bytes = Bytes::from(Arc::clone(&owner)).slice(..len).unwrap();
            if pool.push_bytes(chain, bytes).is_ok() {
                twin.extend_from_slice(&owner[..len]);
                *owned += len as u32;
            }
        } else if pick % 7 == 2 {
            let bytes = vec![step as u8; len + 1];
            if let Some(lease) = lease(&receive, &bytes) {
                match pool.push_lease(chain, lease, &receive) {
                    Ok(()) => {
                        twin.extend_from_slice(&bytes);
                        *owned += bytes.len() as u32;
                    }
                    Err((Full, lease)) => receive.release(lease),
                }
            }
        } else {
            let bytes = vec![step as u8; len];
            if pool.write(chain, &bytes).is_ok() {
                twin.extend_from_slice(&bytes);
            }
        }
        assert_eq!((chain.bytes() as usize, pool.owned_bytes(chain)), (twin.len(), *owned));
    }
    for (chain, twin, _) in chains {
        assert_eq!(content(&pool, &chain, 0), twin);
        pool.release(chain);
    }
    assert_eq!(pool.taken(), 0);
    settle(&pool, &receive);
    assert_eq!((Arc::strong_count(&owner), receive.lent(), receive.free()), (1, 0, 8));
    let all: u32 = [16, 8, 4, 2, 1].iter().zip(SEND_CLASSES).map(|(slots, bytes)| slots * bytes).sum();
    assert_eq!(pool.free_bytes.get(), all as usize);
}

#[test]
fn a_slot_without_bytes_is_filled_from_elsewhere() {
    let pool = SendPool::new([1, 1, 0, 0, 0]);
    // What lies in the slot from before stands for what somebody writes there.
    let mut before = Chain::EMPTY;
    pool.write(&mut before, &b"hello".repeat(100)).unwrap();
    pool.release(before);
    let mut chain = pool.space(300).unwrap();
    let room = pool.space_address(&chain);
    assert_eq!((room.len(), chain.bytes(), pool.taken()), (1024, 0, 1));
    pool.filled(&mut chain, 0);
    assert_eq!(pool.space_address(&chain), room);
    pool.filled(&mut chain, 5);
    pool.write(&mut chain, b" there").unwrap();
    assert_eq!(content(&pool, &chain, 0), b"hello there");
    pool.truncate(&mut chain, 100);
    assert_eq!(chain.bytes(), 11, "there are no more");
    pool.truncate(&mut chain, 8);
    pool.write(&mut chain, b"!").unwrap();
    assert_eq!((content(&pool, &chain, 0), chain.bytes()), (b"hello th!".to_vec(), 9));
    let fewer = pool.space(100_000).unwrap();
    assert_eq!(pool.space_address(&fewer).len(), 256, "the slot that is left");
    assert!(pool.space(1).is_none());
    pool.release(fewer);
    pool.release(chain);
    let mut again = pool.space(1024).unwrap();
    assert_eq!(content(&pool, &again, 0), b"", "what was there before is not in it");
    pool.filled(&mut again, 1);
    pool.release(again);
    assert_eq!(pool.taken(), 0);
}

#[test]
fn what_has_bytes_or_is_too_small_is_not_filled_from_elsewhere() {
    let pool = SendPool::new([2, 0, 0, 0, 0]);
    let refused = |act: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).is_err();
    let mut chain = Chain::EMPTY;
    assert!(refused(&|| assert_eq!(pool.space_address(&Chain::EMPTY).len(), 0)));
    pool.write(&mut chain, b"x").unwrap();
    assert!(refused(&|| assert_eq!(pool.space_address(&chain).len(), 0)));
    let space = std::cell::RefCell::new(pool.space(1).unwrap());
    assert!(refused(&|| pool.filled(&mut space.borrow_mut(), 257)));
    assert_eq!(space.borrow().bytes(), 0);
    pool.release(chain);
    pool.release(space.into_inner());
}

#[test]
fn counted_bytes_of_parts_are_bounded_and_those_of_leases_are_not_counted() {
    let pool = SendPool::new([1, 0, 0, 0, 0]).with_parts(10, 100);
    let receive = ReceivePool::new(1, 64);
    let mut chain = Chain::EMPTY;
    pool.push_bytes(&mut chain, Bytes::from(vec![1; 60])).unwrap();
    let buffer = receive.take_free().unwrap();
    let lease = receive.fill(buffer, |space| Ok(space.len())).unwrap().unwrap();
    pool.push_lease(&mut chain, lease, &receive).unwrap();
    let (_, back) = pool.push_bytes(&mut chain, Bytes::from(vec![2; 41])).unwrap_err();
    assert_eq!(*back, [2; 41]);
    pool.push_bytes(&mut chain, Bytes::from(vec![3; 40])).unwrap();
    assert!(pool.push_bytes(&mut chain, Bytes::from(vec![4; 1])).is_err());
    pool.release(chain);
    while let Some(keeper) = pool.take_released() {
        if let Keeper::Lease(lease) = keeper {
            receive.release(lease);
        }
    }
    let mut chain = Chain::EMPTY;
    pool.push_bytes(&mut chain, Bytes::from(vec![5; 100])).unwrap();
    pool.release(chain);
    while pool.take_released().is_some() {}
}
