//! Code of users that runs outside of handlers: conversions of messages, and states that are dropped with their system.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use odeon::prelude::*;
use odeon::system::simulation::{Simulation, SimulationConfig};

/// Refuses to be converted, if so told.
#[derive(Message)]
struct Number(Option<u32>);

struct Sum(Arc<AtomicUsize>);

impl Actor for Sum {
    type Message = u32;

    fn handle(&mut self, number: u32, _: &mut Context<Self>) -> Flow {
        self.0.fetch_add(number as usize, Ordering::SeqCst);
        Flow::Continue
    }
}

impl Accepts<Number> for Sum {
    fn accept(Number(number): Number) -> u32 {
        number.expect("a number")
    }
}

/// Sends what it is given on to an actor that may live elsewhere.
struct Forward(Addr<Sum>);

impl Actor for Forward {
    type Message = Number;

    fn handle(&mut self, number: Number, _: &mut Context<Self>) -> Flow {
        self.0.tell(number).or_dead_letter();
        Flow::Continue
    }
}

impl Accepts<Number> for Forward {
    fn accept(number: Number) -> Number {
        number
    }
}

#[test]
fn a_conversion_that_panics_on_arrival_costs_its_message_alone() {
    let plan = SimulationConfig { cores: 2, ..SimulationConfig::new(1) };
    let mut simulation = Simulation::new(plan).unwrap();
    let total = Arc::new(AtomicUsize::new(0));
    let sum = simulation.spawn_on(1, Sum(total.clone())).unwrap();
    let forward = simulation.spawn_on(0, Forward(sum)).unwrap();
    for number in [Some(1), None, Some(10), None, Some(100)] {
        forward.tell(Number(number)).unwrap();
        sum.tell(Number(number)).unwrap();
    }
    simulation.run_for(Duration::from_millis(1));
    assert_eq!(total.load(Ordering::SeqCst), 222);
    let ledgers = simulation.ledgers();
    assert_eq!(ledgers[1].dead_letters, 4, "{ledgers:?}");
    assert_eq!((ledgers[0].actors, ledgers[1].actors), (1, 1), "both actors live");
}

/// Panics when it is dropped.
struct Glass;

impl Drop for Glass {
    fn drop(&mut self) {
        panic!("broken");
    }
}

struct Holder {
    _glass: Option<Glass>,
    dropped: Arc<AtomicUsize>,
}

impl Actor for Holder {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn states_that_panic_when_dropped_with_their_system_do_not_keep_the_others() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let simulation = Simulation::new(SimulationConfig::new(1)).unwrap();
    for number in 0..10 {
        let glass = (number % 3 == 0).then(|| Glass);
        simulation.spawn_on(0, Holder { _glass: glass, dropped: dropped.clone() }).unwrap();
    }
    drop(simulation);
    assert_eq!(dropped.load(Ordering::SeqCst), 10);
}

/// Owns a system, and drops it within a handler.
struct Owner(Option<System>, std::sync::mpsc::Sender<()>);

#[derive(Message)]
struct Release;

impl Actor for Owner {
    type Message = Release;

    fn handle(&mut self, _: Release, _: &mut Context<Self>) -> Flow {
        self.0 = None;
        self.1.send(()).expect("the test waits");
        Flow::Continue
    }
}

impl Accepts<Release> for Owner {
    fn accept(release: Release) -> Release {
        release
    }
}

#[test]
fn a_system_may_be_dropped_within_a_handler() {
    let build = || System::builder().cores(Cores::Count(1)).build().unwrap();
    let (inner, outer) = (build(), build());
    let (sender, receiver) = std::sync::mpsc::channel();
    let owner = outer.spawn(Owner(Some(inner), sender)).unwrap();
    owner.tell(Release).unwrap();
    receiver.recv().unwrap();
    outer.shutdown();
}
