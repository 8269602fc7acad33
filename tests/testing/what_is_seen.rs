//! What a test sees of what a handler has done.
//!
//! Knows: output, recipients, spawned actors. Must not know what goes on later.

use std::rc::Rc;

use odeon::prelude::*;
use odeon::testing::{TestContext, nobody, probe};
use odeon::{Config, SpawnError};

use super::actors::{Said, Session};

#[derive(Message, Clone)]
struct Price(u64);

struct Chart;

#[actor]
impl Chart {
    #[message]
    fn price(&mut self, _: Price) {}
}

#[test]
fn who_subscribes_has_spawned_nothing_and_who_leaves_leaves_nothing() {
    let mut config = Config::default();
    config.actors_max = 16;
    let cx = TestContext::<Chart>::with_config(config);
    for _ in 0..64 {
        let (to, mut prices) = probe::<Price>();
        let mut topic = Topic::new();
        topic.subscribe(1, to);
        topic.subscribe(2, cx.recipient());
        topic.publish(Price(7));
        assert_eq!(prices.take().into_iter().map(|price| price.0).collect::<Vec<_>>(), [7]);
        topic.unsubscribe(2);
        assert_eq!(cx.spawned(), 0);
    }
}

#[test]
fn a_handler_is_called_like_any_method() {
    assert_eq!(Session::alone().line("/quit", &mut TestContext::new()), Flow::Close);
    assert_eq!(Session::alone().line("/pause", &mut TestContext::default()), Flow::Continue);
    assert_eq!(Session::alone().started(&mut TestContext::new()), Flow::Continue);
}

#[test]
fn what_is_written_is_seen_once() {
    let mut cx = TestContext::<Session>::new();
    cx.write_line("one");
    write!(cx, "{}", 2);
    assert_eq!((cx.queued_bytes(), cx.written_text()), (5, "one\n2".to_owned()));
    assert_eq!((cx.queued_bytes(), cx.written()), (0, Vec::new()));
    cx.write([0xff, 0x00]);
    assert_eq!(cx.written(), [0xff, 0x00]);
}

#[test]
fn more_than_the_slots_hold_is_seen_as_well() {
    let mut cx = TestContext::<Session>::new();
    let count = if cfg!(miri) { 30_000_u32 } else { 300_000 };
    let bytes: Vec<u8> = (0..count).map(|number| (number / 7) as u8).collect();
    bytes.chunks(777).for_each(|part| cx.write(part));
    assert_eq!(cx.queued_bytes(), bytes.len());
    assert!(cx.written() == bytes);
}

#[test]
fn places_are_filled_in_any_order_and_seen_in_theirs() {
    let mut cx = TestContext::<Session>::new();
    let places = [cx.defer(), cx.defer(), cx.defer()];
    cx.write_line("behind");
    assert_eq!((cx.open_places(), cx.answers_expected(), cx.written_text()), (3, 3, String::new()));
    let [first, second, third] = places;
    cx.fill_line(third, "third");
    assert_eq!(cx.written_text(), "");
    cx.fill_line(first, "first");
    assert_eq!((cx.open_places(), cx.written_text()), (1, "first\n".to_owned()));
    cx.fill_line(second, "second");
    assert_eq!((cx.open_places(), cx.written_text()), (0, "second\nthird\nbehind\n".to_owned()));
}

#[test]
fn pauses_and_expected_answers_are_seen() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    assert!(!cx.reading_paused());
    let _ = session.line("/pause", &mut cx);
    assert_eq!((cx.reading_paused(), cx.answers_expected()), (true, 1));
    cx.answered();
    cx.resume_reading();
    assert_eq!((cx.reading_paused(), cx.answers_expected()), (false, 0));
}

#[test]
fn the_end_of_the_output_is_seen_and_what_is_written_behind_it_is_not() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let place = cx.defer();
    assert!(!cx.output_ended());
    cx.write("before\n");
    cx.shutdown_write();
    cx.write("behind\n");
    cx.write_line("behind");
    cx.write_bytes(vec![b'x'; 10_000]);
    let late = cx.defer();
    cx.fill_line(late, "late");
    assert!(cx.output_ended());
    cx.fill_line(place, "first");
    assert_eq!((cx.open_places(), cx.written_text()), (0, "first\nbefore\n".to_owned()));
    assert_eq!(cx.run(&mut session), None);
}

#[test]
fn an_output_at_its_bound_ends_the_actor() {
    let mut config = Config::default();
    config.outbox_bytes_max = 10;
    let (mut session, mut cx) = (Session::alone(), TestContext::with_config(config));
    assert!(cx.try_write([0; 11]).is_err());
    cx.write([7; 10]);
    assert_eq!((cx.run(&mut session), cx.written()), (None, vec![7; 10]));
    cx.write([0; 11]);
    assert_eq!(cx.run(&mut session), Some(StopReason::OutboxFull));
}

#[test]
fn a_place_that_is_dropped_ends_the_actor() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    cx.write_line("before");
    drop(cx.defer());
    cx.write_line("behind");
    assert_eq!(cx.run(&mut session), Some(StopReason::Failed));
    assert_eq!(cx.written_text(), "before\n");
}

#[test]
#[should_panic(expected = "Config::actors_max is 0")]
fn impossible_limits_are_refused() {
    let mut config = Config::default();
    config.actors_max = 0;
    drop(TestContext::<Session>::with_config(config));
}

#[test]
fn what_is_told_is_seen_by_a_probe() {
    let (room, mut said) = probe();
    let (mut session, mut cx) = (Session { room, ..Session::alone() }, TestContext::new());
    let _ = session.line("hello", &mut cx);
    let _ = session.line("world", &mut cx);
    assert_eq!(said.take(), [Said("hello".to_owned()), Said("world".to_owned())]);
    assert_eq!((said.take(), cx.written_text()), (vec![], "said\nsaid\n".to_owned()));
    drop(said);
    let _ = session.line("anybody?", &mut cx);
    assert_eq!(cx.written_text(), "the receiver has stopped\n");
}

#[test]
fn a_probe_is_bounded_and_reached_from_any_thread() {
    let (recipient, mut said) = probe::<Said>();
    let tell = move || recipient.tell(Said("again".to_owned()));
    // Under Miri so many that there is room for all.
    let many = if cfg!(miri) { 30 } else { 1030 };
    let refused = std::thread::spawn(move || (0..many).filter(|_| tell().is_err()).count()).join().unwrap();
    assert_eq!((said.take().len(), refused), if cfg!(miri) { (30, 0) } else { (1024, 6) });
    assert_eq!((tell(), said.take().len()), (Ok(()), 1));
}

#[test]
fn nobody_is_somebody_else_each_time() {
    let (one, other) = (nobody::<Session>(), nobody::<Session>());
    assert_ne!(one, other);
    assert!(matches!(one.tell(Said(String::new())), Err(SendError::Stopped(_))));
    one.stop();
    other.abort();
}

struct Spawned(Rc<()>);

impl Actor for Spawned {
    type Message = Said;
    fn handle(&mut self, _: Said, _: &mut Context<Self>) -> Flow {
        unreachable!("it is not run")
    }
}

impl Accepts<Said> for Spawned {
    fn accept(said: Said) -> Said {
        said
    }
}

#[test]
fn spawned_actors_are_counted_and_kept_and_not_run() {
    let count = Rc::new(());
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let addresses: Vec<_> = (0..3).map(|_| cx.spawn(Spawned(count.clone())).unwrap()).collect();
    assert_eq!(cx.spawned(), 3);
    assert_ne!(addresses[0], addresses[1]);
    assert_eq!(addresses[0].tell(Said("wait".to_owned())), Ok(()));
    assert_eq!(cx.run(&mut session), None);
    let taken = cx.take_spawned(addresses[1]).unwrap();
    assert!(Rc::ptr_eq(&taken.0, &count));
    assert!(cx.take_spawned(addresses[1]).is_none() && cx.take_spawned(nobody::<Spawned>()).is_none());
    drop(taken);
    assert_eq!(Rc::strong_count(&count), 3);
    drop(cx);
    assert_eq!(Rc::strong_count(&count), 1);
    assert!(matches!(addresses[0].tell(Said(String::new())), Err(SendError::Stopped(_))));
}

#[test]
fn an_actor_that_cannot_be_spawned_comes_back() {
    let mut config = Config::default();
    config.actors_max = 2;
    let mut cx = TestContext::<Session>::with_config(config);
    assert!(cx.spawn(Session::alone()).is_ok());
    let Err(SpawnError(back)) = cx.spawn(Session { sum: 7, ..Session::alone() }) else { panic!("no room") };
    assert_eq!((back.sum, cx.spawned()), (7, 1));
}

#[test]
fn what_is_sent_to_the_actor_is_seen() {
    let mut cx = TestContext::<Session>::new();
    let me = cx.recipient::<Said>();
    assert_eq!(me.tell(Said("one".to_owned())), Ok(()));
    std::thread::spawn(move || me.tell(Said("two".to_owned()))).join().unwrap().unwrap();
    assert_eq!(cx.messages().len(), 2);
    assert!(cx.messages().is_empty());
    let local = cx.local();
    assert_eq!((local.tell(Said("three".to_owned())), cx.messages().len()), (Ok(()), 1));
}
