//! The same work with nothing around it: queues in a slab with a run queue, and a ring between two threads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use crate::{median, timed};

struct Cell {
    generation: u32,
    queued: bool,
    mailbox: VecDeque<u64>,
    next: (u32, u32),
}

/// Cells that pass one message round for `hops`, through a run queue.
fn pass(cells: &mut [Cell], hops: u64) {
    let mut ready = VecDeque::from([0]);
    cells[0].mailbox.push_back(hops);
    while let Some(index) = ready.pop_front() {
        cells[index as usize].queued = false;
        while let Some(left) = cells[index as usize].mailbox.pop_front() {
            if left == 0 {
                return;
            }
            let (next, generation) = cells[index as usize].next;
            let cell = &mut cells[next as usize];
            assert_eq!(cell.generation, generation, "nobody has left");
            cell.mailbox.push_back(left - 1);
            if !std::mem::replace(&mut cell.queued, true) {
                ready.push_back(next);
            }
        }
    }
}

fn passed(size: u32) -> f64 {
    const HOPS: u64 = 200_000;
    let cell = |index| Cell {
        generation: 1,
        queued: false,
        mailbox: VecDeque::with_capacity(4),
        next: ((index + 1) % size, 1),
    };
    let mut cells: Vec<Cell> = (0..size).map(cell).collect();
    median(41, || timed(|| pass(std::hint::black_box(&mut cells), HOPS)) / HOPS as f64)
}

/// One message between two queues.
pub(crate) fn ping_pong() -> f64 {
    passed(2)
}

/// One message through 503 queues.
pub(crate) fn ring_503() -> f64 {
    passed(503)
}

/// A continuation that waits for a number.
#[derive(Clone, Copy)]
struct Waiting {
    generation: u32,
    then: Option<fn(&mut u64, u64)>,
}

/// Questions to one queue, whose answers go to places that are found by number and generation.
pub(crate) fn ask() -> f64 {
    const QUESTIONS: u64 = 100_000;
    let mut places = vec![Waiting { generation: 0, then: None }; 64];
    let mut free: Vec<usize> = (0..places.len()).collect();
    let mut mailbox = VecDeque::with_capacity(4);
    let (mut sum, mut last) = (0, 0);
    median(41, || {
        timed(|| {
            for _ in 0..QUESTIONS {
                let place = free.pop().expect("one is asked at a time");
                places[place].then = Some(|last, answer| *last = answer);
                mailbox.push_back(std::hint::black_box((1_u64, place, places[place].generation)));
                while let Some((more, place, generation)) = mailbox.pop_front() {
                    sum += more;
                    let waiting = &mut places[place];
                    if waiting.generation == generation
                        && let Some(then) = std::hint::black_box(waiting.then.take())
                    {
                        waiting.generation = waiting.generation.wrapping_add(1);
                        free.push(place);
                        then(&mut last, sum);
                    }
                }
            }
            assert_eq!(last, sum, "the last one was answered");
        }) / QUESTIONS as f64
    })
}

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
pub(crate) fn stream() -> f64 {
    const NUMBERS: usize = 400_000;
    median(21, || {
        let places = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        let ring = Arc::new(Ring { places, head: Line::default(), tail: Line::default() });
        let filled = ring.clone();
        let took = timed(|| {
            let producer = thread::spawn(move || fill(&filled, NUMBERS));
            drain(&ring, NUMBERS);
            producer.join().expect("it only counts");
        });
        took / NUMBERS as f64
    })
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
pub(crate) fn hop() -> f64 {
    const HOPS: u64 = 100_000;
    median(5, || {
        let ball = Arc::new(Line(AtomicU64::new(0)));
        let theirs = ball.clone();
        let took = timed(|| {
            let other = thread::spawn(move || bounce(&theirs.0, HOPS, 1));
            bounce(&ball.0, HOPS, 0);
            other.join().expect("it only counts");
        });
        took / HOPS as f64
    })
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
