//! A stream as a source of messages: its items come in order, when the actor has time for them, and it ends with the actor.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as Polling, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use odeon::prelude::*;

use crate::world::{Notes, On, World, panic_quietly};

/// What happens, in order.
type Trace = Notes<String>;

#[derive(Message)]
struct Item(u32);

#[derive(Message)]
struct Letter(u32);

/// Stays within a handler until its gate opens.
#[derive(Message)]
struct Hold(Source);

/// What a stream has, for whoever fills it, on any thread.
#[derive(Clone, Default)]
struct Source(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    items: VecDeque<u32>,
    is_over: bool,
    /// Whoever looks next panics.
    breaks: bool,
    waker: Option<Waker>,
}

impl Source {
    fn of(items: impl IntoIterator<Item = u32>) -> Source {
        let source = Source::default();
        source.change(|waiting| waiting.items.extend(items));
        source
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let waker = {
            let waiting = &mut *self.0.lock().expect("nobody panics here");
            change(waiting);
            waiting.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    fn put(&self, item: u32) {
        self.change(|waiting| waiting.items.push_back(item));
    }

    fn left(&self) -> usize {
        self.0.lock().expect("nobody panics here").items.len()
    }

    fn stream(&self, trace: &Trace) -> Fed {
        Fed { source: self.clone(), trace: trace.clone() }
    }
}

/// The stream; notes that it is dropped.
struct Fed {
    source: Source,
    trace: Trace,
}

impl Stream for Fed {
    type Item = Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Polling<'_>) -> Poll<Option<Item>> {
        let mut waiting = self.source.0.lock().expect("nobody panics here");
        // Once: the next actor finds it whole.
        if std::mem::take(&mut waiting.breaks) {
            drop(waiting);
            panic_quietly();
        }
        match waiting.items.pop_front() {
            Some(item) => Poll::Ready(Some(Item(item))),
            None if waiting.is_over => Poll::Ready(None),
            None => {
                waiting.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        self.trace.note("the stream is dropped".to_owned());
    }
}

/// These items are answered by other flows, or not at all.
const STOP: u32 = 1001;
const FAIL: u32 = 1002;
const PANIC: u32 = 1003;

/// Attaches a stream as it starts.
struct Taker {
    source: Source,
    trace: Trace,
}

impl Taker {
    fn new(source: &Source, trace: &Trace) -> Taker {
        trace.note("made".to_owned());
        Taker { source: source.clone(), trace: trace.clone() }
    }
}

#[actor(mailbox(capacity = 4096))]
impl Taker {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        cx.attach(self.source.stream(&self.trace))
    }

    #[message]
    fn item(&mut self, Item(number): Item) -> Flow {
        self.trace.note(format!("item {number}"));
        match number {
            STOP => Flow::Stop,
            FAIL => Flow::Fail,
            PANIC => panic_quietly(),
            _ => Flow::Continue,
        }
    }

    #[message]
    fn letter(&mut self, Letter(number): Letter) {
        self.trace.note(format!("letter {number}"));
    }

    #[message(timeout = "never")]
    async fn hold(&mut self, Hold(gate): Hold) {
        self.trace.note("held".to_owned());
        let mut gate = gate.stream(&self.trace);
        std::future::poll_fn(|cx| Pin::new(&mut gate).poll_next(cx)).await;
        self.trace.note("released".to_owned());
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.trace.note("the state is dropped".to_owned());
    }
}

fn items(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("item {number}")).collect()
}

/// A taker on the first core, and what it has noted from its beginning on.
fn taker(world: &World, source: &Source) -> (Addr<Taker>, Trace) {
    let trace = Trace::new();
    let taker = world.spawn(0, Taker::new(source, &trace));
    (taker, trace)
}

/// Two rounds: everything that could go on has done so.
fn settle(world: &World) {
    (0..2).for_each(|_| world.run(0, |_| ()));
}

pub fn items_come_in_their_order_and_the_actor_goes_on_behind_them(on: On) {
    let world = World::new(on, 1);
    let source = Source::of(0..100);
    source.change(|waiting| waiting.is_over = true);
    let (taker, trace) = taker(&world, &source);
    world.until("the end of the stream", || trace.len() == 102);
    let expected = ["made".to_owned()].into_iter().chain(items(0..100));
    assert_eq!(trace.take(), expected.chain(["the stream is dropped".to_owned()]).collect::<Vec<_>>());
    taker.tell(Letter(7)).or_dead_letter();
    world.until("the letter", || trace.len() == 1);
    assert_eq!((trace.take(), world.dead_letters()), (vec!["letter 7".to_owned()], 0));
    world.end();
}

pub fn nothing_is_taken_while_a_handler_has_the_state(on: On) {
    let world = World::new(on, 1);
    let (source, gate) = (Source::default(), Source::default());
    let (taker, trace) = taker(&world, &source);
    taker.tell(Hold(gate.clone())).or_dead_letter();
    world.until("the handler", || trace.len() == 2);
    (0..3).for_each(|number| source.put(number));
    settle(&world);
    assert_eq!((source.left(), trace.take()), (3, vec!["made".to_owned(), "held".to_owned()]));
    gate.put(0);
    world.until("all items", || trace.len() == 5);
    let released = ["released".to_owned(), "the stream is dropped".to_owned()];
    assert_eq!(trace.take(), released.into_iter().chain(items(0..3)).collect::<Vec<_>>());
    world.end();
}

pub fn items_and_messages_take_turns(on: On) {
    const EACH: u32 = 40;
    const BATCH: usize = 4;
    let world = World::with(on, 1, |config| config.activation_messages = 4);
    let source = Source::default();
    let (taker, trace) = taker(&world, &source);
    settle(&world);
    let filled = source.clone();
    world.run(0, move |_| {
        (0..EACH).for_each(|number| taker.tell(Letter(number)).or_dead_letter());
        filled.change(|waiting| waiting.items.extend(0..EACH));
    });
    world.until("all of both", || trace.len() == 1 + 2 * EACH as usize);
    let all = trace.take();
    let count = |what: &str, part: &[String]| part.iter().filter(|one| one.starts_with(what)).count();
    for end in 1..=all.len() {
        let (items, letters) = (count("item", &all[..end]), count("letter", &all[..end]));
        assert!(items.abs_diff(letters) <= 2 * BATCH, "{items} items beside {letters} letters: {all:?}");
    }
    world.end();
}

pub fn a_stream_ends_with_its_actor(on: On) {
    for abort in [false, true] {
        let world = World::new(on, 1);
        let source = Source::of([1]);
        let (taker, trace) = taker(&world, &source);
        world.until("an item", || trace.len() == 2);
        if abort {
            taker.abort();
        } else {
            taker.stop();
        }
        world.until("its end", || trace.len() == 4);
        source.put(2);
        settle(&world);
        assert_eq!(trace.take(), ["made", "item 1", "the stream is dropped", "the state is dropped"]);
        assert_eq!(source.left(), 1);
        world.end();
    }
}

/// What becomes of a supervised taker that fails once.
fn begins_again(on: On, fail: impl Fn(&Source), before: &[&str]) {
    let world = World::new(on, 1);
    let (source, trace) = (Source::of([1]), Trace::new());
    let (fed, traced) = (source.clone(), trace.clone());
    let restart = Restart::one_for_one().intensity(u32::MAX, Duration::from_secs(1));
    world.supervise(0, restart, move || Taker::new(&fed, &traced));
    world.until("an item", || trace.len() == 2);
    fail(&source);
    world.until("the next beginning", || trace.len() >= 5 + before.len());
    source.put(3);
    world.until("the next item", || trace.len() >= 6 + before.len());
    let ended = ["the stream is dropped", "the state is dropped", "made", "item 3"];
    let expected = ["made", "item 1"].iter().chain(before).chain(&ended).copied();
    assert_eq!(trace.take(), expected.collect::<Vec<_>>());
    world.end();
}

pub fn a_stream_ends_before_its_actor_is_begun_again(on: On) {
    begins_again(on, |source| source.put(FAIL), &["item 1002"]);
}

pub fn whoever_panics_on_an_item_has_failed(on: On) {
    begins_again(on, |source| source.put(PANIC), &["item 1003"]);
}

pub fn a_stream_that_panics_fails_its_actor(on: On) {
    begins_again(on, |source| source.change(|waiting| waiting.breaks = true), &[]);
}

/// Hears of an end.
struct Watcher(Notes<StopReason>);

#[derive(Message)]
struct Watch(Addr<Taker>);

#[actor]
impl Watcher {
    #[message]
    fn watch(&mut self, Watch(whom): Watch, cx: &mut Context<Self>) {
        cx.watch(whom).expect("there is room");
    }

    #[message]
    fn down(&mut self, down: Down) {
        self.0.note(down.reason);
    }
}

pub fn an_item_may_end_its_actor(on: On) {
    let ends = [(STOP, StopReason::Stopped), (FAIL, StopReason::Failed), (PANIC, StopReason::Panicked)];
    for (number, reason) in ends {
        let world = World::new(on, 1);
        let source = Source::default();
        let (taker, trace) = taker(&world, &source);
        let told = Notes::new();
        world.spawn(0, Watcher(told.clone())).tell(Watch(taker)).or_dead_letter();
        settle(&world);
        source.change(|waiting| waiting.items.extend([1, number, 2]));
        world.until("its end", || told.len() == 1);
        assert_eq!(told.take(), [reason]);
        let item = format!("item {number}");
        let expected = ["made", "item 1", &item, "the stream is dropped", "the state is dropped"];
        assert_eq!((trace.take(), source.left()), (expected.map(str::to_owned).to_vec(), 1));
        world.end();
    }
}

/// Attaches as many streams as there may be, and says what came of each.
struct Greedy {
    trace: Trace,
    streams: u32,
}

#[actor]
impl Greedy {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        for _ in 0..self.streams {
            let flow = cx.attach(Source::default().stream(&self.trace));
            if flow != Flow::Continue {
                self.trace.note(format!("{flow:?}"));
                return flow;
            }
        }
        self.trace.note("all".to_owned());
        Flow::Continue
    }

    #[message]
    fn item(&mut self, _: Item) {}

    #[stopped]
    fn stopped(&mut self, reason: StopReason) {
        self.trace.note(format!("{reason:?}"));
    }
}

pub fn a_stream_beyond_the_bound_fails_its_actor(on: On) {
    const MAX: u32 = 8;
    for streams in [MAX, MAX + 1] {
        let world = World::with(on, 1, |config| config.tasks_max = MAX);
        let trace = Trace::new();
        let greedy = world.spawn(0, Greedy { trace: trace.clone(), streams });
        if streams == MAX {
            world.until("its beginning", || trace.len() == 1);
            greedy.stop();
        }
        world.until("its end", || trace.len() == 2 + streams as usize);
        let mut told = trace.take();
        told.retain(|one| one != "the stream is dropped");
        let expected = if streams == MAX { ["all", "Stopped"] } else { ["Fail", "Failed"] };
        assert_eq!(told, expected);
        world.end();
    }
}

/// Has an asynchronous handler for items.
struct Slow {
    source: Source,
    gate: Source,
    trace: Trace,
}

#[actor]
impl Slow {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        cx.attach(self.source.stream(&self.trace))
    }

    #[message(timeout = "never")]
    async fn item(&mut self, Item(number): Item) {
        self.trace.note(format!("begins {number}"));
        let gate = &self.gate;
        let go = std::future::poll_fn(|cx| {
            let mut waiting = gate.0.lock().expect("nobody panics here");
            match waiting.items.pop_front() {
                Some(go) => Poll::Ready(go),
                None => {
                    waiting.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        });
        let go = go.await;
        self.trace.note(format!("ends {number} by {go}"));
    }
}

pub fn an_asynchronous_handler_has_one_item_at_a_time(on: On) {
    let world = World::new(on, 1);
    let (source, gate, trace) = (Source::of([1, 2, 3]), Source::default(), Trace::new());
    world.spawn(0, Slow { source: source.clone(), gate: gate.clone(), trace: trace.clone() });
    for number in 1..=3 {
        world.until("a beginning", || trace.len() == 1);
        settle(&world);
        assert_eq!((trace.take(), source.left()), (vec![format!("begins {number}")], 3 - number as usize));
        gate.put(10 + number);
        world.until("an end", || trace.len() > usize::from(number < 3));
        let mut told = trace.take();
        assert_eq!(told.remove(0), format!("ends {number} by {}", 10 + number));
        told.into_iter().for_each(|begun| trace.note(begun));
    }
    world.end();
}

pub fn a_stream_may_be_woken_from_any_thread(on: On) {
    const EACH: u32 = 100;
    let world = World::new(on, 1);
    let source = Source::default();
    let (_taker, trace) = taker(&world, &source);
    settle(&world);
    let fills: Vec<_> = (0..2)
        .map(|thread| {
            let source = source.clone();
            std::thread::spawn(move || (0..EACH).for_each(|number| source.put(thread * EACH + number)))
        })
        .collect();
    fills.into_iter().for_each(|fill| world.join(fill));
    world.until("all items", || trace.len() == 1 + 2 * EACH as usize);
    let mut all = trace.take();
    let of_first = |one: &String| (0..EACH).any(|number| *one == format!("item {number}"));
    let (first, second): (Vec<_>, Vec<_>) = all.drain(1..).partition(of_first);
    assert_eq!((first, second), (items(0..EACH), items(EACH..2 * EACH)));
    world.end();
}
