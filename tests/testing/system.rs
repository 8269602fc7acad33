//! Test contexts beside systems, and on their threads.
//!
//! Knows: that a handler of a system may do what any test does. Must not know cores.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use odeon::executor::{CoreId, current};
use odeon::prelude::*;
use odeon::testing::{TestContext, probe};

use super::actors::{Look, Said, Session, SessionAddr, Store};

/// Tests a session in a handler of its own, and answers when the session has told it something.
#[derive(Default)]
struct Tester {
    waiting: Option<Reply<String>>,
}

#[actor]
impl Tester {
    #[call]
    fn test(&mut self, cx: &mut Context<Self>, reply: Reply<String>) {
        test_a_session(cx);
        self.waiting = Some(reply);
    }

    #[message]
    fn said(&mut self, Said(text): Said) {
        if let Some(reply) = self.waiting.take() {
            reply.send(text);
        }
    }
}

/// Does a bit of everything. What is said to the tester arrives there.
fn test_a_session(cx: &mut Context<Tester>) {
    let before = cx.now();
    let (mut session, mut test) = (Session { room: cx.recipient(), ..Session::alone() }, TestContext::new());
    let _ = session.line("hello", &mut test);
    let _ = session.line("/look word", &mut test);
    test.answer(Ok(4_u64));
    test.answer(Ok(5_u64));
    test.answer(Ok(6_u64));
    assert_eq!(test.block_on(&mut session, test.me().add_slowly("word".to_owned())), Ok(15));
    assert_eq!(test.written_text(), "said\n4\nadded\n");
    let (recipient, mut said) = probe::<Said>();
    assert_eq!((recipient.tell(Said(String::new())), said.take().len()), (Ok(()), 1));
    assert_eq!(test.block_on(&mut session, test.me().add(1)), Ok(16));
    assert!(test.spawn(Session::alone()).is_ok());
    assert_eq!((cx.now(), test.me().tell(Said(String::new()))), (before, Ok(())));
}

#[test]
fn a_handler_of_a_system_may_test_another_actor() {
    let system = System::builder().cores(Cores::Count(1)).build().unwrap();
    let tester = system.spawn(Tester::default()).unwrap();
    for _ in 0..2 {
        assert_eq!(tester.test().wait(), Ok("hello".to_owned()));
    }
    let ledger = &system.ledgers().unwrap()[0];
    assert_eq!((ledger.actors, ledger.mailbox_chunks), (1, 0));
    system.shutdown();
}

#[test]
fn actors_of_a_system_are_asked_and_answer() {
    let system = System::builder().cores(Cores::Count(1)).build().unwrap();
    let store = system.spawn(Store).unwrap();
    let (mut session, mut cx) = (Session { store, ..Session::alone() }, TestContext::new());
    let _ = session.line("/look word", &mut cx);
    assert_eq!(cx.asked(), 0);
    while cx.open_places() > 0 {
        std::thread::yield_now();
        assert_eq!(cx.run(&mut session), None);
    }
    assert_eq!(cx.written_text(), "4\n");
    system.shutdown();
    let _ = session.line("/look word", &mut cx);
    assert_eq!((cx.asked(), cx.take_question()), (1, Some(Look("word".to_owned()))));
}

/// The core that is the current one of this thread.
fn core() -> Option<CoreId> {
    current::with(|core| core.map(|core| core.id))
}

fn panics(run: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(run)).is_err()
}

/// Has tests within tests panic.
#[derive(Default)]
struct Juggler;

#[actor]
impl Juggler {
    #[call]
    fn juggle(&mut self, cx: &mut Context<Self>) -> bool {
        let here = core();
        let (mut outer, mut outside) = (Session::alone(), TestContext::new());
        let lent = outside.handle();
        // To the core of another test, which runs within this one; that goes on, and its actor has failed.
        let seen = Rc::new(Cell::new(0));
        let sees = seen.clone();
        let fails = panics(|| {
            outside.block_on(&mut outer, async move {
                let here = core();
                let (mut inner, mut inside) = (Session::alone(), TestContext::new());
                let saw = sees.clone();
                inside.block_on(&mut inner, async move {
                    let here = core();
                    assert!(panics(|| _ = lent.with(|_, _| resume_unwind(Box::new("as planned")))));
                    saw.set(u32::from(core() == here));
                });
                sees.set(sees.get() + u32::from(core() == here));
            });
        });
        assert_eq!((fails, seen.get(), core()), (true, 2, here));
        // Through all of a test.
        let (mut outer, mut outside) = (Session::alone(), TestContext::new());
        let lent = outside.handle();
        let passes = panics(|| {
            outside.block_on(&mut outer, async move {
                let _ = lent.with(|_, _| resume_unwind(Box::new("as planned")));
            });
        });
        assert_eq!((passes, core()), (true, here));
        cx.me().tell(Still).is_ok()
    }

    #[message]
    fn still(&mut self, _: Still) -> Flow {
        Flow::Stop
    }
}

#[derive(Message)]
struct Still;

#[test]
fn a_panic_that_passes_through_a_test_leaves_the_core_as_it_was() {
    let system = System::builder().cores(Cores::Count(1)).build().unwrap();
    let juggler = system.spawn(Juggler).unwrap();
    assert_eq!(juggler.juggle().wait(), Ok(true));
    while system.ledgers().unwrap()[0].actors > 0 {
        std::thread::yield_now();
    }
    assert_eq!(system.ledgers().unwrap()[0].panics, 0);
    system.shutdown();
}
