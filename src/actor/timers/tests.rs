//! Tests of timers whose core was busy with something else.
//!
//! Knows: cores without a thread, whose clock the test moves. Must not know how time is kept.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::Never;
use crate::actor::{Accepts, Addr, Handle, Reply, spawn};
use crate::config::Config;
use crate::executor::{Links, MissedTicks, current, directory};
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

/// With an interval.
struct Metronome(Rc<Cell<Time>>);

impl Actor for Metronome {
    type Message = Never;

    const INTERVALS: &'static [Interval] = &[Interval::every(PERIOD).missed(MissedTicks::Delay)];

    fn handle(&mut self, never: Never, _: &mut Context<Self>) -> Flow {
        match never {}
    }

    fn interval(&mut self, _: usize, cx: &mut Context<Self>) -> Flow {
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

/// Due at last, and behind somebody who blocks the core: nobody has looked at the clock since.
fn block(core: &Core, now: &Cell<Time>) {
    now.set(Time::ZERO.after(PERIOD * 11 / 10));
    core.read_clock();
    core.expire(&mut Vec::new());
    now.set(Time::ZERO.after(PERIOD * 9 / 2));
    while core.run_next() {}
}

/// When something comes next, in tenths of a period.
fn next(core: &Core) -> u128 {
    core.next_deadline().since(Time::ZERO).as_nanos() * 10 / PERIOD.as_nanos()
}

#[test]
fn when_a_message_that_was_late_comes_next_is_told_by_the_clock() {
    for (missed, expected) in [(MissedTicks::Skip, 50), (MissedTicks::Burst, 20), (MissedTicks::Delay, 55)] {
        with_ticker(|core, now, ticker, handled| {
            let interval = Interval::every(PERIOD).missed(missed);
            Context::<Ticker>::at(ticker.raw()).send_every(interval, Tick).expect("there is room");
            block(core, now);
            assert_eq!((handled.get(), next(core)), (now.get(), expected), "{missed:?}");
        });
    }
}

#[test]
fn when_an_interval_that_was_late_comes_next_is_told_by_the_clock() {
    with_ticker(|core, now, _, handled| {
        let metronome = spawn(core, Metronome(Rc::clone(handled))).expect("there is room");
        while core.run_next() {}
        block(core, now);
        assert_eq!((handled.get(), next(core)), (now.get(), 55));
        core.end_tasks(metronome.raw().cell());
    });
}

#[test]
fn an_interval_that_is_over_activates_its_actor_once() {
    with_ticker(|core, now, _, handled| {
        let metronome = spawn(core, Metronome(Rc::clone(handled))).expect("there is room");
        while core.run_next() {}
        for round in 1..4 {
            now.set(Time::ZERO.after(PERIOD * 11 / 10 * round));
            core.read_clock();
            core.expire(&mut Vec::new());
            let activations = std::iter::from_fn(|| core.run_next().then_some(())).count();
            assert_eq!((activations, handled.get()), (1, now.get()));
        }
        core.end_tasks(metronome.raw().cell());
    });
}

/// Cancels what it is a message of as it is cloned.
struct Last {
    handle: Handle<Clerk>,
    cancelled: Rc<Cell<bool>>,
}

impl Message for Last {
    type Reply = ();
}

impl Clone for Last {
    fn clone(&self) -> Last {
        let cancelled = self.handle.with(|clerk, cx| clerk.timer.is_some_and(|timer| cx.cancel(timer)));
        self.cancelled.set(cancelled == Ok(true));
        Last { handle: self.handle.clone(), cancelled: Rc::clone(&self.cancelled) }
    }
}

/// Has nothing to do.
struct Clerk {
    timer: Option<TimerKey>,
}

impl Actor for Clerk {
    type Message = Last;

    fn handle(&mut self, _: Last, _: &mut Context<Self>) -> Flow {
        unreachable!("it was cancelled")
    }
}

impl AcceptsLocal<Last> for Clerk {
    fn accept(last: Last) -> Last {
        last
    }

    fn accept_ask(last: Last, _: Reply<()>) -> Last {
        last
    }
}

#[test]
fn a_message_that_cancels_itself_as_it_is_cloned_is_not_handled() {
    with_ticker(|core, now, _, _| {
        let clerk = spawn(core, Clerk { timer: None }).expect("there is room");
        while core.run_next() {}
        let (mut cx, cancelled) = (Context::<Clerk>::at(clerk.raw()), Rc::new(Cell::new(false)));
        let last = Last { handle: cx.handle(), cancelled: Rc::clone(&cancelled) };
        let timer = cx.send_every(PERIOD, last).expect("there is room");
        let kept = cx.handle().with(|clerk, _| clerk.timer = Some(timer));
        assert!(kept.is_ok() && Rc::strong_count(&cancelled) == 2);
        block(core, now);
        assert!(cancelled.get());
        assert_eq!((core.counters.panics.get(), core.tasks.live(), core.timers()), (0, 0, 0));
        assert_eq!(Rc::strong_count(&cancelled), 1, "nothing is left of it");
    });
}
