//! Contexts that end in any order, are swapped, or are met where they are not expected.
//!
//! Knows: what outlives what. Must not know what handlers do.

use std::cell::RefCell;
use std::rc::Rc;

use odeon::prelude::*;
use odeon::testing::TestContext;

use super::actors::{Said, Session};

/// Notes when it is dropped.
struct Noted(&'static str, Rc<RefCell<Vec<&'static str>>>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

#[test]
fn contexts_end_in_either_order() {
    for first in [0, 1] {
        let mut contexts = vec![TestContext::<Session>::new(), TestContext::<Session>::new()];
        let mut left = contexts.remove(first);
        left.write_line("left");
        drop(contexts);
        left.write_line("over");
        assert_eq!(left.written_text(), "left\nover\n");
    }
}

#[test]
fn what_was_begun_ends_with_its_context() {
    let log = Rc::default();
    let (mut session, mut cx) = (Session::alone(), TestContext::<Session>::new());
    let future = Noted("future", Rc::clone(&log));
    let _ = cx.concurrent("Session::wait", odeon::Timeout::Never, async move {
        let _future = future;
        std::future::pending().await
    });
    let continuation = Noted("continuation", Rc::clone(&log));
    let store = session.store;
    store.ask(super::actors::Look(String::new())).then(&mut cx, move |_, _, _| drop(continuation));
    assert_eq!((cx.run(&mut session), log.borrow().len()), (None, 0));
    drop(cx);
    log.borrow_mut().sort_unstable();
    assert_eq!(*log.borrow(), ["continuation", "future"]);
}

#[test]
fn places_replies_and_addresses_outlive_their_context() {
    let mut cx = TestContext::<Session>::new();
    let (place, (reply, asker), me) = (cx.defer(), cx.reply::<u64>(), cx.me());
    let mut other = TestContext::<Session>::new();
    drop(cx);
    other.fill_line(place, "nowhere");
    reply.send(7);
    assert_eq!((asker.take(), other.written_text()), (Some(Err(AskError::Stopped)), String::new()));
    assert!(matches!(me.tell(Said(String::new())), Err(SendError::Stopped(_))));
}

#[test]
fn swapped_contexts_write_where_they_were_made() {
    let (mut one, mut other) = (TestContext::<Session>::new(), TestContext::<Session>::new());
    std::mem::swap::<Context<Session>>(&mut one, &mut other);
    one.write_line("by one");
    other.write_line("by the other");
    assert_eq!(
        (one.written_text(), other.written_text()),
        ("by the other\n".to_owned(), "by one\n".to_owned())
    );
    // What is run has its own context whatever was swapped.
    let mut session = Session::alone();
    assert_eq!(one.me().tell(Said("to the other".to_owned())), Ok(()));
    assert_eq!((one.run(&mut session), other.run(&mut session)), (None, None));
    assert_eq!((one.written_text(), other.written_text()), (String::new(), "to the other\n".to_owned()));
    let place = one.defer();
    drop(other);
    one.write_line("nowhere");
    one.fill_line(place, "nowhere");
    assert_eq!((one.run(&mut session), one.written_text()), (None, String::new()));
}

thread_local! {
    static KEPT: RefCell<Option<TestContext<Fragile>>> = const { RefCell::new(None) };
}

/// Drops the context that it was asked with, within the question.
struct Fragile;

#[derive(Message)]
struct Break;

impl Actor for Fragile {
    type Message = ();
    fn handle(&mut self, (): (), _: &mut Context<Self>) -> Flow {
        Flow::Continue
    }
}

impl Accepts<Break> for Fragile {
    fn accept(_: Break) {
        drop(KEPT.take());
    }
}

#[test]
fn a_context_may_be_dropped_while_it_is_used() {
    let mut cx = TestContext::<Fragile>::new();
    let fragile = cx.spawn(Fragile).unwrap();
    let mut handle = TestContext::<Fragile>::new();
    std::mem::swap::<Context<Fragile>>(&mut cx, &mut handle);
    KEPT.set(Some(cx));
    fragile.ask(Break).then(&mut handle, |_, _, _| ());
    assert!(KEPT.take().is_none(), "it has been dropped");
    assert!(fragile.tell(Break).is_err());
}

#[test]
fn a_context_ends_with_its_thread() {
    std::thread::spawn(|| KEPT.set(Some(TestContext::new()))).join().unwrap();
}
