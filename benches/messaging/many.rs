//! Many actors, each of which sends to all the others, on one core.

use std::sync::mpsc::{Sender, channel};

use odeon::prelude::*;
use odeon::sys::{Time, now};

use crate::stage::system;

const GUESTS: usize = 64;
/// How often each ball is passed on.
const HOPS: u64 = 2_000;

/// Passes on what comes to one after the other of the others.
struct Guest {
    others: Vec<Addr<Guest>>,
    turn: usize,
    host: Addr<Host>,
}

#[derive(Message)]
enum Mingle {
    Meet(Vec<Addr<Guest>>),
    Ball(u64),
}

impl Accepts<Mingle> for Guest {
    fn accept(message: Mingle) -> Mingle {
        message
    }
}

impl Actor for Guest {
    type Message = Mingle;

    fn handle(&mut self, message: Mingle, _: &mut Context<Self>) -> Flow {
        match message {
            Mingle::Meet(others) => self.others = others,
            Mingle::Ball(0) => self.host.tell(Party::Over).or_dead_letter(),
            Mingle::Ball(hops) => {
                let other = self.others[self.turn];
                self.turn = if self.turn + 1 == self.others.len() { 0 } else { self.turn + 1 };
                other.tell(Mingle::Ball(hops - 1)).or_dead_letter();
            }
        }
        Flow::Continue
    }
}

/// Gives a ball to every guest, and counts those that have been passed on often enough.
struct Host {
    guests: Vec<Addr<Guest>>,
    started: Time,
    over: usize,
    report: Sender<f64>,
}

#[derive(Message)]
enum Party {
    Start,
    Over,
}

impl Accepts<Party> for Host {
    fn accept(message: Party) -> Party {
        message
    }
}

impl Actor for Host {
    type Message = Party;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        let host = cx.me();
        let guest =
            |_| cx.spawn(Guest { others: Vec::new(), turn: 0, host }).expect("there is room for the guests");
        self.guests = (0..GUESTS).map(guest).collect();
        for (index, guest) in self.guests.iter().enumerate() {
            let others = (1..GUESTS).map(|further| self.guests[(index + further) % GUESTS]).collect();
            guest.tell(Mingle::Meet(others)).or_dead_letter();
        }
        Flow::Continue
    }

    fn handle(&mut self, message: Party, _: &mut Context<Self>) -> Flow {
        match message {
            Party::Start => {
                (self.started, self.over) = (now(), 0);
                self.guests.iter().for_each(|guest| guest.tell(Mingle::Ball(HOPS)).or_dead_letter());
            }
            Party::Over => {
                self.over += 1;
                if self.over == GUESTS {
                    let took = now().since(self.started).as_nanos() as f64;
                    self.report.send(took).expect("the bench waits for the end");
                }
            }
        }
        Flow::Continue
    }
}

pub(crate) fn many_to_many() -> impl FnMut() -> f64 {
    let system = system(1);
    let (report, ends) = channel();
    let host = Host { guests: Vec::new(), started: Time::ZERO, over: 0, report };
    let host = system.spawn(host).expect("there is room for a host");
    move || {
        // Ends with the guests.
        let _ = &system;
        host.tell(Party::Start).or_dead_letter();
        ends.recv().expect("every ball is passed on") / (HOPS * GUESTS as u64) as f64
    }
}
