//! Asynchronous handlers: exclusive ones, one after the other, and concurrent ones, side by side.

use std::time::Duration;

use odeon::prelude::*;
use odeon::time::sleep;

use super::world::{Failure, Notes, World};

const BIT: Duration = Duration::from_millis(10);
const QUICK: Duration = Duration::from_millis(30);

#[derive(Message)]
#[message(reply = Result<usize, Failure>)]
struct Print {
    page: &'static str,
    fails: bool,
}

#[derive(Message)]
struct Draft(&'static str);

#[derive(Message)]
#[message(reply = usize)]
struct Count;

struct Printer {
    printed: usize,
    notes: Notes,
}

#[actor]
impl Printer {
    #[message]
    async fn print(
        &mut self,
        Print { page, fails }: Print,
        cx: &mut Context<Self>,
    ) -> Result<usize, Failure> {
        self.notes.note(page);
        sleep(BIT).await;
        self.printed += 1;
        self.notes.note(format_args!("{page} printed: {}", cx.me() == cx.me()));
        if fails { Err(Failure(self.notes.clone())) } else { Ok(self.printed) }
    }

    #[message(concurrent)]
    async fn draft(me: Handle<Self>, Draft(page): Draft) -> Result<(), Failure> {
        let note = |what: &str| me.with(|printer, _| printer.notes.note(format_args!("{page} {what}")));
        note("begins").expect("nothing else has the state");
        sleep(BIT).await;
        note("ends").expect("nothing else has the state");
        Ok(())
    }

    #[message]
    async fn count(&self, _: Count) -> usize {
        self.printed
    }

    #[call(timeout = "30ms")]
    async fn within(&mut self, time: Duration) -> usize {
        sleep(time).await;
        self.printed
    }

    #[call(timeout = QUICK, concurrent)]
    async fn beside_within(time: Duration) -> &'static str {
        sleep(time).await;
        "slept"
    }

    #[call(timeout = "never")]
    async fn however_long(&mut self, time: Duration) -> usize {
        sleep(time).await;
        self.printed
    }

    #[call(concurrent)]
    async fn later(reply: Reply<u8>, me: Handle<Self>) -> Flow {
        sleep(BIT).await;
        reply.send(u8::from(me.with(|printer, _| printer.printed > 0).unwrap_or_default()));
        Flow::Stop
    }

    #[stopped]
    fn ended(&mut self, why: StopReason) {
        self.notes.note(format_args!("{why:?}"));
    }
}

fn printer(world: &World) -> Addr<Printer> {
    world.spawn(Printer { printed: 0, notes: world.notes.clone() })
}

#[test]
fn an_exclusive_handler_keeps_the_actor_until_it_has_finished() {
    let mut world = World::new();
    let printer = printer(&world);
    let one = printer.print(Print { page: "one", fails: false }).into_future();
    assert!(printer.tell(Print { page: "two", fails: false }).is_ok());
    let count = printer.count(Count).into_future();
    world.run();
    assert_eq!(world.notes.take(), ["one"]);
    world.run_for(BIT);
    assert_eq!(world.notes.take(), ["one printed: true", "two"]);
    assert!(matches!(world.poll(one), Some(Ok(Ok(1)))));
    world.run_for(BIT);
    assert_eq!(world.notes.take(), ["two printed: true"]);
    assert_eq!(world.poll(count), Some(Ok(2)));
    world.end();
}

#[test]
fn an_error_of_one_that_was_told_is_reported() {
    let mut world = World::new();
    let printer = printer(&world);
    let asked = printer.print(Print { page: "one", fails: true }).into_future();
    assert!(printer.tell(Print { page: "two", fails: true }).is_ok());
    world.run_for(3 * BIT);
    assert!(matches!(world.poll(asked), Some(Ok(Err(Failure(_))))));
    assert_eq!(world.notes.take(), ["one", "one printed: true", "two", "two printed: true", "shown"]);
    world.end();
}

#[test]
fn concurrent_handlers_run_side_by_side() {
    let mut world = World::new();
    let printer = printer(&world);
    assert!(printer.tell(Draft("one")).is_ok());
    let two = printer.draft(Draft("two")).into_future();
    world.run();
    assert_eq!(world.notes.take(), ["one begins", "two begins"]);
    assert_eq!(world.ask(printer.count(Count)), Ok(0));
    world.run_for(BIT);
    assert_eq!(world.notes.take(), ["one ends", "two ends"]);
    assert_eq!(world.poll(two), Some(Ok(())));
    world.end();
}

#[test]
fn an_exclusive_handler_that_takes_too_long_ends_the_actor() {
    let mut world = World::new();
    let printer = printer(&world);
    let in_time = printer.within(2 * BIT).into_future();
    world.run_for(3 * BIT);
    assert_eq!(world.poll(in_time), Some(Ok(0)));
    let late = printer.within(4 * BIT).into_future();
    world.run_for(4 * BIT);
    assert!(matches!(world.poll(late), Some(Err(_))));
    assert_eq!(world.notes.take(), ["Failed"]);
    world.end();
}

#[test]
fn a_concurrent_handler_that_takes_too_long_ends_alone() {
    let mut world = World::new();
    let printer = printer(&world);
    let in_time = printer.beside_within(2 * BIT).into_future();
    let late = printer.beside_within(4 * BIT).into_future();
    world.run_for(5 * BIT);
    assert_eq!(world.poll(in_time), Some(Ok("slept")));
    assert!(matches!(world.poll(late), Some(Err(_))));
    assert_eq!(world.ask(printer.count(Count)), Ok(0));
    world.end();
}

#[test]
fn concurrent_handlers_wait_for_an_exclusive_one() {
    let mut world = World::new();
    let printer = printer(&world);
    assert!(printer.tell(Draft("one")).is_ok());
    world.run();
    assert_eq!(world.notes.take(), ["one begins"]);
    let exclusive = printer.however_long(2 * BIT).into_future();
    world.run_for(BIT + BIT / 2);
    assert!(world.notes.take().is_empty());
    world.run_for(BIT);
    assert_eq!(world.notes.take(), ["one ends"]);
    assert_eq!(world.poll(exclusive), Some(Ok(0)));
    world.end();
}

#[test]
fn the_time_of_a_concurrent_handler_runs_on_while_an_exclusive_one_keeps_it_waiting() {
    let mut world = World::new();
    let printer = printer(&world);
    let late = printer.beside_within(BIT).into_future();
    world.run();
    let exclusive = printer.however_long(4 * BIT).into_future();
    world.run_for(4 * BIT + BIT / 2);
    assert_eq!(world.poll(exclusive), Some(Ok(0)));
    assert!(matches!(world.poll(late), Some(Err(_))));
    assert_eq!(world.ask(printer.count(Count)), Ok(0));
    world.end();
}

#[test]
fn a_handler_may_take_as_long_as_it_likes() {
    let mut world = World::new();
    let printer = printer(&world);
    let hour = Duration::from_secs(3600);
    let answer = printer.however_long(hour).timeout(2 * hour).into_future();
    world.run_for(hour + BIT);
    assert_eq!(world.poll(answer), Some(Ok(0)));
    world.end();
}

#[test]
fn a_concurrent_handler_may_answer_and_then_stop_the_actor() {
    let mut world = World::new();
    let printer = printer(&world);
    let answer = printer.later().into_future();
    world.run_for(2 * BIT);
    assert_eq!(world.poll(answer), Some(Ok(0)));
    assert_eq!(world.notes.take(), ["Stopped"]);
    world.end();
}
