//! What an actor does first where several things wait for it.
//!
//! Knows: answers, messages, a stop, a handler that borrows the state. Must not know queues.

use std::time::Duration;

use odeon::Timeout;
use odeon::prelude::*;
use odeon::time::sleep;

use crate::world::{Notes, World};

/// Answers everybody at once, and tells whoever they are something as well.
#[derive(Default)]
struct Holder {
    waiting: Vec<Reply<usize>>,
}

#[actor]
impl Holder {
    #[call]
    fn number(&mut self, reply: Reply<usize>) {
        self.waiting.push(reply);
    }

    #[call]
    fn let_go(&mut self, asker: Addr<Asker>) {
        for (number, reply) in self.waiting.drain(..).enumerate() {
            reply.send(number);
        }
        asker.tell(Word).expect("there is room");
    }
}

/// What is told beside the answers.
#[derive(Message)]
struct Word;

/// What comes of the first answer.
#[derive(Clone, Copy)]
enum First {
    Stops,
    Borrows,
}

struct Asker {
    notes: Notes,
    first: First,
}

#[actor]
impl Asker {
    #[call]
    fn ask_twice(&mut self, holder: Addr<Holder>, cx: &mut Context<Self>) {
        for _ in 0..2 {
            holder.number().then(cx, |me, answer, cx| me.answered(answer, cx));
        }
    }

    #[message]
    fn word(&mut self, _: Word) {
        self.notes.note("word");
    }

    #[stopped]
    fn stopped(&mut self) {
        self.notes.note("stopped");
    }
}

impl Asker {
    fn answered(&mut self, answer: Result<usize, AskError>, cx: &mut Context<Self>) -> Flow {
        let number = answer.expect("the holder answers");
        self.notes.note(number);
        match self.first {
            First::Stops if number == 0 => cx.me().stop(),
            First::Borrows if number == 0 => {
                return cx.exclusive(
                    "borrows",
                    Timeout::Never,
                    async |me: &mut Asker, _: &mut Context<Asker>| {
                        me.notes.note("begins");
                        sleep(Duration::from_millis(1)).await;
                        me.notes.note("ends");
                        Flow::Continue
                    },
                );
            }
            First::Stops | First::Borrows => {}
        }
        Flow::Continue
    }
}

/// What is noted when two answers and a message wait, and the first of the answers does something.
fn noted(first: First) -> Vec<String> {
    let mut world = World::new();
    let asker = world.spawn(Asker { notes: world.notes.clone(), first });
    let holder = world.spawn(Holder::default());
    world.ask(asker.ask_twice(holder)).expect("it is there");
    world.ask(holder.let_go(asker)).expect("it is there");
    world.run_for(Duration::from_millis(5));
    let notes = world.notes.take();
    world.end();
    notes
}

#[test]
fn an_actor_that_is_stopped_by_an_answer_takes_no_other_and_no_message() {
    assert_eq!(noted(First::Stops), ["0", "stopped"]);
}

#[test]
fn what_borrows_the_state_after_an_answer_comes_before_other_answers_and_messages() {
    let notes = noted(First::Borrows);
    assert_eq!(notes[..3], ["0", "begins", "ends"]);
    assert!(notes[3..].iter().any(|note| note == "1") && notes[3..].iter().any(|note| note == "word"));
}
