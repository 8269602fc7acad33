//! Where an answer goes: to a task, on whichever core.
//!
//! Knows: the task, its core, and until when it waits. Must not know what is answered, nor what becomes of it.
//!
//! Invariants: 1. An [`AnswerTo`] is made on the thread of the core that it names, or names none. If its value is not `Send`, it
//! is not either, and so is still on that thread.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::{fmt, io};

use super::address::{CoreId, RawAddress};
use super::circle::Circle;
use super::core::{Core, drop_from};
use super::current::{self, Look};
use super::links::insist_until;
use crate::mem::{Key, aside};
use crate::sys::Time;

/// Why a question was not answered. What it prints is for the log of whoever runs the program, and names limits to raise; peers are
/// told in the words of their protocol.
///
/// ```
/// use odeon::AskError;
///
/// assert_eq!(AskError::Timeout.to_string(), "no answer came in time");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AskError {
    /// The receiver's mailbox is full, or the lane to its core, or there are as many questions as `Config::tasks_max` allows. The
    /// question was not asked; or whoever was to answer found that, and could not go on.
    Full,
    /// The receiver has stopped: before it was asked, or before it answered.
    Stopped,
    /// No answer came in time. The question may have been handled, or be handled yet.
    Timeout,
    /// The receiver dropped the question, or its reply, without an answer.
    Unanswered,
    /// The receiver panicked on the question. Whoever waits for another answer of it is told that it has stopped.
    Panicked,
    /// The receiver has failed before it answered, and was begun again by its supervisor.
    Restarted,
    /// `wait` was called on a thread of a system, where it would keep a core from everything else: use `then` or `await`.
    WithinCore,
    /// The receiver waits for an answer of the asker, which waits for this one and handles nothing else meanwhile: neither would ever go
    /// on. Perhaps by way of others: see [`Circle`]. The question is not handled.
    Cycle(Circle),
}

impl fmt::Display for AskError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            AskError::Cycle(circle) => return write!(out, "actors wait for one another: {circle}"),
            AskError::Full => {
                "no room: the receiver's mailbox is full (Actor::MAILBOX_CAPACITY, mailbox(capacity = …)), or the lane to its core \
                 (Config::lane_capacity, from other threads Config::inbox_capacity), or there are Config::tasks_max tasks"
            }
            AskError::Stopped => "the receiver has stopped",
            AskError::Timeout => "no answer came in time",
            AskError::Unanswered => "the receiver did not answer",
            AskError::Panicked => "the receiver panicked on the question",
            AskError::Restarted => "the receiver has failed, and was begun again without the question",
            AskError::WithinCore => {
                "a thread of a system cannot wait for an answer: use `then` in a handler, or `await` in a task"
            }
        })
    }
}

impl std::error::Error for AskError {}

/// As [`ErrorKind::TimedOut`](io::ErrorKind::TimedOut) where no answer came in time, else as [`ErrorKind::Other`](io::ErrorKind::Other), so
/// that `?` works where a connection is served.
impl From<AskError> for io::Error {
    fn from(error: AskError) -> io::Error {
        match error {
            AskError::Timeout => io::Error::new(io::ErrorKind::TimedOut, error),
            _ => io::Error::other(error),
        }
    }
}

/// Units of the deadline that travels with a question: 2²⁰ ns.
const UNIT: u32 = 20;
/// Longer than this is as good as for ever: half of what the units of a deadline can tell apart.
const LIMIT_MAX_NS: u64 = 24 * 3600 * 20 * 1_000_000_000;

/// The task that waits for a `V`. 16 bytes: two words, which stay in registers on their way.
pub struct AnswerTo<V> {
    /// The name of the task.
    task: u64,
    /// Its core below; above, the deadline in units, going round, or zero for none.
    place: u64,
    value: PhantomData<V>,
}

#[inline]
fn units(time: Time) -> u32 {
    ((time.0 >> UNIT) as u32).max(1)
}

/// A core, and until when somebody waits there, in one word.
pub(super) fn place(core: CoreId, now: Time, deadline: Time) -> u64 {
    let far = deadline.0.saturating_sub(now.0) > LIMIT_MAX_NS;
    let deadline = if far { 0 } else { units(Time(deadline.0.saturating_add(1 << UNIT))) };
    u64::from(deadline) << 32 | u64::from(core.0)
}

impl<V: 'static> AnswerTo<V> {
    const NOBODY: CoreId = CoreId(u32::MAX);

    /// A task of this core, which waits until `deadline`.
    #[must_use]
    pub fn new(core: &Core, task: Key, deadline: Time) -> AnswerTo<V> {
        AnswerTo { task: task.to_bits(), place: place(core.id, core.now(), deadline), value: PhantomData }
    }

    /// A task of this core, by the bits of its name, which waits as long as for any answer.
    #[inline(always)]
    #[must_use]
    pub fn usual(core: &Core, task: u64) -> AnswerTo<V> {
        AnswerTo { task, place: core.usual_place(), value: PhantomData }
    }

    /// A task of any core, which waits as long as it takes.
    #[must_use]
    pub(super) fn named(core: CoreId, task: Key) -> AnswerTo<V> {
        AnswerTo { task: task.to_bits(), place: u64::from(core.0), value: PhantomData }
    }

    /// Nobody waits.
    #[must_use]
    pub const fn nobody() -> AnswerTo<V> {
        AnswerTo { task: 0, place: Self::NOBODY.0 as u64, value: PhantomData }
    }

    #[inline(always)]
    fn core(self) -> CoreId {
        CoreId(self.place as u32)
    }

    #[inline(always)]
    fn task(self) -> Key {
        Key::from_bits(self.task)
    }

    /// True if it is known here that nobody waits any more.
    #[inline(always)]
    #[must_use]
    pub fn is_closed(self) -> bool {
        if self.core() == Self::NOBODY {
            return true;
        }
        current::with(|core| match core {
            Some(core) if core.id == self.core() => core.is_task_closed(self.task()),
            core => self.is_closed_elsewhere(core),
        })
    }

    #[inline(never)]
    fn is_closed_elsewhere(self, core: Option<&Core>) -> bool {
        match core {
            Some(core) => self.is_late(core.now()) || core.is_cancelled(self.core(), self.task()),
            None => self.is_late(crate::sys::now()),
        }
    }

    fn is_late(self, now: Time) -> bool {
        let deadline = (self.place >> 32) as u32;
        deadline != 0 && units(now).wrapping_sub(deadline).cast_signed() > 0
    }

    /// The time after which [it is late](Self::is_late).
    fn waits_until(self, now: Time) -> Time {
        let deadline = (self.place >> 32) as u32;
        if deadline == 0 {
            return Time::MAX;
        }
        let left = deadline.wrapping_sub(units(now)).cast_signed();
        Time(((now.0 >> UNIT).max(1).saturating_add_signed(left.into()) + 1) << UNIT)
    }

    /// Says that anybody may be the one who sends the value, from now on. Nothing if whoever waits keeps no account of that here.
    pub fn put_aside(self) {
        current::with(|core| {
            core.filter(|core| core.id == self.core()).map(|core| core.put_aside(self.task()))
        });
    }

    /// Hands the value over. It is dropped if nobody waits for it any more.
    pub fn send(self, value: V) {
        self.send_made(value, |value| value);
    }

    /// Hands over what `make` makes of a part: only where it goes is it put together, so that it is written once, and a small
    /// part stays in a register until then.
    #[inline(always)]
    pub fn send_made<P>(self, part: P, make: impl FnOnce(P) -> V) {
        if self.core() == Self::NOBODY {
            return drop_unwanted(aside(part));
        }
        current::with_value::<AnswerTo<V>, _>((self, part, make));
    }

    #[inline(never)]
    fn send_elsewhere<P>(self, from: Option<&Core>, part: P, make: impl FnOnce(P) -> V) {
        if let Some(core) = from
            && core.forget_cancelled(self.core(), self.task())
        {
            return core.drop_contained(aside(part));
        }
        let to = RawAddress::new(self.core(), self.task());
        insist_until(from, to, arrive::<V>, Sent(make(part)), |now| self.waits_until(now));
    }
}

impl<V: 'static, P, M: FnOnce(P) -> V> Look<(AnswerTo<V>, P, M)> for AnswerTo<V> {
    type Result = ();

    #[inline(always)]
    fn look(core: Option<&Core>, (to, part, make): (AnswerTo<V>, P, M)) {
        match core {
            Some(core) if core.id == to.core() => {
                core.answer_task(to.task(), make(part));
            }
            from => to.send_elsewhere(from, part, make),
        }
    }
}

impl<V> Clone for AnswerTo<V> {
    fn clone(&self) -> AnswerTo<V> {
        *self
    }
}

impl<V> Copy for AnswerTo<V> {}

impl<V: 'static> fmt::Debug for AnswerTo<V> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "AnswerTo({}:{}:{})", self.core().0, self.task().index, self.task().generation)
    }
}

/// An answer that nobody waits for. If its `Drop` panics, that ends nobody, as where somebody has waited and has gone.
#[inline(never)]
fn drop_unwanted<P>(part: P) {
    current::with(|core| drop_from(core, part));
}

/// A value on its way to another core.
struct Sent<V>(V);

// SAFETY: made by `send_elsewhere` only. An `AnswerTo` whose value is not `Send` is on the thread of the core that waits
// (invariant 1), where another core is the current one: one of the two is a guest of that thread. So it is put into the inbox from the
// thread on which it is taken out or dropped.
unsafe impl<V> Send for Sent<V> {}

fn arrive<V: 'static>(task: Key, value: Sent<V>) {
    current::with_value::<Sent<V>, _>((task, value));
}

impl<V: 'static> Look<(Key, Sent<V>)> for Sent<V> {
    type Result = ();

    #[inline(always)]
    fn look(core: Option<&Core>, (task, value): (Key, Sent<V>)) {
        if let Some(core) = core {
            core.answer_task(task, value.0);
        }
    }
}

const _: () = assert!(size_of::<AnswerTo<u64>>() == 16);

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::config::Config;
    use crate::driver::Waker;
    use crate::executor::cancelled::REMEMBERED_MAX;
    use crate::executor::directory::{self, Port};
    use crate::executor::{Activation, AnyTask, Arrivals, Flow, Kind, Limit, Links, Waiting};
    use crate::sys::Clock;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn core(id: u32, now: &Rc<Cell<Time>>) -> Core {
        let mut config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        config.send_slots = [1, 0, 0, 0, 0];
        Core::new(CoreId(id), Rc::new(config), Clock::Virtual(now.clone()), Links::new(CoreId(0), []))
    }

    const TASK: Key = Key { index: 7, generation: 3 };

    #[test]
    fn a_deadline_is_told_apart_from_the_time_however_far_that_is() {
        for start in [0, 1, 5 << UNIT, u64::from(u32::MAX) << UNIT, (1 << 52) - 1, 1 << 60] {
            let now = Rc::new(Cell::new(Time(start)));
            let (asker, other) = (core(0, &now), core(1, &now));
            let to = AnswerTo::<u64>::new(&asker, TASK, asker.now().after(MILLISECOND * 20));
            let closed = |after: Duration| {
                now.set(Time(start).after(after));
                other.read_clock();
                current::scope(&other, || to.is_closed())
            };
            assert!(!closed(Duration::ZERO) && !closed(MILLISECOND * 20), "never early: {start}");
            let until = to.waits_until(now.get());
            assert!(to.is_late(until) && !to.is_late(Time(until.0 - 1)), "{start}");
            assert!(closed(MILLISECOND * 24) && closed(Duration::from_secs(24 * 3600)), "{start}");
        }
    }

    #[test]
    fn what_is_awaited_for_very_long_is_never_late() {
        let now = Rc::new(Cell::new(Time(1)));
        let (asker, other) = (core(0, &now), core(1, &now));
        for limit in [Duration::from_nanos(LIMIT_MAX_NS + 1), Duration::MAX] {
            let to = AnswerTo::<u64>::new(&asker, TASK, asker.now().after(limit));
            for days in [0, 1, 19, 30, 60, 1000] {
                now.set(Time(1).after(Duration::from_secs(days * 24 * 3600)));
                other.read_clock();
                assert!(!current::scope(&other, || to.is_closed()));
            }
        }
    }

    #[test]
    fn nobody_waits_for_what_names_no_task() {
        let now = Rc::new(Cell::new(Time(1)));
        let core = core(0, &now);
        let (nobody, gone) =
            (AnswerTo::nobody(), AnswerTo::new(&core, TASK, core.now().after(MILLISECOND * 5000)));
        for to in [nobody, gone] {
            assert!(current::scope(&core, || to.is_closed()));
            let counted = Rc::new(7);
            current::scope(&core, || to.send(counted.clone()));
            assert_eq!(Rc::strong_count(&counted), 1);
        }
        assert!(nobody.is_closed());
    }

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as planned");
        }
    }

    #[test]
    fn an_answer_that_nobody_waits_for_and_that_cannot_be_dropped_ends_nobody() {
        let now = Rc::new(Cell::new(Time(1)));
        let core = core(0, &now);
        let gone = AnswerTo::new(&core, TASK, core.now().after(MILLISECOND * 5000));
        for (to, expected) in [(AnswerTo::nobody(), 1), (gone, 2)] {
            current::scope(&core, || to.send(Bomb));
            assert_eq!(core.counters.drop_panics.get(), expected);
        }
    }

    #[test]
    fn an_asker_that_has_ended_stays_ended_until_its_question_is_done_with() {
        let now = Rc::new(Cell::new(Time(1)));
        let (asker, other) = (core(0, &now), core(1, &now));
        let to = AnswerTo::new(&asker, TASK, asker.now().after(MILLISECOND * 5000));
        current::scope(&other, || {
            assert!(!to.is_closed());
            other.note_cancelled(asker.id, TASK);
            assert!(to.is_closed() && to.is_closed());
            let counted = Rc::new(7);
            to.send(counted.clone());
            assert_eq!(Rc::strong_count(&counted), 1, "it is not sent");
            assert!(!to.is_closed());
        });
    }

    /// Waits for a number, and notes what has come.
    struct Notes(Rc<Cell<Option<u64>>>);

    impl Waiting<u64> for Notes {
        fn go_on(self, value: Option<u64>, _: &Core, _: Option<&Activation<'_>>) -> Flow {
            self.0.set(value);
            Flow::Continue
        }
    }

    #[test]
    fn an_answer_from_elsewhere_is_not_for_whoever_has_the_place_of_its_asker() {
        let now = Rc::new(Cell::new(Time(1)));
        let (asker, other) = (core(directory::reserve(1).0, &now), core(directory::reserve(1).0, &now));
        let (inbox, envelopes) = crossbeam_channel::bounded(4);
        let port = Arc::new(Port::new(inbox, Waker::None, Duration::ZERO));
        directory::open(asker.id, port.clone());
        let mut arrivals = Arrivals::new(port, envelopes, Vec::new());
        let begin = |noted: &Rc<Cell<Option<u64>>>| {
            let task = AnyTask::waiting(asker.cells.blocks(), Notes(noted.clone()));
            asker.begin(None, task, Kind::Relay, Limit::Never).expect("there is room").0
        };
        let to = |task| AnswerTo::<u64>::new(&asker, task, Time::MAX);
        let [first, second] = [Rc::default(), Rc::default()];
        let old = begin(&first);
        assert!(asker.answer_task(old, 1_u64), "it waits");
        let new = begin(&second);
        assert_eq!((old.index, first.get()), (new.index, Some(1)));
        for (task, expected) in [(old, None), (new, Some(7))] {
            current::scope(&other, || to(task).send(7));
            assert!(arrivals.pending());
            current::scope(&asker, || arrivals.deliver(&asker));
            assert_eq!(second.get(), expected);
        }
        directory::close(asker.id);
    }

    #[test]
    fn no_more_askers_are_remembered_than_there_is_room_for() {
        let now = Rc::new(Cell::new(Time(1)));
        let core = core(0, &now);
        const MANY: u32 = if cfg!(miri) { 50 } else { 100_000 };
        let key = |index| Key { index, generation: 0 };
        let cancel = |from: u32| {
            (from..from + MANY).for_each(|index| core.note_cancelled(CoreId(1), key(index)));
            (from..from + MANY).filter(|index| core.is_cancelled(CoreId(1), key(*index))).count()
        };
        assert_eq!(cancel(0), REMEMBERED_MAX);
        assert_eq!(cancel(MANY), 0, "there is no room until their time is over");
        now.set(Time(1).after(core.config.ask_timeout + MILLISECOND));
        core.read_clock();
        assert_eq!(cancel(2 * MANY), REMEMBERED_MAX);
    }
}
