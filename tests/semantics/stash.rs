//! Messages that are set aside: they come back before what waits, in their order, and nothing of them is lost.

use std::collections::VecDeque;

use odeon::prelude::*;

use crate::failure::{Fail, always};
use crate::world::{Foot, Notes, On, World};

#[derive(Message)]
struct Job(u64);

#[derive(Message)]
#[message(reply = u64)]
struct Question(u64);

#[derive(Message)]
struct Word(u64);

/// What it does with jobs from now on.
#[derive(Message)]
struct Open(bool);

/// Sets jobs aside while it is not open.
struct Door {
    open: bool,
    handled: Notes<u64>,
    refused: Notes<u64>,
}

const ROOM: u64 = 4;

#[actor(mailbox(capacity = 4))]
impl Door {
    #[message]
    fn job(&mut self, job: Job, cx: &mut Context<Self>) {
        if self.open {
            return self.handled.note(job.0);
        }
        if let Err(SendError::Full(Job(number))) = cx.stash(job) {
            self.refused.note(number);
        }
    }

    #[message]
    fn question(&mut self, question: Question, reply: Reply<u64>, cx: &mut Context<Self>) {
        if self.open {
            self.handled.note(question.0);
            return reply.send(question.0);
        }
        if let Err(SendError::Full(Question(number))) = cx.stash_ask(question, reply) {
            self.refused.note(number);
        }
    }

    #[message(priority = control)]
    fn word(&mut self, word: Word, cx: &mut Context<Self>) {
        match self.open {
            true => self.handled.note(word.0),
            false => cx.stash(word).or_dead_letter(),
        }
    }

    #[message]
    fn fail(&mut self, _: Fail) -> Flow {
        Flow::Fail
    }

    #[call]
    fn fence(&mut self) {}

    #[message(priority = control)]
    fn opened(&mut self, Open(open): Open, cx: &mut Context<Self>) {
        self.open = open;
        if open {
            cx.unstash();
        }
    }
}

struct Spawned {
    to: Addr<Door>,
    handled: Notes<u64>,
    refused: Notes<u64>,
}

fn door(world: &World) -> Spawned {
    let (handled, refused) = (Notes::new(), Notes::new());
    let door = Door { open: false, handled: handled.clone(), refused: refused.clone() };
    Spawned { to: world.spawn(0, door), handled, refused }
}

/// Has things sent at once, and handled.
fn send(world: &World, to: Addr<Door>, send: impl FnOnce(&mut Context<Foot>) + Send + 'static) {
    world.run(0, send);
    // Comes behind all that was sent. The mailbox may be full for a while.
    world.until("the last of them", || {
        let answers = Notes::new();
        let noted = answers.clone();
        world.run(0, move |cx| to.fence().then(cx, move |_, answer, _| noted.note(answer)));
        world.until("an answer", || answers.len() == 1);
        answers.take().remove(0).is_ok()
    });
}

pub fn what_was_set_aside_comes_before_what_waits_by_its_priority(on: On) {
    let world = World::new(on, 1);
    let Spawned { to, handled, .. } = door(&world);
    send(&world, to, move |_| (0..3).for_each(|number| to.tell(Job(number)).expect("there is room")));
    send(&world, to, move |_| (10..12).for_each(|number| to.tell(Word(number)).expect("there is room")));
    assert_eq!(handled.len(), 0);
    send(&world, to, move |_| {
        (3..5).for_each(|number| to.tell(Job(number)).expect("there is room"));
        to.tell(Open(true)).expect("there is room");
        to.tell(Word(12)).expect("there is room");
    });
    world.until("all of them", || handled.len() == 8);
    assert_eq!(handled.take(), [10, 11, 12, 0, 1, 2, 3, 4]);
    world.end();
}

pub fn no_more_is_set_aside_than_the_mailbox_holds(on: On) {
    let world = World::new(on, 1);
    let Spawned { to, handled, refused } = door(&world);
    let answers = Notes::new();
    for number in 0..ROOM + 2 {
        let noted = answers.clone();
        send(&world, to, move |cx| match number % 2 {
            0 => to.tell(Job(number)).expect("there is room"),
            _ => to.ask(Question(number)).then(cx, move |_, answer, _| noted.note(answer)),
        });
    }
    assert_eq!((refused.take(), answers.take()), (vec![4, 5], vec![Err(AskError::Full)]));
    // What is set aside takes no room in the mailbox.
    send(&world, to, move |_| {
        (6..10).for_each(|number| to.tell(Job(number)).expect("there is room"));
        to.tell(Open(true)).expect("there is room for control");
    });
    world.until("all of them", || handled.len() == 8);
    assert_eq!((handled.take(), answers.take()), (vec![0, 1, 2, 3, 6, 7, 8, 9], vec![Ok(1), Ok(3)]));
    assert_eq!(world.dead_letters(), 0);
    world.end();
}

pub fn what_is_set_aside_at_the_end_is_counted_and_whoever_asked_is_told(on: On) {
    let world = World::new(on, 1);
    let Spawned { to, handled, .. } = door(&world);
    let answers = Notes::new();
    let noted = answers.clone();
    send(&world, to, move |cx| {
        to.tell(Job(0)).expect("there is room");
        to.tell(Word(1)).expect("there is room");
        to.ask(Question(2)).then(cx, move |_, answer, _| noted.note(answer));
    });
    world.run(0, move |_| to.stop());
    world.until("the end", || answers.len() == 1);
    assert_eq!((answers.take(), handled.len(), world.dead_letters()), (vec![Err(AskError::Stopped)], 0, 3));
    world.end();
}

/// Whoever is begun again has first what was set aside, and what was sent before what was sent later.
pub fn what_was_set_aside_comes_back_at_a_restart(on: On) {
    let world = World::new(on, 2);
    for core in 0..2 {
        let (handled, answers, mut made) = (Notes::new(), Notes::new(), 0);
        let noted = handled.clone();
        let to = world.supervise(core, always(), move || {
            made += 1;
            Door { open: made == 3, handled: noted.clone(), refused: Notes::new() }
        });
        let before = world.dead_letters();
        let noted = answers.clone();
        send(&world, to, move |cx| {
            to.tell(Job(0)).expect("there is room");
            to.ask(Question(1)).then(cx, move |_, answer, _| noted.note(answer));
            to.tell(Word(10)).expect("there is room");
        });
        // The second, which is not open either, sets them aside again, and what comes behind them.
        for number in 2..4 {
            send(&world, to, move |_| {
                to.tell(Fail).expect("there is room");
                to.tell(Job(number)).expect("there is room");
            });
        }
        world.until("all of them", || handled.len() == 5 && answers.len() == 1);
        assert_eq!((handled.take(), answers.take()), (vec![10, 0, 1, 2, 3], vec![Ok(1)]));
        assert_eq!(world.dead_letters() - before, 2, "the messages on which it has failed");
    }
    world.end();
}

/// What the door should do, by a queue for each thing.
#[derive(Default)]
struct Model {
    open: bool,
    set_aside: VecDeque<u64>,
    handled: Vec<u64>,
    refused: Vec<u64>,
}

impl Model {
    fn handle(&mut self, number: u64) {
        if self.open {
            self.handled.push(number);
        } else if self.set_aside.len() as u64 == ROOM {
            self.refused.push(number);
        } else {
            self.set_aside.push_back(number);
        }
    }

    fn open(&mut self, open: bool) {
        self.open = open;
        if open {
            self.handled.extend(self.set_aside.drain(..));
        }
    }
}

pub fn whatever_is_sent_and_set_aside_comes_as_a_model_says(on: On) {
    let world = World::new(on, 1);
    let (Spawned { to, handled, refused }, mut random) = (door(&world), on.random());
    let (mut model, mut number) = (Model::default(), 0);
    for _ in 0..if matches!(on, On::Seed(_)) { 20 } else { 200 } {
        let (count, open) = (random.below(ROOM + 1), random.index(3));
        let numbers = number..number + count;
        number += count;
        if open < 2 {
            model.open(open == 1);
        }
        numbers.clone().for_each(|number| model.handle(number));
        send(&world, to, move |_| {
            // Is handled before these.
            numbers.for_each(|number| to.tell(Job(number)).expect("there is room"));
            if open < 2 {
                to.tell(Open(open == 1)).expect("there is room");
            }
        });
    }
    world.until("all that is handled", || handled.len() == model.handled.len());
    assert_eq!((handled.take(), refused.take()), (model.handled, model.refused));
    let set_aside = model.set_aside.len() as u64;
    world.run(0, move |_| to.stop());
    world.until("the end", || world.dead_letters() == set_aside);
    world.end();
}
