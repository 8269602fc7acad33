//! Promise 1: first in, first out for each sender, receiver and priority; control before others, of which every eighth is one.

use odeon::prelude::*;

use crate::world::{Notes, On, World};

#[derive(Message)]
struct Word(u64, u64);

#[derive(Message)]
#[message(reply = u64)]
struct Order(u64, u64);

#[derive(Message)]
struct Begin(Vec<Priority>);

type Noted = (Priority, u64, u64);

/// Notes what it handles: priority, sender, number.
struct Receiver(Notes<Noted>);

const ROOM: u32 = 64;

#[actor(mailbox(capacity = ROOM))]
impl Receiver {
    #[message]
    fn word(&mut self, Word(from, number): Word) {
        self.0.note((Priority::User, from, number));
    }

    #[message(priority = control)]
    fn order(&mut self, Order(from, number): Order) -> u64 {
        self.0.note((Priority::Control, from, number));
        number
    }

    /// Sends itself what it says, while others wait.
    #[message]
    fn begin(&mut self, Begin(what): Begin, cx: &mut Context<Self>) {
        for (number, priority) in (100..).zip(what) {
            send(cx.me(), priority, 0, number).expect("there is room");
        }
    }

    #[call(priority = control)]
    fn command(&mut self, number: u64) -> u64 {
        self.0.note((Priority::Control, 9, number));
        number
    }

    #[call(priority = user)]
    fn request(&mut self, number: u64) {
        self.0.note((Priority::User, 9, number));
    }

    #[call(local, priority = control)]
    fn aside(&mut self, number: u64) {
        self.0.note((Priority::Control, 9, number));
    }
}

fn send(to: Addr<Receiver>, priority: Priority, from: u64, number: u64) -> Result<(), &'static str> {
    let is_full = |full| if full { "full" } else { "stopped" };
    match priority {
        Priority::Control => to
            .tell(Order(from, number))
            .map_err(|error| is_full(matches!(error, SendError::Full(Order(_, back)) if back == number))),
        _ => to
            .tell(Word(from, number))
            .map_err(|error| is_full(matches!(error, SendError::Full(Word(_, back)) if back == number))),
    }
}

fn receiver(world: &World, core: usize) -> (Addr<Receiver>, Notes<Noted>) {
    let notes = Notes::new();
    (world.spawn(core, Receiver(notes.clone())), notes)
}

/// So many of a priority, in order.
fn some(priority: Priority, numbers: std::ops::Range<u64>) -> Vec<Noted> {
    numbers.map(|number| (priority, 0, number)).collect()
}

pub fn control_comes_first_and_every_eighth_message_is_another(on: On) {
    let world = World::new(on, 1);
    let (to, notes) = receiver(&world, 0);
    world.run(0, move |_| {
        (0..10).for_each(|number| send(to, Priority::User, 0, number).expect("there is room"));
        (0..20).for_each(|number| send(to, Priority::Control, 0, number).expect("there is room"));
    });
    world.until("all of them", || notes.len() == 30);
    let expected = [
        some(Priority::Control, 0..7),
        some(Priority::User, 0..1),
        some(Priority::Control, 7..14),
        some(Priority::User, 1..2),
        some(Priority::Control, 14..20),
        some(Priority::User, 2..10),
    ];
    assert_eq!(notes.take(), expected.concat());
    world.end();
}

pub fn a_message_alone_at_its_priority_does_not_wait(on: On) {
    let world = World::new(on, 1);
    let (to, notes) = receiver(&world, 0);
    world.run(0, move |_| {
        (0..20).for_each(|number| send(to, Priority::Control, 0, number).expect("there is room"));
    });
    world.until("all of them", || notes.len() == 20);
    // More than seven in a row have been handled: the first of the others is next.
    world.run(0, move |_| {
        (20..22).for_each(|number| send(to, Priority::Control, 0, number).expect("there is room"));
        send(to, Priority::User, 0, 0).expect("there is room");
    });
    world.until("all of them", || notes.len() == 23);
    let noted = notes.take();
    assert_eq!(noted[..20], some(Priority::Control, 0..20));
    assert_eq!(noted[20..], [some(Priority::User, 0..1), some(Priority::Control, 20..22)].concat());
    world.end();
}

pub fn control_that_was_handled_long_ago_does_not_count(on: On) {
    let world = World::new(on, 1);
    let (to, notes) = receiver(&world, 0);
    for (control, user) in [(7, 1), (1, 1), (9, 3), (1, 2)] {
        let mut before = notes.len();
        world.run(0, move |_| {
            (0..control).for_each(|n| send(to, Priority::Control, 0, n).expect("there is room"))
        });
        world.until("control", || notes.len() - before == control as usize);
        before = notes.len();
        world.run(0, move |_| (0..user).for_each(|n| send(to, Priority::User, 0, n).expect("there is room")));
        world.until("the others", || notes.len() - before == user as usize);
        notes.take();
        world.run(0, move |_| {
            send(to, Priority::User, 0, 0).expect("there is room");
            send(to, Priority::Control, 0, 0).expect("there is room");
        });
        world.until("both", || notes.len() == 2);
        assert_eq!(notes.take(), [(Priority::Control, 0, 0), (Priority::User, 0, 0)]);
    }
    world.end();
}

pub fn what_comes_while_a_batch_is_handled_comes_before_the_rest_of_it(on: On) {
    let world = World::new(on, 1);
    let (to, notes) = receiver(&world, 0);
    world.run(0, move |_| {
        to.tell(Begin(vec![Priority::User, Priority::Control])).expect("there is room");
        (0..3).for_each(|number| send(to, Priority::User, 0, number).expect("there is room"));
    });
    world.until("all of them", || notes.len() == 5);
    let expected =
        [some(Priority::Control, 101..102), some(Priority::User, 0..3), some(Priority::User, 100..101)];
    assert_eq!(notes.take(), expected.concat());
    world.end();
}

pub fn questions_and_calls_have_a_priority_too(on: On) {
    let world = World::new(on, 1);
    let (to, notes) = receiver(&world, 0);
    let answers = Notes::new();
    let answered = answers.clone();
    world.run(0, move |cx| {
        send(to, Priority::User, 9, 0).expect("there is room");
        to.request(1).then(cx, |_, answer, _| answer.expect("it is answered"));
        let anyone: Recipient<Order> = to.recipient();
        for (asked, answered) in [to.ask(Order(9, 2)), to.order(Order(9, 3))].into_iter().zip([&answered; 2])
        {
            let answered = answered.clone();
            asked.then(cx, move |_, answer, _| answered.note(answer));
        }
        let noted = answered.clone();
        anyone.ask(Order(9, 4)).then(cx, move |_, answer, _| noted.note(answer));
        to.command(5).then(cx, move |_, answer, _| answered.note(answer));
        let local = to.local().expect("it is on this core");
        local.aside(6).then(cx, |_, answer, _| answer.expect("it is answered"));
    });
    world.until("all of them", || notes.len() == 7 && answers.len() == 4);
    let numbers: Vec<u64> = notes.take().into_iter().map(|(_, _, number)| number).collect();
    assert_eq!(numbers, [2, 3, 4, 5, 6, 0, 1]);
    assert_eq!(answers.take(), [2, 3, 4, 5].map(Ok));
    world.end();
}

pub fn each_priority_has_room_of_its_own(on: On) {
    let world = World::new(on, 1);
    let (to, notes) = receiver(&world, 0);
    let refused = world.run(0, move |_| {
        let fill =
            |priority| (0..).find_map(|number| send(to, priority, 0, number).err().map(|why| (number, why)));
        [fill(Priority::User), fill(Priority::Control)]
    });
    assert_eq!(refused, [Some((ROOM.into(), "full")); 2]);
    world.until("all of them", || notes.len() == 2 * ROOM as usize);
    assert_eq!(world.dead_letters(), 0);
    world.end();
}

pub fn on_its_way_from_another_core_control_has_no_room_of_its_own(on: On) {
    let world = World::with(on, 2, |config| config.lane_capacity = 64);
    let (to, notes) = receiver(&world, 0);
    // On a machine the other core may make room between the two.
    let trials = if let On::Seed(_) = on { 1 } else { 1000 };
    let (sent, refused) = world.run(1, move |_| {
        let mut sent = 0;
        for _ in 0..trials {
            while send(to, Priority::User, 1, sent).is_ok() {
                sent += 1;
            }
            match send(to, Priority::Control, 1, 0) {
                Ok(()) => sent += 1,
                Err(why) => return (sent, Some(why)),
            }
        }
        (sent, None)
    });
    assert_eq!(refused, Some("full"));
    world.until("all of them", || notes.len() as u64 + world.dead_letters() == sent);
    world.run(1, move |_| send(to, Priority::Control, 1, 0)).expect("there is room again");
    world.until("that", || notes.len() as u64 + world.dead_letters() == sent + 1);
    assert_eq!(notes.take().pop(), Some((Priority::Control, 1, 0)));
    world.end();
}

/// Sends bursts by chance, and goes on until it has sent so many.
struct Sender {
    to: Addr<Receiver>,
    name: u64,
    sent: [u64; 2],
    seed: u64,
    total: Notes<u64>,
}

#[derive(Message)]
struct Burst;

#[actor]
impl Sender {
    #[message]
    fn burst(&mut self, burst: Burst, cx: &mut Context<Self>) -> Flow {
        let mut random = odeon::sys::Random::new(self.seed);
        self.seed = random.bits();
        for _ in 0..random.index(40) {
            let which = usize::from(random.index(3) == 0);
            let priority = [Priority::User, Priority::Control][which];
            if send(self.to, priority, self.name, self.sent[which]).is_ok() {
                self.sent[which] += 1;
            }
        }
        let sent = self.sent.iter().sum();
        if sent > 400 {
            self.total.note(sent);
            return Flow::Stop;
        }
        cx.me().tell(burst).expect("there is room");
        Flow::Continue
    }
}

pub fn what_one_sender_sends_at_one_priority_keeps_its_order(on: On) {
    let world = World::new(on, 2);
    let (to, notes) = receiver(&world, 0);
    let total = Notes::new();
    for name in 0..4 {
        let seed = on.random().bits() ^ name;
        let sender =
            world.spawn(name as usize % 2, Sender { to, name, sent: [0; 2], seed, total: total.clone() });
        assert!(sender.tell(Burst).is_ok());
    }
    world.until("all senders", || total.len() == 4);
    let sent: u64 = total.take().iter().sum();
    world.until("all that they have sent", || notes.len() as u64 + world.dead_letters() == sent);
    let (mut next, mut counts) = ([[0; 2]; 4], [0; 2]);
    for (priority, from, number) in notes.take() {
        let which = usize::from(priority == Priority::Control);
        let next = &mut next[from as usize][which];
        // What was refused where it arrived is missing, and nothing else.
        assert!(number >= *next, "{priority:?} {from}: {number} after {next}");
        assert!(from % 2 == 1 || number == *next, "what is taken on its own core comes");
        *next = number + 1;
        counts[which] += 1;
    }
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
    world.end();
}

pub fn what_waits_when_an_actor_ends_is_counted_whatever_its_priority(on: On) {
    let world = World::new(on, 1);
    let (to, notes) = receiver(&world, 0);
    let unanswered = Notes::new();
    let noted = unanswered.clone();
    world.run(0, move |cx| {
        (0..3).for_each(|number| send(to, Priority::User, 0, number).expect("there is room"));
        (0..4).for_each(|number| send(to, Priority::Control, 0, number).expect("there is room"));
        to.command(5).then(cx, move |_, answer, _| noted.note(answer));
        to.stop();
    });
    world.until("the end", || unanswered.len() == 1);
    assert_eq!(unanswered.take(), [Err(AskError::Stopped)]);
    assert_eq!((notes.len(), world.dead_letters()), (0, 8));
    world.end();
}
