//! Code of users that runs outside of handlers: conversions of messages, codecs, what makes connections, and states that are
//! dropped with their system.

#[path = "server/fragile.rs"]
mod fragile;
#[path = "outside/meddling.rs"]
mod meddling;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use odeon::net::codec::Decoded;
use odeon::prelude::*;
use odeon::system::simulation::{Simulation, SimulationConfig};
use odeon::system::workbench::Workbench;

/// The end of a case: shut down, every core holds nothing.
fn end(simulation: Simulation) {
    let remains = simulation.shutdown();
    assert!(remains.ledgers.iter().all(|ledger| ledger.held() == [0; 13]), "{remains:?}");
    assert_eq!((remains.leaked, remains.buffers_missing), (0, 0));
}

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
    end(simulation);
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
        if let Some(system) = self.0.take() {
            assert_eq!(system.shutdown(), odeon::ShutdownReport::default());
        }
        self.1.send(()).expect("the test waits");
        Flow::Continue
    }
}

impl Accepts<Release> for Owner {
    fn accept(release: Release) -> Release {
        release
    }
}

fn system() -> System {
    System::builder().cores(Cores::Count(1)).build().expect("a core starts")
}

#[test]
fn a_system_may_be_shut_down_within_a_handler() {
    let (inner, outer) = (system(), system());
    let (sender, receiver) = std::sync::mpsc::channel();
    let owner = outer.spawn(Owner(Some(inner), sender)).unwrap();
    owner.tell(Release).unwrap();
    receiver.recv().unwrap();
    assert_eq!(outer.shutdown(), odeon::ShutdownReport::default());
}

/// A codec that panics when it is made, or dropped.
struct Fragile<const MADE: bool>;

impl<const MADE: bool> Default for Fragile<MADE> {
    fn default() -> Self {
        assert!(!MADE, "never made");
        Fragile
    }
}

impl<const MADE: bool> Drop for Fragile<MADE> {
    fn drop(&mut self) {
        assert!(MADE || std::thread::panicking(), "never dropped");
    }
}

impl<const MADE: bool> Decode for Fragile<MADE> {
    type Frame<'a> = &'a [u8];

    fn decode<'a>(&mut self, bytes: &'a [u8]) -> Result<Decoded<&'a [u8]>, FrameError> {
        Ok(Decoded::Frame { frame: bytes, consumed: bytes.len() })
    }

    fn frame_bytes_max(&self) -> usize {
        1
    }
}

/// Echoes by any codec whose frames are bytes.
struct Echo<C>(std::marker::PhantomData<C>);

impl<C: 'static> Actor for Echo<C> {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl<C: for<'a> Decode<Frame<'a> = &'a [u8]>> Connection for Echo<C> {
    type Codec = C;

    fn frame(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> Flow {
        cx.write(bytes);
        Flow::Continue
    }
}

fn fragile<C: for<'a> Decode<Frame<'a> = &'a [u8]>>() {
    let mut simulation = Simulation::new(SimulationConfig::new(1)).expect("the simulation takes it");
    let (fragile, sound) = (
        "10.0.0.1:1".parse().expect("the simulation takes it"),
        "10.0.0.1:2".parse().expect("the simulation takes it"),
    );
    simulation
        .listener(fragile)
        .start(|_| Echo::<C>(std::marker::PhantomData))
        .expect("the simulation takes it");
    simulation
        .listener(sound)
        .start(|_| Echo::<Raw>(std::marker::PhantomData))
        .expect("the simulation takes it");
    let network = simulation.network().clone();
    let mut first = network.connect(fragile).expect("the simulation takes it");
    first.write(b"hello");
    first.shutdown_write();
    simulation.run_for(Duration::from_secs(20));
    drop(first);
    let mut second = network.connect(sound).expect("the simulation takes it");
    second.write(b"hello");
    simulation.run_for(Duration::from_secs(1));
    assert_eq!(second.read(99), b"hello", "the other connections of the core go on");
    drop(second);
    end(simulation);
}

#[test]
fn a_codec_that_panics_when_it_is_made_costs_its_connection_alone() {
    fragile::<Fragile<true>>();
}

#[test]
fn a_codec_that_panics_when_it_is_dropped_costs_its_connection_alone() {
    fragile::<Fragile<false>>();
}

#[test]
fn a_hook_that_panics_costs_its_connection_alone() {
    for (breaks, said) in fragile::HOOKS {
        let mut simulation = Simulation::new(SimulationConfig::new(1)).expect("the limits are possible");
        let address: std::net::SocketAddr = "10.0.0.1:1".parse().expect("an address");
        let (told, reasons) = std::sync::mpsc::channel();
        let make = move |_| fragile::Fragile { breaks, file: "/kept".into(), told: told.clone() };
        simulation.listener(address).start(make).expect("nobody listens there");
        let network = simulation.network().clone();
        for _ in 0..3 {
            let mut peer = network.connect(address).expect("somebody listens");
            peer.write(said.as_bytes());
            if breaks == "end_of_stream" {
                peer.shutdown_write();
            }
            simulation.run_for(Duration::from_secs(1));
            assert_eq!(reasons.try_recv(), Ok(StopReason::Panicked), "{breaks}");
        }
        let ledger = simulation.ledgers()[0];
        assert_eq!((ledger.panics, ledger.socket_actors), (3, 1), "{breaks}: the listener goes on");
        end(simulation);
    }
}

/// Panics when it is dropped by a core, and not by whoever set the test up.
#[derive(Clone)]
struct Armed(Arc<std::sync::atomic::AtomicBool>);

impl Drop for Armed {
    fn drop(&mut self) {
        assert!(!self.0.load(Ordering::SeqCst), "broken");
    }
}

#[test]
fn what_makes_connections_may_panic_when_it_is_dropped() {
    let armed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut simulation = Simulation::new(SimulationConfig::new(1)).unwrap();
    let captured = Armed(armed.clone());
    let make = move |_| {
        let _ = &captured;
        Echo::<Raw>(std::marker::PhantomData)
    };
    let listening = simulation.listener("10.0.0.1:1").start(make).unwrap();
    armed.store(true, Ordering::SeqCst);
    listening.stop();
    simulation.run_for(Duration::from_secs(20));
    let ledger = simulation.ledgers()[0];
    assert_eq!((ledger.actors, ledger.drop_panics), (0, 1), "the listener has ended");
    end(simulation);
}

/// Says its name to a list for each message.
struct Scribe(&'static str, Arc<std::sync::Mutex<String>>);

impl Actor for Scribe {
    type Message = Number;

    fn handle(&mut self, _: Number, _: &mut Context<Self>) -> Flow {
        self.1.lock().expect("no scribe panics").push_str(self.0);
        Flow::Continue
    }
}

impl Accepts<Number> for Scribe {
    fn accept(number: Number) -> Number {
        number
    }
}

#[test]
fn a_budget_of_one_message_lets_actors_take_turns() {
    let mut plan = SimulationConfig::new(1);
    plan.config.activation_messages = 1;
    let mut simulation = Simulation::new(plan).unwrap();
    let said = Arc::new(std::sync::Mutex::new(String::new()));
    let names = ["a", "b"].map(|name| simulation.spawn_on(0, Scribe(name, said.clone())).unwrap());
    for actor in [names[0], names[0], names[0], names[1], names[1], names[1]] {
        actor.tell(Number(None)).unwrap();
    }
    simulation.run_for(Duration::from_millis(1));
    assert_eq!(*said.lock().unwrap(), "ababab");
    end(simulation);
}

/// Counts when it is dropped, and panics.
struct Grudge(Arc<AtomicUsize>);

impl AsRef<[u8]> for Grudge {
    fn as_ref(&self) -> &[u8] {
        &[7; 8 << 10]
    }
}

impl Drop for Grudge {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("as planned");
    }
}

/// More than a peer is sent that does not read.
const WRITES: usize = 64;

/// Writes counted bytes, as soon as it is there, and has a state that panics as well.
struct Bears(Grudge);

impl Actor for Bears {
    type Message = Never;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        for _ in 0..WRITES {
            cx.write_bytes(Bytes::from_owner(Grudge(self.0.0.clone())));
        }
        Flow::Continue
    }

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Bears {
    type Codec = Raw;

    fn frame(&mut self, _: &[u8], _: &mut Context<Self>) -> Flow {
        Flow::Continue
    }
}

#[test]
fn a_simulation_that_is_dropped_in_the_middle_contains_the_panics_of_what_it_has() {
    for steps in [0, 3, 10, 40, 400] {
        let dropped: Arc<AtomicUsize> = Arc::default();
        let mut simulation =
            Simulation::new(SimulationConfig { cores: 2, ..SimulationConfig::new(1) }).expect("it may be");
        let address = "127.0.0.1:1000".parse().expect("an address");
        let (count, made) = (dropped.clone(), Arc::new(AtomicUsize::new(0)));
        let (makes, grudges) = (made.clone(), count.clone());
        let start = simulation.listener(address).start(move |_| {
            makes.fetch_add(1, Ordering::SeqCst);
            Bears(Grudge(grudges.clone()))
        });
        start.expect("nobody listens there yet");
        let _peers: Vec<_> = (0..4).map(|_| simulation.network().connect(address)).collect();
        (0..steps).for_each(|_| simulation.step());
        drop(simulation);
        let made = made.load(Ordering::SeqCst);
        assert!(made == 4 || steps < 400);
        let bears = made * (1 + WRITES);
        assert_eq!(count.load(Ordering::SeqCst), bears, "the states, and what they have written");
    }
}

impl Actor for Grudge {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

#[test]
fn a_workbench_that_is_dropped_contains_the_panics_of_what_it_has() {
    let dropped: Arc<AtomicUsize> = Arc::default();
    let bench = Workbench::without_load(1, Config::default());
    for _ in 0..3 {
        bench.spawn_on(0, Grudge(dropped.clone())).expect("there is room");
    }
    drop(bench);
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
}
