//! Tests of questions that nobody answers: who is told, and when their time is over.
//!
//! Knows: cores without a thread. Must not know how an answer travels.

use std::cell::Cell;
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Asking, Poll, Waker};

use super::*;
use crate::actor::body::reserve;
use crate::actor::{Accepts, Timeout, spawn};
use crate::config::Config;
use crate::driver;
use crate::executor::blame::runtime;
use crate::executor::directory::Port;
use crate::executor::{Arrivals, Links};
use crate::mem::Key;
use crate::sys::Clock;

struct Nobody;

struct Well;

impl Message for Well {
    type Reply = u64;
}

impl Actor for Nobody {
    type Message = Well;

    fn handle(&mut self, _: Well, _: &mut Context<Self>) -> Flow {
        Flow::Continue
    }
}

impl Accepts<Well> for Nobody {
    fn accept(message: Well) -> Well {
        message
    }
}

#[test]
fn a_question_that_is_on_its_way_when_its_core_ends_has_an_answer() {
    let core = directory::reserve(1);
    let (inbox, envelopes) = crossbeam_channel::bounded(4);
    let port = Arc::new(Port::new(inbox, driver::Waker::None, Duration::MAX));
    directory::open(core, port.clone());
    let arrivals = Arrivals::new(port.clone(), envelopes, Vec::new());
    let nobody = Addr::<Nobody>::from_raw(RawAddress::new(core, Key { index: 0, generation: 0 }));
    let mut asked = nobody.ask(Well).into_future();
    let waits = std::thread::spawn(move || nobody.ask(Well).wait());
    while port.inbox.len() < 2 {
        std::thread::yield_now();
    }
    directory::close(core);
    drop(arrivals);
    assert_eq!(waits.join().unwrap(), Err(AskError::Stopped));
    let mut waiting = Asking::from_waker(Waker::noop());
    assert_eq!(Pin::new(&mut asked).poll(&mut waiting), Poll::Ready(Err(AskError::Stopped)));
    assert_eq!(port.inbox.len(), 0, "although there is still somebody who knows the way");
}

/// Has in its mailbox whom to answer.
struct Keeper;

impl Actor for Keeper {
    type Message = Reply<u64>;

    fn handle(&mut self, _: Reply<u64>, _: &mut Context<Self>) -> Flow {
        Flow::Continue
    }
}

impl Accepts<Well> for Keeper {
    fn accept(_: Well) -> Reply<u64> {
        Reply::nobody()
    }

    fn accept_ask(_: Well, reply: Reply<u64>) -> Reply<u64> {
        reply
    }
}

#[test]
fn times_that_begin_late_in_a_turn_count_from_then() {
    const SHORT: Duration = Duration::from_millis(10);
    type Begin = fn(&mut Context<Keeper>) -> Flow;
    let begin: [(&str, Begin); 8] = [
        ("then", |cx| {
            cx.me().ask(Well).timeout(SHORT).then(cx, |_: &mut Keeper, _, _| ());
            Flow::Continue
        }),
        ("then, here", |cx| {
            let me = cx.me().local().expect("it is on this core");
            me.ask(Well).timeout(SHORT).then(cx, |_: &mut Keeper, _, _| ());
            Flow::Continue
        }),
        ("await", |cx| {
            std::mem::forget(cx.me().ask(Well).timeout(SHORT).into_future());
            Flow::Continue
        }),
        ("concurrent", |cx| cx.concurrent("late", Timeout::After(SHORT), pending())),
        ("exclusive", |cx| {
            cx.exclusive("late", Timeout::After(SHORT), async |_: &mut Keeper, _| pending().await)
        }),
        ("then, by default, after a look at the clock", |cx| {
            cx.with_core(Core::read_clock);
            cx.me().ask(Well).then(cx, |_: &mut Keeper, _, _| ());
            Flow::Continue
        }),
        ("concurrent, by default", |cx| cx.concurrent("late", Timeout::Default, pending())),
        ("exclusive, by default", |cx| {
            cx.exclusive("late", Timeout::Default, async |_: &mut Keeper, _| pending().await)
        }),
    ];
    for (how, begin) in begin {
        let now = Rc::new(Cell::new(Time(0)));
        let mut config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        (config.ask_timeout, config.handler_timeout) = (SHORT, SHORT);
        let clock = Clock::Virtual(now.clone());
        let core = Core::new(directory::reserve(1), Rc::new(config), clock, Links::new(CoreId(0), []));
        current::scope(&core, || {
            let asker = spawn(&core, Keeper).expect("there is room");
            // The turn has taken so long already.
            now.set(Time(0).after(SHORT * 100));
            assert_eq!(begin(&mut Context::at(asker.raw())), Flow::Continue);
            let (due, expected) = (core.next_deadline(), now.get().after(SHORT));
            assert!((expected..expected.after(SHORT / 10)).contains(&due), "{how}: {due:?}");
            core.end_tasks(asker.raw().cell());
        });
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("as planned"));
    }
}

#[test]
fn what_a_continuation_holds_that_finds_no_state_is_dropped_as_a_users_value() {
    let clock = Clock::Virtual(Rc::default());
    let config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
    let core = Core::new(directory::reserve(1), Rc::new(config), clock, Links::new(CoreId(0), []));
    let vacant = reserve::<Keeper>(&core).expect("there is room");
    current::scope(&core, || {
        let go_on = |owner: Option<&Activation<'_>>| {
            let bomb = Bomb;
            let then = move |_: &mut Keeper, _: Answer<Bomb>, _: &mut Context<Keeper>| drop(bomb);
            let continuation = Continuation::<Keeper, _> { then, actor: PhantomData };
            let mut task = AnyTask::waiting::<Answer<Bomb>, _>(core.cells.blocks(), continuation);
            *task.place().expect("it waits for one") = Some(Ok::<_, AskError>(Bomb));
            assert_eq!(runtime(|| task.go_on(&core, owner)), Flow::Continue);
        };
        go_on(None);
        Activation::of_started(&core, vacant, |activation| go_on(Some(activation)));
    });
    assert_eq!(core.counters.drop_panics.get(), 4);
}

#[test]
fn a_question_of_an_actor_whose_core_is_not_here_is_dropped_as_a_users_value() {
    let nobody =
        Addr::<Nobody>::from_raw(RawAddress::new(directory::reserve(1), Key { index: 0, generation: 0 }));
    let bomb = Bomb;
    let asked = std::panic::catch_unwind(move || {
        let mut cx = Context::at(nobody.raw());
        nobody.ask(Well).then(&mut cx, move |_: &mut Nobody, _, _| drop(bomb));
    });
    assert!(asked.is_err(), "the panic is that of whoever asked");
}
