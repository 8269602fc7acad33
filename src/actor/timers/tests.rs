//! Tests of timers whose core was busy with something else.
//!
//! Knows: cores without a thread, whose clock the test moves. Must not know how time is kept.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::actor::{Accepts, Addr, spawn};
use crate::config::Config;
use crate::executor::{Links, current, directory};
use crate::sys::Clock;

const PERIOD: Duration = Duration::from_millis(10);

#[derive(Clone)]
struct Tick;

impl Message for Tick {
    type Reply = ();
}

/// Notes when it handles what.
struct Ticker(Rc<Cell<Time>>);

impl Actor for Ticker {
    type Message = Tick;

    fn handle(&mut self, _: Tick, cx: &mut Context<Self>) -> Flow {
        self.0.set(cx.now());
        Flow::Continue
    }
}

impl Accepts<Tick> for Ticker {
    fn accept(tick: Tick) -> Tick {
        tick
    }
}

/// Has something done on a core whose clock the test moves, with the core, its clock, and an actor that has started.
fn with_ticker(act: impl FnOnce(&Core, &Rc<Cell<Time>>, Addr<Ticker>, &Rc<Cell<Time>>)) {
    let (now, handled, id) = (Rc::new(Cell::new(Time::ZERO)), Rc::default(), directory::reserve(1));
    let config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
    let core = Core::new(id, Rc::new(config), Clock::Virtual(now.clone()), Links::new(id, []));
    current::scope(&core, || {
        let ticker = spawn(&core, Ticker(Rc::clone(&handled))).expect("there is room");
        while core.run_next() {}
        act(&core, &now, ticker, &handled);
        core.end_tasks(ticker.raw().cell());
    });
}

#[test]
fn what_is_set_within_a_handler_counts_from_then_and_moves_no_clock() {
    with_ticker(|core, now, ticker, _| {
        let cx = &mut Context::<Ticker>::at(ticker.raw());
        now.set(Time::ZERO.after(PERIOD));
        cx.send_after(PERIOD, Tick).expect("there is room");
        assert!(core.next_deadline() >= now.get().after(PERIOD), "{:?}", core.next_deadline());
        now.set(now.get().after(PERIOD));
        cx.send_every(PERIOD, Tick).expect("there is room");
        assert_eq!((cx.now(), core.now()), (Time::ZERO, Time::ZERO), "this handler has not returned");
    });
}
