//! Waiting for a time, in futures on a core.
//!
//! Knows: deadlines. Must not know who waits, nor what for.
//!
//! ```
//! use std::time::Duration;
//! use odeon::prelude::*;
//! use odeon::time::{sleep, timeout};
//!
//! let system = System::builder().cores(Cores::Count(1)).build()?;
//! let waited = system.spawn_task(0, || async {
//!     sleep(Duration::from_millis(1)).await;
//!     timeout(Duration::from_millis(1), std::future::pending::<()>()).await
//! })?;
//! assert!(waited.wait().unwrap().is_err(), "what never ends does not end in time");
//! # Ok::<(), odeon::Error>(())
//! ```

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use pin_project_lite::pin_project;

pub use crate::sys::Time;

use crate::executor::{Sleeping, current};

/// The time: of the core that runs this thread, as it was read last, or of the machine. The monotonic clock, or the virtual one of
/// a simulation.
#[must_use]
pub fn now() -> Time {
    current::with(|core| core.map_or_else(crate::sys::now, |core| core.now()))
}

/// The time as it is: a turn may have begun a while ago.
fn fresh() -> Time {
    current::with(|core| core.map_or_else(crate::sys::now, |core| core.read_clock()))
}

/// Waits for so long. See [`sleep_until`].
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(fresh().after(duration))
}

/// Waits until `deadline`: a future to be polled on a core. A deadline that has passed is there at once, [`Time::MAX`] never.
///
/// It is never early. It is late by less than 66 µs, which timers do not tell apart, and by what its core has to do first: the rest of
/// its turn (`Config::turn_time`), a handler that takes longer, and up to about 50 µs until the kernel wakes a core that sleeps.
/// However many sleep, none is forgotten: where there are as many timers as `Config::timers_max` allows, a deadline stands in an
/// ordered list instead, and comes as exactly.
///
/// **Costs** a timer from the first poll on, until it is over or dropped: setting it and taking it back takes the same time
/// however many there are, no allocation once there were as many before, and no system call. In that list it takes a search and an
/// allocation now and then. On a thread that runs no core, nobody wakes it.
pub fn sleep_until(deadline: Time) -> Sleep {
    Sleep { sleeping: Sleeping::until(deadline) }
}

/// See [`sleep_until`].
#[derive(Debug)]
#[must_use = "nobody sleeps until this is awaited"]
pub struct Sleep {
    sleeping: Sleeping,
}

impl Sleep {
    /// When it is over.
    #[must_use]
    pub fn deadline(&self) -> Time {
        self.sleeping.deadline()
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleeping.poll(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Waits for `future`, but no longer than `duration`.
///
/// A question to an actor is asked at once. It keeps its own limit beside this one, and [`Ask::timeout`](crate::Ask::timeout) sets that
/// without a second timer: `store.get(key).timeout(duration).await`.
///
/// ```
/// use std::time::Duration;
/// use odeon::prelude::*;
/// use odeon::time::timeout;
///
/// struct Store;
///
/// #[actor]
/// impl Store {
///     #[call]
///     fn get(&self, key: String) -> usize {
///         key.len()
///     }
/// }
///
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let store = system.spawn(Store)?;
/// let got = system.spawn_task(0, move || timeout(Duration::from_secs(1), store.get("word".to_owned())))?;
/// assert_eq!(got.wait(), Ok(Ok(Ok(4))));
/// # Ok::<(), odeon::Error>(())
/// ```
///
/// Where a connection is served, `?` makes an [`io::Error`] of it that says [`TimedOut`](io::ErrorKind::TimedOut):
///
/// ```
/// use std::io::ErrorKind;
/// use std::net::TcpListener;
/// use std::time::Duration;
/// use odeon::prelude::*;
/// use odeon::time::timeout;
///
/// async fn first_line(mut stream: Stream) -> std::io::Result<Option<String>> {
///     timeout(Duration::from_millis(1), stream.read_line(80)).await?
/// }
///
/// let silent = TcpListener::bind("127.0.0.1:0")?;
/// let address = silent.local_addr()?;
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let line = system.spawn_task(0, move || async move { first_line(odeon::connect(address).await?).await })?;
/// assert_eq!(line.wait().unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timed<F::IntoFuture> {
    timeout_at(fresh().after(duration), future)
}

/// Waits for `future`, but no longer than until `deadline`. **Costs** as [`sleep_until`], if the future does not finish at once.
pub fn timeout_at<F: IntoFuture>(deadline: Time, future: F) -> Timed<F::IntoFuture> {
    Timed { future: future.into_future(), sleep: sleep_until(deadline) }
}

pin_project! {
    /// See [`timeout`].
    #[derive(Debug)]
    #[must_use = "nothing happens until this is awaited"]
    pub struct Timed<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

/// A future has not finished in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a future has not finished in time")
    }
}

impl std::error::Error for Elapsed {}

/// As [`ErrorKind::TimedOut`](io::ErrorKind::TimedOut), so that `?` works where a connection is served.
impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}

impl<F: Future> Future for Timed<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(value) = this.future.poll(cx) {
            return Poll::Ready(Ok(value));
        }
        Pin::new(this.sleep).poll(cx).map(|()| Err(Elapsed(())))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::config::Config;
    use crate::executor::{Core, CoreId, Links};
    use crate::sys::Clock;

    #[test]
    fn what_begins_late_in_a_turn_counts_from_then() {
        const SHORT: Duration = Duration::from_millis(10);
        let now = Rc::new(Cell::new(Time(0)));
        let config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        let clock = Clock::Virtual(now.clone());
        let core = Core::new(CoreId(0), Rc::new(config), clock, Links::new(CoreId(0), []));
        current::scope(&core, || {
            for seconds in [1, 2] {
                // Handlers see the time of the turn, and that has taken so long already.
                now.set(Time(0).after(Duration::from_secs(seconds)));
                let due = now.get().after(SHORT);
                let begun = if seconds == 1 { sleep(SHORT) } else { timeout(SHORT, async {}).sleep };
                assert_eq!(begun.deadline(), due);
            }
        });
    }
}
