//! The ways between cores, as one core sees them: out by [`Links`], in by [`Arrivals`].
//!
//! Knows: lanes, inboxes, who sleeps. Must not know what an envelope is for.

use std::any::TypeId;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use crossbeam_channel::{Receiver, TrySendError};

use super::address::{CoreId, RawAddress};
use super::anteroom::{Line, Patient};
use super::blame::runtime;
use super::core::{Core, drop_from};
use super::counters::DeadReason;
use super::current;
use super::directory::{self, Port};
use super::envelope::{Arrive, Envelope};
use super::guest::Guest;
use super::lane;
use super::overdue::{Overdue, Sent};
use super::room::{Wish, Wished};
use super::stage;
use crate::mem::aside;
use crate::sys::Time;

/// Why a message did not leave; it is handed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused<M> {
    /// The way to that core is full.
    Full(M),
    /// That core has ended.
    Gone(M),
}

#[derive(Debug)]
struct Way {
    lane: RefCell<lane::Sender>,
    port: OnceCell<Arc<Port>>,
    /// Something was pushed and not published.
    pushed: Cell<bool>,
    /// The ticket of the last that waits in front of the core because the lane was full. Until it has passed, the lane is held.
    waits: Cell<usize>,
}

/// The ways from one core to the others of its system.
#[derive(Debug)]
pub struct Links {
    first: CoreId,
    /// By core, counted from the first of the system; none to itself.
    ways: Box<[Option<Way>]>,
    pushed: Cell<bool>,
    /// What found no room and must not be lost: stops, words to listeners, answers.
    overdue: RefCell<Overdue>,
}

impl Links {
    /// Ways by the sending ends of lanes, in the order of the system's cores; none for the core itself.
    #[must_use]
    pub fn new(first: CoreId, lanes: impl IntoIterator<Item = Option<lane::Sender>>) -> Links {
        let way = |lane| Way {
            lane: RefCell::new(lane),
            port: OnceCell::new(),
            pushed: Cell::new(false),
            waits: Cell::new(0),
        };
        let ways = lanes.into_iter().map(|lane| lane.map(way)).collect();
        Links { first, ways, pushed: Cell::new(false), overdue: RefCell::default() }
    }

    /// True if the core belongs to no system: it is a [guest](Guest).
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.ways.is_empty()
    }

    /// The first core of this core's system, which stands for that.
    #[must_use]
    pub fn system(&self) -> CoreId {
        self.first
    }

    fn index(&self, core: CoreId) -> usize {
        core.0.wrapping_sub(self.first.0) as usize
    }

    fn way(&self, core: CoreId) -> Option<&Way> {
        self.ways.get(self.index(core))?.as_ref()
    }

    /// Makes everything that was sent visible, and wakes the cores that sleep: at least once per turn. `core` is the one whose ways
    /// these are.
    pub fn publish(&self, core: &Core) {
        if self.has_overdue() {
            self.send_overdue(core);
        }
        if !self.pushed.replace(false) {
            return;
        }
        for (index, way) in self.ways.iter().enumerate() {
            if let Some(way) = way
                && way.pushed.replace(false)
            {
                self.publish_way(index, way);
            }
        }
    }

    fn publish_way(&self, index: usize, way: &Way) {
        if !way.lane.borrow_mut().publish() {
            return;
        }
        if let Some(port) = self.port(index, way) {
            port.wake_if_asleep();
        }
    }

    /// The way into the core where a lane ends; none if that has ended before it was looked for.
    fn port<'a>(&self, index: usize, way: &'a Way) -> Option<&'a Port> {
        if way.port.get().is_none() {
            let core = CoreId(self.first.0 + index as u32);
            directory::port(core).map(|port| way.port.set(port).ok());
        }
        way.port.get().map(|port| &**port)
    }

    /// Does not wait for the end of the turn: the other core begins while this one goes on.
    #[cold]
    #[inline(never)]
    fn publish_early(&self, core: CoreId) {
        if let Some(way) = self.way(core) {
            self.publish_way(self.index(core), way);
        }
    }
}

impl Links {
    /// True if others are owed something.
    #[must_use]
    pub fn has_overdue(&self) -> bool {
        !self.overdue.borrow().is_empty()
    }

    /// True if some of it has not been tried: the core does not rest. For the others it is woken when there is room.
    pub(super) fn has_untried(&self) -> bool {
        self.overdue.borrow().is_untried()
    }

    /// True if others cannot see yet all that they were sent.
    pub(super) fn has_unpublished(&self) -> bool {
        self.pushed.get()
    }

    /// When the next of what others are owed is dropped, because nobody wants it any more; [`Time::MAX`] if none will be.
    pub(super) fn late_after(&self) -> Time {
        self.overdue.borrow().late_after()
    }

    #[cold]
    fn send_overdue(&self, core: &Core) {
        let (ports, mut closed) = (directory::ports(), Line::new());
        let send = |to, wished: &mut Wished, envelope| {
            let Some(port) = ports.find(to) else { return Sent::Gone(envelope) };
            match is_in(port, port.inbox.try_send(envelope)) {
                Ok(()) => Sent::Handed,
                Err(Refused::Gone(envelope)) => Sent::Gone(envelope),
                Err(Refused::Full(envelope)) => {
                    if wished.wish(&port.anteroom, |_, wish| drop(wish), || Wish(core.id), &mut closed) {
                        port.wake_if_asleep();
                    }
                    Sent::Full(envelope)
                }
            }
        };
        let gone = self.overdue.borrow_mut().send(core.now(), send);
        drop(ports);
        // Code of users, as what follows: nothing is borrowed.
        closed.into_iter().for_each(|closed| core.drop_contained(closed));
        gone.into_iter().for_each(|envelope| core.drop_contained(envelope));
    }

    /// Gives up on what is overdue still, at the end of the core: others stand still.
    pub(super) fn give_up_overdue(&self, core: &Core) {
        let overdue = self.overdue.borrow_mut().take();
        // Code of users: nothing is borrowed.
        overdue.into_iter().for_each(|envelope| core.drop_contained(envelope));
    }
}

/// Sends what must not be lost to any core that has not ended. A core that finds no room tries again when it publishes, and is woken
/// when there is some; a thread that runs none waits for room.
pub fn insist<M: Send + 'static>(
    from: Option<&Core>,
    target: RawAddress,
    arrive: impl Arrive<M>,
    message: M,
) {
    insist_until(from, target, arrive, message, |_| Time::MAX);
}

/// The same for what nobody wants after a time that is asked for where there is no room.
#[inline(always)]
pub(super) fn insist_until<M: Send + 'static, F: Arrive<M>>(
    from: Option<&Core>,
    target: RawAddress,
    arrive: F,
    message: M,
    until: impl Fn(Time) -> Time,
) {
    if let Err(refused) = post(from, target, arrive, message) {
        insist_again(from, target, arrive, aside(refused), until);
    }
}

#[cold]
fn insist_again<M: Send + 'static, F: Arrive<M>>(
    from: Option<&Core>,
    target: RawAddress,
    arrive: F,
    refused: Refused<M>,
    until: impl Fn(Time) -> Time,
) {
    let mut posted = Err(refused);
    loop {
        let message = match (posted, from) {
            (Ok(()), _) => return,
            (Err(Refused::Gone(back)), from) => return drop_from(from, back),
            (Err(Refused::Full(back)), Some(core)) => {
                let envelope = Envelope::new(target.cell(), arrive, back);
                let (word, until) = ((target, TypeId::of::<F>()), until(core.now()));
                let same = core.links.overdue.borrow_mut().keep(word, until, envelope);
                return core.drop_contained(same);
            }
            (Err(Refused::Full(back)), None) => back,
        };
        // A guest of this thread makes room itself; others are waited for.
        match Guest::find(target.core()) {
            Some(guest) => guest.receive(),
            None => stage::yield_to(target.core()),
        }
        posted = post_ahead(target, arrive, message);
    }
}

/// Sends an envelope to any core: by a lane where there is one, else through the core's inbox.
///
/// # Errors
/// Hands the message back when there is no room on the way, or the core has ended.
///
/// Inlined as a whole, but for the inbox: a message that went through memory on its way into a lane would be read back
/// with loads wider than the stores before them, and such a load waits for all stores to lines that the other core has.
#[inline(always)]
pub fn post<M: Send + 'static>(
    from: Option<&Core>,
    target: RawAddress,
    arrive: impl Arrive<M>,
    message: M,
) -> Result<(), Refused<M>> {
    // Nothing here unwinds, so nothing need be dropped: the message need not lie in memory for that.
    let message = ManuallyDrop::new(message);
    if let Some(links) = from.map(|core| &core.links)
        && let Some(way) = links.way(target.core())
    {
        return post_by(links, way, target, arrive, ManuallyDrop::into_inner(message));
    }
    post_to_inbox(target, arrive, aside(ManuallyDrop::into_inner(message)))
}

#[inline(always)]
fn post_by<M: Send + 'static>(
    links: &Links,
    way: &Way,
    target: RawAddress,
    arrive: impl Arrive<M>,
    message: M,
) -> Result<(), Refused<M>> {
    let message = ManuallyDrop::new(message);
    let mut lane = way.lane.borrow_mut();
    match lane.push(target.cell(), arrive, ManuallyDrop::into_inner(message)) {
        Ok(()) => {
            way.pushed.set(true);
            links.pushed.set(true);
            if lane.is_long() {
                drop(lane);
                links.publish_early(target.core());
            }
            Ok(())
        }
        Err(message) if lane.is_closed() => Err(Refused::Gone(message)),
        Err(message) if lane.is_held() => {
            drop(lane);
            post_by_held(links, way, target, arrive, aside(message))
        }
        Err(message) => Err(Refused::Full(message)),
    }
}

/// Sends by a lane in front of which somebody has waited: if that has passed, it is a lane like others again.
#[cold]
#[inline(never)]
fn post_by_held<M: Send + 'static>(
    links: &Links,
    way: &Way,
    target: RawAddress,
    arrive: impl Arrive<M>,
    message: M,
) -> Result<(), Refused<M>> {
    let port = links.port(links.index(target.core()), way);
    if port.is_some_and(|port| !port.anteroom.has_passed(way.waits.get())) {
        return Err(Refused::Full(message));
    }
    way.lane.borrow_mut().hold(false);
    post_by(links, way, target, arrive, message)
}

/// Has a message wait in front of a core whose way was full, until that takes it: behind whoever waits there, and behind what was sent
/// by the same way, which takes nothing else until then.
///
/// # Errors
/// The message, when that core has ended.
#[cold]
pub fn wait_for_way<M: Patient>(
    from: Option<&Core>,
    target: RawAddress,
    arrive: impl Arrive<M>,
    message: M,
) -> Result<(), M> {
    let way = from.and_then(|core| Some((&core.links, core.links.way(target.core())?)));
    if let Some((links, way)) = way {
        let index = links.index(target.core());
        links.publish_way(index, way);
        links.port(index, way);
    }
    let closed = {
        let ports = directory::ports();
        let Some(port) = ports.find(target.core()) else { return Err(message) };
        let (ticket, closed) = port.anteroom.push(target.cell(), arrive, message, way.is_none());
        if let Some((_, way)) = way {
            way.waits.set(ticket);
            way.lane.borrow_mut().hold(true);
        }
        port.wake_if_asleep();
        closed
    };
    closed.into_iter().for_each(|closed| drop_from(from, closed));
    Ok(())
}

#[inline(never)]
fn post_to_inbox<M: Send + 'static>(
    target: RawAddress,
    arrive: impl Arrive<M>,
    message: M,
) -> Result<(), Refused<M>> {
    put(target, arrive, message, false)
}

/// Sends through the inbox of a core, whoever waits in front of it: what the core is told or asked itself, which has no order with messages.
/// They may be so many that somebody always does.
///
/// # Errors
/// As [`post`].
#[cold]
pub fn post_ahead<M: Send + 'static>(
    target: RawAddress,
    arrive: impl Arrive<M>,
    message: M,
) -> Result<(), Refused<M>> {
    put(target, arrive, message, true)
}

/// Puts something into the inbox of a core. It passes those who wait in front of that, or is refused while anybody does.
#[inline(always)]
fn put<M: Send + 'static>(
    target: RawAddress,
    arrive: impl Arrive<M>,
    message: M,
    passes: bool,
) -> Result<(), Refused<M>> {
    let ports = directory::ports();
    let Some(port) = ports.find(target.core()) else { return Err(Refused::Gone(message)) };
    if !passes && port.anteroom.shuts_inbox() {
        return Err(Refused::Full(message));
    }
    is_in(port, Envelope::send(&port.inbox, target.cell(), arrive, message))
}

/// Has a core see what was put into its inbox, if it was.
#[inline]
fn is_in<M>(port: &Port, put: Result<(), TrySendError<M>>) -> Result<(), Refused<M>> {
    put.map_err(|refused| match refused {
        TrySendError::Full(message) => Refused::Full(message),
        TrySendError::Disconnected(message) => Refused::Gone(message),
    })?;
    port.wake_if_asleep();
    Ok(())
}

/// What is told of a message whose type nobody knows any more.
const FAILED: &str = "a message whose `accept` has panicked";

/// What arrives at one core.
pub struct Arrivals {
    port: Arc<Port>,
    inbox: Receiver<Envelope>,
    lanes: Vec<lane::Receiver>,
    /// The lane that is emptied first.
    first: usize,
    /// Who waited in front of the core before the ways were emptied: between the halves of [`Arrivals::deliver`].
    waiting: Option<(Line, usize)>,
}

impl Arrivals {
    /// The receiving ends of a core.
    #[must_use]
    pub fn new(port: Arc<Port>, inbox: Receiver<Envelope>, lanes: Vec<lane::Receiver>) -> Arrivals {
        Arrivals { port, inbox, lanes, first: 0, waiting: None }
    }

    /// Delivers what is in the lanes and in the inbox, and nothing else: as if the core were in the middle of that.
    #[cfg(test)]
    pub(crate) fn deliver_ways(&mut self) {
        for lane in &mut self.lanes {
            lane.deliver(usize::MAX);
        }
        self.inbox.try_iter().for_each(Envelope::deliver);
    }

    /// True if an envelope or a wake waits: a look at memory.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.is_empty())
            || !self.inbox.is_empty()
            || self.port.wakes.pending()
            || self.port.anteroom.is_pending()
            || self.port.room.is_made()
            || self.waiting.is_some()
    }

    /// Wakes the tasks that were woken from elsewhere, and delivers what was there when it was called: what arrives
    /// meanwhile waits for the next turn. The lane that came first comes last next time, because the first fills the mailboxes
    /// that have little room. A panic in a user's `Accepts::accept` ends that message, which is then a dead letter.
    pub fn deliver(&mut self, core: &Core) {
        self.deliver_lanes(core);
        self.deliver_inbox(core);
    }

    /// The first half of that: wakes, and what other cores have published. They go on meanwhile, so what is in the inbox when
    /// [the second](Arrivals::deliver_inbox) comes to that may have been sent later than what they publish now.
    pub fn deliver_lanes(&mut self, core: &Core) {
        if self.waiting.is_some() {
            self.deliver_inbox(core);
        }
        // What is owed to others is tried again before the next rest.
        self.port.room.take();
        // What was published before something came to wait is in a lane by now, or in the inbox.
        self.waiting = self.port.anteroom.take();
        for task in self.port.wakes.take() {
            core.wake_task(task);
        }
        let (count, first) = (self.lanes.len(), self.first);
        for at in (first..count).chain(0..first) {
            let lane = &mut self.lanes[at];
            if self.first == first && !lane.is_empty() {
                self.first = if at + 1 < count { at + 1 } else { 0 };
            }
            while core.contain(|| runtime(|| lane.deliver(usize::MAX))).is_none() {
                core.dead_letter(DeadReason::Failed, FAILED, None);
            }
        }
    }

    /// The second half: what is in the inbox, and those who had to wait for room.
    pub fn deliver_inbox(&mut self, core: &Core) {
        for _ in 0..self.inbox.len() {
            let Ok(envelope) = self.inbox.try_recv() else { break };
            if core.contain(|| runtime(|| envelope.deliver())).is_none() {
                core.dead_letter(DeadReason::Failed, FAILED, None);
            }
        }
        if let Some((waiting, last)) = self.waiting.take() {
            // What is sent from here on comes with a later call, and so behind. Those who are told now that theirs is in may send more:
            // they find the way free, and do not keep it shut among themselves.
            self.port.anteroom.pass(last);
            for waits in waiting {
                if core.contain(|| runtime(|| waits.deliver())).is_none() {
                    core.dead_letter(DeadReason::Failed, FAILED, None);
                }
            }
        }
    }

    /// Says that the core is about to sleep. Look at [`Arrivals::pending`] once more before it does.
    pub fn announce_sleep(&self) {
        self.port.sleep.announce();
    }

    /// Says that the core is awake.
    pub fn awake(&self) {
        self.port.sleep.awake();
    }
}

impl fmt::Debug for Arrivals {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Arrivals").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Drop for Arrivals {
    /// Drops what is in the inbox, and what waits in front of it: others may hold the way there for longer, and whoever has asked, or
    /// waits, is told.
    fn drop(&mut self) {
        for (waiting, last) in self.waiting.take().into_iter().chain(self.port.anteroom.take()) {
            self.port.anteroom.pass(last);
            waiting.into_iter().for_each(|waits| current::with(|core| drop_from(core, waits)));
        }
        while let Ok(envelope) = self.inbox.try_recv() {
            current::with(|core| drop_from(core, envelope));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::config::Config;
    use crate::driver::Waker;
    use crate::mem::Key;
    use crate::sys::Clock;

    const CELL: Key = Key { index: 7, generation: 0 };

    /// A core whose inbox is full; and the way into it, which keeps it so.
    fn full() -> (CoreId, Arc<Port>, Receiver<Envelope>) {
        let core = directory::reserve(1);
        let (inbox, envelopes) = crossbeam_channel::bounded(1);
        let port = Arc::new(Port::new(inbox, Waker::None, std::time::Duration::ZERO));
        directory::open(core, port.clone());
        port.inbox.try_send(Envelope::new(CELL, |_, ()| (), ())).expect("there is room for one");
        (core, port, envelopes)
    }

    fn core() -> Core {
        let mut config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        config.send_slots = [1, 0, 0, 0, 0];
        Core::new(directory::reserve(1), Rc::new(config), Clock::Monotonic, Links::new(CoreId(u32::MAX), []))
    }

    /// Sends another to somebody else when it is dropped, and panics.
    struct Echo(Option<CoreId>, Arc<()>);

    impl Drop for Echo {
        fn drop(&mut self) {
            if let Some(next) = self.0 {
                let echo = Echo(None, self.1.clone());
                current::with(|core| insist(core, RawAddress::new(next, CELL), arrive, echo));
                std::panic::resume_unwind(Box::new("as planned"));
            }
        }
    }

    fn arrive(_: Key, _: Echo) {}

    #[test]
    fn what_must_not_be_lost_waits_for_room_and_is_dropped_when_its_core_has_ended() {
        let (core, counted) = (core(), Arc::new(()));
        let [ends, stays] = [full(), full()];
        current::scope(&core, || {
            let echo = Echo(Some(stays.0), counted.clone());
            insist(Some(&core), RawAddress::new(ends.0, CELL), arrive, echo);
            core.links.publish(&core);
            assert!(core.links.has_overdue());
            directory::close(ends.0);
            core.links.publish(&core);
        });
        assert_eq!(Arc::strong_count(&counted), 2, "one is dropped, and another waits");
        assert_eq!(core.counters.panics.get(), 1);
        stays.2.recv().expect("what was there").deliver();
        core.links.publish(&core);
        assert!(!core.links.has_overdue());
        stays.2.recv().expect("what has waited").deliver();
        assert_eq!(Arc::strong_count(&counted), 1);
    }

    /// Waits in front of a core, and sends one more there when it is let in.
    struct Waiter(CoreId, Arc<()>);

    impl Patient for Waiter {
        fn is_closed(&self) -> bool {
            false
        }
    }

    fn arrive_waiter(_: Key, Waiter(core, counted): Waiter) {
        drop(post(None, RawAddress::new(core, CELL), arrive, Echo(None, counted)));
    }

    #[test]
    fn who_waits_in_front_of_an_inbox_keeps_messages_out_and_no_word_of_the_runtime() {
        let (here, counted) = (core(), Arc::new(()));
        let (at, port, envelopes) = full();
        let to = RawAddress::new(at, CELL);
        for _ in 0..2 {
            assert!(wait_for_way(None, to, arrive_waiter, Waiter(at, counted.clone())).is_ok());
        }
        envelopes.recv().expect("what was there").deliver();
        let refused = post(None, to, arrive, Echo(None, counted.clone()));
        assert!(matches!(refused, Err(Refused::Full(_))), "the inbox is empty, and others were there before");
        drop(refused);
        assert!(post_ahead(to, arrive, Echo(None, counted.clone())).is_ok());
        envelopes.recv().expect("what is not kept out").deliver();
        insist(None, to, arrive, Echo(None, counted.clone()));
        assert_eq!(Arc::strong_count(&counted), 4, "two wait, and one is in the inbox");
        // Both are let in, and the first who is finds room for one more.
        let mut arrivals = Arrivals::new(port, envelopes, Vec::new());
        current::scope(&here, || arrivals.deliver(&here));
        assert_eq!(Arc::strong_count(&counted), 2);
        directory::close(at);
    }

    #[test]
    fn what_is_for_a_core_that_has_ended_is_dropped_at_once() {
        let (core, counted) = (core(), Arc::new(()));
        let (gone, ..) = full();
        directory::close(gone);
        current::scope(&core, || {
            let echo = Echo(Some(gone), counted.clone());
            insist(Some(&core), RawAddress::new(gone, CELL), arrive, echo);
        });
        assert_eq!((Arc::strong_count(&counted), core.counters.drop_panics.get()), (1, 1));
    }

    #[test]
    fn an_inbox_is_emptied_when_its_core_ends_whoever_holds_the_way_into_it() {
        let (core, port, envelopes) = full();
        let counted = Arc::new(());
        envelopes.recv().expect("what was there").deliver();
        insist(None, RawAddress::new(core, CELL), arrive, Echo(None, counted.clone()));
        directory::close(core);
        drop(Arrivals::new(port.clone(), envelopes, Vec::new()));
        assert_eq!((Arc::strong_count(&counted), port.inbox.len()), (1, 0));
    }
}
