//! Waiting for room on a way between two cores that are stepped by hand.
//!
//! Knows: lanes and inboxes that are full. Must not know who waits in front of them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::*;
use crate::actor::{Accepts, Addr, Flow, Message, spawn};
use crate::config::Config;
use crate::driver;
use crate::executor::directory::{self, Port};
use crate::executor::{Arrivals, CoreId, Links, lane};
use crate::sys::Clock;

struct Number(u64);

impl Message for Number {
    type Reply = ();
}

/// Notes what it is sent.
struct Log(Rc<RefCell<Vec<u64>>>);

impl Actor for Log {
    type Message = u64;

    fn handle(&mut self, number: u64, _: &mut crate::Context<Self>) -> Flow {
        self.0.borrow_mut().push(number);
        Flow::Continue
    }
}

impl Accepts<Number> for Log {
    fn accept(Number(number): Number) -> u64 {
        number
    }
}

/// A core that is stepped by hand.
struct Stepped {
    core: Core,
    arrivals: Option<Arrivals>,
}

impl Stepped {
    fn new(id: CoreId, links: Links, lanes: Vec<lane::Receiver>) -> Stepped {
        let config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        let core = Core::new(id, Rc::new(config), Clock::Virtual(Rc::default()), links);
        let (inbox, envelopes) = crossbeam_channel::bounded(2);
        let port = Arc::new(Port::new(inbox, driver::Waker::None, Duration::ZERO));
        directory::open(id, Arc::clone(&port));
        Stepped { core, arrivals: Some(Arrivals::new(port, envelopes, lanes)) }
    }

    fn is_wanted(&self) -> bool {
        self.arrivals.as_ref().is_some_and(Arrivals::pending)
    }

    fn turn(&mut self) {
        let Stepped { core, arrivals } = self;
        current::scope(core, || {
            arrivals.as_mut().expect("it has not ended").deliver(core);
            while core.run_next() {}
            core.links.publish(core);
        });
    }

    fn end(&mut self) {
        directory::close(self.core.id);
        current::scope(&self.core, || drop(self.arrivals.take()));
    }
}

/// Two cores, an actor on the second, and what that is sent.
struct Scene {
    from: Stepped,
    to: Stepped,
    log: Addr<Log>,
    sent: Rc<RefCell<Vec<u64>>>,
}

fn scene() -> Scene {
    let first = directory::reserve(2);
    let second = CoreId(first.0 + 1);
    let (sender, receiver) = lane::lane(8);
    let from = Stepped::new(first, Links::new(first, [None, Some(sender)]), Vec::new());
    let to = Stepped::new(second, Links::new(first, [None, None]), vec![receiver]);
    let sent = Rc::new(RefCell::new(Vec::new()));
    let log = current::scope(&to.core, || spawn(&to.core, Log(sent.clone())).expect("there is room"));
    Scene { from, to, log, sent }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn poll(self: &Arc<Self>, send: &mut SendFuture<Number>) -> Poll<Sent<Number>> {
        Pin::new(send).poll(&mut Context::from_waker(&Waker::from(Arc::clone(self))))
    }
}

impl Scene {
    /// Fills the way there, and has three wait, of which the second gives up; nobody else gets in. Answers how many were sent before.
    fn fill(&self, woken: &Arc<Woken>) -> (u64, [SendFuture<Number>; 2]) {
        let mut before = 0;
        while self.log.tell(Number(before)).is_ok() {
            before += 1;
        }
        assert!((1..100).contains(&before));
        let [mut first, mut second, mut third] = [0, 1, 2].map(|more| self.log.send(Number(before + more)));
        for send in [&mut first, &mut second, &mut third] {
            assert!(woken.poll(send).is_pending() && woken.poll(send).is_pending());
        }
        drop(second);
        assert!(matches!(self.log.tell(Number(99)), Err(SendError::Full(Number(99)))));
        (before, [first, third])
    }

    /// What was sent has come, and what waits, in this order; and the way is open again.
    fn check(&mut self, woken: &Arc<Woken>, before: u64, waiting: [SendFuture<Number>; 2]) {
        assert_eq!(woken.count(), 0, "nobody looks again for room");
        assert!(self.to.is_wanted());
        self.to.turn();
        assert_eq!(woken.count(), 2);
        for mut send in waiting {
            assert!(matches!(woken.poll(&mut send), Poll::Ready(Ok(()))));
        }
        let mut all: Vec<u64> = (0..=before).collect();
        all.push(before + 2);
        assert_eq!(self.sent.take(), all);
        assert!(!self.to.is_wanted());
    }
}

#[test]
fn who_waits_for_a_lane_comes_behind_what_was_sent_and_before_what_is() {
    let (mut scene, woken) = (scene(), Arc::default());
    let (before, waiting) = current::scope(&scene.from.core, || scene.fill(&woken));
    assert!(!scene.from.core.links.has_overdue(), "its core may rest");
    scene.check(&woken, before, waiting);
    current::scope(&scene.from.core, || {
        scene.log.tell(Number(100)).expect("the way is open");
        assert!(woken.poll(&mut scene.log.send(Number(101))).is_pending(), "it is on its way");
        scene.log.tell(Number(102)).expect("nobody waits in front of it");
    });
    scene.from.turn();
    scene.to.turn();
    assert_eq!(scene.sent.take(), [100, 102], "one has given up");
}

#[test]
fn who_has_waited_for_a_lane_may_wait_again() {
    let (mut scene, woken) = (scene(), Arc::default());
    for _ in 0..3 {
        let (before, waiting) = current::scope(&scene.from.core, || scene.fill(&woken));
        scene.check(&woken, before, waiting);
        woken.0.store(0, Ordering::Relaxed);
    }
}

#[test]
fn who_waits_is_not_passed_where_there_is_room_by_now() {
    for from_thread in [false, true] {
        let (mut scene, woken) = (scene(), Arc::default());
        let sends = |scene: &Scene, send: &mut dyn FnMut()| match from_thread {
            true => send(),
            false => current::scope(&scene.from.core, send),
        };
        let mut filled = None;
        sends(&scene, &mut || filled = Some(scene.fill(&woken)));
        // As if the other core were in the middle of emptying its ways.
        let Stepped { core, arrivals } = &mut scene.to;
        current::scope(core, || arrivals.as_mut().expect("it has not ended").deliver_ways());
        let mut told = Ok(());
        sends(&scene, &mut || told = scene.log.tell(Number(99)));
        assert!(matches!(told, Err(SendError::Full(_))), "there is room, and somebody waits for it");
        let (before, waiting) = filled.expect("it was filled");
        scene.check(&woken, before, waiting);
    }
}

#[test]
fn who_waits_for_an_inbox_comes_behind_what_was_sent_and_before_what_is() {
    let (mut scene, woken) = (scene(), Arc::default());
    let (before, waiting) = scene.fill(&woken);
    scene.check(&woken, before, waiting);
    scene.log.tell(Number(100)).expect("the way is open");
    scene.to.turn();
    assert_eq!(scene.sent.take(), [100]);
}

#[test]
fn who_waits_for_a_core_that_ends_has_its_message_back() {
    let (mut scene, woken) = (scene(), Arc::<Woken>::default());
    let (before, lane) = current::scope(&scene.from.core, || scene.fill(&woken));
    let (_, inbox) = scene.fill(&woken);
    scene.to.end();
    assert_eq!(woken.count(), 4);
    for (mut send, number) in lane.into_iter().zip([before, before + 2]) {
        let Poll::Ready(Err(SendError::Stopped(back))) = woken.poll(&mut send) else {
            panic!("it has ended")
        };
        assert_eq!(back.0, number);
    }
    for mut send in inbox {
        assert!(matches!(woken.poll(&mut send), Poll::Ready(Err(SendError::Stopped(_)))));
    }
    current::scope(&scene.from.core, || {
        assert!(matches!(scene.log.tell(Number(1)), Err(SendError::Stopped(_))));
        assert!(matches!(
            woken.poll(&mut scene.log.send(Number(2))),
            Poll::Ready(Err(SendError::Stopped(_)))
        ));
    });
}
