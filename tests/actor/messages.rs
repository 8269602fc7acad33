//! Handlers of messages: told, asked, and what they return.

use std::rc::Rc;

use odeon::prelude::*;

use super::world::{Failure, Notes, World};

#[derive(Message)]
#[message(reply = u64)]
struct Add(u64);

/// Answered with nothing, whatever becomes of it.
#[derive(Message)]
enum Order {
    GoOn,
    Fail,
    Stop,
}

#[derive(Message)]
#[message(reply = Result<u64, Failure>)]
struct Divide(u64);

/// A `Result` whose name does not say so.
type Quotient = Result<u64, Failure>;

#[derive(Message)]
#[message(reply = Quotient)]
struct Halve(u64);

#[derive(Message)]
#[message(reply = Quotient)]
struct Quarter(u64);

#[derive(Message)]
#[message(reply = &'static str)]
struct Later;

#[derive(Message)]
struct Release;

#[derive(Message)]
#[message(reply = Rc<str>)]
struct Share(Rc<str>);

struct Sum {
    total: u64,
    open: Vec<Reply<&'static str>>,
    notes: Notes,
}

#[actor(mailbox(capacity = 8))]
impl Sum {
    #[message]
    fn add(&mut self, Add(more): Add) -> u64 {
        self.total += more;
        self.total
    }

    #[message]
    fn order(&mut self, _: &mut Context<Self>, order: Order) -> Result<Flow, Failure> {
        match order {
            Order::GoOn => Ok(Flow::Continue),
            Order::Fail => Err(Failure(self.notes.clone())),
            Order::Stop => Ok(Flow::Stop),
        }
    }

    #[message]
    fn divide(&self, by: Divide) -> Result<u64, Failure> {
        self.total.checked_div(by.0).ok_or_else(|| Failure(self.notes.clone()))
    }

    #[message]
    fn halve(&self, Halve(number): Halve) -> Quotient {
        if number.is_multiple_of(2) { Ok(number / 2) } else { Err(Failure(self.notes.clone())) }
    }

    #[message]
    async fn quarter(&mut self, Quarter(number): Quarter) -> Quotient {
        self.halve(Halve(self.halve(Halve(number))?))
    }

    #[message]
    fn later(&mut self, reply: Reply<&'static str>, _: Later) {
        self.notes.note(format_args!("closed: {}", reply.is_closed()));
        self.open.push(reply);
    }

    #[message]
    fn release(&mut self, _: Release) -> Flow {
        self.open.drain(..).for_each(|reply| reply.send("released"));
        Flow::Continue
    }

    #[message(local)]
    fn share(&mut self, Share(text): Share, cx: &mut Context<Self>) -> Rc<str> {
        self.notes.note(format_args!("shared {text} with {:?}", cx.me() == cx.local().me()));
        text
    }

    #[stopped]
    fn ended(&mut self, why: StopReason) {
        self.notes.note(format_args!("{why:?}"));
    }
}

/// What `LocalAddr` has of `Addr`.
trait Me<A> {
    fn me(&self) -> Addr<A>;
}

impl<A: Actor> Me<A> for LocalAddr<A> {
    fn me(&self) -> Addr<A> {
        **self
    }
}

fn sum(world: &World) -> Addr<Sum> {
    world.spawn(Sum { total: 0, open: Vec::new(), notes: world.notes.clone() })
}

#[test]
fn a_message_can_be_told_and_asked() {
    let mut world = World::new();
    let sum = sum(&world);
    assert!(sum.tell(Add(40)).is_ok());
    assert_eq!(world.ask(sum.ask(Add(1))), Ok(41));
    assert_eq!(world.ask(sum.add(Add(1))), Ok(42));
    let anyone: Recipient<Add> = sum.recipient();
    assert!(anyone.tell(Add(8)).is_ok());
    assert_eq!(world.ask(sum.add(Add(0))), Ok(50));
    world.end();
}

#[test]
fn the_mailbox_is_as_large_as_the_attribute_says() {
    let mut world = World::new();
    let sum = sum(&world);
    assert_eq!(Sum::MAILBOX_CAPACITY, 8);
    let taken = (0..20).filter(|_| sum.tell(Add(1)).is_ok()).count();
    world.run();
    // From outside it is seen only on arrival that there is no room.
    assert_eq!(taken, 20);
    assert_eq!(world.ask(sum.add(Add(0))), Ok(8));
    world.end();
}

#[test]
fn an_error_where_nothing_is_answered_is_a_failure_and_no_answer() {
    let mut world = World::new();
    let sum = sum(&world);
    assert_eq!(world.ask(sum.order(Order::GoOn)), Ok(()));
    assert_eq!(world.ask(sum.order(Order::Fail)), Err(AskError::Unanswered));
    assert_eq!(world.notes.take(), ["shown"]);
    assert_eq!(world.ask(sum.order(Order::Stop)), Ok(()));
    assert_eq!(world.notes.take(), ["Stopped"]);
    world.end();
}

#[test]
fn an_error_that_is_the_answer_is_reported_only_where_nobody_asked() {
    let mut world = World::new();
    let sum = sum(&world);
    let answer = world.ask(sum.divide(Divide(0)));
    assert!(matches!(answer, Ok(Err(Failure(_)))));
    assert_eq!(world.notes.take(), [""; 0]);
    assert!(sum.tell(Divide(0)).is_ok() && sum.tell(Divide(1)).is_ok());
    world.run();
    assert_eq!(world.notes.take(), ["shown"]);
    world.end();
}

#[test]
fn an_error_is_known_by_its_type_whatever_its_name() {
    let mut world = World::new();
    let sum = sum(&world);
    assert!(matches!(world.ask(sum.halve(Halve(4))), Ok(Ok(2))));
    assert!(matches!(world.ask(sum.halve(Halve(1))), Ok(Err(Failure(_)))));
    assert!(matches!(world.ask(sum.quarter(Quarter(2))), Ok(Err(Failure(_)))));
    assert_eq!(world.notes.take(), [""; 0]);
    assert!(sum.tell(Halve(1)).is_ok() && sum.tell(Halve(2)).is_ok());
    world.run();
    assert_eq!(world.notes.take(), ["shown"]);
    assert!(sum.tell(Quarter(2)).is_ok() && sum.tell(Quarter(4)).is_ok());
    world.run();
    assert_eq!(world.notes.take(), ["shown"]);
    world.end();
}

#[test]
fn a_handler_that_takes_the_reply_answers_when_it_likes() {
    let mut world = World::new();
    let sum = sum(&world);
    let answers = [sum.later(Later), sum.ask(Later)].map(IntoFuture::into_future);
    assert!(sum.tell(Later).is_ok());
    world.run();
    assert_eq!(world.notes.take(), ["closed: false", "closed: false", "closed: true"]);
    assert_eq!(world.ask(sum.release(Release)), Ok(()));
    for answer in answers {
        assert_eq!(world.poll(answer), Some(Ok("released")));
    }
    world.end();
}

/// Sends from the core on which the sum is.
struct Neighbour {
    sum: Addr<Sum>,
    notes: Notes,
}

#[actor]
impl Neighbour {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        let Some(sum) = self.sum.local() else { return Flow::Fail };
        sum.tell(Share(Rc::from("one"))).or_dead_letter();
        sum.tell(Add(3)).or_dead_letter();
        sum.share(Share(Rc::from("two"))).then(cx, |me, answer, _| {
            me.notes.note(format_args!("got {}", answer.as_deref().unwrap_or("nothing")));
        });
        Flow::Continue
    }
}

#[test]
fn local_messages_go_between_actors_of_one_core() {
    let mut world = World::new();
    let sum = sum(&world);
    world.spawn(Neighbour { sum, notes: world.notes.clone() });
    world.run();
    assert_eq!(world.notes.take(), ["shared one with true", "shared two with true", "got two"]);
    assert_eq!(world.ask(sum.add(Add(0))), Ok(3));
    world.end();
}
