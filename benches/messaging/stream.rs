//! Many messages from an actor to one on another core, as fast as that one grants them.

use std::sync::mpsc::{Sender, channel};

use odeon::prelude::*;
use odeon::sys::{Time, now};

use crate::stage::system;

/// Messages under way at most: what a lane holds by default.
const WINDOW: u64 = 1024;
/// The sink grants so many at a time.
const GRANT: u64 = 128;

struct Source {
    sink: Addr<Sink>,
}

#[derive(Message)]
struct Grant(u64);

impl Accepts<Grant> for Source {
    fn accept(message: Grant) -> Grant {
        message
    }
}

impl Actor for Source {
    type Message = Grant;

    fn handle(&mut self, Grant(count): Grant, _: &mut Context<Self>) -> Flow {
        for item in 0..count {
            self.sink.tell(Item(item)).or_dead_letter();
        }
        Flow::Continue
    }
}

struct Sink {
    source: Option<Addr<Source>>,
    granted: u64,
    wanted: u64,
    received: u64,
    sum: u64,
    started: Time,
    report: Sender<f64>,
}

#[derive(Message)]
struct From(Addr<Source>);

/// Receive so many.
#[derive(Message)]
struct Start(u64);

#[derive(Message)]
struct Item(u64);

enum Streamed {
    From(From),
    Start(Start),
    Item(Item),
}

impl Accepts<From> for Sink {
    fn accept(message: From) -> Streamed {
        Streamed::From(message)
    }
}

impl Accepts<Start> for Sink {
    fn accept(message: Start) -> Streamed {
        Streamed::Start(message)
    }
}

impl Accepts<Item> for Sink {
    fn accept(message: Item) -> Streamed {
        Streamed::Item(message)
    }
}

impl Actor for Sink {
    type Message = Streamed;

    fn handle(&mut self, message: Streamed, _: &mut Context<Self>) -> Flow {
        match message {
            Streamed::From(From(source)) => self.source = Some(source),
            Streamed::Start(Start(wanted)) => {
                (self.granted, self.wanted, self.received) = (0, wanted, 0);
                self.started = now();
                self.grant(WINDOW);
            }
            Streamed::Item(Item(item)) => {
                self.sum = self.sum.wrapping_add(item);
                self.received += 1;
                if self.received == self.wanted {
                    let took = now().since(self.started).as_nanos() as f64;
                    self.report.send(took).expect("the bench waits for the end");
                } else if self.received.is_multiple_of(GRANT) {
                    self.grant(GRANT);
                }
            }
        }
        Flow::Continue
    }
}

impl Sink {
    fn grant(&mut self, count: u64) {
        let count = count.min(self.wanted - self.granted);
        if count > 0 {
            self.granted += count;
            self.source.expect("it was told its source").tell(Grant(count)).or_dead_letter();
        }
    }
}

pub(crate) fn stream_cross_core() -> impl FnMut() -> f64 {
    const MESSAGES: u64 = 100_000;
    let system = system(2);
    let (report, ends) = channel();
    let sink = Sink { source: None, granted: 0, wanted: 0, received: 0, sum: 0, started: Time::ZERO, report };
    let sink = system.spawn_on(0, sink).expect("there is room for a sink");
    let source = system.spawn_on(1, Source { sink }).expect("there is room for a source");
    sink.tell(From(source)).or_dead_letter();
    move || {
        // Ends with the sink.
        let _ = &system;
        sink.tell(Start(MESSAGES)).or_dead_letter();
        ends.recv().expect("every message arrives") / MESSAGES as f64
    }
}
