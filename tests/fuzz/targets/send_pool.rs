//! Sequences of operations on the send pool, beside vectors of bytes.
#![no_main]

use std::sync::Arc;

use odeon::Bytes;
use odeon::mem::{Chain, Keeper, ReceivePool, SendPool};

/// A lease of so many bytes, if there is a buffer.
fn lease(receive: &ReceivePool, bytes: &[u8]) -> Option<odeon::mem::Lease> {
    let buffer = receive.take_free()?;
    let lease = receive.fill(buffer, |space| {
        space[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    });
    receive.give_back(buffer);
    lease.expect("the closure does not fail")
}

/// Drops and releases what was let go.
fn settle(pool: &SendPool, receive: &ReceivePool) {
    while let Some(keeper) = pool.take_released() {
        match keeper {
            Keeper::Bytes(bytes) => drop(bytes),
            Keeper::Lease(lease) => receive.release(lease),
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let pool = SendPool::new([3, 2, 1, 0, 1]).with_parts(5, usize::MAX);
    let receive = ReceivePool::new(3, 257);
    let owner: Arc<[u8]> = (0..=u16::MAX).map(|byte| byte as u8).collect();
    let mut chains: [(Chain, Vec<u8>); 4] = std::array::from_fn(|_| (Chain::EMPTY, Vec::new()));
    for (step, operation) in data.chunks_exact(3).enumerate() {
        let index = usize::from(operation[0] % 4);
        let amount = usize::from(u16::from_le_bytes([operation[1], operation[2]]));
        let (chain, twin) = &mut chains[index];
        match operation[0] / 4 % 8 {
            0 | 1 => {
                let bytes: Vec<u8> = (0..amount).map(|place| (place + step) as u8).collect();
                let (taken, held) = (pool.taken(), chain.bytes());
                match pool.write(chain, &bytes) {
                    Ok(()) => twin.extend_from_slice(&bytes),
                    Err(_) => assert_eq!((pool.taken(), chain.bytes()), (taken, held), "all or nothing"),
                }
            }
            2 => {
                let part = Bytes::from(Arc::clone(&owner)).slice(..amount).expect("so many are there");
                if pool.push_bytes(chain, part).is_ok() {
                    twin.extend_from_slice(&owner[..amount]);
                }
            }
            3 => {
                let part = &owner[..amount % 256];
                if let Some(lease) = lease(&receive, part) {
                    match pool.push_lease(chain, lease, &receive) {
                        Ok(()) => twin.extend_from_slice(part),
                        Err((_, lease)) => receive.release(lease),
                    }
                }
            }
            4 => settle(&pool, &receive),
            5 => {
                let (more, bytes) =
                    std::mem::replace(&mut chains[(index + 1) % 4], (Chain::EMPTY, Vec::new()));
                let (chain, twin) = &mut chains[index];
                pool.join(chain, more);
                twin.extend(bytes);
            }
            _ => {
                pool.release(chain.take());
                twin.clear();
            }
        }
        for (chain, twin) in &chains {
            assert_eq!(chain.bytes() as usize, twin.len());
            let skip = amount.min(twin.len());
            let rest: Vec<u8> = pool.segments(chain, skip as u32).flatten().copied().collect();
            assert_eq!(rest, twin[skip..], "every byte, in order");
        }
    }
    for (chain, _) in chains {
        pool.release(chain);
    }
    assert_eq!(pool.taken(), 0, "every slot is back");
    settle(&pool, &receive);
    assert_eq!((Arc::strong_count(&owner), receive.free()), (1, 3), "everything was let go");
});
