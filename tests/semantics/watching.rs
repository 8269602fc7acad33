//! Promise 7: whoever watches an actor is told once that it has ended, at the very end of it.

use odeon::ActorId;
use odeon::prelude::*;

use crate::failure::{HOUR, always, count};
use crate::world::{Notes, On, World, panic_quietly};

/// What happens, in order: to whom it happens, and what.
type Trace = Notes<&'static str>;

/// Says what happens to it.
struct Subject {
    trace: Trace,
    _state: Noisy,
}

/// A state, part of which notes when it is dropped.
struct Noisy(Trace);

impl Drop for Noisy {
    fn drop(&mut self) {
        self.0.note("dropped");
    }
}

impl Subject {
    fn new(trace: &Trace) -> Subject {
        Subject { trace: trace.clone(), _state: Noisy(trace.clone()) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Stop,
    Flow,
    Abort,
    Panic,
    Fail,
}

#[actor]
impl Subject {
    #[call]
    fn end(&mut self, how: End, cx: &mut Context<Self>) -> Result<(), &'static str> {
        match how {
            End::Stop => cx.me().stop(),
            End::Abort => cx.me().abort(),
            End::Panic => panic_quietly(),
            End::Fail | End::Flow => {}
        }
        Ok(())
    }

    #[message]
    fn finish(&mut self, Finish(flow): Finish) -> Flow {
        flow
    }

    #[call]
    fn link(&mut self, other: Addr<Subject>, cx: &mut Context<Self>) {
        cx.link(other).expect("there is room");
    }

    #[call]
    fn alive(&self) {}

    #[call]
    fn keep(&mut self, reply: Reply<()>) {
        let _never_comes = self.trace.len();
        drop(reply);
    }

    #[stopped]
    fn stopped(&mut self, _: StopReason) {
        self.trace.note("stopped");
    }
}

#[derive(Message)]
struct Finish(Flow);

/// Watches others, and notes what it is told.
struct Watcher {
    told: Notes<(ActorId, StopReason)>,
    trace: Trace,
}

#[actor]
impl Watcher {
    #[call]
    fn watch(&mut self, who: Addr<Subject>, cx: &mut Context<Self>) -> WatchKey {
        cx.watch(who).expect("there is room")
    }

    #[call]
    fn unwatch(&mut self, watch: WatchKey, cx: &mut Context<Self>) -> bool {
        cx.unwatch(watch)
    }

    #[call]
    fn ping(&mut self) {}

    #[message]
    fn down(&mut self, Down { who, reason }: Down) {
        self.trace.note("told");
        self.told.note((who, reason));
    }
}

struct Scene {
    world: World,
    watcher: Addr<Watcher>,
    told: Notes<(ActorId, StopReason)>,
    trace: Trace,
}

impl Scene {
    /// Two cores, with a watcher on the first.
    fn new(on: On) -> Scene {
        let (world, told, trace) = (World::new(on, 2), Notes::new(), Notes::new());
        let watcher = world.spawn(0, Watcher { told: told.clone(), trace: trace.clone() });
        Scene { world, watcher, told, trace }
    }

    fn subject(&self, core: usize) -> Addr<Subject> {
        self.world.spawn(core, Subject::new(&self.trace))
    }

    fn watch(&self, who: Addr<Subject>) -> WatchKey {
        let watcher = self.watcher;
        let key = self.answer(move |cx, noted| watcher.watch(who).then(cx, move |_, key, _| noted.note(key)));
        self.world.settle();
        key
    }

    fn unwatch(&self, watch: WatchKey) -> bool {
        let watcher = self.watcher;
        self.answer(move |cx, noted| watcher.unwatch(watch).then(cx, move |_, was, _| noted.note(was)))
    }

    /// Everything that was sent before has arrived.
    fn settle(&self) {
        self.world.settle();
        let watcher = self.watcher;
        self.answer(move |cx, noted| watcher.ping().then(cx, move |_, pong, _| noted.note(pong)))
    }

    fn answer<R: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Context<crate::world::Foot>, Notes<Result<R, AskError>>) + Send + 'static,
    ) -> R {
        let answers = Notes::new();
        let noted = answers.clone();
        self.world.begin(0, move |cx| ask(cx, noted));
        self.world.until("an answer", || answers.len() == 1);
        answers.take().remove(0).expect("it is answered")
    }

    fn told(&self, count: usize) -> Vec<(ActorId, StopReason)> {
        self.world.until("those that are down", || self.told.len() >= count);
        self.settle();
        self.told.take()
    }
}

pub fn whoever_watches_is_told_once_and_why(on: On) {
    let scene = Scene::new(on);
    for core in 0..2 {
        for (end, reason) in [
            (End::Stop, StopReason::Stopped),
            (End::Flow, StopReason::Stopped),
            (End::Abort, StopReason::Aborted),
            (End::Panic, StopReason::Panicked),
            (End::Fail, StopReason::Failed),
        ] {
            let subject = scene.subject(core);
            scene.watch(subject);
            scene.settle();
            assert_eq!(scene.told.len(), 0, "it has not ended");
            match end {
                End::Flow => subject.tell(Finish(Flow::Stop)).or_dead_letter(),
                End::Fail => subject.tell(Finish(Flow::Fail)).or_dead_letter(),
                end => scene.world.run(core, move |cx| subject.end(end).then(cx, |_, _, _| ())),
            }
            assert_eq!(scene.told(1), [(subject.actor_id(), reason)], "{end:?}");
        }
    }
    scene.world.end();
}

pub fn what_had_ended_before_is_told_of_at_once(on: On) {
    let scene = Scene::new(on);
    for core in 0..2 {
        let subject = scene.subject(core);
        subject.stop();
        let trace = scene.trace.clone();
        scene.world.until("its end", || trace.len() == 2);
        scene.settle();
        scene.watch(subject);
        assert_eq!(scene.told(1), [(subject.actor_id(), StopReason::Gone)]);
        scene.trace.take();
    }
    scene.world.end();
}

pub fn each_watch_tells_once(on: On) {
    let scene = Scene::new(on);
    let [here, there] = [scene.subject(0), scene.subject(1)];
    for who in [here, there, here, there, there] {
        scene.watch(who);
    }
    here.stop();
    assert_eq!(scene.told(2), [(here.actor_id(), StopReason::Stopped); 2]);
    there.abort();
    assert_eq!(scene.told(3), [(there.actor_id(), StopReason::Aborted); 3]);
    scene.world.end();
}

pub fn a_watch_that_was_ended_tells_nothing(on: On) {
    let scene = Scene::new(on);
    for core in 0..2 {
        let subject = scene.subject(core);
        let [ended, stays] = [scene.watch(subject), scene.watch(subject)];
        assert!(scene.unwatch(ended));
        assert!(!scene.unwatch(ended), "once");
        subject.stop();
        assert_eq!(scene.told(1), [(subject.actor_id(), StopReason::Stopped)]);
        assert!(!scene.unwatch(stays), "it has told");
    }
    scene.world.end();
}

pub fn a_watch_that_is_ended_when_it_has_something_to_tell_does_not(on: On) {
    let scene = Scene::new(on);
    let subject = scene.subject(0);
    let (watcher, told) = (scene.watcher, Notes::new());
    let noted = told.clone();
    // All in one batch of the watcher: it is told of an end while it handles something else.
    scene.watch(subject);
    scene.world.run(0, move |cx| {
        subject.stop();
        let again = noted.clone();
        watcher.watch(subject).then(cx, move |_, key, cx| {
            let key = key.expect("it is answered");
            watcher.unwatch(key).then(cx, move |_, was, _| again.note(was));
        });
    });
    scene.world.until("the answer", || told.len() == 1);
    let was = told.take()[0].expect("it is answered");
    let downs = scene.told(1);
    assert_eq!(downs.len(), 2 - usize::from(was), "either it was ended, or it has told: {downs:?}");
    scene.world.end();
}

pub fn whoever_watches_is_told_after_everything_else(on: On) {
    let scene = Scene::new(on);
    let subject = scene.subject(0);
    scene.watch(subject);
    let trace = scene.trace.clone();
    scene.world.run(0, move |cx| {
        // Waits in its mailbox when it ends.
        subject.tell(Finish(Flow::Stop)).or_dead_letter();
        subject.keep().then(cx, move |_, answer, _| {
            assert_eq!(answer, Err(AskError::Stopped));
            trace.note("answered");
        });
    });
    scene.world.until("all of it", || scene.trace.len() == 4);
    let trace = scene.trace.take();
    assert_eq!(trace[..2], ["stopped", "dropped"]);
    assert!(trace.contains(&"told") && trace.contains(&"answered"), "{trace:?}");
    scene.world.end();
}

/// Those who watch and end first leave nothing behind, and those who watch are told when another system ends.
pub fn the_end_of_another_system_is_told(on: On) {
    let scene = Scene::new(on);
    let other = World::new(on, 2);
    let subjects = [0, 1].map(|core| other.spawn(core, Subject::new(&scene.trace)));
    for subject in subjects {
        scene.watch(subject);
    }
    // They are watched once this has been handled behind that.
    for core in 0..2 {
        other.run(core, |_| ());
    }
    other.end();
    let mut told = scene.told(2);
    told.sort_by_key(|(who, _)| *who);
    assert_eq!(told, subjects.map(|subject| (subject.actor_id(), StopReason::Stopped)));
    scene.watch(subjects[0]);
    assert_eq!(scene.told(1), [(subjects[0].actor_id(), StopReason::Gone)]);
    scene.world.end();
}

/// Many at a time, most of them by chance: each watch tells once, or was ended.
pub fn none_of_many_watches_is_lost(on: On) {
    let scene = Scene::new(on);
    let mut random = on.random();
    let (mut expected, mut subjects) = (0, Vec::new());
    for _ in 0..200 {
        match random.index(4) {
            0 => subjects.push(scene.subject(random.index(2))),
            _ if subjects.is_empty() => {}
            1 => {
                let subject: Addr<Subject> = subjects.swap_remove(random.index(subjects.len()));
                subject.stop();
            }
            2 => {
                let watch = scene.watch(subjects[random.index(subjects.len())]);
                expected += 1;
                if random.index(3) == 0 {
                    expected -= usize::from(scene.unwatch(watch));
                }
            }
            _ => {
                scene.watch(subjects[random.index(subjects.len())]);
                expected += 1;
            }
        }
    }
    for subject in subjects {
        subject.stop();
    }
    assert_eq!(scene.told(expected).len(), expected);
    scene.world.end();
}

impl Scene {
    fn link(&self, one: Addr<Subject>, other: Addr<Subject>) {
        self.answer(move |cx, noted| one.link(other).then(cx, move |_, done, _| noted.note(done)));
        self.world.settle();
    }
}

pub fn those_who_are_linked_end_together(on: On) {
    let scene = Scene::new(on);
    for (core, first_ends, end) in [
        (0, true, StopReason::Stopped),
        (0, false, StopReason::Stopped),
        (1, true, StopReason::Aborted),
        (1, false, StopReason::Aborted),
        (1, false, StopReason::Failed),
    ] {
        let [one, other] = [scene.subject(0), scene.subject(core)];
        scene.watch(one);
        scene.watch(other);
        scene.link(one, other);
        scene.settle();
        assert_eq!(scene.told.len(), 0);
        let (ends, follows) = if first_ends { (one, other) } else { (other, one) };
        match end {
            StopReason::Stopped => ends.stop(),
            StopReason::Aborted => ends.abort(),
            _ => ends.tell(Finish(Flow::Fail)).or_dead_letter(),
        }
        let told = scene.told(2);
        assert!(told.contains(&(ends.actor_id(), end)), "{told:?}");
        assert!(told.contains(&(follows.actor_id(), StopReason::LinkEnded)), "{told:?}");
    }
    scene.world.end();
}

pub fn whoever_is_linked_to_the_dead_ends(on: On) {
    let scene = Scene::new(on);
    for core in 0..2 {
        let [one, dead] = [scene.subject(0), scene.subject(core)];
        scene.watch(dead);
        dead.stop();
        scene.told(1);
        scene.watch(one);
        // It may end before it has answered.
        scene.world.run(0, move |cx| one.link(dead).then(cx, |_, _, _| ()));
        assert_eq!(scene.told(1), [(one.actor_id(), StopReason::LinkEnded)]);
    }
    scene.world.end();
}

pub fn a_chain_of_links_ends_as_a_whole(on: On) {
    let scene = Scene::new(on);
    let chain: Vec<_> = (0..8).map(|place| scene.subject(place % 2)).collect();
    for pair in chain.windows(2) {
        scene.link(pair[0], pair[1]);
    }
    // In a circle, too.
    scene.link(chain[7], chain[0]);
    for subject in &chain {
        scene.watch(*subject);
    }
    chain[3].abort();
    let told = scene.told(chain.len());
    let linked = told.iter().filter(|(_, reason)| *reason == StopReason::LinkEnded).count();
    assert_eq!((told.len(), linked), (8, 7), "{told:?}");
    scene.world.end();
}

impl Scene {
    fn supervised(&self, core: usize, restart: Restart) -> Addr<Subject> {
        let trace = self.trace.clone();
        self.world.supervise(core, restart, move || Subject::new(&trace))
    }

    /// Has it fail, and waits for the next one.
    fn restart(&self, who: Addr<Subject>) {
        who.tell(Finish(Flow::Fail)).or_dead_letter();
        self.settle();
        self.answer(move |cx, noted| who.alive().then(cx, move |_, alive, _| noted.note(alive)));
        self.settle();
    }
}

/// Whoever of both is begun again, and on whichever cores they are, both go on, and both are linked still.
pub fn a_restart_ends_nobody_who_is_linked(on: On) {
    let scene = Scene::new(on);
    for core in 0..2 {
        for (restarted, ends_first) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let pair = [(0, 0), (1, core)].map(|(place, core)| match place == restarted {
                true => scene.supervised(core, always()),
                false => scene.subject(core),
            });
            for who in pair {
                scene.watch(who);
            }
            scene.link(pair[0], pair[1]);
            for _ in 0..3 {
                scene.restart(pair[restarted]);
                assert_eq!(scene.told.len(), 0, "a restart is no end");
            }
            pair[ends_first].stop();
            let told = scene.told(2);
            let (ends, follows) = (pair[ends_first].actor_id(), pair[1 - ends_first].actor_id());
            assert!(told.contains(&(ends, StopReason::Stopped)), "{told:?}");
            assert!(told.contains(&(follows, StopReason::LinkEnded)), "{told:?}");
        }
    }
    scene.world.end();
}

pub fn whoever_is_down_ends_with_those_that_it_is_linked_to(on: On) {
    let scene = Scene::new(on);
    for core in 0..2 {
        for links in [true, false] {
            let down = scene.supervised(0, Restart::one_for_one().backoff(HOUR..HOUR));
            let other = scene.subject(core);
            for who in [down, other] {
                scene.watch(who);
            }
            let (one, another) = if links { (down, other) } else { (other, down) };
            scene.link(one, another);
            scene.trace.take();
            down.tell(Finish(Flow::Fail)).or_dead_letter();
            scene.world.until("its end", || scene.trace.len() == 2);
            scene.settle();
            assert_eq!(scene.told.len(), 0);
            other.stop();
            let told = scene.told(2);
            assert!(told.contains(&(down.actor_id(), StopReason::LinkEnded)), "{told:?}");
        }
    }
    scene.world.end();
}

/// Is linked to another, whenever it starts.
struct Tied(Addr<Subject>);

#[actor]
impl Tied {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) {
        cx.link(self.0).expect("there is room");
        cx.link(self.0).expect("that changes nothing");
    }

    #[message]
    fn finish(&mut self, Finish(flow): Finish) -> Flow {
        flow
    }
}

pub fn whoever_links_the_same_again_has_one_link(on: On) {
    let scene = Scene::new(on);
    let held = || scene.world.ledgers().iter().map(|ledger| ledger.tasks).sum::<usize>();
    for core in 0..2 {
        let other = scene.subject(core);
        let before = held();
        let tied = scene.world.supervise(0, always(), move || Tied(other));
        let restarts = count(&scene.world, |ledger| ledger.restarts);
        for _ in 0..20 {
            tied.tell(Finish(Flow::Fail)).or_dead_letter();
        }
        scene.world.until("all of them", || count(&scene.world, |ledger| ledger.restarts) == restarts + 20);
        scene.world.until("the last of them", || held() == before + 1);
        scene.watch(other);
        tied.tell(Finish(Flow::Stop)).or_dead_letter();
        assert_eq!(scene.told(1), [(other.actor_id(), StopReason::LinkEnded)]);
        assert_eq!(held(), before);
    }
    scene.world.end();
}
