//! Many actors send to one, on one core.

use std::sync::mpsc::{Sender, channel};

use odeon::prelude::*;
use odeon::sys::{Time, now};

use crate::stage::system;

const PRODUCERS: u64 = 16;
/// Messages of one producer in a round. A round fills the default mailbox, and no more.
const BURST: u64 = 64;
const ROUND: u64 = PRODUCERS * BURST;

struct Producer {
    sink: Addr<Sink>,
}

#[derive(Message)]
struct Go;

impl Accepts<Go> for Producer {
    fn accept(message: Go) -> Go {
        message
    }
}

impl Actor for Producer {
    type Message = Go;

    fn handle(&mut self, _: Go, _: &mut Context<Self>) -> Flow {
        for item in 0..BURST {
            self.sink.tell(Fed::Item(item)).or_dead_letter();
        }
        Flow::Continue
    }
}

struct Sink {
    producers: Vec<Addr<Producer>>,
    rounds: u64,
    items: u64,
    sum: u64,
    started: Time,
    report: Sender<f64>,
}

#[derive(Message)]
enum Fed {
    /// Take so many rounds of items.
    Start(u64),
    Item(u64),
}

impl Accepts<Fed> for Sink {
    fn accept(message: Fed) -> Fed {
        message
    }
}

impl Actor for Sink {
    type Message = Fed;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        let sink = cx.me();
        let producer = |_| cx.spawn(Producer { sink }).expect("there is room for the producers");
        self.producers = (0..PRODUCERS).map(producer).collect();
        Flow::Continue
    }

    fn handle(&mut self, message: Fed, _: &mut Context<Self>) -> Flow {
        match message {
            Fed::Start(rounds) => {
                self.rounds = rounds;
                self.started = now();
                self.ask_for_more();
            }
            Fed::Item(item) => {
                self.sum = self.sum.wrapping_add(item);
                self.items += 1;
                if self.items.is_multiple_of(ROUND) {
                    self.ask_for_more();
                }
            }
        }
        Flow::Continue
    }
}

impl Sink {
    fn ask_for_more(&mut self) {
        if self.rounds == 0 {
            let took = now().since(self.started).as_nanos() as f64;
            self.report.send(took).expect("the bench waits for the end");
            return;
        }
        self.rounds -= 1;
        self.producers.iter().for_each(|producer| producer.tell(Go).or_dead_letter());
    }
}

pub(crate) fn fan_in_same_core() -> impl FnMut() -> f64 {
    const ROUNDS: u64 = 200;
    let system = system(1);
    let (report, ends) = channel();
    let sink = Sink { producers: Vec::new(), rounds: 0, items: 0, sum: 0, started: Time::ZERO, report };
    let sink = system.spawn(sink).expect("there is room for a sink");
    move || {
        // Ends with the sink.
        let _ = &system;
        sink.tell(Fed::Start(ROUNDS)).or_dead_letter();
        ends.recv().expect("every item arrives") / (ROUNDS * ROUND) as f64
    }
}
