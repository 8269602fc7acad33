//! What is published takes no memory once everything is warm.

use std::sync::mpsc::{SyncSender, sync_channel};

use odeon::prelude::*;

use crate::runner::{PATIENCE, Runner, allocations, on_core, system};

const MEMBERS: u64 = 200;
const ROUNDS: u64 = 50;

#[derive(Message, Clone)]
struct Said(u64);

/// The last one that hears the last of a burst says so.
struct Member(Option<SyncSender<()>>);

#[actor]
impl Member {
    #[message]
    fn said(&mut self, Said(number): Said) {
        if let Some(done) = self.0.as_ref().filter(|_| number == ROUNDS) {
            done.send(()).expect("the test waits for it");
        }
    }
}

#[derive(Default)]
struct Room(Topic<Said>);

#[actor]
impl Room {
    #[call]
    fn join(&mut self, id: u64, to: Recipient<Said>) {
        self.0.subscribe(id, to);
    }

    #[message]
    fn said(&mut self, said: Said) {
        self.0.publish(said);
    }
}

#[test]
fn a_publication_takes_no_memory() {
    let system = system(BackendChoice::Auto, 2, |_| {}).expect("one of the backends is there");
    let (done, end) = sync_channel(2);
    let room = system.spawn_on(0, Room::default()).expect("there is room");
    let mut members = [Vec::new(), Vec::new()];
    for id in 0..MEMBERS {
        // Those who subscribe last, one on each core, are told last.
        let done = (id >= MEMBERS - 2).then(|| done.clone());
        let member = system.spawn_on(id as usize % 2, Member(done)).expect("there is room for a member");
        members[id as usize % 2].push(member);
        room.join(id, member.recipient()).wait().expect("it answers");
    }
    let runners: Vec<_> =
        (0..2).map(|core| system.spawn_on(core, Runner).expect("there is room for a runner")).collect();
    // However little members get to run, no more can wait in their mailboxes.
    for (runner, members) in runners.iter().zip(members) {
        on_core(*runner, move |_| {
            members.iter().for_each(|member| (0..ROUNDS).for_each(|_| member.tell(Said(0)).or_dead_letter()));
        });
    }
    let burst = || {
        (1..=ROUNDS).for_each(|number| room.tell(Said(number)).expect("there is room"));
        (0..2).for_each(|_| end.recv_timeout(PATIENCE).expect("the last have heard the last"));
    };
    (0..10).for_each(|_| burst());
    let count = || runners.iter().map(|runner| allocations(*runner)).collect::<Vec<_>>();
    let asked = count().iter().zip(count()).map(|(before, after)| after - before).collect::<Vec<_>>();
    let before = count();
    (0..100).for_each(|_| burst());
    let after = count();
    let taken: Vec<_> = (0..2).map(|core| after[core] - before[core] - asked[core]).collect();
    // More envelopes than ever before may come together.
    assert!(taken.iter().all(|taken| *taken <= 3), "{taken:?} allocations");
}
