//! What an actor has begun and not finished: an answer that it waits for, a future that it polls.
//!
//! Knows: how a future is polled on behalf of a cell, and how it borrows the state of that cell. Must not know what actors do.
//!
//! Invariants:
//! 1. A task lives in the table of its core, and is dropped before the cell that owns it is freed: [`Core::begin_exclusive`] puts
//!    the future that it makes there itself, and hands it to nobody.
//! 2. A [`Loan`] is made within such a future only, while its cell exists, and from a `RefCell` that lies in that cell.
#![allow(unsafe_code)]

use std::cell::{RefCell, RefMut};
use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::blame::{runtime, user};
use super::core::Core;
use super::current;
use super::flow::Flow;
use super::reports::Cause;
use super::task_answer::AskError;
use super::task_block::{AnyTask, Polled};
use super::tasks::{Kind, Limit, Taken};
use super::waker::WakeHandle;
use crate::mem::{Full, Key};

pin_project! {
    /// A future that is polled on behalf of a cell.
    struct Running<F> {
        name: &'static str,
        handle: Option<Arc<WakeHandle>>,
        waker: Option<Waker>,
        #[pin]
        future: F,
    }
}

impl<F: Future<Output = Flow> + 'static> Polled for Running<F> {
    fn poll(self: Pin<&mut Self>, core: &Core, me: Key) -> Poll<Flow> {
        let this = self.project();
        let waker = this.waker.get_or_insert_with(|| {
            let handle = this.handle.insert(core.wake_handle(me));
            Waker::from(Arc::clone(handle))
        });
        let polled = user(|| this.future.poll(&mut Context::from_waker(waker)));
        if polled.is_ready() {
            *this.waker = None;
            if let Some(handle) = this.handle.take() {
                core.keep_wake_handle(handle);
            }
        }
        polled
    }

    fn name(&self) -> &'static str {
        self.name
    }
}

/// How far a task came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// It goes on when it is woken.
    Pending,
    /// It has finished.
    Done(Flow),
    /// It panicked, and is gone.
    Panicked,
}

impl Core {
    /// Polls a future that was taken, and gives it back or ends it.
    pub(crate) fn run_task(&self, cell: Key, mut taken: Taken) -> Ran {
        let (key, exclusive) = (taken.key, taken.kind == Kind::Exclusive);
        if exclusive {
            self.begin_exclusive_poll(cell);
        }
        let polled = self.contain(|| runtime(|| taken.task.poll(self, key)));
        if exclusive {
            self.end_exclusive_poll();
        }
        match polled {
            Some(Poll::Pending) => {
                self.keep_task(cell, taken);
                Ran::Pending
            }
            Some(Poll::Ready(flow)) => {
                self.finish_task(cell, taken);
                Ran::Done(flow)
            }
            None => {
                self.expect_end(Cause::Panic(taken.task.name()));
                self.unanswered_because(AskError::Panicked, || self.finish_task(cell, taken));
                Ran::Panicked
            }
        }
    }

    /// Has a cell poll a future. `Err` when the core has as many tasks as it may.
    pub(crate) fn begin_future<F>(
        &self,
        owner: Key,
        limit: Limit,
        name: &'static str,
        future: F,
    ) -> Result<Key, Full>
    where
        F: Future<Output = Flow> + 'static,
    {
        self.begin_running(owner, Kind::Future, limit, name, future)
    }

    /// Has a cell poll what `run` makes of its state, and handle nothing else meanwhile. `pick` finds the state in the cell's
    /// head. `Err` when the core has as many tasks as it may.
    pub(crate) fn begin_exclusive<H, S, F>(
        &self,
        owner: Key,
        limit: Limit,
        name: &'static str,
        pick: fn(&H) -> &RefCell<Option<S>>,
        run: F,
    ) -> Result<Key, Full>
    where
        H: 'static,
        S: 'static,
        F: AsyncFnOnce(&mut S) -> Flow + 'static,
    {
        let future = async move {
            match Loan::of(owner, pick) {
                Some(mut loan) => run(&mut loan.0).await,
                None => Flow::Continue,
            }
        };
        self.begin_running(owner, Kind::Exclusive, limit, name, future)
    }

    /// The same of any kind of future: as a [`Kind::Source`] it has the cell handle messages, one after the other.
    pub(crate) fn begin_running<F>(
        &self,
        owner: Key,
        kind: Kind,
        limit: Limit,
        name: &'static str,
        future: F,
    ) -> Result<Key, Full>
    where
        F: Future<Output = Flow> + 'static,
    {
        let running = Running { name, handle: None, waker: None, future };
        let begun = self.begin(Some(owner), AnyTask::polled(self.cells.blocks(), running), kind, limit);
        let (key, _) = begun.map_err(|task| {
            self.drop_contained(task);
            Full
        })?;
        self.wake_task(key);
        Ok(key)
    }
}

/// The state of a cell, borrowed by a future of that cell from one poll to the next.
struct Loan<S: 'static>(RefMut<'static, S>);

impl<S: 'static> Loan<S> {
    /// None if the state is gone, or borrowed by somebody else.
    fn of<H: 'static>(owner: Key, pick: fn(&H) -> &RefCell<Option<S>>) -> Option<Loan<S>> {
        current::with(|core| {
            let state: *const RefCell<Option<S>> =
                core?.cells.find(owner, |head: &H| ptr::from_ref(pick(head)))?;
            // SAFETY: lies in the cell's head, which is not freed before the future that asks for this is dropped (invariants 1
            // and 2), and which does not move.
            let state = unsafe { &*state };
            RefMut::filter_map(state.try_borrow_mut().ok()?, Option::as_mut).ok().map(Loan)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::rc::Rc;

    use super::*;
    use crate::config::Config;
    use crate::executor::{Activation, Body, CoreId, Errand, Links, Outcome};
    use crate::sys::{Clock, Time};

    /// State that futures may borrow.
    type Head = RefCell<Option<String>>;

    /// Runs one task each time.
    struct Runs(Rc<RefCell<Vec<Ran>>>);

    impl Body<Head> for Runs {
        fn activate(&self, _: &Head, activation: &Activation<'_>) -> Outcome {
            let errand = activation.core.next_errand(activation.cell());
            let Some(Errand::Future(taken)) = errand else { return Outcome::Rest };
            let ran = activation.core.run_task(activation.cell(), taken);
            self.0.borrow_mut().push(ran);
            match ran {
                Ran::Done(Flow::Stop) => Outcome::Ended,
                _ => Outcome::Again,
            }
        }
    }

    struct Bench {
        core: Core,
        ran: Rc<RefCell<Vec<Ran>>>,
    }

    fn bench() -> Bench {
        let mut config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        config.send_slots = [1, 0, 0, 0, 0];
        let clock = Clock::Virtual(Rc::new(Cell::new(Time::ZERO)));
        let core = Core::new(CoreId(0), Rc::new(config), clock, Links::new(CoreId(0), []));
        Bench { core, ran: Rc::default() }
    }

    impl Bench {
        fn owner(&self) -> Key {
            let state = RefCell::new(Some(String::from("one")));
            self.core.spawn(state, Runs(self.ran.clone())).ok().expect("there is room")
        }

        fn run(&self) -> Vec<Ran> {
            current::scope(&self.core, || while self.core.run_next() {});
            self.ran.take()
        }

        fn state(&self, owner: Key) -> Option<String> {
            self.core.cells.find(owner, |head: &Head| head.try_borrow().ok()?.clone()).flatten()
        }

        fn exclusive(&self, owner: Key, run: impl AsyncFnOnce(&mut String) -> Flow + 'static) {
            let begun = self.core.begin_exclusive(owner, Limit::Never, "exclusive", |head: &Head| head, run);
            begun.expect("there is room");
        }
    }

    /// Ready the second time, and woken or not.
    async fn once(wake: bool) {
        let mut polled = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut polled, true) {
                return Poll::Ready(());
            }
            if wake {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
    }

    #[test]
    fn a_future_is_polled_when_it_is_woken_also_by_itself() {
        let bench = bench();
        let owner = bench.owner();
        let key = bench.core.begin_future(owner, Limit::Never, "future", async {
            once(true).await;
            once(false).await;
            Flow::Continue
        });
        assert_eq!(bench.run(), [Ran::Pending, Ran::Pending]);
        assert_eq!(bench.run(), []);
        bench.core.wake_task(key.unwrap());
        assert_eq!(bench.run(), [Ran::Done(Flow::Continue)]);
        bench.core.wake_task(key.unwrap());
        assert_eq!((bench.run(), bench.core.tasks.live()), (vec![], 0));
    }

    #[test]
    fn the_handle_of_a_future_goes_to_the_next_unless_somebody_keeps_it() {
        let bench = bench();
        let owner = bench.owner();
        let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
        for keeps in [false, false, true, false] {
            let kept = wakers.clone();
            let future = poll_fn(move |cx| {
                if keeps {
                    kept.borrow_mut().push(cx.waker().clone());
                }
                Poll::Ready(Flow::Continue)
            });
            bench.core.begin_future(owner, Limit::Never, "future", future).unwrap();
            assert_eq!(bench.run().len(), 1);
        }
        // The one that is kept wakes nobody any more, whoever has its place.
        let polls = Rc::new(Cell::new(0));
        let counted = polls.clone();
        let waits = poll_fn(move |_| {
            counted.set(counted.get() + 1);
            Poll::Pending
        });
        bench.core.begin_future(owner, Limit::Never, "future", waits).unwrap();
        bench.run();
        current::scope(&bench.core, || wakers.take().into_iter().for_each(Waker::wake));
        bench.run();
        assert_eq!(polls.get(), 1);
        bench.core.end_tasks(owner);
    }

    #[test]
    fn a_future_that_panics_is_gone() {
        let bench = bench();
        let owner = bench.owner();
        let shared = Rc::new(());
        for late in [false, true] {
            let held = shared.clone();
            let future = async move {
                let _held = held;
                if late {
                    once(true).await;
                }
                std::panic::resume_unwind(Box::new("as planned"))
            };
            bench.core.begin_future(owner, Limit::Never, "future", future).unwrap();
            assert_eq!(bench.run().last(), Some(&Ran::Panicked));
            assert_eq!((Rc::strong_count(&shared), bench.core.tasks.live()), (1, 0));
        }
        assert_eq!(bench.core.counters.panics.get(), 2);
    }

    #[test]
    fn state_is_borrowed_from_one_poll_to_the_next_and_given_back() {
        let bench = bench();
        let owner = bench.owner();
        bench.exclusive(owner, async |state: &mut String| {
            state.push_str(" two");
            once(true).await;
            state.push_str(" three");
            once(false).await;
            Flow::Continue
        });
        assert_eq!(bench.run(), [Ran::Pending, Ran::Pending]);
        assert!(bench.core.cells.is_suspended(owner));
        assert_eq!(bench.state(owner), None, "it is borrowed");
        bench.core.end_tasks(owner);
        assert_eq!(bench.state(owner).as_deref(), Some("one two three"));
        // By one that panics, and one that ends its cell, in whose memory the state lies.
        bench.exclusive(owner, async |state: &mut String| {
            once(true).await;
            state.clear();
            std::panic::resume_unwind(Box::new("as planned"))
        });
        assert_eq!(bench.run(), [Ran::Pending, Ran::Panicked]);
        assert_eq!(bench.state(owner).as_deref(), Some(""));
        bench.exclusive(owner, async |state: &mut String| {
            once(true).await;
            state.push_str("end");
            Flow::Stop
        });
        assert_eq!(bench.run(), [Ran::Pending, Ran::Done(Flow::Stop)]);
        assert_eq!((bench.state(owner), bench.core.cells.live()), (None, 0));
    }

    #[test]
    fn a_cell_that_ends_drops_what_has_borrowed_its_state_first() {
        for forgotten in [false, true] {
            let bench = bench();
            let owner = bench.owner();
            bench.exclusive(owner, async |state: &mut String| {
                let text = state.as_str();
                once(false).await;
                assert_eq!(text, "never", "it is not polled again");
                Flow::Continue
            });
            assert_eq!(bench.run(), [Ran::Pending]);
            if !forgotten {
                // As a core does whose actor has ended.
                bench.core.close_desk(owner);
                assert!(!bench.core.cells.remove(owner));
            }
            // And as one does that is dropped with everything.
            drop(bench);
        }
    }

    #[test]
    fn state_that_is_gone_or_borrowed_is_not_borrowed_again() {
        let bench = bench();
        let owner = bench.owner();
        bench.core.cells.find(owner, |head: &Head| drop(head.borrow_mut().take()));
        bench.exclusive(owner, async |_: &mut String| unreachable!("there is none"));
        assert_eq!(bench.run(), [Ran::Done(Flow::Continue)]);
    }
}
