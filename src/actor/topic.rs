//! Topics: one message for everybody who has subscribed to it.
//!
//! Knows: who subscribes, on which cores they are, what was published. Must not know how it is handed round there.
//!
//! A topic is plain state of whoever has it. On each core where it has subscribers there is a hub, a cell of the runtime, which it names
//! by its own number. What it sends to one core goes one way and keeps its order; a subscription that finds no room there is refused,
//! the end of one is kept here until there is room, and until then nothing else goes there. Publications carry their number: a
//! subscriber that gets one later than the next in turn has missed those between, wherever they were lost.
//!
//! What is sent to a core from one thread keeps its order, and nothing does that is sent from two: a topic that moves sends nothing but its
//! end until what has subscribed from elsewhere has arrived. Publications from before and after a move may come in another order, and
//! whoever gets the later one first has missed the other: its hub counts that, and does not end before it has come.

mod hub;
mod members;

use std::any::type_name;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{Message, Recipient};
use crate::executor::{
    Arrive, CoreId, DeadReason, Hubs, RawAddress, Refused, current, give_up, insist, post, tell,
};
use crate::mem::{Full, Key};
use hub::{arrive_end, arrive_join, arrive_leave, arrive_publication};

/// Says to a subscriber that it has missed publications of a [`Topic`]: its mailbox was full when they came, or there was no room
/// on their way. Comes before the next publication that it gets. A mailbox that drops something itself where it is full,
/// [`drop_newest` or `drop_oldest`](crate::manual::delivery), refuses nothing: what it has dropped, nobody is told of by this. See [`Topic::subscribe_with_lag`], and in the manual
/// [who falls behind](crate::manual::finding#who-falls-behind).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged {
    /// The name under which it has subscribed.
    pub id: u64,
    /// How many it has missed since it was last told.
    pub missed: u64,
}

impl Message for Lagged {
    type Reply = ();
}

/// Everybody who wants to be sent a message of one type, wherever they are. An actor has it in its state, subscribes others under
/// numbers of its own, and publishes.
///
/// ```
/// use odeon::prelude::*;
///
/// #[derive(Message, Clone)]
/// pub struct Said {
///     from: u64,
///     text: Bytes,
/// }
///
/// #[derive(Message)]
/// pub struct Join {
///     id: u64,
///     to: Recipient<Said>,
/// }
///
/// #[derive(Message)]
/// pub struct Leave {
///     id: u64,
/// }
///
/// #[derive(Default)]
/// pub struct Room {
///     members: Topic<Said>,
/// }
///
/// #[actor(pub, mailbox(capacity = 4096))]
/// impl Room {
///     #[message] fn join(&mut self, join: Join)     { self.members.subscribe(join.id, join.to) }
///     #[message] fn leave(&mut self, leave: Leave)  { self.members.unsubscribe(leave.id) }
///     #[message] fn said(&mut self, said: Said)     { self.members.publish(said) }
/// }
///
/// // A topic works in a unit test, too.
/// let (to, mut said) = odeon::testing::probe::<Said>();
/// let mut room = Room::default();
/// room.join(Join { id: 1, to });
/// room.said(Said { from: 2, text: Bytes::from("hello") });
/// room.leave(Leave { id: 1 });
/// room.said(Said { from: 2, text: Bytes::from("is anybody there?") });
/// assert_eq!(said.take().into_iter().map(|said| said.text).collect::<Vec<_>>(), ["hello"]);
/// ```
///
/// # What is promised
///
/// - **Order.** What is published comes to each subscriber in the order in which it was published. It is handed round by the core of
///   the subscriber, so it may come behind what the publisher told that one directly afterwards.
/// - **Who gets it.** Whoever had subscribed before, and had not unsubscribed before, unless it has no room.
/// - **Nobody waits.** [`publish`](Topic::publish) returns at once. A subscriber whose mailbox is full misses what is published, and
///   nobody else does. It can be [told how much](Topic::subscribe_with_lag), unless its mailbox itself drops what it has no room for. Each such loss is a counted dead letter; so is a
///   publication for which there was no room on the way to a core, once.
/// - **Bounds.** At most [`Config::topic_backlog_max`](crate::Config::topic_backlog_max) publications wait on each core to be handed round.
///   The actors of a core have at most [`Config::subscriptions_max`](crate::Config::subscriptions_max) subscriptions.
/// - **The end.** An actor that has ended is not subscribed any more, whether it says so or not. Where the topic is dropped, what was
///   published before is still delivered.
/// - **Moving.** A topic may be sent to another thread. What was published before that and what is published after keep no order between
///   them: who gets the later one first has missed the other, which is a dead letter, once for each core. As long as a subscription is on its way from the thread where the topic
///   was, there is no room on the way to that core.
///
/// **Costs** one message for each core where somebody has subscribed, and not one for each subscriber; on that core, one clone and one
/// place in a mailbox for each, and one clone more that is dropped where there is no such place for it. It is handed round as fast as an actor handles messages, and takes turns with other actors. Publications
/// that wait there go round together, up to 16 of them: each subscriber gets these in a row, and a connection writes them as one send.
/// No allocation to publish, once as many publications were under way before. On each core where somebody has subscribed a topic takes
/// up one actor of [`Config::actors_max`](crate::Config::actors_max), which the [`Ledger`](crate::Ledger) counts.
///
/// A clone runs on the core of the subscriber. One that panics is missed by the one that it was for.
pub struct Topic<M: Message> {
    /// None until somebody subscribes.
    open: Option<Open<M>>,
}

/// A topic that somebody has subscribed to.
struct Open<M: Message> {
    number: u64,
    members: BTreeMap<u64, Subscription>,
    ways: Vec<Way>,
    /// So many publications there were.
    published: u64,
    /// So many subscriptions there were.
    subscribed: u64,
    /// What hubs say of actors that have ended: each at most once, so it is bounded by those.
    forgotten: Receiver<Forgotten>,
    /// What they say it by.
    forget: Sender<Forgotten>,
    message: PhantomData<fn(M)>,
    /// Has a hub look whether the topic has ended.
    end: fn(CoreId, u64),
}

#[derive(Debug, Clone, Copy)]
struct Subscription {
    core: CoreId,
    /// Tells it from others of the same id.
    since: u64,
}

/// A core where there are subscribers.
struct Way {
    core: CoreId,
    members: usize,
    /// The number behind that of the last publication that has gone there, and how many have.
    sent: u64,
    publications: u64,
    /// Who has left, and at which publication, where there was no room to say so.
    leaving: Vec<Leave>,
    /// So many subscriptions have gone there, the last of them from this core, or from a thread that is none.
    joins: u64,
    joined_from: Option<CoreId>,
    shared: Arc<Shared>,
}

/// What a topic and its hub on one core know of each other, whatever overtakes what.
struct Shared {
    /// The number behind that of the last publication that has gone there, once the topic has ended; else none that there is.
    end: AtomicU64,
    /// So many publications have gone there, once the topic has ended.
    publications: AtomicU64,
    /// So many subscriptions have arrived.
    joins: AtomicU64,
}

impl Shared {
    fn new() -> Arc<Shared> {
        let [end, publications, joins] = [u64::MAX, 0, 0].map(AtomicU64::new);
        Arc::new(Shared { end, publications, joins })
    }

    fn end_at(&self, end: u64, publications: u64) {
        // Relaxed: read by whoever sees the end.
        self.publications.store(publications, Ordering::Relaxed);
        // Release: whoever sees it sees how many there were.
        self.end.store(end, Ordering::Release);
    }

    /// True if the topic has ended, and nothing comes from a number on, nor anything that this one has overtaken: so many have come.
    fn has_ended_at(&self, arrived: u64, publications: u64) -> bool {
        // Acquire: as above; then the count is read as it was stored before. Whoever is told of the end by a message sees both.
        self.end.load(Ordering::Acquire) <= arrived
            && self.publications.load(Ordering::Relaxed) <= publications
    }

    fn has_joined(&self) {
        // Release: whoever sees it sends behind what has arrived.
        self.joins.fetch_add(1, Ordering::Release);
    }

    fn have_joined(&self, joins: u64) -> bool {
        // Acquire: as above.
        self.joins.load(Ordering::Acquire) >= joins
    }
}

/// A subscription on its way.
struct Join<M: Message> {
    id: u64,
    since: u64,
    to: Recipient<M>,
    lagged: Option<Recipient<Lagged>>,
    /// The number of the publication that it is to get first, and how many have gone to its core before.
    next: u64,
    publications: u64,
    forgotten: Sender<Forgotten>,
    shared: Arc<Shared>,
}

/// The end of a subscription on its way, which others of the same id may overtake.
#[derive(Debug, Clone, Copy)]
struct Leave {
    id: u64,
    since: u64,
    /// The number of the first publication that it is not to get.
    until: u64,
}

/// An actor that had subscribed has ended, or there was no room for its subscription.
#[derive(Debug, Clone, Copy)]
struct Forgotten {
    id: u64,
    since: u64,
}

impl<M: Message + Clone + Send> Topic<M> {
    /// Nobody has subscribed. Takes no memory beside itself.
    #[must_use]
    pub fn new() -> Topic<M> {
        Topic { open: None }
    }

    /// From now on what is published is sent to `to` as well. An `id` that has subscribed already does so anew: what was published before
    /// still comes to whoever it was, and where that is the same actor, ahead of what comes by this subscription.
    ///
    /// Where there is no room for it on the way to its core, or as many have subscribed there as may, nothing comes of it: that
    /// is counted as a failure, and told on standard error. [`try_subscribe`](Topic::try_subscribe) tells the caller of the former.
    ///
    /// **Costs** one message to its core, and some 150 bytes.
    pub fn subscribe(&mut self, id: u64, to: Recipient<M>) {
        if self.join(id, to, None).is_err() {
            not_subscribed::<M>();
        }
    }

    /// The same, and `lagged` is told how many it has missed, before the next that it gets: usually another address of the same actor.
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// #[derive(Message, Clone)]
    /// struct Price(u64);
    ///
    /// #[derive(Message)]
    /// struct Watch {
    ///     id: u64,
    ///     price: Recipient<Price>,
    ///     lagged: Recipient<Lagged>,
    /// }
    ///
    /// #[derive(Default)]
    /// struct Market(Topic<Price>);
    ///
    /// #[actor]
    /// impl Market {
    ///     #[message]
    ///     fn watch(&mut self, watch: Watch) {
    ///         self.0.subscribe_with_lag(watch.id, watch.price, watch.lagged);
    ///     }
    ///
    ///     #[message]
    ///     fn price(&mut self, price: Price) {
    ///         self.0.publish(price);
    ///     }
    /// }
    ///
    /// struct Chart {
    ///     market: Addr<Market>,
    ///     prices: Vec<Option<u64>>,
    /// }
    ///
    /// #[actor(mailbox(capacity = 16))]
    /// impl Chart {
    ///     #[started]
    ///     fn watch(&mut self, cx: &mut Context<Self>) {
    ///         let watch = Watch { id: 7, price: cx.recipient(), lagged: cx.recipient() };
    ///         self.market.tell(watch).or_dead_letter();
    ///     }
    ///
    ///     #[message]
    ///     fn price(&mut self, Price(price): Price) {
    ///         self.prices.push(Some(price));
    ///     }
    ///
    ///     /// A gap in the curve.
    ///     #[message]
    ///     fn lagged(&mut self, _: Lagged) {
    ///         self.prices.push(None);
    ///     }
    /// }
    /// # let system = System::builder().cores(Cores::Count(2)).build()?;
    /// # let market = system.spawn(Market::default())?;
    /// # system.spawn(Chart { market, prices: Vec::new() })?;
    /// # Ok::<(), odeon::Error>(())
    /// ```
    pub fn subscribe_with_lag(&mut self, id: u64, to: Recipient<M>, lagged: Recipient<Lagged>) {
        if self.join(id, to, Some(lagged)).is_err() {
            not_subscribed::<M>();
        }
    }

    /// As [`subscribe`](Topic::subscribe), for a caller that wants to know.
    ///
    /// # Errors
    /// [`Full`] when there is no room for it on the way to its core; then the `id` has not subscribed.
    pub fn try_subscribe(&mut self, id: u64, to: Recipient<M>) -> Result<(), Full> {
        self.join(id, to, None)
    }

    /// As [`subscribe_with_lag`](Topic::subscribe_with_lag), for a caller that wants to know.
    ///
    /// # Errors
    /// As [`try_subscribe`](Topic::try_subscribe).
    pub fn try_subscribe_with_lag(
        &mut self,
        id: u64,
        to: Recipient<M>,
        lagged: Recipient<Lagged>,
    ) -> Result<(), Full> {
        self.join(id, to, Some(lagged))
    }

    fn join(&mut self, id: u64, to: Recipient<M>, lagged: Option<Recipient<Lagged>>) -> Result<(), Full> {
        let open = self.open.get_or_insert_with(Open::new);
        open.settle();
        open.leave(id);
        open.join(id, to, lagged)
    }

    /// Nothing that is published from now on is sent to whoever has subscribed under this number, if anybody has. What was published
    /// before still comes.
    pub fn unsubscribe(&mut self, id: u64) {
        if let Some(open) = &mut self.open {
            open.settle();
            open.leave(id);
        }
    }

    /// Sends a copy to everybody who has subscribed. Never waits, and runs no handler.
    pub fn publish(&mut self, message: M) {
        if let Some(open) = &mut self.open {
            open.settle();
            open.publish(message);
        }
    }

    /// How many have subscribed, as far as is known here. An actor that has ended stops counting when the topic is next used, to subscribe,
    /// unsubscribe or publish, after its core has found out; and that finds out when something published is handed round, if not before.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.members.len())
    }
}

impl<M: Message + Clone + Send> Open<M> {
    fn new() -> Open<M> {
        let (forget, forgotten) = unbounded();
        Open {
            number: Hubs::number(),
            members: BTreeMap::new(),
            ways: Vec::new(),
            published: 0,
            subscribed: 0,
            forgotten,
            forget,
            message: PhantomData,
            end: |core, number| {
                let hub = RawAddress::new(core, Key::from_bits(number));
                current::with(|from| insist(from, hub, arrive_end::<M>, ()));
            },
        }
    }

    /// Forgets those of whom cores say that they have ended.
    fn settle(&mut self) {
        while let Ok(Forgotten { id, since }) = self.forgotten.try_recv() {
            if self.members.get(&id).is_some_and(|member| member.since == since) {
                self.remove(id);
            }
        }
    }

    /// Answers by which way whoever it was has subscribed, and its [`Subscription::since`].
    fn remove(&mut self, id: u64) -> Option<(&mut Way, u64)> {
        let Subscription { core, since } = self.members.remove(&id)?;
        let way = self.ways.iter_mut().find(|way| way.core == core)?;
        way.members -= 1;
        Some((way, since))
    }

    fn join(&mut self, id: u64, to: Recipient<M>, lagged: Option<Recipient<Lagged>>) -> Result<(), Full> {
        let (core, number, next) = (to.raw().core(), self.number, self.published);
        let way = match self.ways.iter_mut().position(|way| way.core == core) {
            Some(index) => &mut self.ways[index],
            None => {
                self.ways.push(Way::new(core));
                self.ways.last_mut().expect("one was added")
            }
        };
        self.subscribed += 1;
        let since = self.subscribed;
        if !way.say_who_leaves::<M>(number) {
            return Err(Full);
        }
        let (forgotten, shared, publications) = (self.forget.clone(), way.shared.clone(), way.publications);
        let join = Join { id, since, to, lagged, next, publications, forgotten, shared };
        match hand(core, number, arrive_join::<M>, join) {
            Ok(()) => {
                (way.joins, way.joined_from) = (way.joins + 1, here());
                way.members += 1;
                self.members.insert(id, Subscription { core, since });
                Ok(())
            }
            Err(Refused::Full(_)) => Err(Full),
            // Its actor has ended as well.
            Err(Refused::Gone(_)) => Ok(()),
        }
    }

    fn leave(&mut self, id: u64) {
        let (number, until) = (self.number, self.published);
        if let Some((way, since)) = self.remove(id) {
            way.leaving.push(Leave { id, since, until });
            way.say_who_leaves::<M>(number);
        }
    }

    fn publish(&mut self, message: M) {
        let (at, number) = (self.published, self.number);
        self.published += 1;
        let mut message = Some(message);
        let Some(last) = self.ways.iter().rposition(|way| way.members > 0) else { return };
        for (index, way) in self.ways[..=last].iter_mut().enumerate().filter(|(_, way)| way.members > 0) {
            let copy = if index == last { message.take() } else { message.clone() };
            let Some(copy) = copy else { break };
            if !way.say_who_leaves::<M>(number) {
                give_up(DeadReason::Full, type_name::<M>());
                continue;
            }
            match hand(way.core, number, arrive_publication::<M>, (at, copy)) {
                Ok(()) => (way.sent, way.publications) = (at + 1, way.publications + 1),
                Err(Refused::Full(_)) => give_up(DeadReason::Full, type_name::<M>()),
                Err(Refused::Gone(_)) => {
                    give_up(DeadReason::Stopped, type_name::<M>());
                    way.members = 0;
                    self.members.retain(|_, member| member.core != way.core);
                }
            }
        }
    }
}

impl Way {
    fn new(core: CoreId) -> Way {
        Way {
            core,
            members: 0,
            sent: 0,
            publications: 0,
            leaving: Vec::new(),
            joins: 0,
            joined_from: None,
            shared: Shared::new(),
        }
    }

    /// Says who has left, where that has not been said. False if there is no room, or what goes there now could overtake a subscription.
    fn say_who_leaves<M: Message + Clone + Send>(&mut self, number: u64) -> bool {
        if self.joined_from != here() && !self.shared.have_joined(self.joins) {
            return false;
        }
        let hand_over = |leave: &Leave| {
            !matches!(hand(self.core, number, arrive_leave::<M>, *leave), Err(Refused::Full(_)))
        };
        let said = self.leaving.iter().take_while(|leave| hand_over(leave)).count();
        self.leaving.drain(..said);
        self.leaving.is_empty()
    }
}

/// The core of this thread, if it has one.
fn here() -> Option<CoreId> {
    current::with(|core| core.map(|core| core.id))
}

/// Hands something to the hub of a topic on a core: at once on this one, else in the order of everything that goes there.
fn hand<V: Send + 'static>(
    core: CoreId,
    number: u64,
    arrive: impl Arrive<V>,
    value: V,
) -> Result<(), Refused<V>> {
    let hub = RawAddress::new(core, Key::from_bits(number));
    let mut value = Some(value);
    current::at(core, |core| {
        if core.is_some()
            && let Some(value) = value.take()
        {
            arrive(hub.cell(), value);
        }
    });
    match value {
        None => Ok(()),
        Some(value) => current::with(|from| post(from, hub, arrive, value)),
    }
}

#[cold]
fn not_subscribed<M>() {
    let what = format_args!("has one subscriber less: the way to its core is full");
    current::with(|core| match core {
        Some(core) => core.report_failure(type_name::<M>(), what),
        None => tell(type_name::<M>(), what, 0),
    });
}

impl<M: Message> Drop for Open<M> {
    fn drop(&mut self) {
        for way in &self.ways {
            way.shared.end_at(way.sent, way.publications);
            (self.end)(way.core, self.number);
        }
    }
}

impl<M: Message + Clone + Send> Default for Topic<M> {
    fn default() -> Topic<M> {
        Topic::new()
    }
}

impl<M: Message> fmt::Debug for Topic<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subscribers = self.open.as_ref().map_or(0, |open| open.members.len());
        out.debug_struct("Topic").field("subscribers", &subscribers).finish_non_exhaustive()
    }
}
