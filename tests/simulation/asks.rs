//! Actors that ask each other in every way, answer at once, later, from elsewhere or not at all, and end at any moment.
//!
//! Knows: what an actor may do with a question. Must not know how questions travel.

use std::future::IntoFuture;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context as Waiting, Poll, Waker};
use std::thread;
use std::time::Duration;

use odeon::prelude::*;
use odeon::sys::Random;
use odeon::task::{self, JoinHandle};
use odeon::{AcceptsLocal, AnswerFuture, Handle, Timeout, time};

use super::journal::{Journal, Life, Token};
use super::questions::{Answer, Debt, Latch, Pending, Questions};
use super::world::{World, pick};

/// A question, and how often it may be passed on. Dropping it may panic.
#[derive(Message)]
#[message(reply = Answer)]
struct Query {
    id: u64,
    hops: u32,
    brittle: bool,
    token: Token,
}

impl Drop for Query {
    fn drop(&mut self) {
        let within = odeon::executor::current::with(|core| core.is_some());
        if self.brittle && within && !thread::panicking() {
            self.token.journal().panic();
        }
    }
}

/// A question that cannot leave its core.
#[derive(Message)]
#[message(reply = Rc<Answer>)]
struct Near(Rc<Query>);

/// Has somebody do something.
#[derive(Message)]
struct Nudge {
    _token: Token,
}

enum Heard {
    Query(Query, Reply<Answer>),
    Near(Near, Reply<Rc<Answer>>),
    Nudge(Nudge),
}

/// Everybody, and one source of chance for all.
#[derive(Clone)]
struct Scene {
    players: Arc<Mutex<Players>>,
    questions: Questions,
    journal: Journal,
}

struct Players {
    narrow: Vec<Addr<Party<1>>>,
    wide: Vec<Addr<Party<40>>>,
    random: Random,
    /// How many more questions may be asked, actors and tasks begun, and messages sent from within.
    questions: u32,
    births: u32,
    nudges: u32,
    brittle: bool,
    latches: Vec<Arc<Latch>>,
    /// Those at which nobody waits who may have to wait for others beside.
    watched: Vec<Weak<Latch>>,
    joins: Vec<(u64, JoinHandle<u64>)>,
}

impl Scene {
    fn players(&self) -> MutexGuard<'_, Players> {
        self.players.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn below(&self, bound: u64) -> u64 {
        self.players().random.below(bound)
    }

    fn chance(&self, probability: f64) -> bool {
        self.players().random.chance(probability)
    }

    fn brittle(&self, probability: f64) -> bool {
        let mut players = self.players();
        players.brittle && players.random.chance(probability)
    }

    fn spare(&self, of: impl FnOnce(&mut Players) -> &mut u32) -> bool {
        let mut players = self.players();
        let left = of(&mut players);
        let any = *left > 0;
        *left = left.saturating_sub(1);
        any
    }

    fn query(&self, id: u64, hops: u32) -> Query {
        Query { id, hops, brittle: self.brittle(0.02), token: Token::new(&self.journal) }
    }

    fn answer(&self, to: u64) -> Answer {
        Answer::new(to, self.brittle(0.02), &self.journal)
    }

    /// Panics now and then, as planned.
    fn stumble(&self, probability: f64) {
        if self.brittle(probability) {
            self.journal.panic();
        }
    }

    fn timeout(&self) -> Option<Duration> {
        match self.below(8) {
            0 => Some(Duration::ZERO),
            1 => Some(Duration::MAX),
            2 => Some(Duration::from_micros(self.below(3000))),
            3 => Some(Duration::from_millis(self.below(100))),
            _ => None,
        }
    }

    fn handler_timeout(&self) -> Timeout {
        match self.below(6) {
            0 if self.chance(0.2) => Timeout::After(Duration::ZERO),
            1 => Timeout::After(Duration::from_millis(self.below(50))),
            2 => Timeout::Never,
            _ => Timeout::Default,
        }
    }

    fn flow(&self) -> Flow {
        match self.below(200) {
            0 => Flow::Stop,
            1 => Flow::Fail,
            _ => Flow::Continue,
        }
    }

    /// `alone`: whoever waits there goes on as soon as it is woken.
    fn latch(&self, alone: bool) -> Arc<Latch> {
        let latch = Arc::<Latch>::default();
        if alone {
            self.players().watched.push(Arc::downgrade(&latch));
        }
        latch
    }

    /// A latch that somebody opens, perhaps.
    fn closed_latch(&self, alone: bool) -> Arc<Latch> {
        let latch = self.latch(alone);
        self.players().latches.push(latch.clone());
        latch
    }

    /// Where futures wait that go on before long.
    fn owed(&self) -> Vec<Arc<Latch>> {
        let latches = self.players().watched.iter().filter_map(Weak::upgrade).collect::<Vec<_>>();
        latches.into_iter().filter(|latch| latch.is_owed()).collect()
    }

    /// Opens a latch: on a thread of its own, which has ended when this returns, or on this one.
    fn open_latch(&self, elsewhere: bool) {
        let latch = {
            let mut players = self.players();
            let count = players.latches.len();
            if count == 0 {
                return;
            }
            let index = players.random.index(count);
            players.latches.swap_remove(index)
        };
        match elsewhere {
            true => thread::spawn(move || latch.open()).join().expect("waking does not panic"),
            false => latch.open(),
        }
    }

    /// Anybody, dead or alive.
    fn anybody(&self) -> Option<Anybody> {
        let mut players = self.players();
        let (narrow, wide) = (players.narrow.len(), players.wide.len());
        if narrow + wide == 0 {
            return None;
        }
        // Mostly one of the last that were born.
        let old = if players.random.chance(0.8) { (narrow + wide).saturating_sub(6) } else { 0 };
        let index = narrow + wide - 1 - players.random.index(narrow + wide - old);
        Some(match index.checked_sub(narrow) {
            None => Anybody::Narrow(players.narrow[index]),
            Some(index) => Anybody::Wide(players.wide[index]),
        })
    }

    fn nudge(&self, within: bool) {
        let Some(anybody) = self.anybody() else { return };
        if within && !self.spare(|players| &mut players.nudges) {
            return;
        }
        let nudge = Nudge { _token: Token::new(&self.journal) };
        let sent = match anybody {
            Anybody::Narrow(party) => party.tell(nudge),
            Anybody::Wide(party) => party.tell(nudge),
        };
        if sent.is_ok() {
            self.journal.sums().sent += 1;
        }
    }

    fn end_somebody(&self, abort: bool) {
        match (self.anybody(), abort) {
            (Some(Anybody::Narrow(party)), true) => party.abort(),
            (Some(Anybody::Narrow(party)), false) => party.stop(),
            (Some(Anybody::Wide(party)), true) => party.abort(),
            (Some(Anybody::Wide(party)), false) => party.stop(),
            (None, _) => {}
        }
    }
}

#[derive(Clone, Copy)]
enum Anybody {
    Narrow(Addr<Party<1>>),
    Wide(Addr<Party<40>>),
}

/// Calls something with the address of anybody.
macro_rules! with {
    ($anybody:expr, $party:ident => $call:expr) => {
        match $anybody {
            Anybody::Narrow($party) => $call,
            Anybody::Wide($party) => $call,
        }
    };
}

/// Longer than most of what is waited for.
const SOON: Duration = Duration::from_secs(1);

/// How often an actor does something of its own accord.
const EVERY: Duration = Duration::from_millis(if cfg!(miri) { 1000 } else { 40 });

/// An actor with room for so many messages.
struct Party<const ROOM: u32> {
    life: Life,
    scene: Scene,
    kept: Vec<(u64, Debt<Answer>)>,
    near: Vec<Debt<Rc<Answer>>>,
    /// A handler runs, or one that borrows the state has not finished.
    busy: bool,
}

impl<const ROOM: u32> Accepts<Query> for Party<ROOM> {
    fn accept(query: Query) -> Heard {
        Heard::Query(query, Reply::nobody())
    }

    fn accept_ask(query: Query, reply: Reply<Answer>) -> Heard {
        query.token.journal().sums().sent += 1;
        Heard::Query(query, reply)
    }
}

impl<const ROOM: u32> AcceptsLocal<Near> for Party<ROOM> {
    fn accept(near: Near) -> Heard {
        Heard::Near(near, Reply::nobody())
    }

    fn accept_ask(near: Near, reply: Reply<Rc<Answer>>) -> Heard {
        near.0.token.journal().sums().sent += 1;
        Heard::Near(near, reply)
    }
}

impl<const ROOM: u32> Accepts<Nudge> for Party<ROOM> {
    fn accept(nudge: Nudge) -> Heard {
        Heard::Nudge(nudge)
    }
}

impl<const ROOM: u32> Actor for Party<ROOM> {
    type Message = Heard;
    const MAILBOX_CAPACITY: u32 = ROOM;
    const INTERVALS: &'static [Interval] = if ROOM == 1 { &[] } else { &[Interval::every(EVERY)] };

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        self.life.start();
        self.meddle(cx)
    }

    fn handle(&mut self, heard: Heard, cx: &mut Context<Self>) -> Flow {
        self.scene.journal.sums().handled += 1;
        self.enter();
        let flow = match heard {
            Heard::Query(query, reply) => match reply.open() {
                Some(reply) => self.asked(query, reply, cx),
                None => Flow::Continue,
            },
            Heard::Near(Near(query), reply) => {
                let debt = Debt::new(&self.scene.questions, query.id, reply);
                match self.scene.below(4) {
                    0 => self.near.push(debt),
                    1 => drop(debt),
                    _ => debt.send(Rc::new(self.scene.answer(query.id))),
                }
                Flow::Continue
            }
            Heard::Nudge(nudge) => {
                drop(nudge);
                self.meddle(cx)
            }
        };
        self.leave();
        flow
    }

    fn interval(&mut self, _: usize, cx: &mut Context<Self>) -> Flow {
        self.enter();
        let flow = if self.scene.chance(0.1) { self.meddle(cx) } else { Flow::Continue };
        self.leave();
        flow
    }

    fn stopped(&mut self, _: StopReason, cx: &mut Context<Self>) {
        self.life.stop();
        let _ = self.meddle(cx);
        self.scene.stumble(0.05);
    }
}

impl<const ROOM: u32> Party<ROOM> {
    fn new(scene: &Scene) -> Party<ROOM> {
        let life = Life::new(&scene.journal);
        Party { life, scene: scene.clone(), kept: Vec::new(), near: Vec::new(), busy: false }
    }

    fn enter(&mut self) {
        self.life.go_on();
        self.life.journal().expect(!self.busy, || "a handler runs while another has the state".to_owned());
        self.busy = true;
        self.scene.stumble(0.01);
    }

    fn leave(&mut self) {
        self.busy = false;
    }

    /// Answers a question in one way or another.
    fn asked(&mut self, query: Query, reply: Reply<Answer>, cx: &mut Context<Self>) -> Flow {
        let (scene, id) = (self.scene.clone(), query.id);
        let reply = Debt::new(&scene.questions, id, reply);
        match scene.below(16) {
            0..5 => reply.send(scene.answer(id)),
            5 | 6 => self.kept.push((id, reply)),
            7 => drop(reply),
            8 if query.hops > 0 => self.pass_on(query, reply),
            9 => {
                reply.send_from_elsewhere(scene.answer(id));
            }
            10 => {
                drop(task::spawn(async move {
                    rest(&scene, true).await;
                    reply.send(scene.answer(id));
                }));
            }
            11 => return self.begin_exclusive(Some((id, reply)), cx),
            12 => return self.begin_concurrent(Some((id, reply)), cx),
            13 => {
                self.kept.push((id, reply));
                return self.meddle(cx);
            }
            14 => {
                scene.stumble(0.3);
                return scene.flow();
            }
            _ => {
                // First asks somebody else.
                let (asked, pending) = self.begin("to answer", cx);
                if let (Some(anybody), Some(pending)) = (asked, pending) {
                    let query = scene.query(pending.0, query.hops.saturating_sub(1));
                    pending.1.wait(None);
                    let then =
                        move |me: &mut Self, answer: Result<Answer, AskError>, _: &mut Context<Self>| {
                            me.enter();
                            if pending.1.outcome(answer) {
                                reply.send(me.scene.answer(id));
                            }
                            me.leave();
                            me.scene.flow()
                        };
                    with!(anybody, party => party.ask(query).then(cx, then));
                }
            }
        }
        Flow::Continue
    }

    fn pass_on(&mut self, query: Query, debt: Debt<Answer>) {
        let next = self.scene.query(query.id, query.hops - 1);
        match self.scene.anybody() {
            Some(anybody) => with!(anybody, party => party.ask(next).forward(debt.pass_on())),
            None => drop(debt),
        }
    }

    /// Somebody to ask, and what is asked, as long as there are questions left.
    fn begin(&self, how: &'static str, cx: &mut Context<Self>) -> (Option<Anybody>, Option<(u64, Pending)>) {
        if !self.scene.spare(|players| &mut players.questions) {
            return (None, None);
        }
        let (asker, journal) = (cx.me(), self.scene.journal.clone());
        let still_asks =
            move || !matches!(asker.tell(Nudge { _token: Token::new(&journal) }), Err(SendError::Stopped(_)));
        (self.scene.anybody(), Some(self.scene.questions.begin(how, still_asks)))
    }

    /// Does something to somebody, or to the actor itself.
    fn meddle(&mut self, cx: &mut Context<Self>) -> Flow {
        let scene = self.scene.clone();
        scene.stumble(0.01);
        match scene.below(20) {
            0..5 => self.ask(cx),
            5 => self.ask_near(cx),
            6 | 7 => return self.begin_exclusive(None, cx),
            8 | 9 => return self.begin_concurrent(None, cx),
            10 => begin_task(&scene),
            11 | 12 => self.answer_kept(),
            13 => scene.open_latch(scene.chance(0.5)),
            14 => scene.nudge(true),
            15 if scene.chance(0.1) => scene.end_somebody(scene.chance(0.5)),
            16 if scene.chance(0.05) => cx.me().stop(),
            17 if scene.chance(0.05) => cx.me().abort(),
            15..18 => self.ask(cx),
            18 => give_birth(&scene, cx),
            _ => return scene.flow(),
        }
        Flow::Continue
    }

    fn answer_kept(&mut self) {
        if self.kept.is_empty() {
            return self.near.clear();
        }
        let index = self.scene.below(self.kept.len() as u64) as usize;
        let (id, reply) = self.kept.swap_remove(index);
        match self.scene.below(4) {
            0 => drop(reply),
            1 => reply.send_if_open(|| self.scene.answer(id)),
            _ => reply.send(self.scene.answer(id)),
        }
    }

    fn ask(&mut self, cx: &mut Context<Self>) {
        let (Some(anybody), Some((id, pending))) = self.begin("by then", cx) else { return };
        let (query, timeout) = (self.scene.query(id, 3), self.scene.timeout());
        pending.wait(timeout);
        let then = move |me: &mut Self, answer: Result<Answer, AskError>, cx: &mut Context<Self>| {
            me.enter();
            pending.outcome(answer);
            let flow = if me.scene.chance(0.3) { me.meddle(cx) } else { me.scene.flow() };
            me.leave();
            flow
        };
        with!(anybody, party => match timeout {
            Some(timeout) => party.ask(query).timeout(timeout).then(cx, then),
            None => party.ask(query).then(cx, then),
        });
    }

    fn ask_near(&mut self, cx: &mut Context<Self>) {
        let (Some(anybody), Some((id, pending))) = self.begin("nearby", cx) else { return };
        let query = Near(Rc::new(self.scene.query(id, 0)));
        pending.wait(None);
        with!(anybody, party => match party.local() {
            Some(party) => party.ask(query).then(cx, move |me: &mut Self, answer, _| {
                me.enter();
                pending.outcome(answer.map(|answer| Rc::into_inner(answer).expect("nobody else has it")));
                me.leave();
            }),
            // It lives on another core.
            None => pending.give_up(),
        });
    }

    fn begin_exclusive(&mut self, asked: Option<(u64, Debt<Answer>)>, cx: &mut Context<Self>) -> Flow {
        let timeout = self.scene.handler_timeout();
        let begun = cx.exclusive("exclusive", timeout, async move |me: &mut Self, cx: &mut Context<Self>| {
            me.enter();
            let scene = me.scene.clone();
            rest(&scene, true).await;
            ask_around(&scene, true).await;
            if scene.chance(0.1) {
                // One at a time: it is refused.
                let _ = me.begin_exclusive(None, cx);
            }
            scene.stumble(0.05);
            if let Some((id, reply)) = asked {
                reply.send(scene.answer(id));
            }
            me.leave();
            scene.flow()
        });
        // Refused where there is no room, or where one has begun.
        if begun == Flow::Fail && self.scene.chance(0.9) { Flow::Continue } else { begun }
    }

    fn begin_concurrent(&mut self, asked: Option<(u64, Debt<Answer>)>, cx: &mut Context<Self>) -> Flow {
        let (me, scene) = (cx.handle(), self.scene.clone());
        let begun = cx.concurrent("concurrent", scene.handler_timeout(), async move {
            rest(&scene, false).await;
            lend(&me, &scene);
            ask_around(&scene, false).await;
            lend(&me, &scene);
            scene.stumble(0.05);
            if let Some((id, reply)) = asked {
                reply.send(scene.answer(id));
            }
            scene.flow()
        });
        if begun == Flow::Fail && self.scene.chance(0.9) { Flow::Continue } else { begun }
    }
}

/// Borrows the state of an actor from beside.
fn lend<const ROOM: u32>(me: &Handle<Party<ROOM>>, scene: &Scene) {
    let lent = me.with(|me, cx| {
        me.enter();
        let flow = if scene.chance(0.3) { me.meddle(cx) } else { Flow::Continue };
        me.leave();
        flow
    });
    scene
        .journal
        .expect(lent != Err(odeon::HandleError::Stopped), || "a future outlives its actor".to_owned());
}

/// Waits for something: a time, a latch, its next turn. `alone`: while it is woken, nobody else keeps it from going on.
async fn rest(scene: &Scene, alone: bool) {
    match scene.below(8) {
        0 | 1 => {
            let deadline = time::now().after(Duration::from_micros(scene.below(30_000)));
            scene.latch(alone).owing(time::sleep_until(deadline)).await;
            scene.journal.expect(time::now() >= deadline, || "a sleep was early".to_owned());
        }
        2 => scene.closed_latch(alone).pass().await,
        3 => {
            let latch = scene.closed_latch(alone);
            let passed = time::timeout(Duration::from_millis(scene.below(20)), latch.pass());
            let passed = scene.latch(alone).owing(passed).await;
            scene.journal.note([u64::from(passed.is_ok()), 0, 3]);
        }
        4 | 5 => {
            for _ in 0..scene.below(5) {
                scene.latch(alone).pass_next_time().await;
            }
        }
        _ => {}
    }
}

/// Asks a few, and waits for each answer, or for some time. `alone`: as for [`rest`].
async fn ask_around(scene: &Scene, alone: bool) {
    for _ in 0..scene.below(3) {
        let (Some(anybody), true) = (scene.anybody(), scene.spare(|players| &mut players.questions)) else {
            return;
        };
        let (id, pending) = scene.questions.begin("by a future", || false);
        let (query, timeout) = (scene.query(id, 2), scene.timeout());
        // As long as for any answer is by the clock of whoever is asked.
        if timeout.is_some() {
            pending.wait(timeout);
        }
        let asking = with!(anybody, party => match timeout {
            Some(timeout) => party.ask(query).timeout(timeout).into_future(),
            None => party.ask(query).into_future(),
        });
        if scene.chance(0.3) {
            let asking = time::timeout(Duration::from_micros(scene.below(2000)), asking);
            match scene.latch(alone).owing(asking).await {
                Ok(answer) => drop(pending.outcome(answer)),
                Err(_) => pending.give_up(),
            }
        } else if timeout.is_some_and(|timeout| timeout < SOON) {
            pending.outcome(scene.latch(alone).owing(asking).await);
        } else {
            pending.outcome(asking.await);
        }
    }
}

/// A task of its own, which the test waits for, perhaps.
fn begin_task(scene: &Scene) {
    if !scene.spare(|players| &mut players.births) {
        return;
    }
    let (theirs, id) = (scene.clone(), scene.below(1 << 40));
    let join = task::spawn(async move {
        rest(&theirs, true).await;
        ask_around(&theirs, true).await;
        theirs.stumble(0.1);
        id
    });
    if scene.chance(0.7) {
        scene.players().joins.push((id, join));
    }
}

fn give_birth<const ROOM: u32>(scene: &Scene, cx: &mut Context<Party<ROOM>>) {
    if !scene.spare(|players| &mut players.births) {
        return;
    }
    if let Ok(party) = cx.spawn(Party::<40>::new(scene)) {
        scene.players().wide.push(party);
    }
}

/// What the test itself has asked, or waits for.
#[derive(Default)]
struct Outside {
    asked: Vec<(Pending, Pin<Box<AnswerFuture<Answer>>>)>,
}

impl Outside {
    /// Asks from a thread that runs no core.
    fn ask(&mut self, scene: &Scene) {
        let Some(anybody) = scene.anybody() else { return };
        let (id, pending) = scene.questions.begin("from outside", || true);
        let query = scene.query(id, 2);
        if scene.chance(0.3) {
            // On a thread that does not wait at all.
            let answer = thread::spawn(
                move || with!(anybody, party => party.ask(query).timeout(Duration::ZERO).wait()),
            );
            pending.outcome(answer.join().expect("waiting does not panic"));
            return;
        }
        let asked = with!(anybody, party => match scene.timeout() {
            Some(timeout) => party.ask(query).timeout(timeout).into_future(),
            None => party.ask(query).into_future(),
        });
        self.asked.push((pending, Box::pin(asked)));
    }

    /// Looks at what has come, and gives some of it up.
    fn look(&mut self, scene: &Scene, patience: f64) {
        for (pending, mut asked) in std::mem::take(&mut self.asked) {
            match asked.as_mut().poll(&mut Waiting::from_waker(Waker::noop())) {
                Poll::Ready(answer) => drop(pending.outcome(answer)),
                Poll::Pending if scene.chance(patience) => self.asked.push((pending, asked)),
                Poll::Pending => pending.give_up(),
            }
        }
        let joins = std::mem::take(&mut scene.players().joins);
        for (id, mut join) in joins {
            match Pin::new(&mut join).poll(&mut Waiting::from_waker(Waker::noop())) {
                Poll::Ready(Ok(result)) => {
                    scene.journal.expect(result == id, || format!("{id} is joined with {result}"));
                    scene.journal.note([id, 0, 4]);
                }
                Poll::Ready(Err(error)) => scene.journal.note([id, 1 + error as u64, 4]),
                Poll::Pending => {
                    if scene.chance(0.1) {
                        join.abort();
                    }
                    if scene.chance(patience) {
                        scene.players().joins.push((id, join));
                    }
                }
            }
        }
    }
}

fn spawn(world: &mut World, scene: &Scene) {
    let core = world.random.index(4);
    if world.random.chance(0.4) {
        let party = world.simulation.spawn_on(core, Party::<1>::new(scene));
        party.into_iter().for_each(|party| scene.players().narrow.push(party));
    } else {
        let party = world.simulation.spawn_on(core, Party::<40>::new(scene));
        party.into_iter().for_each(|party| scene.players().wide.push(party));
    }
}

fn scene(world: &mut World) -> Scene {
    let players = Players {
        narrow: Vec::new(),
        wide: Vec::new(),
        random: world.random.fork(),
        questions: if cfg!(miri) { 30 } else { 1500 },
        births: if cfg!(miri) { 5 } else { 100 },
        nudges: if cfg!(miri) { 20 } else { 1000 },
        brittle: world.random.chance(0.6),
        latches: Vec::new(),
        watched: Vec::new(),
        joins: Vec::new(),
    };
    let journal = world.journal.clone();
    let ask_timeout = world.simulation.config().ask_timeout;
    Scene {
        players: Arc::new(Mutex::new(players)),
        questions: Questions::new(&journal, ask_timeout),
        journal,
    }
}

pub(crate) fn run(seed: u64) -> [u64; 3] {
    let mut world = World::new(seed, |plan, random| {
        // Whoever answers or stops somebody from outside waits for room in the inbox, and nobody else would make any.
        plan.config.inbox_capacity = if cfg!(miri) { 1 << 9 } else { 1 << 14 };
        plan.config.tasks_max = pick(random, [1, 2, 6, 1 << 20, 1 << 20]);
        plan.config.timers_max = pick(random, [1, 2, 10, 1 << 20]);
        plan.config.ask_timeout = pick(random, [1, 20, 5000].map(Duration::from_millis));
        plan.config.handler_timeout = pick(random, [1, 50, 30_000].map(Duration::from_millis));
    });
    let scene = scene(&mut world);
    let mut outside = Outside::default();
    for _ in 0..2 + world.random.below(8) {
        spawn(&mut world, &scene);
    }
    for _ in 0..5 + world.rounds(40) {
        match world.random.below(8) {
            0 => (0..world.random.below(4)).for_each(|_| spawn(&mut world, &scene)),
            1 | 2 => (0..world.random.below(30)).for_each(|_| scene.nudge(false)),
            3..5 => (0..world.random.below(6)).for_each(|_| outside.ask(&scene)),
            5 => scene.open_latch(true),
            6 if world.random.chance(0.3) => scene.end_somebody(world.random.chance(0.5)),
            _ => {}
        }
        if world.random.chance(0.5) {
            world.pause_midway()
        } else {
            world.pass()
        }
        outside.look(&scene, 0.9);
    }
    let questions = scene.questions.clone();
    if world.random.chance(0.5) {
        let owed = scene.owed();
        world.simulation.run_for(SOON);
        assert!(
            !owed.iter().any(|latch| latch.is_owed()),
            "whoever is woken is polled, and each time is over once"
        );
    }
    world.finish_with(move || {
        outside.look(&scene, 1.0);
        assert!(outside.asked.is_empty(), "whoever asked from outside is told when the system ends");
        assert!(scene.players().joins.is_empty(), "and whoever waits for a task");
        questions.balance();
    })
}
