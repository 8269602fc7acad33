//! Many actors that send to many others, on two cores.
//!
//! Knows: messages by sender and number. Must not know sockets.
//!
//! With `ODEON_SOAK=1` in the environment ten million are sent.

use std::future::poll_fn;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use odeon::prelude::*;

use crate::child::{self, name, report};
use crate::soak::{is_soak, taken};
use crate::world::{World, until};

/// So many send, and as many receive, half of them on each core.
const ACTORS: usize = 8;
/// So many messages of one to another are on their way at a time.
const WINDOW: usize = 16;

#[derive(Message)]
struct Word {
    from: usize,
    number: u64,
}

/// Knows what it has of each.
struct Receiver {
    next: [u64; ACTORS],
    came: Arc<AtomicU64>,
    wrong: Arc<AtomicU64>,
}

#[actor(mailbox(capacity = 64))]
impl Receiver {
    #[message]
    fn word(&mut self, Word { from, number }: Word) {
        if self.next[from] != number {
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
        self.next[from] = number + 1;
        self.came.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends everybody these, in turn, some at a time, and waits for room.
async fn send_all(from: usize, to: Vec<Addr<Receiver>>, numbers: Range<u64>) {
    for first in numbers.clone().step_by(WINDOW) {
        for one in &to {
            let window = first..numbers.end.min(first + WINDOW as u64);
            let mut sends: Vec<_> = window.map(|number| Box::pin(one.send(Word { from, number }))).collect();
            // Each waits behind those before it, if it has to.
            poll_fn(|cx| {
                sends.retain_mut(|send| match send.as_mut().poll(cx) {
                    Poll::Ready(sent) => {
                        assert!(sent.is_ok(), "it has not ended");
                        false
                    }
                    Poll::Pending => true,
                });
                if sends.is_empty() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }
}

pub(crate) fn messages_between_many_come_once_and_in_order_and_take_no_memory(on: BackendChoice) {
    const CASE: &str = "traffic::messages_between_many_come_once_and_in_order_and_take_no_memory";
    // In a process where nobody else takes memory.
    if child::apart(on, CASE) {
        return;
    }
    let total: u64 = if is_soak() { 10_000_000 } else { 100_000 };
    // In each tenth, and in each half of one to another.
    let tenth = (total / 10).next_multiple_of((ACTORS * ACTORS) as u64);
    let each = 5 * tenth / (ACTORS * ACTORS) as u64;
    let total = 10 * tenth;
    let world = World::new(on, 2);
    let (came, wrong) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let spawn = |number| {
        let receiver = Receiver { next: [0; ACTORS], came: came.clone(), wrong: wrong.clone() };
        world.system.spawn_on(number, receiver).expect("there is room")
    };
    let to: Vec<_> = (0..ACTORS).map(spawn).collect();
    // The most that the process had taken in each half. The second does what the first has done, from the beginning: whatever that takes up once
    // has been. Whoever waits is patient with a tenth at a time, for how long all of them take is up to the machine.
    let mut most = [0; 2];
    for half in [0, 1] {
        for from in 0..ACTORS {
            let (to, numbers) = (to.clone(), half * each..(half + 1) * each);
            let sends = world.system.spawn_task(from, move || send_all(from, to, numbers));
            sends.expect("the core runs").detach();
        }
        for count in 1..=5 {
            until("the next tenth of them", || {
                let so_far = came.load(Ordering::Relaxed);
                most[half as usize] = most[half as usize].max(taken("self"));
                so_far >= (half * 5 + count) * tenth
            });
        }
    }
    to.iter().for_each(|one| one.stop());
    world.settle();
    // None comes after all of them.
    assert_eq!((came.load(Ordering::Relaxed), wrong.load(Ordering::Relaxed)), (total, 0));
    assert_eq!(world.sum(|ledger| ledger.dead_letters), 0);
    let [first, second] = most;
    report(&format!("{}: {total} messages: {first} KiB taken, then {second}", name(on)));
    // Of so few, not all memory has been used before the second half. To keep 64 bytes of each would take more than that; of many, to
    // keep 16 bytes of every thousandth. The address sanitizer keeps memory from being used again.
    let spare = if is_soak() { first / 100 } else { 2 << 10 };
    assert!(cfg!(odeon_asan) || second <= first + spare, "memory grew from {first} KiB to {second}");
    world.finish();
}
