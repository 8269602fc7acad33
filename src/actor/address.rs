//! Addresses: how actors are reached from anywhere.
//!
//! Knows: which actor, and how a message gets into its mailbox. Must not know what the actor does with it.

use std::any::type_name;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use super::ask::{Anyone, Ask};
use super::head::Head;
use super::send::{Offering, SendFuture, offer};
use super::{AcceptsLocal, Actor, Message, Priority, Reply, SendError, SendTo};
use crate::executor::current::Look;
use crate::executor::{Core, Demand, Matter, RawAddress, Refused, Visit, current, insist, post};
use crate::mem::{Key, aside};

/// Names an actor from anywhere in the process, other threads and other systems included. `Copy`, `Send`, 16 bytes; keeps
/// nothing alive, and never reaches another actor than the one it was made for. It may be kept for ever: once the actor has
/// ended, sending answers [`SendError::Stopped`].
///
/// ```
/// use odeon::prelude::*;
///
/// # #[derive(Message)] struct Print(&'static str);
/// # struct Printer;
/// # impl Actor for Printer {
/// #     type Message = Print;
/// #     fn handle(&mut self, _: Print, _: &mut Context<Self>) -> Flow { Flow::Continue }
/// # }
/// # impl Accepts<Print> for Printer { fn accept(message: Print) -> Print { message } }
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let printer: Addr<Printer> = system.spawn(Printer)?;
/// assert!(printer.tell(Print("page 1")).is_ok());
///
/// let anyone: Recipient<Print> = printer.recipient();
/// std::thread::spawn(move || anyone.tell(Print("page 2")).is_ok()).join().unwrap();
///
/// system.shutdown();
/// assert!(matches!(printer.tell(Print("page 3")), Err(SendError::Stopped(Print("page 3")))));
/// # Ok::<(), odeon::Error>(())
/// ```
pub struct Addr<A> {
    raw: RawAddress,
    actor: PhantomData<fn(A)>,
}

impl<A: Actor> Addr<A> {
    pub(crate) fn from_raw(raw: RawAddress) -> Addr<A> {
        Addr { raw, actor: PhantomData }
    }

    pub(crate) fn raw(self) -> RawAddress {
        self.raw
    }

    /// Sends a message; never waits.
    ///
    /// On the actor's own core `Ok` means that the message is in its mailbox. From another core it means that it is on its
    /// way; should the mailbox be full when it arrives there, it is counted among the dead letters.
    /// Messages of one [priority](Priority) from one actor to another arrive in the order in which they were sent.
    ///
    /// **Costs** no allocation, and no system call but one to wake a core that sleeps. To another core, a message of more
    /// than 112 bytes is boxed.
    ///
    /// # Errors
    /// Hands the message back: [`SendError::Full`] when the mailbox, or the lane to its core, has no room,
    /// [`SendError::Stopped`] when the actor has ended.
    #[inline]
    #[must_use = "a message that is not sent comes back; where it may be counted as a dead letter instead, `.or_dead_letter()` says so"]
    pub fn tell<M: SendTo<A>>(self, message: M) -> Result<(), SendError<M>> {
        tell::<A, M>(self.raw, message)
    }

    /// Sends a message, and waits for room in the mailbox, wherever the actor is. Whoever waits comes before those who begin to later, and
    /// before whoever does not wait. The message waits on the actor's core; the future may be polled by any runtime. When it is dropped,
    /// the message is withdrawn, unless it is in the mailbox already. There is no limit of time but
    /// [`timeout`](crate::time::timeout).
    ///
    /// What a mailbox without room does with a message that does not wait ([`Actor::MAILBOX_OVERFLOW`]) does not concern one that does;
    /// but where it drops the oldest, one that does not wait takes its place at once.
    ///
    /// An asynchronous handler that borrows its actor keeps that from handling anything: should it wait for somebody who waits for that actor
    /// in turn, it waits until its time is over: such circles are [not found](crate::manual::asking#waiting-for-one-another), as those of questions are.
    ///
    /// **Costs** no allocation where there is room on the same core; else two, and a message to the actor's core. Where the way there is
    /// full, three, and a lock.
    ///
    /// # Errors
    /// [`SendError::Stopped`], with the message, when the actor has ended before it was in the mailbox. Never [`SendError::Full`].
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// #[derive(Message)]
    /// struct Row(u64);
    ///
    /// #[derive(Default)]
    /// struct Table(u64);
    ///
    /// #[actor(mailbox(capacity = 4))]
    /// impl Table {
    ///     #[message]
    ///     fn row(&mut self, Row(row): Row) {
    ///         self.0 += row;
    ///     }
    ///
    ///     #[call]
    ///     fn sum(&self) -> u64 {
    ///         self.0
    ///     }
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(2)).build()?;
    /// let table = system.spawn_on(0, Table::default())?;
    /// let import = system.spawn_task(1, move || async move {
    ///     for row in 0..1000 {
    ///         table.send(Row(row)).await?;
    ///     }
    ///     Ok::<(), SendError<Row>>(())
    /// })?;
    /// assert!(import.wait()?.is_ok());
    /// assert_eq!(table.sum().wait()?, 499_500);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send<M: SendTo<A>>(self, message: M) -> SendFuture<M> {
        SendFuture::new(self.raw, offer::<A, M>, message)
    }

    /// A reference that hides the type of the actor.
    #[must_use]
    pub fn recipient<M: SendTo<A>>(self) -> Recipient<M> {
        const { assert!(size_of::<Recipient<M>>() == 24) };
        Recipient { raw: self.raw, verbs: &OfActor::<A, M>::VERBS }
    }

    /// Stops the actor after the message that it handles now, ahead of those in its mailbox; [`drain`](Addr::drain) comes behind them. A connection stops once the
    /// frames that have been read are handled. Does nothing if it has ended.
    ///
    /// Never lost: a thread outside of the system waits while the inbox of the actor's core is full.
    pub fn stop(self) {
        demand(self.raw, Demand::Stop);
    }

    /// Ends the actor as soon as its core gets to it; output that is queued on its connection is dropped. Does nothing if
    /// it has ended.
    pub fn abort(self) {
        demand(self.raw, Demand::Abort);
    }
}

/// Can be sent an `M`, whoever it is. `Copy`, `Send`, 24 bytes. Made by [`Addr::recipient`] or
/// [`Context::recipient`](super::Context::recipient).
pub struct Recipient<M: Message> {
    raw: RawAddress,
    verbs: &'static Verbs<M>,
}

/// What can be done with a receiver whose type is hidden: an indirect call per message is the price of that (R6).
pub struct Verbs<M: Message> {
    tell: fn(RawAddress, M) -> Result<(), SendError<M>>,
    pub(super) ask_here: fn(&Core, Key, M, Reply<M::Reply>),
    pub(super) offer: fn(RawAddress, M) -> Offering<M>,
}

struct OfActor<A, M>(PhantomData<(A, M)>);

impl<A: Actor, M: SendTo<A>> OfActor<A, M> {
    const VERBS: Verbs<M> = Verbs { tell: tell::<A, M>, ask_here: M::ask_here, offer: offer::<A, M> };
}

impl<M: Message> Recipient<M> {
    pub(super) fn raw(self) -> RawAddress {
        self.raw
    }

    /// Sends a message, like [`Addr::tell`].
    ///
    /// # Errors
    /// As [`Addr::tell`].
    pub fn tell(self, message: M) -> Result<(), SendError<M>> {
        (self.verbs.tell)(self.raw, message)
    }

    /// Sends a message, and waits for room, like [`Addr::send`].
    pub fn send(self, message: M) -> SendFuture<M> {
        SendFuture::new(self.raw, self.verbs.offer, message)
    }

    /// Describes a question, like [`Addr::ask`].
    ///
    /// ```
    /// use odeon::prelude::*;
    ///
    /// #[derive(Message)]
    /// #[message(reply = usize)]
    /// struct Measure(String);
    ///
    /// struct Ruler;
    ///
    /// #[actor]
    /// impl Ruler {
    ///     #[message]
    ///     fn measure(&mut self, Measure(word): Measure) -> usize {
    ///         word.len()
    ///     }
    /// }
    ///
    /// let system = System::builder().cores(Cores::Count(1)).build()?;
    /// let anyone: Recipient<Measure> = system.spawn(Ruler)?.recipient();
    /// assert_eq!(anyone.ask(Measure("odeon".to_owned())).wait(), Ok(5));
    /// # Ok::<(), odeon::Error>(())
    /// ```
    pub fn ask(self, message: M) -> Ask<Anyone, M>
    where
        M: Send,
    {
        Ask::new(self.raw, self.verbs, message)
    }
}

#[inline]
fn tell<A: Actor, M: SendTo<A>>(raw: RawAddress, message: M) -> Result<(), SendError<M>> {
    current::with_value::<Tell<A>, _>((raw, message))
}

struct Tell<A>(PhantomData<A>);

impl<A: Actor, M: SendTo<A>> Look<(RawAddress, M)> for Tell<A> {
    type Result = Result<(), SendError<M>>;

    #[inline(always)]
    fn look(from: Option<&Core>, (raw, message): (RawAddress, M)) -> Self::Result {
        match from {
            Some(core) if core.id == raw.core() => tell_here::<A, M>(core, raw.cell(), message),
            from => tell_there::<A, M>(from, raw, message),
        }
    }
}

#[inline(always)]
fn tell_there<A: Actor, M: SendTo<A>>(
    from: Option<&Core>,
    raw: RawAddress,
    message: M,
) -> Result<(), SendError<M>> {
    post(from, raw, arrive::<A, M>, message).map_err(|refused| match refused {
        Refused::Full(message) => SendError::Full(message),
        Refused::Gone(message) => SendError::Stopped(message),
    })
}

#[inline(always)]
fn tell_here<A: Actor, M: SendTo<A>>(core: &Core, cell: Key, message: M) -> Result<(), SendError<M>> {
    put_here::<A, M>(core, cell, message, M::PRIORITY, M::accepted)
}

/// Puts something into the mailbox of an actor of this core. `wrap`, which is code of a user, runs only if there is room.
#[inline(always)]
pub(super) fn put_here<A: Actor, V>(
    core: &Core,
    cell: Key,
    value: V,
    priority: Priority,
    wrap: impl FnOnce(V) -> A::Message,
) -> Result<(), SendError<V>> {
    let put = Put { core, cell, priority, wrap, actor: PhantomData::<A> };
    match core.cells.reach_with(cell, value, put) {
        Ok(put) => put,
        Err(value) => Err(SendError::Stopped(value)),
    }
}

/// Puts a value into a mailbox.
struct Put<'a, A, W> {
    core: &'a Core,
    cell: Key,
    priority: Priority,
    wrap: W,
    actor: PhantomData<A>,
}

impl<A: Actor, V, W: FnOnce(V) -> A::Message> Visit<Head<A>, V> for Put<'_, A, W> {
    type Result = Result<(), SendError<V>>;

    #[inline(always)]
    fn visit(self, head: &Head<A>, value: V) -> Self::Result {
        head.push(self.core, self.cell, value, self.priority, self.wrap)
    }
}

/// Sends to an actor of the calling core, whatever is sent.
pub(super) fn tell_local<A: AcceptsLocal<M>, M: Message>(
    raw: RawAddress,
    message: M,
) -> Result<(), SendError<M>> {
    current::at(raw.core(), |core| match core {
        Some(core) => put_here::<A, M>(core, raw.cell(), message, A::PRIORITY, A::accept),
        None => Err(SendError::Stopped(message)),
    })
}

/// A message arrives from another core or thread. What the mailbox refuses is a dead letter.
fn arrive<A: Actor, M: SendTo<A>>(cell: Key, message: M) {
    current::with_value::<Arriving<A>, _>((cell, message));
}

struct Arriving<A>(PhantomData<A>);

impl<A: Actor, M: SendTo<A>> Look<(Key, M)> for Arriving<A> {
    type Result = ();

    #[inline(always)]
    fn look(core: Option<&Core>, (cell, message): (Key, M)) {
        let Some(core) = core else { return };
        if let Err(error) = tell_here::<A, M>(core, cell, message) {
            refuse::<A, M>(core, aside(error));
        }
    }
}

#[cold]
fn refuse<A: Actor, M>(core: &Core, error: SendError<M>) {
    core.dead_letter(error.reason(), type_name::<M>(), Some(type_name::<A>()));
    if matches!(error, SendError::Full(_)) {
        let what = format_args!(
            "has no room for a message that was on its way to it: its mailbox holds {} (Actor::MAILBOX_CAPACITY, mailbox(capacity = …)), and \
             no more bytes than Actor::MAILBOX_BYTES; all of a core, Config::mailbox_bytes_max",
            A::MAILBOX_CAPACITY
        );
        core.report(Matter::Mailbox, type_name::<A>(), what);
    }
    core.drop_contained(error);
}

/// Asks something of a cell of any core. Never lost.
pub(super) fn demand(raw: RawAddress, demand: Demand) {
    current::with(|core| match core {
        Some(core) if core.id == raw.core() => {
            core.demand(raw.cell(), demand);
        }
        // Each has a function of its own: of what waits for room, the same function for the same cell is called once.
        from => match demand {
            Demand::Stop => insist(from, raw, |cell, ()| arrive_demand(cell, Demand::Stop), ()),
            Demand::EndLink => insist(from, raw, |cell, ()| arrive_demand(cell, Demand::EndLink), ()),
            Demand::Halt => insist(from, raw, |cell, ()| arrive_demand(cell, Demand::Halt), ()),
            Demand::GiveUp => insist(from, raw, |cell, ()| arrive_demand(cell, Demand::GiveUp), ()),
            // A mailbox has no room, or a panic was, on the core of the cell itself.
            Demand::Abort | Demand::Broken | Demand::Overflow => {
                insist(from, raw, |cell, ()| arrive_demand(cell, Demand::Abort), ())
            }
        },
    });
}

/// Ends a cell of any core at once, because the system ends. Never lost.
pub(super) fn cut_off(raw: RawAddress) {
    current::with(|core| match core {
        Some(core) if core.id == raw.core() => arrive_cut_off(raw.cell()),
        from => insist(from, raw, |cell, ()| arrive_cut_off(cell), ()),
    });
}

/// This core may not have heard yet that what is left is cut off.
fn arrive_cut_off(cell: Key) {
    current::with(|core| {
        core.map(|core| {
            core.note_cut_off(cell);
            core.demand(cell, Demand::Abort)
        })
    });
}

fn arrive_demand(cell: Key, demand: Demand) {
    current::with(|core| core.is_some_and(|core| core.demand(cell, demand)));
}

impl<A> Clone for Addr<A> {
    fn clone(&self) -> Addr<A> {
        *self
    }
}

impl<A> Copy for Addr<A> {}

impl<A> PartialEq for Addr<A> {
    fn eq(&self, other: &Addr<A>) -> bool {
        self.raw == other.raw
    }
}

impl<A> Eq for Addr<A> {}

impl<A> Hash for Addr<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.raw.hash(state);
    }
}

impl<A> fmt::Debug for Addr<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (core, cell) = (self.raw.core(), self.raw.cell());
        write!(out, "Addr({}:{}:{})", core.0, cell.index, cell.generation)
    }
}

impl<M: Message> Clone for Recipient<M> {
    fn clone(&self) -> Recipient<M> {
        *self
    }
}

impl<M: Message> Copy for Recipient<M> {}

impl<M: Message> fmt::Debug for Recipient<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (core, cell) = (self.raw.core(), self.raw.cell());
        write!(out, "Recipient({}:{}:{})", core.0, cell.index, cell.generation)
    }
}

const _: () = assert!(size_of::<Addr<()>>() == 16);
