//! Actors that do the same work, and which of them does it next.
//!
//! Knows: addresses, whose turn it is, what was lent out. Must not know what the work is.

use std::fmt;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::sharded::place_of;
use super::{Actor, Addr};

/// Workers: actors of one kind, of which any will do. [`System::pool`](crate::System::pool) spawns them.
///
/// Whoever has work chooses one in turn, the one with the least to do, or the one that a key belongs to, and sends it what it likes
/// as to any address. A clone is another handle of the same pool, and may go anywhere. A worker that has ended stays in it, and
/// refuses.
///
/// ```
/// use odeon::prelude::*;
///
/// struct Worker(usize);
///
/// #[actor]
/// impl Worker {
///     #[call]
///     fn square(&mut self, number: u64) -> (usize, u64) {
///         (self.0, number * number)
///     }
/// }
///
/// let system = System::builder().cores(Cores::Count(2)).build()?;
/// let pool = system.pool(4, Worker)?;
/// assert_eq!(pool.next().square(3).wait(), Ok((0, 9)));
/// assert_eq!(pool.next().square(4).wait(), Ok((1, 16)));
///
/// // A worker that is busy is passed over, as long as what it was lent for is kept.
/// let third = pool.least_busy();
/// assert_eq!(third.square(5).wait(), Ok((2, 25)));
/// let fourth = pool.least_busy();
/// assert_eq!(fourth.square(6).wait(), Ok((3, 36)));
///
/// // What belongs together is done by one of them.
/// assert_eq!(pool.by_key("alice"), pool.by_key("alice"));
/// # Ok::<(), odeon::Error>(())
/// ```
pub struct Pool<A> {
    shared: Arc<Shared<A>>,
}

struct Shared<A> {
    workers: Box<[Worker<A>]>,
    turn: AtomicUsize,
}

struct Worker<A> {
    actor: Addr<A>,
    /// So often it is lent out now.
    busy: AtomicUsize,
}

/// A worker that counts as busy until this is dropped: with [`Pool::least_busy`]. It is used like its address. Move it into what waits
/// for the answer:
///
/// ```
/// # use odeon::prelude::*;
/// # use odeon::Pool;
/// # struct Worker;
/// # #[actor]
/// # impl Worker {
/// #     #[call]
/// #     fn square(&mut self, number: u64) -> u64 { number * number }
/// # }
/// struct Front(Pool<Worker>);
///
/// #[actor]
/// impl Front {
///     #[call]
///     fn square(&mut self, number: u64, reply: Reply<u64>, cx: &mut Context<Self>) {
///         let worker = self.0.least_busy();
///         worker.square(number).then(cx, move |_, square, _| {
///             drop(worker);
///             if let Ok(square) = square {
///                 reply.send(square);
///             }
///         });
///     }
/// }
/// # let system = System::builder().cores(Cores::Count(1)).build()?;
/// # let front = system.spawn(Front(system.pool(2, |_| Worker)?))?;
/// # assert_eq!(front.square(7).wait(), Ok(49));
/// # Ok::<(), odeon::Error>(())
/// ```
pub struct Busy<A> {
    actor: Addr<A>,
    place: usize,
    shared: Arc<Shared<A>>,
}

impl<A: Actor> Pool<A> {
    /// Of actors that are there already: [supervised](crate::System::supervise) ones, for instance, which are there again when they have failed.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn of(actors: impl IntoIterator<Item = Addr<A>>) -> Pool<A> {
        let workers = actors.into_iter().map(|actor| Worker { actor, busy: AtomicUsize::new(0) });
        let workers: Box<[Worker<A>]> = workers.collect();
        assert!(!workers.is_empty(), "work is for one of the actors, and there is none");
        Pool { shared: Arc::new(Shared { workers, turn: AtomicUsize::new(0) }) }
    }

    fn turn(&self) -> usize {
        // Relaxed: only spreads work over workers.
        self.shared.turn.fetch_add(1, Ordering::Relaxed) % self.len()
    }

    /// The next in turn, whoever asks.
    #[must_use]
    pub fn next(&self) -> Addr<A> {
        self.shared.workers[self.turn()].actor
    }

    /// The one that is lent out least often now, and of several such the next in turn. It counts as busy until what this answers is
    /// dropped. Only what was chosen in this way counts, by this handle or another of the same pool.
    ///
    /// One that has ended, or whose mailbox is full, is never busy for long, for it refuses at once: it is chosen again and again. So
    /// have the actors of a pool supervised, see [`Pool::of`], and keep a `Busy` whose actor was full until there is room somewhere.
    ///
    /// **Costs** a look at each of them.
    #[must_use]
    pub fn least_busy(&self) -> Busy<A> {
        let (workers, first) = (&self.shared.workers, self.turn());
        let places = (first..workers.len()).chain(0..first);
        // Relaxed: nothing else is seen by it; whoever looks at the same time may choose the same one.
        let busy = |place: &usize| workers[*place].busy.load(Ordering::Relaxed);
        let place = places.min_by_key(busy).unwrap_or(first);
        // Relaxed: as above.
        workers[place].busy.fetch_add(1, Ordering::Relaxed);
        Busy { actor: workers[place].actor, place, shared: Arc::clone(&self.shared) }
    }

    /// The one that a key belongs to: always the same one, as with [`Sharded::by_key`](crate::Sharded::by_key).
    pub fn by_key<K: Hash + ?Sized>(&self, key: &K) -> Addr<A> {
        self.shared.workers[place_of(key, self.len())].actor
    }

    /// All of them.
    pub fn each(&self) -> impl ExactSizeIterator<Item = Addr<A>> + '_ {
        self.shared.workers.iter().map(|worker| worker.actor)
    }

    /// How many there are: never none.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.shared.workers.len()
    }
}

impl<A> Deref for Busy<A> {
    type Target = Addr<A>;

    fn deref(&self) -> &Addr<A> {
        &self.actor
    }
}

impl<A> Drop for Busy<A> {
    fn drop(&mut self) {
        // Relaxed: whoever chooses next sees it soon enough.
        self.shared.workers[self.place].busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<A> Clone for Pool<A> {
    fn clone(&self) -> Pool<A> {
        Pool { shared: Arc::clone(&self.shared) }
    }
}

impl<A> fmt::Debug for Pool<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pool").field("workers", &self.shared.workers.len()).finish_non_exhaustive()
    }
}

impl<A> fmt::Debug for Busy<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Busy").field(&self.actor).finish()
    }
}
