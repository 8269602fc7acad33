//! Test contexts beside systems, and on their threads.
//!
//! Knows: that a handler of a system may do what any test does. Must not know cores.

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
