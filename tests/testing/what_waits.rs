//! What a handler has begun, and how a test goes on with it.
//!
//! Knows: questions, answers, futures, time. Must not know output, but to see what happened.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use odeon::prelude::*;
use odeon::testing::{Asker, TestContext, probe};
use odeon::{Config, HandleError, Time, Timeout, task};

use super::actors::{Look, Said, Session, SessionAddr, Store, StoreAddr};

const SECOND: Duration = Duration::from_secs(1);

/// What `run` says in a panic.
fn panics<R>(run: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(run()))).expect_err("it is to panic");
    match panic.downcast::<String>() {
        Ok(formatted) => *formatted,
        Err(panic) => (*panic.downcast::<&str>().expect("it says something")).to_owned(),
    }
}

#[test]
fn an_answer_of_another_type_is_told_where_it_is_given() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let _ = session.line("/look one", &mut cx);
    let ((tell, told), before, me) = (mpsc::channel(), take_hook(), thread::current().id());
    set_hook(Box::new(move |panic| {
        let place = panic.location().map(|place| (place.file().to_owned(), place.line()));
        if thread::current().id() == me {
            tell.send(place).expect("the test listens");
        } else {
            before(panic);
        }
    }));
    let line = line!() + 1;
    let said = panics(|| cx.answer(Ok("three")));
    drop(take_hook());
    assert!(said.contains("and not by `&str`"), "{said}");
    assert_eq!(told.recv(), Ok(Some((file!().to_owned(), line))));
}

#[test]
fn questions_are_answered_in_their_order_when_the_test_says_so() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let _ = session.line("/look one", &mut cx);
    let _ = session.line("/look three", &mut cx);
    assert_eq!((cx.asked(), cx.open_places()), (2, 2));
    assert_eq!(cx.take_question(), Some(Look("one".to_owned())));
    assert_eq!((cx.take_question::<Look>(), cx.take_question::<u8>()), (None, None));
    cx.answer(Ok(3_u64));
    assert_eq!((cx.asked(), cx.take_question()), (1, Some(Look("three".to_owned()))));
    assert_eq!((session.sum, cx.run(&mut session), session.sum), (0, None, 3));
    cx.answer::<u64>(Err(AskError::Full));
    assert_eq!((cx.run(&mut session), cx.asked(), session.sum), (None, 0, 3));
    assert_eq!(cx.written_text(), format!("3\n{}\n", AskError::Full));
}

#[test]
fn an_answer_may_be_there_before_the_question() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    cx.answer(Ok(7_u64));
    cx.answer(Ok(8_u64));
    let _ = session.line("/look seven", &mut cx);
    assert_eq!((cx.asked(), cx.run(&mut session), cx.written_text()), (0, None, "7\n".to_owned()));
    let _ = session.line("/look eight", &mut cx);
    let _ = session.line("/look nine", &mut cx);
    assert_eq!((cx.asked(), cx.run(&mut session), cx.written_text()), (1, None, "8\n".to_owned()));
}

#[test]
fn an_answer_that_nobody_asks_for_is_a_mistake() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    cx.answer(Ok(7_u64));
    let _ = session.line("/look seven", &mut cx);
    cx.answer(Ok(8_u64));
    let line = line!() - 1;
    let said = panics(move || drop(cx));
    let expected =
        format!("Session has not asked for the answer, a `u64`, that the test gave at {}:{line}:", file!());
    assert!(said.contains(&expected), "{said}");
    // A test that fails says why, and not this.
    let said = panics(|| {
        let mut cx = TestContext::<Session>::new();
        cx.answer(Ok(9_u64));
        panic!("another reason");
    });
    assert_eq!(said, "another reason");
}

#[test]
fn an_answer_of_another_type_is_a_mistake() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let _ = session.line("/look one", &mut cx);
    let expected = "a question is answered by `u64`, and not by `&str`";
    assert_eq!(panics(|| cx.answer(Ok("three"))), expected);
    cx.answer(Ok("three"));
    assert_eq!(panics(|| session.line("/look two", &mut cx)), expected);
}

#[test]
fn a_question_that_is_not_answered_in_time_is_told_so() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let _ = session.line("/look one", &mut cx);
    cx.advance(5 * SECOND - Duration::from_nanos(1));
    assert_eq!((cx.run(&mut session), cx.asked()), (None, 1));
    cx.advance(Duration::from_nanos(1));
    assert_eq!((cx.run(&mut session), cx.asked()), (None, 0));
    assert_eq!(cx.written_text(), "no answer came in time\n");
    // Nobody waits for this one, so it is for the next question.
    cx.answer(Ok(1_u64));
    let _ = session.line("/look one", &mut cx);
    assert_eq!((cx.run(&mut session), cx.written_text()), (None, "1\n".to_owned()));
}

#[test]
fn time_stands_still_unless_it_is_moved() {
    let mut cx = TestContext::<Session>::new();
    let start = cx.now();
    std::thread::yield_now();
    assert_eq!(cx.now(), start);
    cx.advance(SECOND);
    assert_eq!(cx.now().since(start), SECOND);
}

#[test]
fn two_actors_talk_when_the_test_lets_them() {
    let (mut store, mut store_cx) = (Store, TestContext::new());
    let (mut session, mut cx) = (Session { store: store_cx.me(), ..Session::alone() }, TestContext::new());
    let _ = session.line("/look one", &mut cx);
    let _ = session.line("/look three", &mut cx);
    assert_eq!((cx.asked(), cx.run(&mut session), cx.open_places()), (0, None, 2));
    assert_eq!(store_cx.run(&mut store), None);
    assert_eq!((cx.run(&mut session), cx.written_text()), (None, "3\n5\n".to_owned()));
    let _ = session.line("/look four", &mut cx);
    drop(store_cx);
    assert_eq!((cx.run(&mut session), cx.written_text()), (None, "the receiver has stopped\n".to_owned()));
}

#[test]
fn messages_are_handled_until_one_ends_the_actor() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    for text in ["one", "two", "/quit", "three"] {
        assert_eq!(cx.me().tell(Said(text.to_owned())), Ok(()));
    }
    assert_eq!(cx.run(&mut session), Some(StopReason::Stopped));
    assert_eq!((cx.written_text(), cx.messages().len()), ("one\ntwo\n".to_owned(), 1));
}

#[test]
fn whoever_stops_or_aborts_the_actor_is_heard() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    cx.me().stop();
    assert_eq!((cx.run(&mut session), cx.run(&mut session)), (Some(StopReason::Stopped), None));
    cx.me().abort();
    assert_eq!(cx.run(&mut session), Some(StopReason::Aborted));
}

#[test]
fn the_arguments_of_a_call_are_seen() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    session.store.twice("word".to_owned(), 3).then(&mut cx, |me: &mut Session, sum, _| me.sum = sum.unwrap());
    assert_eq!(cx.take_question::<Look>(), None);
    assert_eq!(cx.take_question(), Some(("word".to_owned(), 3_u64)));
    cx.answer(Ok(24_u64));
    assert_eq!((cx.run(&mut session), session.sum), (None, 24));
}

#[test]
fn a_probe_is_asked_and_the_test_answers() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let (recipient, mut looks) = probe::<Look>();
    for word in ["one", "two", "three"] {
        recipient.ask(Look(word.to_owned())).then(&mut cx, |me: &mut Session, sum, cx| match sum {
            Ok(sum) => me.sum += sum,
            Err(error) => writeln!(cx, "{error}"),
        });
    }
    assert_eq!(cx.asked(), 0);
    let asked = looks.take_asked();
    let words: Vec<_> = asked.iter().map(|(Look(word), _)| word.as_str()).collect();
    assert_eq!(words, ["one", "two", "three"]);
    asked.into_iter().take(2).for_each(|(_, reply)| reply.send(20));
    assert_eq!((cx.run(&mut session), session.sum), (None, 40));
    assert_eq!(cx.written_text(), "the receiver did not answer\n");
    drop(looks);
    recipient.ask(Look("four".to_owned())).then(&mut cx, |me: &mut Session, sum, _| me.sum = sum.unwrap());
    assert_eq!(cx.take_question(), Some(Look("four".to_owned())));
    cx.answer(Ok(4_u64));
    assert_eq!((cx.run(&mut session), session.sum), (None, 4));
}

/// Begins an exclusive future as a system would, by a message.
fn begin_to_add(session: &mut Session, cx: &mut TestContext<Session>) -> Asker<u64> {
    let (reply, asker) = cx.reply();
    cx.me().add_slowly("word".to_owned()).forward(reply);
    let messages = cx.messages();
    assert!(messages.into_iter().all(|message| session.handle(message, cx) == Flow::Continue));
    asker
}

#[test]
fn an_exclusive_future_is_run_to_its_end() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let start = cx.now();
    let asker = begin_to_add(&mut session, &mut cx);
    assert_eq!((cx.futures(), cx.me().tell(Said("behind".to_owned()))), (1, Ok(())));
    cx.answer(Ok(40_u64));
    cx.answer(Ok(2_u64));
    assert_eq!((cx.run(&mut session), asker.take(), cx.futures()), (None, Some(Ok(42)), 0));
    assert_eq!((cx.written_text(), cx.now().since(start).as_secs()), ("added\nbehind\n".to_owned(), 2));
}

#[test]
fn an_exclusive_future_that_is_not_answered_goes_on_when_its_time_is_over() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let start = cx.now();
    let asker = begin_to_add(&mut session, &mut cx);
    assert_eq!((cx.run(&mut session), asker.take(), cx.asked()), (None, Some(Err(AskError::Timeout)), 0));
    assert_eq!(cx.written_text(), "no answer came in time\nno answer came in time\nadded\n");
    assert_eq!(cx.now().since(start).as_secs(), 12);
}

#[test]
fn an_exclusive_future_that_takes_too_long_ends_the_actor() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let _ =
        cx.exclusive("Session::wait", Timeout::After(SECOND), async move |me: &mut Session, _: &mut _| {
            me.sum = 7;
            odeon::time::sleep(2 * SECOND).await;
            Flow::Continue
        });
    assert_eq!((cx.run(&mut session), session.sum, cx.futures()), (Some(StopReason::Failed), 7, 0));
}

#[test]
fn an_exclusive_future_that_would_wait_for_ever_is_dropped_and_told_of() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let _ = cx.exclusive("Session::wait", Timeout::Never, async |me: &mut Session, _: &mut _| {
        me.sum = 7;
        std::future::pending().await
    });
    assert!(panics(|| cx.run(&mut session)).ends_with("Session waits for what does not come"));
    assert_eq!((session.sum, cx.futures(), cx.run(&mut session)), (7, 0, None));
}

#[test]
fn concurrent_futures_go_on_as_time_does() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let askers = [(); 2].map(|()| {
        let (reply, asker) = cx.reply();
        cx.me().count().forward(reply);
        asker
    });
    assert_eq!((cx.run(&mut session), cx.futures()), (None, 2));
    session.sum = 10;
    cx.advance(SECOND);
    assert_eq!((cx.run(&mut session), session.sum, cx.futures()), (None, 12, 0));
    assert_eq!(askers.map(|asker| asker.take()), [Some(Ok(Ok(11))), Some(Ok(Ok(12)))]);
    assert_eq!(cx.written_text(), "11\n12\n");
}

#[test]
fn a_handle_is_busy_unless_the_test_lends_the_actor() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let me = cx.handle();
    assert_eq!(me.with(|_, _| ()), Err(HandleError::Busy));
    assert_eq!(cx.block_on(&mut session, Session::count(me.clone())), Ok(1));
    drop(cx);
    assert_eq!(me.with(|_, _| ()), Err(HandleError::Stopped));
}

#[test]
fn an_actor_is_asked_what_it_can_be_asked() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    assert_eq!(cx.block_on(&mut session, cx.me().add(40)), Ok(40));
    cx.answer(Ok(1_u64));
    cx.answer(Ok(1_u64));
    assert_eq!(cx.block_on(&mut session, cx.me().add_slowly("word".to_owned())), Ok(42));
    assert_eq!(cx.block_on(&mut session, cx.me().count()), Ok(Ok(43)));
    let others = async |me: Addr<Session>| [me.add(1).await, me.add(2).await];
    assert_eq!(cx.block_on(&mut session, others(cx.me())), [Ok(44), Ok(46)]);
    let never = panics(|| cx.block_on(&mut session, std::future::pending::<()>()));
    assert!(never.ends_with("Session waits for what does not come"));
}

#[test]
fn a_thread_that_would_wait_for_itself_is_told_at_once() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    let asked = panics(|| cx.me().add(1).wait());
    assert!(asked.contains("within `TestContext::block_on`"), "{asked}");
    let (recipient, mut said) = probe::<Said>();
    assert_eq!(panics(|| recipient.ask(Said(String::new())).wait()), asked);
    assert_eq!(said.take().len(), 0);
    let within = async |me: Addr<Session>| me.add(1).wait();
    assert_eq!(cx.block_on(&mut session, within(cx.me())), Err(AskError::WithinCore));
    let [spawned] = cx.block_on(&mut session, async { [task::spawn(async {})] });
    let waited = panics(|| spawned.wait());
    assert!(waited.contains("does not run"), "{waited}");
    // Elsewhere nothing keeps the test from answering.
    let me = cx.me();
    let asking = thread::spawn(move || me.add(40).wait());
    while session.sum == 0 {
        thread::yield_now();
        assert_eq!(cx.run(&mut session), None);
    }
    assert_eq!(asking.join().unwrap(), Ok(40));
}

#[test]
fn intervals_are_called_by_the_test_alone() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    cx.advance(61 * SECOND);
    assert_eq!((cx.run(&mut session), cx.written_text()), (None, String::new()));
    session.ping(&mut cx);
    assert_eq!(
        (session.interval(0, &mut cx), cx.written_text()),
        (Flow::Continue, "PING\nPING\n".to_owned())
    );
}

#[test]
fn panics_of_the_actor_come_out_and_its_state_stays() {
    let (mut session, mut cx) = (Session::alone(), TestContext::new());
    session.sum = 7;
    assert!(catch_unwind(AssertUnwindSafe(|| session.line("/panic", &mut cx))).is_err());
    assert_eq!(cx.me().tell(Said("/panic".to_owned())), Ok(()));
    assert!(panics(|| cx.run(&mut session)).ends_with("Session has panicked, as told above"));
    let _ = cx.concurrent("Session::panic", Timeout::Never, async { panic!("as planned") });
    assert!(panics(|| cx.run(&mut session)).ends_with("Session has panicked, as told above"));
    assert_eq!((session.sum, cx.run(&mut session)), (7, None));
}

#[test]
fn a_handler_is_given_a_reply_and_its_answer_seen() {
    let (mut session, mut cx) = (Session::alone(), TestContext::<Session>::new());
    let (reply, asker) = cx.reply::<u64>();
    assert!(!reply.is_closed() && asker.take().is_none());
    session.add(3, reply);
    assert_eq!((asker.take(), asker.take()), (Some(Ok(3)), None));
    let (reply, asker) = cx.reply::<u64>();
    drop(reply);
    assert_eq!(asker.take(), Some(Err(AskError::Unanswered)));
    let (_reply, asker) = cx.reply::<u64>();
    cx.advance(5 * SECOND);
    assert_eq!(asker.take(), Some(Err(AskError::Timeout)));
    let (reply, asker) = cx.reply::<u64>();
    drop(asker);
    assert!(cx.block_on(&mut session, async move { reply.is_closed() }));
}

#[test]
fn more_answers_than_the_inbox_holds_arrive() {
    let mut config = Config::default();
    (config.inbox_capacity, config.send_slots) = (8, [1, 0, 0, 0, 0]);
    let mut cx = TestContext::<Session>::with_config(config);
    let (replies, askers): (Vec<_>, Vec<_>) = (0..20).map(|_| cx.reply::<u64>()).unzip();
    replies.into_iter().enumerate().for_each(|(number, reply)| reply.send(number as u64));
    let answers: Vec<_> = askers.iter().map(|asker| asker.take()).collect();
    assert!(answers.into_iter().eq((0..20).map(|number| Some(Ok(number)))));
}

#[derive(Message, Clone)]
struct Ring(u32);

/// Rings later, and notes it.
#[derive(Default)]
struct Bell(Vec<u32>);

#[actor]
impl Bell {
    #[message]
    fn ring(&mut self, Ring(number): Ring) {
        self.0.push(number);
    }
}

#[test]
fn what_was_set_for_later_comes_when_the_test_lets_time_pass() {
    let mut cx = TestContext::new();
    let mut bell = Bell::default();
    assert!(cx.send_after(2 * SECOND, Ring(2)).is_ok());
    let cancelled = cx.send_after(SECOND, Ring(1)).expect("there is room");
    assert!(cx.cancel(cancelled));
    assert_eq!(cx.run(&mut bell), None);
    cx.advance(SECOND);
    assert_eq!(cx.run(&mut bell), None);
    assert_eq!(bell.0, [0; 0], "nothing is early, and what was cancelled does not come");
    cx.advance(SECOND);
    assert_eq!(cx.run(&mut bell), None);
    assert_eq!(bell.0, [2]);
}

/// Of what comes again every second.
fn every_second(missed: MissedTicks) -> Interval {
    Interval::every(SECOND).missed(missed)
}

/// Rings, and has itself ring once less.
#[derive(Message, Clone)]
struct Chime(u32);

#[derive(Default)]
struct Chimes(Vec<u32>);

#[actor]
impl Chimes {
    #[message]
    fn chime(&mut self, Chime(number): Chime, cx: &mut Context<Self>) {
        self.0.push(number);
        if let Some(less) = number.checked_sub(1) {
            assert!(cx.send_after(Duration::ZERO, Chime(less)).is_ok());
        }
    }
}

#[test]
fn all_that_was_missed_comes_at_once() {
    for (missed, times) in [(MissedTicks::Burst, 10), (MissedTicks::Skip, 1), (MissedTicks::Delay, 1)] {
        let (mut chimes, mut cx) = (Chimes::default(), TestContext::new());
        assert!(cx.send_every(every_second(missed), Chime(0)).is_ok());
        cx.advance(10 * SECOND);
        assert_eq!((cx.run(&mut chimes), chimes.0.len()), (None, times), "{missed:?}");
        cx.advance(SECOND);
        assert_eq!((cx.run(&mut chimes), chimes.0.len()), (None, times + 1), "{missed:?}");
    }
}

#[test]
fn what_is_set_for_a_time_that_has_passed_comes_at_once() {
    let (mut chimes, mut cx) = (Chimes::default(), TestContext::new());
    cx.me().tell(Chime(3)).or_dead_letter();
    assert_eq!((cx.run(&mut chimes), chimes.0), (None, vec![3, 2, 1, 0]));
}

#[test]
fn what_comes_again_and_again_does_not_keep_a_test_waiting_for_ever() {
    let (mut chimes, mut cx) = (Chimes::default(), TestContext::new());
    let times = if cfg!(miri) { 100 } else { 100_000 };
    assert!(cx.send_every(SECOND, Chime(0)).is_ok());
    // Until its time is over, something else may still come.
    assert_eq!(cx.concurrent("late", Timeout::After(times * SECOND), std::future::pending()), Flow::Continue);
    let said = panics(|| cx.block_on(&mut chimes, std::future::pending::<()>()));
    assert!(said.contains("waits for what does not come"), "{said}");
    assert!(chimes.0.len() >= 2 * times as usize - 1, "given up after {}", chimes.0.len());
}

#[test]
fn what_comes_at_last_is_waited_for_however_much_comes_before() {
    let times = if cfg!(miri) { 200 } else { 110_000 };
    let (mut chimes, mut cx) = (Chimes::default(), TestContext::new());
    assert!(cx.send_every(SECOND, Chime(0)).is_ok());
    let slept = async move { odeon::time::sleep(times * SECOND).await };
    cx.block_on(&mut chimes, slept);
    assert!(chimes.0.len() >= times as usize - 1, "{}", chimes.0.len());
}

#[derive(Message)]
struct Urgent;

#[derive(Message)]
struct Usual;

/// Notes what comes.
#[derive(Default)]
struct Desk(Vec<&'static str>);

#[actor]
impl Desk {
    #[message]
    fn usual(&mut self, _: Usual) {
        self.0.push("usual");
    }

    #[message(priority = control)]
    fn urgent(&mut self, _: Urgent) {
        self.0.push("urgent");
    }

    #[message]
    fn chime(&mut self, _: Chime) {
        self.0.push("set for later");
    }
}

#[test]
fn what_was_set_for_later_comes_before_all_that_waits() {
    let (mut desk, mut cx) = (Desk::default(), TestContext::new());
    cx.me().tell(Usual).or_dead_letter();
    cx.me().tell(Urgent).or_dead_letter();
    assert!(cx.send_after(SECOND, Chime(0)).is_ok());
    cx.advance(SECOND);
    assert_eq!((cx.run(&mut desk), desk.0), (None, vec!["set for later", "urgent", "usual"]));
}

#[test]
fn a_message_for_which_there_is_no_timer_comes_back_with_the_limit_that_it_met() {
    let mut config = Config::default();
    config.tasks_max = 1;
    let mut cx = TestContext::<Bell>::with_config(config);
    assert!(cx.send_after(SECOND, Ring(1)).is_ok());
    for refused in
        [cx.send_after(SECOND, Ring(2)), cx.send_at(Time::MAX, Ring(2)), cx.send_every(SECOND, Ring(2))]
    {
        let refused = refused.expect_err("there is no room");
        assert_eq!(refused.to_string(), "the core has as many tasks as Config::tasks_max allows");
        assert_eq!(refused.into_message().0, 2);
    }
}
