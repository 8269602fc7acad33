//! The same work with nothing around it: queues in a slab with a run queue.

use std::collections::VecDeque;

use crate::stage::timed;

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

fn passed(size: u32) -> impl FnMut() -> f64 {
    const HOPS: u64 = 200_000;
    let cell = |index| Cell {
        generation: 1,
        queued: false,
        mailbox: VecDeque::with_capacity(4),
        next: ((index + 1) % size, 1),
    };
    let mut cells: Vec<Cell> = (0..size).map(cell).collect();
    move || timed(|| pass(std::hint::black_box(&mut cells), HOPS)) / HOPS as f64
}

/// One message between two queues.
pub(crate) fn ping_pong() -> impl FnMut() -> f64 {
    passed(2)
}

/// One message through 503 queues.
pub(crate) fn ring_503() -> impl FnMut() -> f64 {
    passed(503)
}

struct Guest {
    generation: u32,
    queued: bool,
    mailbox: VecDeque<u64>,
    /// The others, and whose turn it is.
    others: Vec<(u32, u32)>,
    turn: usize,
}

/// Guests who have a ball each, and pass on what comes to one after the other of the others, for `hops`.
fn mingle(guests: &mut [Guest], hops: u64) {
    let mut ready: VecDeque<u32> = (0..guests.len() as u32).collect();
    for guest in guests.iter_mut() {
        guest.mailbox.push_back(hops);
        guest.queued = true;
    }
    while let Some(index) = ready.pop_front() {
        guests[index as usize].queued = false;
        while let Some(left) = guests[index as usize].mailbox.pop_front() {
            if left == 0 {
                continue;
            }
            let guest = &mut guests[index as usize];
            let (next, generation) = guest.others[guest.turn];
            guest.turn = if guest.turn + 1 == guest.others.len() { 0 } else { guest.turn + 1 };
            let other = &mut guests[next as usize];
            assert_eq!(other.generation, generation, "nobody has left");
            other.mailbox.push_back(left - 1);
            if !std::mem::replace(&mut other.queued, true) {
                ready.push_back(next);
            }
        }
    }
}

/// One message of many between 64 queues.
pub(crate) fn many_to_many() -> impl FnMut() -> f64 {
    const SIZE: u32 = 64;
    const HOPS: u64 = 2_000;
    let guest = |index| Guest {
        generation: 1,
        queued: false,
        mailbox: VecDeque::with_capacity(64),
        others: (1..SIZE).map(|further| ((index + further) % SIZE, 1)).collect(),
        turn: 0,
    };
    let mut guests: Vec<Guest> = (0..SIZE).map(guest).collect();
    move || timed(|| mingle(std::hint::black_box(&mut guests), HOPS)) / (HOPS * u64::from(SIZE)) as f64
}

/// A continuation that waits for a number.
#[derive(Clone, Copy)]
struct Waiting {
    generation: u32,
    then: Option<fn(&mut u64, u64)>,
}

/// Questions to one queue, whose answers go to places that are found by number and generation.
pub(crate) fn ask() -> impl FnMut() -> f64 {
    const QUESTIONS: u64 = 100_000;
    let mut places = vec![Waiting { generation: 0, then: None }; 64];
    let mut free: Vec<usize> = (0..places.len()).collect();
    let mut mailbox = VecDeque::with_capacity(4);
    let (mut sum, mut last) = (0, 0);
    move || {
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
    }
}
