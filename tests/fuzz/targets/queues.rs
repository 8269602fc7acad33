//! Sequences of operations on the slab and on queues that share chunks, beside the collections of the standard library.
#![no_main]

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use odeon::mem::{ChunkPool, Fifo, Key, Slab};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // Clones of one count: what is lost or dropped twice shows in it.
    let count = Rc::new(());
    queues(data, &count);
    slab(data, &count);
    assert_eq!(Rc::strong_count(&count), 1, "every entry is dropped once");
});

fn queues(data: &[u8], count: &Rc<()>) {
    let pool = ChunkPool::new(2048);
    let mut pairs: [(Fifo<(usize, Rc<()>)>, VecDeque<usize>); 3] =
        std::array::from_fn(|_| (Fifo::new(), VecDeque::new()));
    for (step, operation) in data.iter().enumerate() {
        let (fifo, twin) = &mut pairs[usize::from(operation % 3)];
        // More pushes than pops, several at a time, so that chunks fill up and run out.
        for _ in 0..operation / 16 {
            if operation / 3 % 5 < 3 {
                let room = fifo.has_room(&pool, usize::MAX);
                assert!(twin.is_empty() || !fifo.has_room(&pool, twin.len()), "as many as there may be");
                let pushed = fifo.push(&pool, (step, Rc::clone(count))).is_ok();
                assert_eq!(pushed, room);
                twin.extend(pushed.then_some(step));
            } else {
                assert_eq!(fifo.pop(&pool).map(|(step, _)| step), twin.pop_front(), "first in, first out");
            }
            assert_eq!((fifo.len(), fifo.is_empty()), (twin.len(), twin.is_empty()));
        }
    }
    for (fifo, twin) in &mut pairs {
        while let Some((step, _)) = fifo.pop(&pool) {
            assert_eq!(Some(step), twin.pop_front());
        }
        assert!(twin.is_empty());
    }
    assert_eq!(pool.taken(), 0, "empty queues hold no chunk");
}

fn slab(data: &[u8], count: &Rc<()>) {
    let mut slab = Slab::new(5);
    let mut live: HashMap<u64, usize> = HashMap::new();
    let mut keys: Vec<Key> = Vec::new();
    for (step, operation) in data.iter().enumerate() {
        if operation % 2 == 0 {
            match slab.insert((step, Rc::clone(count))) {
                Ok(key) => {
                    assert!(live.insert(key.to_bits(), step).is_none(), "no key names two");
                    keys.push(key);
                }
                Err(_) => assert_eq!(live.len(), 5),
            }
        } else if let Some(key) = keys.get(usize::from(operation / 2) % keys.len().max(1)) {
            assert_eq!(
                slab.remove(*key).map(|(step, _)| step),
                live.remove(&key.to_bits()),
                "stale keys find nothing"
            );
        }
        assert_eq!(slab.len(), live.len());
    }
    for key in &keys {
        assert_eq!(Key::from_bits(key.to_bits()), *key);
        assert_eq!(slab.get(*key).map(|(step, _)| step), live.get(&key.to_bits()));
    }
}
