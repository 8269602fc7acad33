//! What crosses cores with nothing around it: a ring between two threads, and a place in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use crate::stage::timed;

/// A line of the cache, and its neighbour that is fetched with it.
#[derive(Default)]
#[repr(align(128))]
struct Line<T>(T);

const PLACES: usize = 1024;

struct Ring {
    places: Vec<AtomicU64>,
    head: Line<AtomicUsize>,
    tail: Line<AtomicUsize>,
}

/// Numbers through a ring from one thread to another, published 64 at a time.
pub(crate) fn stream() -> impl FnMut() -> f64 {
    const NUMBERS: usize = 400_000;
    || {
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        let ring = Arc::new(Ring { places, head: Line::default(), tail: Line::default() });
        let filled = ring.clone();
        let took = timed(|| {
            let producer = thread::spawn(move || fill(&filled, NUMBERS));
            drain(&ring, NUMBERS);
            producer.join().expect("it only counts");
        });
        took / NUMBERS as f64
    }
}

fn fill(ring: &Ring, numbers: usize) {
    let mut head = 0;
    for number in 0..numbers {
        while number - head == PLACES {
            // Acquire: the place has been read.
            head = ring.head.0.load(Ordering::Acquire);
        }
        // Relaxed: the tail publishes it.
        ring.places[number % PLACES].store(number as u64, Ordering::Relaxed);
        if (number + 1).is_multiple_of(64) || number + 1 == numbers {
            // Release: who sees the tail sees the places below it.
            ring.tail.0.store(number + 1, Ordering::Release);
        }
    }
}

fn drain(ring: &Ring, numbers: usize) {
    let mut head = 0;
    let mut sum = 0_u64;
    while head < numbers {
        // Acquire: the places below the tail are filled.
        let tail = ring.tail.0.load(Ordering::Acquire);
        while head < tail {
            // Relaxed: the tail has published it.
            sum = sum.wrapping_add(ring.places[head % PLACES].load(Ordering::Relaxed));
            head += 1;
        }
        // Release: the places below the head have been read.
        ring.head.0.store(head, Ordering::Release);
    }
    assert_eq!(sum, (numbers as u64 - 1) * numbers as u64 / 2, "every number arrives");
}

/// One number between two threads that look at memory all the time.
pub(crate) fn hop() -> impl FnMut() -> f64 {
    const HOPS: u64 = 100_000;
    || {
        let ball = Arc::new(Line(AtomicU64::new(0)));
        let theirs = ball.clone();
        let took = timed(|| {
            let other = thread::spawn(move || bounce(&theirs.0, HOPS, 1));
            bounce(&ball.0, HOPS, 0);
            other.join().expect("it only counts");
        });
        took / HOPS as f64
    }
}

fn bounce(ball: &AtomicU64, hops: u64, side: u64) {
    for hop in (0..hops).filter(|hop| hop % 2 == side) {
        // Acquire and release: as a message would be handed over.
        while ball.load(Ordering::Acquire) != hop {
            std::hint::spin_loop();
        }
        // Release: as above.
        ball.store(hop + 1, Ordering::Release);
    }
}
