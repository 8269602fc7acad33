//! What a full mailbox does: each policy, and what is told to whom.

use odeon::StopReason;
use odeon::prelude::*;

use crate::world::{Notes, On, World, panic_quietly};

/// Sends another to somebody, and perhaps panics, when it is dropped.
struct OnDrop {
    to: Option<Recipient<Job>>,
    panics: bool,
    dropped: Notes<u64>,
    number: u64,
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.dropped.note(self.number);
        if let Some(to) = self.to {
            let sent = to.tell(Job::new(self.number + 100, None));
            self.dropped.note(u64::from(matches!(sent, Err(SendError::Full(_)))));
            drop(sent);
        }
        if self.panics {
            panic_quietly();
        }
    }
}

#[derive(Message)]
#[message(reply = u64)]
struct Job {
    number: u64,
    _kept: Option<OnDrop>,
}

impl Job {
    fn new(number: u64, kept: Option<OnDrop>) -> Job {
        Job { number, _kept: kept }
    }
}

#[derive(Message)]
struct Command(u64);

#[derive(Message)]
struct Hang;

const ROOM: u64 = 4;

/// An actor for each policy, which notes the numbers that it handles, and its end.
macro_rules! workers {
    ($($name:ident $policy:ident)*) => { $(
        struct $name {
            handled: Notes<u64>,
            ended: Notes<StopReason>,
        }

        #[actor(mailbox(capacity = 4, overflow = $policy))]
        impl $name {
            #[message]
            fn job(&mut self, job: Job) -> u64 {
                self.handled.note(job.number);
                job.number
            }

            #[message(priority = control)]
            fn command(&mut self, Command(number): Command) {
                self.handled.note(number);
            }

            #[message(timeout = "never")]
            async fn hang(&mut self, _: Hang) {
                std::future::pending().await
            }

            #[stopped]
            fn stopped(&mut self, why: StopReason) {
                self.ended.note(why);
            }
        }

        impl Worker for $name {
            fn new(handled: Notes<u64>, ended: Notes<StopReason>) -> $name {
                $name { handled, ended }
            }
        }
    )* };
}

trait Worker: Actor + Accepts<Job> + Accepts<Command> + Accepts<Hang> + Send {
    fn new(handled: Notes<u64>, ended: Notes<StopReason>) -> Self;
}

workers! {
    Refuses refuse
    DropsNewest drop_newest
    DropsOldest drop_oldest
    Stops stop
}

struct Spawned<A> {
    to: Addr<A>,
    handled: Notes<u64>,
    ended: Notes<StopReason>,
}

fn spawn<A: Worker>(world: &World) -> Spawned<A> {
    let (handled, ended) = (Notes::new(), Notes::new());
    Spawned { to: world.spawn(0, A::new(handled.clone(), ended.clone())), handled, ended }
}

/// Sends seven jobs at once: what is taken, what is handled, what is a dead letter.
fn seven<A: Worker>(world: &World, spawned: &Spawned<A>) -> (Vec<u64>, Vec<u64>, u64) {
    let (to, before) = (spawned.to, world.dead_letters());
    let taken =
        world.run(0, move |_| (0..7).filter(|number| to.tell(Job::new(*number, None)).is_ok()).collect());
    world.run(0, |_| ());
    world.until("what is handled", || spawned.handled.len() as u64 == ROOM);
    (taken, spawned.handled.take(), world.dead_letters() - before)
}

pub fn each_policy_does_what_it_says(on: On) {
    let world = World::new(on, 1);
    assert_eq!(seven(&world, &spawn::<Refuses>(&world)), ((0..4).collect(), (0..4).collect(), 0));
    assert_eq!(seven(&world, &spawn::<DropsNewest>(&world)), ((0..7).collect(), (0..4).collect(), 3));
    assert_eq!(seven(&world, &spawn::<DropsOldest>(&world)), ((0..7).collect(), (3..7).collect(), 3));
    world.end();
}

pub fn a_mailbox_that_is_to_end_its_actor_does_so_and_hands_the_message_back(on: On) {
    let world = World::new(on, 1);
    let spawned = spawn::<Stops>(&world);
    let to = spawned.to;
    let full = world
        .run(0, move |_| (0..7).map(|number| to.tell(Job::new(number, None))).map(full).collect::<Vec<_>>());
    assert_eq!(full, [false, false, false, false, true, true, true]);
    world.until("its end", || spawned.ended.len() == 1);
    assert_eq!((spawned.ended.take(), spawned.handled.len()), (vec![StopReason::MailboxFull], 0));
    assert_eq!(world.dead_letters(), ROOM);
    assert!(world.run(0, move |_| matches!(to.tell(Job::new(0, None)), Err(SendError::Stopped(_)))));
    world.end();
}

fn full<M>(sent: Result<(), SendError<M>>) -> bool {
    assert!(!matches!(sent, Err(SendError::Stopped(_))));
    sent.is_err()
}

pub fn a_mailbox_that_is_full_behind_a_handler_that_hangs_ends_it(on: On) {
    let world = World::new(on, 1);
    let spawned = spawn::<Stops>(&world);
    let to = spawned.to;
    world.run(0, move |_| to.tell(Hang).expect("there is room"));
    world.run(0, |_| ());
    world.run(0, move |_| (0..5).for_each(|number| drop(to.tell(Job::new(number, None)))));
    world.until("its end", || spawned.ended.len() == 1);
    assert_eq!(spawned.ended.take(), [StopReason::MailboxFull]);
    world.end();
}

/// What five questions become, of which one has no room.
fn five_questions<A: Worker>(world: &World) -> Vec<(u64, Result<u64, AskError>)> {
    let (to, answers) = (spawn::<A>(world).to, Notes::new());
    let noted = answers.clone();
    world.run(0, move |cx| {
        for number in 0..5 {
            let noted = noted.clone();
            to.ask(Job::new(number, None)).then(cx, move |_, answer, _| noted.note((number, answer)));
        }
    });
    world.until("five answers", || answers.len() == 5);
    let mut answers = answers.take();
    answers.sort_by_key(|(number, _)| *number);
    answers
}

pub fn whoever_has_asked_what_has_no_room_is_told(on: On) {
    let world = World::new(on, 1);
    let but = |refused: u64| {
        let answer = |number| if number == refused { Err(AskError::Full) } else { Ok(number) };
        (0..5).map(|number| (number, answer(number))).collect::<Vec<_>>()
    };
    assert_eq!(five_questions::<Refuses>(&world), but(4));
    assert_eq!(five_questions::<DropsNewest>(&world), but(4));
    assert_eq!(five_questions::<DropsOldest>(&world), but(0));
    let ends = five_questions::<Stops>(&world);
    assert_eq!(ends[4], (4, Err(AskError::Full)));
    assert!(ends[..4].iter().all(|(_, answer)| *answer == Err(AskError::Stopped)), "{ends:?}");
    world.end();
}

pub fn control_is_refused_at_its_bound_whatever_the_policy(on: On) {
    fn check<A: Worker>(world: &World) {
        let spawned = spawn::<A>(world);
        let to = spawned.to;
        let taken = world.run(0, move |_| (0..7).filter(|number| to.tell(Command(*number)).is_ok()).count());
        assert_eq!(taken as u64, ROOM);
        world.until("what was taken", || spawned.handled.len() as u64 == ROOM);
        assert_eq!((spawned.handled.take(), spawned.ended.len()), ((0..4).collect(), 0));
    }
    let world = World::new(on, 1);
    check::<Refuses>(&world);
    check::<DropsNewest>(&world);
    check::<DropsOldest>(&world);
    check::<Stops>(&world);
    assert_eq!(world.dead_letters(), 0);
    world.end();
}

/// Fills a mailbox with what sends another to it when it is dropped: what was dropped, each with whether that was refused; and what
/// is handled.
fn with_drops<A: Worker>(world: &World, panics: bool) -> (Vec<u64>, Vec<u64>) {
    let (spawned, dropped) = (spawn::<A>(world), Notes::new());
    let (to, noted) = (spawned.to, dropped.clone());
    let seen = world.run(0, move |_| {
        for number in 0..7 {
            let to_itself = Some(to.recipient());
            let kept = OnDrop { to: to_itself, panics, dropped: noted.clone(), number };
            to.tell(Job::new(number, Some(kept))).expect("the policy takes it");
        }
        noted.take()
    });
    // Those that are handled are dropped afterwards, and send others: there is room for these by then, or not.
    world.until("those that were there", || spawned.handled.len() >= 4);
    (seen, spawned.handled.take()[..4].to_vec())
}

pub fn what_is_dropped_may_send_to_the_same_mailbox_and_is_refused(on: On) {
    let world = World::new(on, 1);
    assert_eq!(with_drops::<DropsNewest>(&world, false), (vec![4, 1, 5, 1, 6, 1], vec![0, 1, 2, 3]));
    assert_eq!(with_drops::<DropsOldest>(&world, false), (vec![0, 1, 1, 1, 2, 1], vec![3, 4, 5, 6]));
    world.end();
}

pub fn what_panics_as_it_is_dropped_ends_nobody(on: On) {
    let world = World::new(on, 1);
    let panics = || world.ledgers()[0].drop_panics;
    let spawned = spawn::<DropsOldest>(&world);
    let (to, dropped) = (spawned.to, Notes::new());
    let noted = dropped.clone();
    world.run(0, move |_| {
        let kept = OnDrop { to: None, panics: true, dropped: noted, number: 0 };
        to.tell(Job::new(0, Some(kept))).expect("there is room");
        (1..5).for_each(|number| to.tell(Job::new(number, None)).expect("the policy takes it"));
    });
    world.until("the others", || spawned.handled.len() == 4);
    assert_eq!((spawned.handled.take(), dropped.take(), panics()), (vec![1, 2, 3, 4], vec![0], 1));
    world.end();
}

pub fn what_comes_from_another_core_meets_the_policy_where_it_arrives(on: On) {
    let world = World::new(on, 2);
    let spawned = spawn::<DropsOldest>(&world);
    let to = spawned.to;
    world.run(1, move |_| {
        (0..100).for_each(|number| to.tell(Job::new(number, None)).expect("the lane has room"))
    });
    world.until("all of them", || spawned.handled.len() as u64 + world.dead_letters() == 100);
    let handled = spawned.handled.take();
    assert!(handled.is_sorted() && handled.last() == Some(&99), "{handled:?}");
    world.end();
}
