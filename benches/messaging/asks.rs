//! Questions answered to a continuation: by an actor of the same core, and by one of another.

use std::sync::mpsc::{Receiver, Sender, channel};

use odeon::Respond;
use odeon::prelude::*;
use odeon::sys::{Time, now};

use crate::heap;
use crate::stage::system;

/// What is asked.
#[derive(Message)]
#[message(reply = u64)]
struct Add(u64);

/// Whoever answers.
struct Sum(u64);

enum SumMessage {
    Add(Add),
    Asked(Add, Reply<u64>),
}

impl Accepts<Add> for Sum {
    fn accept(message: Add) -> SumMessage {
        SumMessage::Add(message)
    }

    fn accept_ask(message: Add, reply: Reply<u64>) -> SumMessage {
        SumMessage::Asked(message, reply)
    }
}

impl Actor for Sum {
    type Message = SumMessage;

    fn handle(&mut self, message: SumMessage, _: &mut Context<Self>) -> Flow {
        match message {
            SumMessage::Add(add) => Respond::<u64>::told(self.add(add), "Sum::add"),
            SumMessage::Asked(add, reply) => match reply.open() {
                Some(reply) => Respond::<u64>::answer(self.add(add), reply, "Sum::add"),
                None => Flow::Continue,
            },
        }
    }
}

impl Sum {
    fn add(&mut self, Add(more): Add) -> u64 {
        self.0 = self.0.wrapping_add(more);
        self.0
    }
}

/// What one round of questions took.
struct Round {
    nanoseconds: f64,
    allocations: u64,
}

/// Asks so many questions, `width` of them at a time.
#[derive(Message)]
struct Start {
    questions: u64,
    width: u64,
}

/// Asks the next question when one is answered.
struct Asker {
    sum: Addr<Sum>,
    left: u64,
    last: u64,
    unanswered: u64,
    started: (Time, u64),
    report: Sender<Round>,
}

impl Accepts<Start> for Asker {
    fn accept(message: Start) -> Start {
        message
    }
}

impl Actor for Asker {
    type Message = Start;

    fn handle(&mut self, Start { questions, width }: Start, cx: &mut Context<Self>) -> Flow {
        (self.left, self.unanswered) = (questions, questions);
        self.started = (now(), heap::allocations());
        for _ in 0..width {
            self.ask(cx);
        }
        Flow::Continue
    }
}

impl Asker {
    fn ask(&mut self, cx: &mut Context<Self>) {
        self.left -= 1;
        self.sum.ask(Add(1)).then(cx, |asker: &mut Asker, sum, cx| {
            asker.last = sum.expect("every question is answered");
            asker.unanswered -= 1;
            if asker.left > 0 {
                asker.ask(cx);
            } else if asker.unanswered == 0 {
                asker.end();
            }
        });
    }

    fn end(&self) {
        let nanoseconds = now().since(self.started.0).as_nanos() as f64;
        let round = Round { nanoseconds, allocations: heap::allocations() - self.started.1 };
        self.report.send(round).expect("the bench waits for the round");
    }
}

/// Somebody who asks and somebody who answers, on one core or two.
struct Pair {
    asker: Addr<Asker>,
    rounds: Receiver<Round>,
    /// Ends with the pair.
    _system: System,
}

impl Pair {
    fn new(cores: usize) -> Pair {
        let system = system(cores);
        let (report, rounds) = channel();
        let sum = system.spawn_on(0, Sum(0)).expect("there is room for two");
        let asker = Asker { sum, left: 0, last: 0, unanswered: 0, started: (Time::ZERO, 0), report };
        let asker = system.spawn_on(cores - 1, asker).expect("there is room for two");
        Pair { asker, rounds, _system: system }
    }

    /// Nanoseconds and allocations of each question.
    fn ask(&self, questions: u64, width: u64) -> (f64, f64) {
        self.asker.tell(Start { questions, width }).or_dead_letter();
        let round = self.rounds.recv().expect("every question is answered");
        (round.nanoseconds / questions as f64, round.allocations as f64 / questions as f64)
    }
}

/// So many questions, with so many of them in flight: what each of them takes.
pub(crate) fn ask(cores: usize, questions: u64, width: u64) -> impl FnMut() -> f64 {
    let pair = Pair::new(cores);
    move || pair.ask(questions, width).0
}

/// The more of both: on one core, and on the two of a pair the one that asks.
pub(crate) fn allocations_per_ask() -> impl FnMut() -> f64 {
    let [here, there] = [1, 2].map(Pair::new);
    let count = |pair: &Pair| pair.ask(100_000, 64).1;
    move || count(&here).max(count(&there))
}
