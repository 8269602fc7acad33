//! Tests of the receive pool: what is lent, kept and lent once more stays as it was, and every buffer comes back.
//!
//! Knows: buffers that are filled by hand. Must not know a kernel.

use super::*;

fn put(pool: &ReceivePool, buffer: u16, text: &[u8]) -> Lease {
    pool.fill(buffer, |space| {
        space[..text.len()].copy_from_slice(text);
        Ok(text.len())
    })
    .unwrap()
    .unwrap()
}

#[test]
fn a_buffer_is_lent_in_parts_and_comes_back_when_all_are_released() {
    let pool = ReceivePool::new(1, 8);
    let buffer = pool.take_free().unwrap();
    let first = put(&pool, buffer, b"abc");
    let second = put(&pool, buffer, b"defgh");
    assert!(pool.is_full(buffer));
    assert_eq!(pool.bytes(&first), b"abc");
    assert_eq!(pool.bytes(&second), b"defgh");
    pool.release(first);
    assert!(!pool.has_free());
    pool.release(second);
    assert_eq!(pool.take_free(), Some(buffer));
    assert_eq!((pool.lent(), pool.busy.get()), (0, 0));
}

#[test]
fn a_buffer_with_room_stays_with_its_filler() {
    let pool = ReceivePool::new(1, 8);
    let buffer = pool.take_free().unwrap();
    let lease = put(&pool, buffer, b"abc");
    pool.release(lease);
    assert!(!pool.has_free());
    assert!(pool.fill(buffer, |_| Ok(0)).unwrap().is_none());
    pool.give_back(buffer);
    assert!(pool.has_free());
}

/// A pool of which one buffer is filled with `text`, and lent.
fn with_one_lent(count: u16, text: &[u8]) -> (ReceivePool, Lease) {
    let pool = ReceivePool::new(count, text.len() as u32);
    let lease = put(&pool, pool.take_free().unwrap(), text);
    (pool, lease)
}

#[test]
fn what_is_kept_stays_as_it_was_until_it_is_let_go_on_any_thread() {
    let (pool, lease) = with_one_lent(4, b"abcdefgh");
    let kept = pool.keep(&pool.bytes(&lease)[2..5], 1).unwrap();
    let address = pool.bytes(&lease)[2..].as_ptr();
    pool.release(lease);
    assert_eq!((pool.lent(), pool.kept(), pool.free()), (0, 1, 3));
    let others: Vec<u16> = std::iter::from_fn(|| pool.take_free()).collect();
    others.into_iter().for_each(|other| pool.release(put(&pool, other, b"ABCDEFGH")));
    assert_eq!((&kept[..], kept.as_ptr()), (&b"cde"[..], address));
    let twin = kept.clone();
    drop(kept);
    assert!(!pool.has_returned());
    std::thread::spawn(move || assert_eq!(twin, "cde")).join().unwrap();
    assert!(pool.has_returned() && pool.free() == 3, "it is taken when its core comes to it");
    pool.take_returned();
    assert!(!pool.has_returned());
    assert_eq!((pool.lent(), pool.kept(), pool.free(), pool.busy.get()), (0, 0, 4, 0));
}

#[test]
fn a_buffer_is_free_once_all_that_is_kept_and_lent_of_it_has_come_back() {
    let pool = ReceivePool::new(4, 8);
    let buffer = pool.take_free().unwrap();
    let (first, second) = (put(&pool, buffer, b"abc"), put(&pool, buffer, b"defgh"));
    let kept = [pool.bytes(&first), &pool.bytes(&first)[1..], pool.bytes(&second)]
        .map(|bytes| pool.keep(bytes, 1).unwrap());
    assert_eq!((pool.lent(), pool.kept()), (2, 1));
    let again = pool.keep(&kept[2][2..], 1).expect("bytes that are kept are lent");
    drop(kept);
    pool.release(first);
    pool.take_returned();
    assert_eq!((pool.lent(), pool.kept(), pool.free()), (1, 1, 3));
    pool.release(second);
    assert_eq!((pool.lent(), pool.kept(), pool.free()), (0, 1, 3));
    assert_eq!(again, "fgh");
    drop(again);
    pool.take_returned();
    assert_eq!((pool.kept(), pool.free(), pool.busy.get()), (0, 4, 0));
}

#[test]
fn whoever_keeps_bytes_leaves_half_of_the_buffers() {
    for (count, kept_max) in [(1, 0), (2, 1), (4, 2), (5, 3), (16, 8)] {
        let pool = ReceivePool::new(count, 8);
        let mut kept = Vec::new();
        for keeper in 0..count {
            let lease = put(&pool, pool.take_free().expect("one is left"), b"abcdefgh");
            kept.extend(pool.keep(pool.bytes(&lease), keeper.into()));
            pool.release(lease);
        }
        assert_eq!((kept.len(), pool.kept()), (kept_max, kept_max));
        let lease = put(&pool, pool.take_free().unwrap(), b"abcdefgh");
        assert_eq!(pool.keep(pool.bytes(&lease), 99), None);
        pool.release(lease);
        if kept.pop().is_some() {
            pool.take_returned();
            let lease = put(&pool, pool.take_free().unwrap(), b"abcdefgh");
            assert!(pool.keep(pool.bytes(&lease), 99).is_some(), "one has come back");
            pool.release(lease);
        }
    }
}

#[test]
fn one_keeper_leaves_the_greater_part_to_others() {
    let pool = ReceivePool::new(32, 8);
    let keep = |keeper| {
        let lease = put(&pool, pool.take_free().expect("half is never kept"), b"abcdefgh");
        let kept = pool.keep(pool.bytes(&lease), keeper);
        let again = pool.keep(&pool.bytes(&lease)[1..], keeper);
        assert_eq!(kept.is_some(), again.is_some(), "a buffer that is kept is kept once");
        pool.release(lease);
        kept
    };
    let many = |keeper| (0..32).map_while(|_| keep(keeper)).collect::<Vec<_>>();
    let mut kept: Vec<Vec<Bytes>> = (0..20).map(many).collect();
    let counts: Vec<usize> = kept.iter().map(Vec::len).collect();
    assert_eq!(counts[..6], [3, 2, 2, 2, 1, 1], "a quarter of what is left");
    assert_eq!((counts.iter().sum::<usize>(), pool.kept()), (16, 16), "the last ones go to whoever has none");
    kept[0].pop();
    kept[1].clear();
    pool.take_returned();
    assert!(keep(0).is_none(), "it has two, and could have three buffers if there were more");
    assert!(keep(1).is_some());
    kept.clear();
    pool.take_returned();
    assert_eq!((pool.kept(), pool.free(), pool.keepers.borrow().len()), (0, 32, 0));
}

#[test]
fn what_is_lent_leaves_the_reserve_alone_as_well() {
    let pool = ReceivePool::new(4, 8);
    let leases: Vec<Lease> = (0..4).map(|_| put(&pool, pool.take_free().unwrap(), b"abcdefgh")).collect();
    assert!(pool.keep(pool.bytes(&leases[0]), 1).is_none() && !pool.can_spare());
    let mut leases = leases.into_iter();
    let last = leases.next_back().unwrap();
    pool.release(leases.next().unwrap());
    assert!(pool.keep(pool.bytes(&last), 1).is_none() && pool.can_spare(), "to be forwarded alone");
    pool.release(leases.next().unwrap());
    assert!(pool.keep(pool.bytes(&last), 1).is_some());
    leases.chain([last]).for_each(|lease| pool.release(lease));
}

#[test]
fn what_is_lent_once_more_stays_until_both_are_released() {
    let (pool, lease) = with_one_lent(4, b"abcdefgh");
    let again = pool.lend_again(&pool.bytes(&lease)[2..5]).unwrap();
    assert_eq!((pool.bytes(&again), pool.lent(), pool.busy()), (&b"cde"[..], 2, 1));
    pool.release(lease);
    assert_eq!((pool.bytes(&again), pool.free()), (&b"cde"[..], 3));
    pool.release(again);
    assert_eq!((pool.lent(), pool.busy(), pool.free()), (0, 0, 4));
}

#[test]
fn what_is_not_lent_or_not_to_spare_is_not_lent_once_more() {
    let (pool, lease) = with_one_lent(2, b"abcdefgh");
    let other = ReceivePool::new(2, 8);
    assert!(pool.lend_again(b"abc").is_none());
    assert!(pool.lend_again(&pool.bytes(&lease)[3..3]).is_none());
    assert!(other.lend_again(pool.bytes(&lease)).is_none());
    let last = put(&pool, pool.take_free().unwrap(), b"abcdefgh");
    assert!(pool.lend_again(pool.bytes(&lease)).is_none());
    pool.release(last);
    pool.release(pool.lend_again(pool.bytes(&lease)).unwrap());
    pool.release(lease);
    assert_eq!((pool.lent(), pool.free()), (0, 2));
}

#[test]
fn what_does_not_lie_in_a_part_that_is_lent_is_not_kept() {
    let (pool, lease) = with_one_lent(4, b"abcdefgh");
    let (other, elsewhere) = (ReceivePool::new(4, 8), b"abc".to_vec());
    assert_eq!(pool.keep(&elsewhere, 1), None);
    assert_eq!(pool.keep(&[], 1), None);
    assert_eq!(pool.keep(&pool.bytes(&lease)[3..3], 1), None);
    assert_eq!(other.keep(pool.bytes(&lease), 1), None);
    pool.fill(pool.take_free().unwrap(), |space| {
        assert_eq!(pool.keep(space, 1), None, "it is being filled");
        Ok(0)
    })
    .unwrap();
    assert_eq!(pool.kept(), 0);
    pool.release(lease);
}

#[test]
fn what_is_kept_outlives_its_pool() {
    let (pool, lease) = with_one_lent(2, b"abcdefgh");
    let kept = pool.keep(pool.bytes(&lease), 1).unwrap();
    pool.release(lease);
    drop(pool);
    std::thread::spawn(move || assert_eq!(kept, "abcdefgh")).join().unwrap();
}

#[test]
fn random_parts_that_are_kept_agree_with_vectors() {
    let mut random = crate::sys::Random::new(11);
    let pool = ReceivePool::new(6, 32);
    let (mut taken, mut leases, mut kept) = (None, Vec::new(), Vec::new());
    for step in 0..if cfg!(miri) { 200 } else { 20_000_u32 } {
        match random.below(6) {
            0 | 1 => {
                taken = taken.or_else(|| pool.take_free());
                let Some(buffer) = taken else { continue };
                let text: Vec<u8> = (0..=random.below(11)).map(|byte| step as u8 ^ byte as u8).collect();
                let lease = pool.fill(buffer, |space| {
                    let len = text.len().min(space.len());
                    space[..len].copy_from_slice(&text[..len]);
                    Ok(len)
                });
                leases.extend(lease.unwrap());
                taken = taken.filter(|buffer| !pool.is_full(*buffer));
            }
            2 if !leases.is_empty() => {
                let index = random.below(leases.len() as u64) as usize;
                pool.release(leases.swap_remove(index));
            }
            3 | 4 if !leases.is_empty() => {
                let bytes = pool.bytes(&leases[random.below(leases.len() as u64) as usize]);
                let part = &bytes[random.below(bytes.len() as u64) as usize..];
                kept.extend(pool.keep(part, 1).map(|kept| (kept, part.to_vec())));
            }
            5 if !kept.is_empty() => {
                drop(kept.swap_remove(random.below(kept.len() as u64) as usize));
                pool.take_returned();
            }
            _ => {}
        }
        assert!(kept.iter().all(|(kept, twin)| kept == twin));
        assert!((pool.lent(), pool.kept() <= 3, kept.len() >= pool.kept()) == (leases.len(), true, true));
    }
    leases.into_iter().for_each(|lease| pool.release(lease));
    drop(kept);
    pool.take_returned();
    taken.into_iter().for_each(|buffer| pool.give_back(buffer));
    assert_eq!((pool.lent(), pool.kept(), pool.free(), pool.busy.get()), (0, 0, 6, 0));
}

#[test]
fn a_buffer_that_is_being_filled_cannot_be_taken() {
    let pool = ReceivePool::new(1, 8);
    let buffer = pool.take_free().unwrap();
    let first = put(&pool, buffer, b"abc");
    let second = pool.fill(buffer, |space| {
        pool.release(first);
        assert_eq!(pool.take_free(), None);
        space[0] = b'd';
        Ok(1)
    });
    pool.release(second.unwrap().unwrap());
    assert_eq!((pool.free(), pool.lent(), pool.busy.get()), (0, 0, 0));
    pool.give_back(buffer);
    assert_eq!(pool.free(), 1);
}

#[test]
fn a_part_that_is_released_while_the_rest_is_filled_leaves_no_buffer_busy() {
    let pool = ReceivePool::new(4, 8);
    for read in [Ok(0), Ok(1), Err(io::ErrorKind::WouldBlock), Ok(5), Ok(0)] {
        let buffer = pool.take_free().unwrap();
        let first = put(&pool, buffer, b"abc");
        let filled = pool.fill(buffer, |_| {
            assert_eq!(pool.busy.get(), 1);
            pool.release(first);
            assert_eq!(pool.busy.get(), 1, "it is out of reach while it is filled");
            read.map_err(io::Error::from)
        });
        filled.ok().flatten().into_iter().for_each(|lease| pool.release(lease));
        assert_eq!((pool.lent(), pool.busy.get()), (0, 0));
        if !pool.is_full(buffer) {
            pool.give_back(buffer);
        }
        assert_eq!(pool.free(), 4);
    }
    assert!(pool.can_spare());
}

#[test]
fn a_failed_read_lends_nothing() {
    let pool = ReceivePool::new(1, 8);
    let buffer = pool.take_free().unwrap();
    let error = pool.fill(buffer, |_| Err(io::ErrorKind::WouldBlock.into())).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    pool.give_back(buffer);
    assert_eq!((pool.free(), pool.lent(), pool.busy.get()), (1, 0, 0));
}

#[test]
#[should_panic(expected = "the pool that it came from")]
fn a_lease_of_another_pool_is_refused() {
    let (one, other) = (ReceivePool::new(1, 8), ReceivePool::new(1, 8));
    let lease = one.lend_from_kernel(one.take_for_kernel().unwrap(), 1, false);
    other.release(lease);
}

#[test]
#[should_panic(expected = "the pool that it came from")]
fn a_lease_that_outlives_its_pool_is_refused_by_every_later_one() {
    let first = ReceivePool::new(1, 64);
    let lease = first.lend_from_kernel(first.take_for_kernel().unwrap(), 64, false);
    drop(first);
    for _ in 0..if cfg!(miri) { 10 } else { u16::MAX } {
        drop(ReceivePool::new(1, 1));
    }
    let _ = ReceivePool::new(1, 1).bytes(&lease);
}

#[test]
fn a_buffer_that_the_kernel_fills_is_out_of_reach() {
    let refused = |act: &dyn Fn()| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).expect_err("the kernel has it");
    };
    let pool = ReceivePool::new(1, 8);
    let buffer = pool.take_for_kernel().unwrap();
    refused(&|| drop(pool.fill(buffer, |space| Ok(space.len()))));
    refused(&|| pool.give_back(buffer));
    let lease = pool.lend_from_kernel(buffer, 3, true);
    refused(&|| drop(pool.fill(buffer, |space| Ok(space.len()))));
    pool.release(lease);
    assert!(!pool.has_free(), "it is still with the kernel");
    pool.reclaim();
    assert!(pool.has_free());
}

#[test]
#[should_panic(expected = "within their buffer")]
fn more_bytes_than_a_buffer_holds_are_refused() {
    let pool = ReceivePool::new(1, 8);
    let buffer = pool.take_for_kernel().unwrap();
    let _ = pool.lend_from_kernel(buffer, 9, false);
}
