//! Sequences of operations on the receive pool, beside vectors of bytes.
#![no_main]

use odeon::mem::ReceivePool;

const SIZE: u32 = 20;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let pool = ReceivePool::new(3, SIZE);
    let mut taken = Vec::new();
    let mut leases = Vec::new();
    let mut kept = Vec::new();
    for (step, operation) in data.chunks_exact(2).enumerate() {
        let amount = usize::from(operation[1]);
        match operation[0] % 7 {
            0 => {
                let free = pool.has_free();
                let buffer = pool.take_free();
                assert_eq!(buffer.is_some(), free);
                taken.extend(buffer);
            }
            1 | 2 if !taken.is_empty() => {
                let index = amount % taken.len();
                let lease = pool.fill(taken[index], |space| {
                    let len = space.len().min(amount / 8);
                    space[..len].fill(step as u8);
                    Ok(len)
                });
                let lease = lease.expect("the closure does not fail");
                leases.extend(lease.map(|lease| (vec![step as u8; lease.len()], lease)));
                if pool.is_full(taken[index]) {
                    taken.swap_remove(index);
                }
            }
            3 if !leases.is_empty() => pool.release(leases.swap_remove(amount % leases.len()).1),
            5 if !leases.is_empty() => {
                let (bytes, lease): &(Vec<u8>, _) = &leases[amount % leases.len()];
                kept.extend(pool.keep(pool.bytes(lease), 0).map(|kept| (bytes.clone(), kept)));
            }
            6 if !kept.is_empty() => {
                drop(kept.swap_remove(amount % kept.len()));
                pool.take_returned();
            }
            4 if !taken.is_empty() => pool.give_back(taken.swap_remove(amount % taken.len())),
            _ => {}
        }
        assert_eq!(pool.lent(), leases.len());
        for (bytes, kept) in &kept {
            assert_eq!(kept, bytes, "what is kept stays as it was");
        }
        for (bytes, lease) in &leases {
            assert_eq!(pool.bytes(lease), bytes, "what is lent stays as it was");
        }
    }
    leases.into_iter().for_each(|(_, lease)| pool.release(lease));
    drop(kept);
    pool.take_returned();
    taken.into_iter().for_each(|buffer| pool.give_back(buffer));
    assert_eq!((pool.lent(), pool.free()), (0, 3), "every buffer is back");
});
