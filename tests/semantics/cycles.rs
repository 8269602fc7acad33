//! Promise 2: actors that wait for one another in a circle are told so at once, and nobody else is.

use std::any::type_name;
use std::future::{IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use futures_lite::future::zip;
use odeon::prelude::*;
use odeon::sys::Random;
use odeon::time::timeout;

use crate::world::{Notes, On, World};

type Passed = Result<u32, AskError>;

/// Asks others, and waits for them with nothing else meanwhile.
struct Node;

#[actor]
impl Node {
    /// Passes the question on along the way, and answers how many have.
    #[call]
    async fn pass(&mut self, mut way: Vec<Addr<Node>>) -> Passed {
        match way.pop() {
            Some(next) => Ok(next.pass(way).await?? + 1),
            None => Ok(0),
        }
    }

    /// Asks somebody once all others are ready to.
    #[call]
    async fn meet(&mut self, gate: Addr<Gate>, next: Addr<Node>) -> Passed {
        gate.enter().await?;
        next.pass(Vec::new()).await?
    }

    /// Asks, and waits for the answer only when that has led back.
    #[call]
    async fn early(&mut self, cx: &mut Context<Self>, next: Addr<Node>) -> Passed {
        let asked = next.pass(vec![cx.me()]).into_future();
        odeon::time::sleep(Duration::from_millis(2)).await;
        asked.await?
    }

    /// Asks two at once, and answers what both say.
    #[call]
    async fn both(&mut self, one: Vec<Addr<Node>>, other: Vec<Addr<Node>>) -> (Passed, Passed) {
        let [one, other] = [one, other].map(|mut way| {
            let first = way.pop().expect("somebody is asked");
            first.pass(way).into_future()
        });
        let (one, other) = zip(one, other).await;
        (one.and_then(|passed| passed), other.and_then(|passed| passed))
    }
}

/// Keeps everybody waiting until so many have come.
struct Gate {
    places: usize,
    waiting: Vec<Reply<()>>,
}

#[actor]
impl Gate {
    #[call]
    fn enter(&mut self, reply: Reply<()>) {
        self.waiting.push(reply);
        if self.waiting.len() >= self.places {
            self.waiting.drain(..).for_each(|reply| reply.send(()));
        }
    }
}

fn gate(world: &World, places: usize) -> Addr<Gate> {
    world.spawn(0, Gate { places, waiting: Vec::new() })
}

/// So many, on one core after the other.
fn nodes(world: &World, cores: usize, count: usize) -> Vec<Addr<Node>> {
    (0..count).map(|index| world.spawn(index % cores, Node)).collect()
}

/// The way from the first of them to all others, and back. What comes first on it stands last.
fn way_round(nodes: &[Addr<Node>]) -> Vec<Addr<Node>> {
    let others = nodes[1..].iter().rev();
    nodes[..1].iter().chain(others).copied().collect()
}

type Answers<T> = Notes<(Result<T, AskError>, Duration)>;

/// Has a question asked from a core, and its answer noted, with the time that it took.
fn ask<T: Send + 'static>(
    world: &World,
    core: usize,
    answers: &Answers<T>,
    question: impl FnOnce(
        &mut Context<crate::world::Foot>,
        Box<dyn FnOnce(Result<T, AskError>, &mut Context<crate::world::Foot>) + Send>,
    ) + Send
    + 'static,
) {
    let answers = answers.clone();
    world.begin(core, move |cx| {
        let asked = cx.now();
        question(cx, Box::new(move |answer, cx| answers.note((answer, cx.now().since(asked)))));
    });
}

/// The names in a circle of so many nodes.
fn named(count: usize) -> Vec<&'static str> {
    vec![type_name::<Node>(); count.min(8)]
}

fn is_circle(passed: &Passed, count: usize) -> bool {
    matches!(passed, Err(AskError::Cycle(circle)) if circle.names() == named(count))
}

/// In simulated systems, what is found at once is found in no time.
fn assert_at_once(on: On, took: Duration) {
    if let On::Seed(_) = on {
        assert!(took < Duration::from_millis(1), "{took:?}");
    }
}

fn in_every_size(on: On, case: fn(On, usize, usize)) {
    for count in 1..=5 {
        case(on, count, 1);
        if count > 1 {
            case(on, count, count.min(3));
        }
    }
}

pub fn whoever_is_asked_by_those_that_it_asks_is_found(on: On) {
    in_every_size(on, |on, count, cores| {
        let world = World::new(on, cores);
        let nodes = nodes(&world, cores, count);
        let answers = Answers::new();
        let (first, way) = (nodes[0], way_round(&nodes));
        ask(&world, 0, &answers, move |cx, then| first.pass(way).then(cx, |_, passed, cx| then(passed, cx)));
        world.until("the answer", || answers.len() == 1);
        for (answer, took) in answers.take() {
            let passed = answer.expect("the first answers");
            assert!(is_circle(&passed, count), "{count} on {cores}: {passed:?}");
            assert_at_once(on, took);
        }
        // Nobody waits any more, nor is anything handled that was refused.
        for node in nodes {
            ask(&world, 0, &answers, move |cx, then| {
                node.pass(vec![]).then(cx, |_, passed, cx| then(passed, cx))
            });
        }
        world.until("everybody", || answers.len() == count);
        assert!(answers.take().iter().all(|(answer, _)| *answer == Ok(Ok(0))));
        world.end();
    });
}

pub fn waits_that_cross_are_found(on: On) {
    in_every_size(on, |on, count, cores| {
        let world = World::new(on, cores);
        let (nodes, gate, answers) = (nodes(&world, cores, count), gate(&world, count), Answers::new());
        for (index, node) in nodes.iter().copied().enumerate() {
            let next = nodes[(index + 1) % count];
            ask(&world, index % cores, &answers, move |cx, then| {
                node.meet(gate, next).then(cx, |_, passed, cx| then(passed, cx));
            });
        }
        world.until("all answers", || answers.len() == count);
        let answers = answers.take();
        let refused = answers.iter().filter(|(answer, took)| {
            let passed = answer.as_ref().expect("everybody answers");
            assert_at_once(on, *took);
            assert!(*passed == Ok(0) || is_circle(passed, count), "{count} on {cores}: {passed:?}");
            passed.is_err()
        });
        let refused = refused.count();
        assert!(refused >= 1, "one at least is refused, or nobody goes on");
        assert!(
            cores > 1 || refused == 1,
            "on one core, nobody but the one that closes the circle: {refused}"
        );
        world.end();
    });
}

pub fn a_circle_behind_one_of_two_questions_is_found_and_the_other_is_answered(on: On) {
    for cores in 1..=3 {
        let world = World::new(on, cores);
        let (nodes, answers) = (nodes(&world, cores, 4), Answers::new());
        let [first, second, third, fourth] = nodes[..] else { unreachable!("there are four") };
        ask(&world, 0, &answers, move |cx, then| {
            let (one, other) = (vec![third, fourth], vec![first, third, second]);
            first.both(one, other).then(cx, |_, both, cx| then(both, cx));
        });
        world.until("the answer", || answers.len() == 1);
        for (answer, took) in answers.take() {
            let (one, other) = answer.expect("the first answers");
            // The third is asked by two, and asks back for the second. Where it has begun with that, the fourth may find a circle as well, unless
            // the core knows by then that the third is refused.
            assert!(one == Ok(1) || (cores > 1 && is_circle(&one, 3)), "{cores}: {one:?}");
            assert!(is_circle(&other, 3), "{cores}: {other:?}");
            assert_at_once(on, took);
        }
        world.end();
    }
}

pub fn a_question_that_is_handled_already_is_not_refused_but_the_next_of_the_circle(on: On) {
    for cores in 1..=2 {
        let world = World::new(on, cores);
        let (nodes, answers) = (nodes(&world, cores, 2), Answers::new());
        let [first, second] = nodes[..] else { unreachable!("there are two") };
        ask(&world, 0, &answers, move |cx, then| {
            first.early(second).then(cx, |_, passed, cx| then(passed, cx));
        });
        world.until("the answer", || answers.len() == 1);
        let (answer, took) = answers.take().pop().expect("it has come");
        // What the second answers: that it was refused.
        assert!(is_circle(answer.as_ref().expect("the first answers"), 2), "{cores}: {answer:?}");
        if let On::Seed(_) = on {
            assert!(took < Duration::from_millis(6), "{took:?}");
        }
        world.end();
    }
}

pub fn of_a_large_circle_eight_are_named(on: On) {
    const COUNT: usize = 30;
    let world = World::new(on, 2);
    let (nodes, answers) = (nodes(&world, 2, COUNT), Answers::new());
    let (first, way) = (nodes[0], way_round(&nodes));
    ask(&world, 0, &answers, move |cx, then| first.pass(way).then(cx, |_, passed, cx| then(passed, cx)));
    world.until("the answer", || answers.len() == 1);
    let (answer, _) = answers.take().pop().expect("it has come");
    let passed = answer.expect("the first answers");
    assert!(is_circle(&passed, COUNT), "{passed:?}");
    let (name, text) = (type_name::<Node>(), passed.expect_err("a circle").to_string());
    assert!(text.ends_with(&format!("{name} → … → {name}")), "{text}");
    world.end();
}

/// Has its questions answered in one way or another, and asks back.
struct Clerk {
    helper: Addr<Helper>,
    touched: Notes<Result<u32, AskError>>,
}

struct Helper {
    touched: Notes<Result<u32, AskError>>,
}

struct Pair;

#[derive(Message)]
struct AskBack(Addr<Pair>);

/// How somebody is answered whom the clerk then asks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    AtOnce,
    ByAnother,
    Forwarded,
    TooLate,
    GivenUp,
    NotLookedAt,
    Held,
}

const SHORT: Duration = Duration::from_micros(300);

#[actor]
impl Helper {
    #[call(concurrent)]
    async fn answer(me: Handle<Self>) -> u32 {
        let _ = me;
        odeon::time::sleep(SHORT * 8).await;
        1
    }

    /// Answers once the clerk has asked back.
    #[call(concurrent, timeout = "never")]
    async fn when_touched(me: Handle<Self>) {
        while me.with(|me, _| me.touched.len()).expect("it is there") == 0 {
            odeon::time::sleep(SHORT).await;
        }
    }
}

#[actor]
impl Pair {
    #[call]
    async fn start(
        &mut self,
        cx: &mut Context<Self>,
        way: Way,
        clerk: Addr<Clerk>,
        helper: Addr<Helper>,
    ) -> Result<u32, AskError> {
        let me = cx.me();
        match way {
            Way::AtOnce => clerk.at_once(me).await,
            Way::ByAnother => clerk.by_another(me).await,
            Way::Forwarded => clerk.forwarded(me).await,
            Way::TooLate => {
                assert_eq!(clerk.never().timeout(SHORT).await, Err(AskError::Timeout));
                clerk.tell(AskBack(me)).expect("there is room");
                odeon::time::sleep(SHORT * 8).await;
                Ok(1)
            }
            Way::GivenUp => {
                assert!(timeout(SHORT, clerk.never()).await.is_err());
                clerk.tell(AskBack(me)).expect("there is room");
                odeon::time::sleep(SHORT * 8).await;
                Ok(1)
            }
            Way::Held => {
                let mut asked = clerk.never().into_future();
                let looked = poll_fn(|cx| Poll::Ready(Pin::new(&mut asked).poll(cx))).await;
                assert!(looked.is_pending());
                clerk.tell(AskBack(me)).expect("there is room");
                // It does not go on before that has led to something.
                assert_eq!(helper.when_touched().await, Ok(()));
                clerk.tell(AskBack(me)).expect("there is room");
                odeon::time::sleep(SHORT * 8).await;
                drop(asked);
                Ok(1)
            }
            Way::NotLookedAt => {
                let mut asked = clerk.never().into_future();
                let looked = poll_fn(|cx| Poll::Ready(Pin::new(&mut asked).poll(cx))).await;
                assert!(looked.is_pending());
                odeon::time::sleep(SHORT).await;
                clerk.tell(AskBack(me)).expect("there is room");
                odeon::time::sleep(SHORT * 8).await;
                drop(asked);
                Ok(1)
            }
        }
    }

    #[call]
    fn touch(&mut self) -> u32 {
        7
    }
}

#[actor]
impl Clerk {
    #[call]
    fn at_once(&mut self, cx: &mut Context<Self>, pair: Addr<Pair>) -> u32 {
        cx.me().tell(AskBack(pair)).expect("there is room");
        1
    }

    #[call]
    fn by_another(&mut self, cx: &mut Context<Self>, pair: Addr<Pair>, reply: Reply<u32>) {
        cx.me().tell(AskBack(pair)).expect("there is room");
        let helper = self.helper;
        drop(odeon::task::spawn(async move { reply.send(helper.answer().await.expect("it answers")) }));
    }

    #[call]
    fn forwarded(&mut self, cx: &mut Context<Self>, pair: Addr<Pair>, reply: Reply<u32>) {
        cx.me().tell(AskBack(pair)).expect("there is room");
        self.helper.answer().forward(reply);
    }

    #[call(concurrent, timeout = "never")]
    async fn never(me: Handle<Self>) -> u32 {
        let _ = me;
        std::future::pending().await
    }

    #[message]
    async fn ask_back(&mut self, AskBack(pair): AskBack) {
        self.touched.note(pair.touch().await);
    }
}

pub fn nobody_is_refused_who_is_asked_by_one_that_waits_for_somebody_else(on: On) {
    let ways = [Way::AtOnce, Way::ByAnother, Way::Forwarded, Way::TooLate, Way::GivenUp, Way::NotLookedAt];
    for (way, cores) in ways.into_iter().flat_map(|way| [(way, 1), (way, 2)]) {
        let world = World::new(on, cores);
        let (touched, answers) = (Notes::new(), Answers::new());
        let helper = world.spawn(0, Helper { touched: touched.clone() });
        let clerk = world.spawn(0, Clerk { helper, touched: touched.clone() });
        let pair = world.spawn(cores - 1, Pair);
        ask(&world, 0, &answers, move |cx, then| {
            pair.start(way, clerk, helper).then(cx, |_, answer, cx| then(answer, cx));
        });
        world.until("both answers", || answers.len() == 1 && touched.len() == 1);
        let (answer, _) = answers.take().pop().expect("it has come");
        assert_eq!((answer, touched.take()), (Ok(Ok(1)), vec![Ok(7)]), "{way:?} on {cores}");
        world.end();
    }
}

/// It would have gone on, but nobody knows what else it waits for.
pub fn a_question_held_beside_something_else_counts_as_waited_for_until_the_handler_goes_on(on: On) {
    for cores in 1..=2 {
        let world = World::new(on, cores);
        let (touched, answers) = (Notes::new(), Answers::new());
        let helper = world.spawn(0, Helper { touched: touched.clone() });
        let clerk = world.spawn(0, Clerk { helper, touched: touched.clone() });
        let pair = world.spawn(cores - 1, Pair);
        ask(&world, 0, &answers, move |cx, then| {
            pair.start(Way::Held, clerk, helper).then(cx, |_, answer, cx| then(answer, cx));
        });
        world.until("all answers", || answers.len() == 1 && touched.len() == 2);
        let (answer, _) = answers.take().pop().expect("it has come");
        assert_eq!(answer, Ok(Ok(1)));
        let touched = touched.take();
        // Asked back before it has gone on, and after that.
        assert!(matches!(touched[..], [Err(AskError::Cycle(_)), Ok(7)]), "{touched:?} on {cores}");
        world.end();
    }
}

/// Answers at once, and asks somebody when it has; when it has the answer, it goes on with something else.
struct Turn(Notes<Result<(), AskError>>);

#[derive(Message)]
struct Ask(Addr<Turn>, Option<Addr<Turn>>);

#[actor]
impl Turn {
    #[call]
    fn answer(&mut self, then: Option<Addr<Turn>>, cx: &mut Context<Self>) {
        if let Some(next) = then {
            cx.me().tell(Ask(next, None)).expect("there is room");
        }
    }

    #[message]
    async fn ask_next(&mut self, Ask(whom, then): Ask) {
        self.0.note(whom.answer(then).await);
        odeon::time::sleep(Duration::from_micros(1)).await;
    }
}

/// Each waits for the next at some time, and never all of them at once: the third begins when the second has its answer. A search that is on
/// its way meanwhile has seen all three.
pub fn waits_that_follow_one_another_are_no_circle(on: On) {
    const ROUNDS: usize = 20;
    for cores in 2..=3 {
        let world = World::new(on, cores);
        let answers = Notes::new();
        let [first, second, third] = [0, 1, 2 % cores].map(|core| world.spawn(core, Turn(answers.clone())));
        for round in 0..ROUNDS {
            assert!(second.tell(Ask(third, Some(first))).is_ok(), "there is room");
            assert!(first.tell(Ask(second, None)).is_ok(), "there is room");
            world.until("all answers", || answers.len() == 3);
            assert_eq!(answers.take(), [Ok(()); 3], "in round {round} on {cores}");
        }
        world.end();
    }
}

/// Who waits for whom, as a plain list, kept by those who wait.
#[derive(Default)]
struct Graph {
    /// By number: whom, and which of its questions that is.
    waits: Vec<Option<(usize, u64)>>,
    /// Whether that was in a circle, ever since.
    circled: Vec<bool>,
    asked: u64,
    /// How many circles there were.
    circles: usize,
    handled: Vec<u64>,
    refused: Vec<u64>,
}

impl Graph {
    /// True if a circle is closed by it.
    fn begin(&mut self, who: usize, whom: usize) -> (u64, bool) {
        self.asked += 1;
        self.waits[who] = Some((whom, self.asked));
        self.circled[who] = false;
        let (mut path, mut at) = (vec![who], whom);
        while at != who && path.len() <= self.waits.len() {
            path.push(at);
            let Some((next, _)) = self.waits[at] else { return (self.asked, false) };
            at = next;
        }
        let closed = at == who;
        if closed {
            path.into_iter().for_each(|at| self.circled[at] = true);
            self.circles += 1;
        }
        (self.asked, closed)
    }

    /// A question of somebody is answered, or over.
    fn end(&mut self, who: usize, question: u64) {
        if self.waits[who].is_some_and(|(_, asked)| asked == question) {
            self.waits[who] = None;
        }
    }
}

/// Ends a wait when it is dropped.
struct Waits(Shared, usize, u64);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.graph().end(self.1, self.2);
    }
}

/// What all know.
#[derive(Clone)]
struct Shared {
    graph: Arc<Mutex<Graph>>,
    all: Arc<Mutex<Vec<Addr<Wanderer>>>>,
    over: Notes<(usize, Result<(), AskError>)>,
    plan: Plan,
}

#[derive(Clone, Copy)]
struct Plan {
    /// Only those behind an actor are asked by it.
    forward_only: bool,
    /// Questions are given up, and actors end.
    restless: bool,
    /// What happens is as exact as where all are on one core.
    exact: bool,
}

impl Shared {
    fn graph(&self) -> std::sync::MutexGuard<'_, Graph> {
        self.graph.lock().expect("nobody panics here")
    }
}

/// Asks others by chance.
struct Wanderer {
    number: usize,
    shared: Shared,
}

#[derive(Message)]
struct Begin(u64);

#[actor]
impl Wanderer {
    #[message]
    async fn begin(&mut self, Begin(seed): Begin) {
        self.wander(&mut Random::new(seed), 3).await;
    }

    /// `asker` and `question` name who has asked.
    #[call]
    async fn visit(&mut self, asker: usize, question: u64, seed: u64, depth: u32) {
        self.shared.graph().handled.push(question);
        self.wander(&mut Random::new(seed), depth).await;
        self.shared.graph().end(asker, question);
    }

    async fn wander(&mut self, random: &mut Random, depth: u32) {
        for _ in 0..random.index(3) {
            if depth == 0 {
                break;
            }
            let all = self.shared.all.lock().expect("nobody panics here").clone();
            let first = if self.shared.plan.forward_only { self.number + 1 } else { 0 };
            if first == all.len() {
                break;
            }
            let whom = first + random.index(all.len() - first);
            if self.shared.plan.restless {
                odeon::time::sleep(Duration::from_micros(random.below(200))).await;
                if random.chance(0.02) {
                    all[whom].stop();
                }
            }
            let answer = self.ask(whom, all[whom], random, depth - 1).await;
            self.shared.over.note((self.number, answer));
        }
    }

    async fn ask(
        &self,
        whom: usize,
        to: Addr<Wanderer>,
        random: &mut Random,
        depth: u32,
    ) -> Result<(), AskError> {
        let plan = self.shared.plan;
        let (question, closes) = self.shared.graph().begin(self.number, whom);
        // Dropped behind the question.
        let waits = Waits(self.shared.clone(), self.number, question);
        let asked = to.visit(self.number, question, random.bits(), depth);
        let short = Duration::from_micros(random.below(400));
        let answer = match if plan.restless { random.index(3) } else { 0 } {
            0 => asked.await,
            1 => asked.timeout(short).await,
            _ => timeout(short, asked).await.unwrap_or(Err(AskError::Timeout)),
        };
        if matches!(answer, Err(AskError::Cycle(_))) {
            let mut graph = self.shared.graph();
            assert!(graph.circled[self.number], "{} has not waited for itself", self.number);
            graph.refused.push(question);
        }
        assert!(!plan.exact || closes == answer.is_err(), "{answer:?}");
        drop(waits);
        answer
    }
}

/// Has so many wander, and answers what their questions became, and how many circles there were.
fn wander(on: On, cores: usize, count: usize, plan: Plan) -> (Vec<Result<(), AskError>>, usize) {
    let world = World::new(on, cores);
    let graph = Graph { waits: vec![None; count], circled: vec![false; count], ..Graph::default() };
    let shared = Shared { graph: Arc::new(Mutex::new(graph)), all: Arc::default(), over: Notes::new(), plan };
    let spawn = |number: usize| world.spawn(number % cores, Wanderer { number, shared: shared.clone() });
    let all: Vec<_> = (0..count).map(spawn).collect();
    *shared.all.lock().expect("nobody panics here") = all.clone();
    let mut random = on.random();
    for _ in 0..6 * count {
        // Those that have ended take no more.
        let _ = all[random.index(count)].tell(Begin(random.bits()));
    }
    // Asked behind all of that, each of them is at rest when it answers, or has ended.
    let done = Notes::new();
    for (number, to) in all.into_iter().enumerate() {
        let noted = done.clone();
        world.begin(number % cores, move |cx| {
            let asked = to.visit(number, 0, 0, 0).timeout(Duration::from_secs(30));
            asked.then(cx, move |_, answer, _| noted.note(answer));
        });
    }
    world.until("all to be at rest", || done.len() == count);
    assert!(done.take().iter().all(|answer| matches!(answer, Ok(()) | Err(AskError::Stopped))));
    assert!(world.ledgers().iter().all(|ledger| ledger.panics == 0), "what they assert is so");
    world.end();
    let answers = shared.over.take().into_iter().map(|(_, answer)| answer).collect();
    let graph = shared.graph();
    assert!(graph.refused.iter().all(|question| !graph.handled.contains(question)), "refused, and handled");
    (answers, graph.circles)
}

fn cycles(answers: &[Result<(), AskError>]) -> usize {
    answers.iter().filter(|answer| matches!(answer, Err(AskError::Cycle(_)))).count()
}

pub fn where_nobody_asks_back_nobody_is_refused(on: On) {
    for cores in 1..=3 {
        for restless in [false, true] {
            let plan = Plan { forward_only: true, restless, exact: !restless };
            let (answers, circles) = wander(on, cores, 12, plan);
            assert_eq!((cycles(&answers), circles), (0, 0));
            assert!(answers.len() > 20, "they ask one another: {}", answers.len());
        }
    }
}

pub fn on_one_core_exactly_those_are_refused_that_close_a_circle(on: On) {
    let (answers, circles) = wander(on, 1, 6, Plan { forward_only: false, restless: false, exact: true });
    assert_eq!(cycles(&answers), circles);
    assert!(circles > 0 && circles < answers.len(), "{circles} of {}", answers.len());
}

pub fn on_several_cores_somebody_is_refused_wherever_there_was_a_circle(on: On) {
    for cores in 2..=3 {
        let (answers, circles) =
            wander(on, cores, 6, Plan { forward_only: false, restless: false, exact: false });
        // Each circle is broken: nobody waits until the time is over.
        assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(AskError::Cycle(_)))));
        let refused = cycles(&answers);
        assert!(refused >= circles && circles > 0, "{refused} for {circles} of {}", answers.len());
    }
}

pub fn whoever_gives_up_or_ends_is_in_no_circle(on: On) {
    for cores in 1..=3 {
        // Whoever is refused has looked whether it was in a circle.
        let (answers, _) = wander(on, cores, 8, Plan { forward_only: false, restless: true, exact: false });
        let some =
            |wanted: fn(&AskError) -> bool| answers.iter().any(|answer| answer.as_ref().is_err_and(wanted));
        if let On::Seed(_) = on {
            assert!(some(|why| *why == AskError::Timeout));
        }
    }
}
