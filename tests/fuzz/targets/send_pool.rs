//! Sequences of operations on the send pool, beside vectors of bytes.
#![no_main]

use odeon::mem::{Chain, SendPool};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let pool = SendPool::new([3, 2, 1, 0, 1]);
    let mut chains: [(Chain, Vec<u8>); 4] = std::array::from_fn(|_| (Chain::EMPTY, Vec::new()));
    for (step, operation) in data.chunks_exact(3).enumerate() {
        let index = usize::from(operation[0] % 4);
        let amount = usize::from(u16::from_le_bytes([operation[1], operation[2]]));
        let (chain, twin) = &mut chains[index];
        match operation[0] / 4 % 4 {
            0 | 1 => {
                let bytes: Vec<u8> = (0..amount).map(|place| (place + step) as u8).collect();
                let (taken, held) = (pool.taken(), chain.bytes());
                match pool.write(chain, &bytes) {
                    Ok(()) => twin.extend_from_slice(&bytes),
                    Err(_) => assert_eq!((pool.taken(), chain.bytes()), (taken, held), "all or nothing"),
                }
            }
            2 => {
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
});
