//! Messages that actors send themselves for later: set, cancelled, missed, against a list of what must come.
//!
//! Knows: what each actor has set, and when that is due. Must not know how time is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::Random;
use odeon::system::simulation::{Faults, Simulation};
use odeon::{Time, time};

use super::world::{AGES, World, small};

/// Timers do not tell apart what is nearer.
const TICK: Duration = Duration::from_nanos(1 << 16);

/// Comes when its time is over.
#[derive(Debug, Clone, Message)]
struct Due {
    id: u64,
    /// Whoever loses it is found.
    alive: Arc<()>,
}

/// Sets or cancels something, by chance.
#[derive(Debug, Message)]
struct Play;

/// What was set and has not come for the last time.
#[derive(Debug, Clone, Copy)]
struct Set {
    key: TimerKey,
    due: Time,
    every: Option<(Duration, MissedTicks)>,
}

#[derive(Debug, Default)]
struct Sums {
    set: u64,
    came: u64,
    cancelled: u64,
    refused: u64,
}

struct Clock {
    random: Random,
    next: u64,
    set: BTreeMap<u64, Set>,
    gone: Vec<TimerKey>,
    /// Until then it came to nothing else.
    busy_until: Time,
    sums: Arc<Mutex<Sums>>,
    alive: Arc<()>,
}

#[actor]
impl Clock {
    #[message]
    fn due(&mut self, Due { id, alive }: Due, cx: &mut Context<Self>) -> Flow {
        assert!(Arc::ptr_eq(&alive, &self.alive), "it is one of these");
        let set = self.set.get_mut(&id).expect("what comes was set, and was not cancelled, and has not come");
        let now = cx.now();
        assert!(now >= set.due, "a timer is never early");
        let late = now.since(set.due.max(self.busy_until));
        assert!(late <= TICK + TICK, "{late:?} late");
        match set.every {
            None => self.gone.push(self.set.remove(&id).expect("it was found").key),
            Some((every, missed)) => set.due = next(set.due, now, every.max(TICK), missed),
        }
        self.sums().came += 1;
        if self.random.chance(0.2) {
            self.cancel_one(cx);
        }
        if self.random.chance(0.1) { self.be_busy(cx) } else { Flow::Continue }
    }

    #[message]
    fn play(&mut self, Play: Play, cx: &mut Context<Self>) {
        for _ in 0..self.random.below(4) {
            match self.random.below(3) {
                0 => self.cancel_one(cx),
                _ => self.set_one(cx),
            }
        }
    }
}

/// When what was due comes again, told in another way.
fn next(due: Time, now: Time, every: Duration, missed: MissedTicks) -> Time {
    match missed {
        MissedTicks::Delay => now.after(every),
        MissedTicks::Burst => due.after(every),
        MissedTicks::Skip => {
            let mut next = due.after(every);
            while next <= now {
                next = next.after(every);
            }
            next
        }
    }
}

impl Clock {
    fn sums(&self) -> std::sync::MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its messages wait for it meanwhile.
    fn be_busy(&mut self, cx: &mut Context<Self>) -> Flow {
        let time = Duration::from_micros(self.random.below(30_000));
        cx.exclusive("busy", odeon::Timeout::Never, async move |me: &mut Clock, _: &mut Context<Clock>| {
            time::sleep(time).await;
            me.busy_until = time::now();
            Flow::Continue
        })
    }

    fn set_one(&mut self, cx: &mut Context<Self>) {
        let after = match self.random.below(6) {
            0 => Duration::ZERO,
            1 => Duration::MAX,
            _ => Duration::from_micros(self.random.below(50_000)),
        };
        let every = Duration::from_micros(500 + self.random.below(20_000));
        let missed = [MissedTicks::Skip, MissedTicks::Burst, MissedTicks::Delay][self.random.index(3)];
        let due = Due { id: self.next, alive: self.alive.clone() };
        let (now, again) = (cx.now(), self.random.chance(0.3));
        let begun = match self.random.below(2) {
            _ if again => cx.send_every(Interval::every(every).missed(missed), due),
            0 => cx.send_after(after, due),
            _ => cx.send_at(now.after(after), due),
        };
        let key = match begun {
            Ok(key) => key,
            Err(refused) => {
                assert_eq!(refused.to_string(), "the core has as many tasks as Config::tasks_max allows");
                assert_eq!(refused.into_message().id, self.next, "handed back");
                self.sums().refused += 1;
                return;
            }
        };
        let (due, every) =
            if again { (now.after(every), Some((every, missed))) } else { (now.after(after), None) };
        self.set.insert(self.next, Set { key, due, every });
        self.next += 1;
        self.sums().set += 1;
    }

    fn cancel_one(&mut self, cx: &mut Context<Self>) {
        if let Some(key) = self.gone.pop() {
            assert!(!cx.cancel(key), "it has come, or was cancelled");
        }
        let ids: Vec<u64> = self.set.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let set = self.set.remove(&ids[self.random.index(ids.len())]).expect("it is one of them");
        assert!(cx.cancel(set.key), "it was to come");
        self.gone.push(set.key);
        self.sums().cancelled += 1;
    }
}

impl Drop for Clock {
    /// Everything that could come has come.
    fn drop(&mut self) {
        let missing = |set: &&Set| set.due.after(TICK + TICK) < time::now() && set.due >= self.busy_until;
        let missing: Vec<_> = self.set.values().filter(missing).collect();
        if !std::thread::panicking() {
            assert!(missing.is_empty(), "{missing:?} at {:?}", time::now());
        }
    }
}

/// Actors that play with time.
pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut random = Random::new(seed ^ 0x71AE);
    let mut plan = small(seed);
    plan.cores = 1 + random.index(2);
    plan.config.tasks_max = 8 + random.below(100) as u32;
    plan.config.timers_max = 2 + random.below(100) as u32;
    let cores = plan.cores;
    let mut simulation = Simulation::new(plan).expect("the limits are possible");
    let (sums, alive) = (Arc::<Mutex<Sums>>::default(), Arc::new(()));
    let clock = |_: usize| {
        let clock = Clock {
            random: Random::new(random.below(u64::MAX)),
            next: 0,
            set: BTreeMap::new(),
            gone: Vec::new(),
            busy_until: Time::ZERO,
            sums: sums.clone(),
            alive: alive.clone(),
        };
        simulation.spawn_on(random.index(cores), clock).expect("there is room")
    };
    let clocks: Vec<Addr<Clock>> = (0..3).map(clock).collect();
    for _ in 0..if cfg!(miri) { 10 } else { 100 } {
        clocks[random.index(3)].tell(Play).or_dead_letter();
        simulation.run_for(Duration::from_micros(random.below(5_000)));
    }
    // Some end with all that they have set.
    clocks[0].stop();
    simulation.run_for(Duration::from_millis(20));
    let remains = simulation.shutdown();
    assert!(remains.ledgers.iter().all(|ledger| ledger.held() == [0; 13]), "{remains:?}");
    let panics: u64 = remains.ledgers.iter().map(|ledger| ledger.panics).sum();
    assert_eq!(panics, 0, "what an actor looks for holds");
    assert_eq!(Arc::strong_count(&alive), 1, "no message is left behind");
    let sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
    [sums.set, sums.came, sums.cancelled]
}

#[test]
fn a_million_timers_come_and_go_and_leave_nothing() {
    const COUNT: u32 = if cfg!(miri) { 100 } else { 1_000_000 };

    #[derive(Message)]
    struct Later;

    #[derive(Message)]
    enum Do {
        Set,
        Cancel,
    }

    struct Holder(Vec<TimerKey>);

    #[actor]
    impl Holder {
        #[message]
        fn act(&mut self, what: Do, cx: &mut Context<Self>) {
            match what {
                Do::Set => self.0.extend((0..COUNT).map(|at| {
                    cx.send_after(AGES + Duration::from_millis(at.into()), Later).expect("there is room")
                })),
                Do::Cancel => assert!(self.0.drain(..).all(|key| cx.cancel(key)), "they are to come"),
            }
        }

        #[message]
        fn later(&mut self, _: Later) {
            unreachable!("all of them are cancelled");
        }
    }

    let mut plan = small(0);
    (plan.config.tasks_max, plan.config.timers_max) = (COUNT + 1, COUNT + 1);
    let mut simulation = Simulation::new(plan).expect("the limits are possible");
    let holder = simulation.spawn_on(0, Holder(Vec::new())).expect("there is room");
    for _ in 0..2 {
        holder.tell(Do::Set).or_dead_letter();
        simulation.settle();
        assert_eq!(simulation.ledgers()[0].timers, COUNT as usize);
        holder.tell(Do::Cancel).or_dead_letter();
        simulation.settle();
        assert_eq!(simulation.ledgers()[0].timers, 0);
    }
    simulation.run_for(2 * AGES);
    assert_eq!(simulation.ledgers()[0].panics, 0);
    let remains = simulation.shutdown();
    assert!(remains.ledgers.iter().all(|ledger| ledger.held() == [0; 13]), "{remains:?}");
}

/// Keeps the only timer.
struct Waits;

#[derive(Message)]
struct Late;

#[actor]
impl Waits {
    #[started]
    fn begin(&mut self, cx: &mut Context<Self>) {
        assert!(cx.send_after(Duration::from_secs(3600), Late).is_ok(), "it is the first");
    }

    #[message]
    fn late(&mut self, _: Late) {}
}

struct Silent;

#[actor(codec = Lines<80>)]
impl Silent {
    #[frame]
    fn line(&mut self, _: &str) {}
}

#[test]
fn a_listener_that_cannot_accept_waits_also_where_there_is_no_timer() {
    let mut plan = small(1);
    plan.config.timers_max = 1;
    plan.faults = Faults { failed_accept: 1.0, ..Faults::default() };
    let mut simulation = Simulation::new(plan).expect("the limits are possible");
    simulation.spawn_on(0, Waits).expect("there is room");
    simulation.settle();
    simulation.listener(World::address()).start(|_| Silent).expect("nobody listens there yet");
    let peer = simulation.network().connect(World::address()).expect("the backlog has room");
    // A listener that tried again at once would let no time pass.
    let before = simulation.now();
    simulation.run_for(Duration::from_secs(1));
    assert_eq!(simulation.now().since(before), Duration::from_secs(1));
    assert_eq!((simulation.ledgers()[0].timers, simulation.ledgers()[0].connections_opened), (1, 0));
    drop(peer);
    let remains = simulation.shutdown();
    assert_eq!(remains.ledgers[0].held(), [0; 13]);
}

#[test]
fn peers_that_are_gone_before_they_are_accepted_keep_nobody_out() {
    const PEERS: usize = 40;
    let mut plan = small(1);
    plan.faults = Faults { aborted_accept: 0.5, ..Faults::default() };
    let mut simulation = Simulation::new(plan).expect("the limits are possible");
    simulation.listener(World::address()).start(|_| Silent).expect("nobody listens there yet");
    let mut peers = Vec::new();
    for _ in 0..PEERS {
        peers.push(simulation.network().connect(World::address()).expect("somebody listens still"));
        simulation.settle();
    }
    let gone = peers.iter().filter(|peer| peer.is_reset()).count();
    assert!(gone > 0 && gone < PEERS, "{gone}");
    assert_eq!(simulation.ledgers()[0].connections_opened, (PEERS - gone) as u64);
    drop(peers);
    assert_eq!(simulation.shutdown().ledgers[0].held(), [0; 13]);
}
