//! What a turn may take, on a clock that whoever runs moves, and what code of users may do that a core calls.
//!
//! Knows: cells that take long, owners and wakers that use the core. Must not know what they do.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Wake, Waker};

use super::*;
use crate::config::Config;
use crate::driver::backend::null::{Null, NullLoad};
use crate::executor::directory::{self, Port};
use crate::executor::links::insist_until;
use crate::executor::{Activation, Body, Budget, CoreId, Envelope, Links, Outcome, RawAddress, insist};
use crate::mem::{Bytes, Chain};
use crate::sys::Clock;

/// Never has done with it, and takes a time for each piece.
struct Endless {
    done: Rc<Cell<u32>>,
    clock: Rc<Cell<Time>>,
    each: Duration,
}

impl Body<()> for Endless {
    fn activate(&self, (): &(), activation: &Activation<'_>) -> Outcome {
        let budget = &mut Budget::new(activation.core);
        loop {
            self.done.set(self.done.get() + 1);
            self.clock.set(self.clock.get().after(self.each));
            if !budget.spend(activation.core) {
                return Outcome::Again;
            }
        }
    }
}

fn executor(config: Config, clock: &Rc<Cell<Time>>) -> Executor<Null> {
    let id = directory::reserve(1);
    let core = Core::new(id, Rc::new(config), Clock::Virtual(clock.clone()), Links::new(id, []));
    let (inbox, envelopes) = crossbeam_channel::bounded(1);
    let port = Arc::new(Port::new(inbox, crate::driver::Waker::None, Duration::ZERO));
    directory::open(id, port.clone());
    let load = NullLoad { connections: 0, request: Vec::new(), answer_len: 0, requests: 0 };
    Executor::new(Rc::new(core), Null::new(load, 1), Arrivals::new(port, envelopes, Vec::new()))
}

/// What each of three has done after so many turns, in which a piece of any takes so long.
fn done(turns: usize, each: Duration) -> [u32; 3] {
    let mut config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
    (config.activation_time, config.turn_time) = (Duration::from_millis(10), Duration::from_millis(50));
    (config.activation_messages, config.turn_activations) = (64, 6);
    let (clock, done) = (Rc::new(Cell::new(Time::ZERO)), [(); 3].map(|()| Rc::new(Cell::new(0))));
    let mut executor = executor(config, &clock);
    let core = executor.core().clone();
    current::scope(&core, || {
        for done in &done {
            let endless = Endless { done: done.clone(), clock: clock.clone(), each };
            core.spawn((), endless).map_err(drop).expect("there is room");
        }
        for _ in 0..turns {
            core.read_clock();
            executor.activate();
        }
    });
    drop(core);
    executor.dismantle();
    done.map(|done| done.get())
}

#[test]
fn whoever_takes_no_time_is_bounded_by_numbers_alone() {
    assert_eq!(done(1, Duration::ZERO), [128; 3]);
}

#[test]
fn an_activation_and_a_turn_are_bounded_in_time() {
    // After eight pieces, and twenty-four milliseconds, the clock is looked at first: that is more than ten.
    let each = Duration::from_millis(3);
    assert_eq!(done(1, each), [8, 8, 8], "the third ends behind the end of the turn");
    assert_eq!(done(2, each), [16, 16, 16]);
    // One alone takes longer than a turn: others have theirs in the next.
    let each = Duration::from_millis(15);
    assert_eq!([1, 2, 3].map(|turns| done(turns, each)), [[8, 0, 0], [8, 8, 0], [8, 8, 8]]);
}

/// Groups between the looks of a turn whose groups take so long each.
fn looks<const N: usize>(each: Duration) -> [u32; N] {
    let (mut now, mut looks) = (Time::ZERO, Looks::new(Time::ZERO));
    [(); N].map(|()| {
        let mut groups = 0;
        loop {
            now = now.after(each);
            groups += 1;
            if looks.is_due() {
                looks.note(now);
                return groups;
            }
        }
    })
}

#[test]
fn the_clock_is_looked_at_as_often_as_it_takes_to_know_the_time() {
    assert_eq!(looks(Duration::ZERO), [4, 8, 16, 16], "the next may be slow");
    assert_eq!(looks(Duration::from_micros(1)), [4, 8, 16, 16]);
    assert_eq!(looks(Duration::from_micros(4)), [4, 8, 8, 8], "these take 32 µs");
    assert_eq!(looks(Duration::from_micros(5)), [4, 6, 6, 6]);
    assert_eq!(looks(Duration::from_millis(1)), [4, 1, 1, 1]);
}

/// Sockets are nothing that Miri knows.
#[test]
fn a_listening_socket_in_front_of_a_core_that_ends_is_closed() {
    if cfg!(miri) {
        return;
    }
    let clock = Rc::new(Cell::new(Time::ZERO));
    for asked in [false, true] {
        let config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        let executor = executor(config, &clock);
        let core = executor.core().clone();
        let sockets = crate::driver::listen(([127, 0, 0, 1], 0).into(), 1, 2).unwrap();
        let address = sockets[0].address;
        for socket in sockets {
            core.request(Request::Adopt(socket, Box::new(|_, _| unreachable!("it is not taken over"))));
        }
        std::net::TcpStream::connect(address).expect("it listens");
        drop(core);
        if asked {
            executor.end(0);
        } else {
            executor.dismantle();
        }
        std::net::TcpStream::connect(address).expect_err("nobody listens any more");
    }
}

/// Uses the core when it is woken or dropped: asks for something, sets a timer, sleeps.
struct Nosy(Arc<AtomicU32>);

impl Nosy {
    fn look(&self) {
        current::with(|core| {
            let core = core.expect("it is called on one");
            core.request(Request::Inspect(Box::new(|_, _| {})));
            let sleeper = core.begin_sleep(Time(1 << 40), Waker::noop());
            core.end_sleep(sleeper);
        });
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl AsRef<[u8]> for Nosy {
    fn as_ref(&self) -> &[u8] {
        b"bytes"
    }
}

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        self.look();
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.look();
    }
}

#[test]
fn owners_and_wakers_may_use_the_core_that_calls_them() {
    let clock = Rc::new(Cell::new(Time::ZERO));
    let config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
    let executor = executor(config, &clock);
    let core = executor.core().clone();
    let looks = Arc::<AtomicU32>::default();
    let waker = || Waker::from(Arc::new(Nosy(looks.clone())));
    current::scope(&core, || {
        let mut chain = Chain::EMPTY;
        let bytes = Bytes::from_owner(Nosy(looks.clone()));
        core.pools.send.push_bytes(&mut chain, bytes).expect("parts are left");
        core.pools.send.release(chain);
        assert_eq!(looks.load(Ordering::Relaxed), 0, "it waits until nothing is borrowed");
        core.settle();
        assert_eq!(looks.load(Ordering::Relaxed), 1, "an owner was dropped");
        let sleeper = core.begin_sleep(Time(1), &waker());
        core.wake_sleeper(sleeper);
        assert_eq!(looks.load(Ordering::Relaxed), 3, "a waker was called, and dropped");
        let sleeper = core.begin_sleep(Time(1), &waker());
        assert!(core.is_asleep(sleeper, &waker()));
        assert_eq!(looks.load(Ordering::Relaxed), 4, "another one took its place");
        core.end_sleep(sleeper);
        assert_eq!(looks.load(Ordering::Relaxed), 5);
    });
    drop(core);
    executor.dismantle();
}

/// A core that does not sleep, nor spin; and one that owes it something, and has found its inbox full.
struct Debt {
    executor: Executor<Null>,
    core: Rc<Core>,
    full: (CoreId, Arc<Port>, Arrivals),
    counted: Arc<()>,
    clock: Rc<Cell<Time>>,
}

const NOBODY: Key = Key { index: 0, generation: 0 };

impl Debt {
    fn new() -> Debt {
        let clock = Rc::new(Cell::new(Time::ZERO));
        let mut config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        config.spin = Duration::ZERO;
        let mut executor = executor(config, &clock);
        let core = executor.core().clone();
        let (id, (inbox, envelopes)) = (directory::reserve(1), crossbeam_channel::bounded(1));
        let port = Arc::new(Port::new(inbox, crate::driver::Waker::None, Duration::ZERO));
        directory::open(id, port.clone());
        let counted = Arc::new(());
        current::scope(&core, || {
            for _ in 0..2 {
                insist(Some(&core), RawAddress::new(id, NOBODY), |_, counted| drop(counted), counted.clone());
            }
            assert_eq!(
                executor.rest(),
                Wait::No,
                "one is in the inbox, and the other has not been tried again"
            );
            executor.activate();
        });
        let full = (id, port.clone(), Arrivals::new(port, envelopes, Vec::new()));
        Debt { executor, core, full, counted, clock }
    }

    /// The core owes it one thing more, which is late from the time on that this answers.
    fn owes_for_a_while(&self) -> Time {
        let late = self.clock.get().after(Duration::from_secs(5));
        current::scope(&self.core, || {
            let (to, counted) = (RawAddress::new(self.full.0, NOBODY), self.counted.clone());
            insist_until(Some(&self.core), to, |_, counted| drop::<Arc<()>>(counted), counted, |_| late);
        });
        late
    }

    /// The core takes turns until it rests, which is soon.
    fn rests(&mut self) {
        let Debt { executor, core, .. } = self;
        current::scope(core, || {
            for _ in 0..3 {
                if executor.rest() != Wait::No {
                    assert!(executor.is_idle());
                    return;
                }
                assert!(!executor.is_idle());
                executor.enter(Wait::No);
                executor.receive();
                executor.activate();
            }
            panic!("it does not rest");
        });
    }

    /// The other core delivers what has arrived.
    fn deliver(&mut self) {
        let Debt { core, full: (_, _, arrivals), .. } = self;
        assert!(arrivals.pending());
        current::scope(core, || arrivals.deliver(core));
    }

    fn end(self) {
        let Debt { executor, core, full: (id, ..), .. } = self;
        directory::close(id);
        directory::close(core.id);
        drop(core);
        executor.dismantle();
    }
}

#[test]
fn a_core_that_owes_something_rests_until_there_is_room() {
    let mut debt = Debt::new();
    for _ in 0..3 {
        // It is tried again beside whatever else the core does, and wishes for room once.
        debt.rests();
        current::scope(&debt.core, || debt.executor.activate());
    }
    debt.rests();
    debt.deliver();
    assert!(!debt.executor.is_idle() && debt.core.links.has_overdue());
    debt.rests();
    assert!(!debt.core.links.has_overdue());
    debt.deliver();
    assert_eq!(Arc::strong_count(&debt.counted), 1);
    debt.end();
}

#[test]
fn a_core_that_owes_something_rests_though_others_take_the_room_before_it() {
    let mut debt = Debt::new();
    for _ in 0..3 {
        debt.rests();
        debt.deliver();
        debt.full.1.inbox.try_send(Envelope::new(NOBODY, |_, ()| (), ())).expect("it was emptied");
        debt.rests();
        assert!(debt.core.links.has_overdue());
        let (wishes, last) = debt.full.1.anteroom.take().expect("it has wished again");
        assert_eq!(wishes.len(), 1, "once");
        debt.full.1.anteroom.pass(last);
        wishes.into_iter().for_each(|wish| wish.deliver());
    }
    debt.end();
}

#[test]
fn what_nobody_wants_any_more_ends_a_rest() {
    let mut debt = Debt::new();
    let late = debt.owes_for_a_while();
    debt.rests();
    assert_eq!(Arc::strong_count(&debt.counted), 4, "one is in the inbox, and two wait for room");
    let Wait::Until(woken) = current::scope(&debt.core, || debt.executor.rest()) else { panic!("it rests") };
    assert!(woken > late && woken <= late.after(Duration::from_nanos(1)), "{woken:?}");
    debt.clock.set(woken);
    current::scope(&debt.core, || {
        debt.core.read_clock();
        debt.executor.activate();
    });
    assert_eq!(Arc::strong_count(&debt.counted), 3);
    debt.rests();
    debt.end();
}

#[test]
fn what_was_handed_over_in_time_ends_no_rest() {
    let mut debt = Debt::new();
    let late = debt.owes_for_a_while();
    for _ in 0..3 {
        debt.rests();
        debt.deliver();
    }
    debt.rests();
    assert!(!debt.core.links.has_overdue());
    debt.clock.set(late.after(Duration::from_secs(1)));
    debt.core.read_clock();
    let Wait::Until(woken) = current::scope(&debt.core, || debt.executor.rest()) else { panic!("it rests") };
    assert!(woken > debt.clock.get(), "{woken:?}");
    debt.end();
}

#[test]
fn a_core_that_owes_something_to_one_that_ends_is_woken_to_give_it_up() {
    let mut debt = Debt::new();
    debt.rests();
    let (id, port, arrivals) = debt.full;
    directory::close(id);
    current::scope(&debt.core, || drop(arrivals));
    assert!(!debt.executor.is_idle());
    let inbox = crossbeam_channel::never();
    debt.full = (id, port.clone(), Arrivals::new(port, inbox, Vec::new()));
    debt.rests();
    assert!(!debt.core.links.has_overdue());
    assert_eq!(Arc::strong_count(&debt.counted), 1);
    debt.end();
}
