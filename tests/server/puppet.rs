//! An actor that does what its messages say, and answers when they say so; and a gate that futures wait at.
//!
//! Knows: closures, replies that are kept. Must not know the cases.

use std::future::poll_fn;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use odeon::IntoFlow;
use odeon::prelude::*;

use crate::world::{PATIENCE, World, until};

type Action<const ROOM: u32> =
    Box<dyn FnOnce(&mut Puppet<ROOM>, &mut Context<Puppet<ROOM>>, Reply<u64>) -> Flow + Send>;

/// What a puppet is to do. It gets whoever waits for the answer, or nobody.
#[derive(Message)]
#[message(reply = u64)]
pub(crate) struct Act<const ROOM: u32 = 64>(Action<ROOM>);

/// What lies in the mailbox of a puppet.
pub(crate) struct Strings<const ROOM: u32>(Act<ROOM>, Option<Reply<u64>>);

/// An actor with room for so many messages.
#[derive(Default)]
pub(crate) struct Puppet<const ROOM: u32 = 64> {
    /// Replies that acts have kept.
    pub(crate) kept: Vec<Reply<u64>>,
    /// What acts have noted.
    pub(crate) notes: Vec<u64>,
    /// Whoever wants to know why it ends.
    end: Option<Sender<(StopReason, Vec<u64>)>>,
}

/// Does this.
pub(crate) fn act<const ROOM: u32, O: IntoFlow>(
    act: impl FnOnce(&mut Puppet<ROOM>, &mut Context<Puppet<ROOM>>, Reply<u64>) -> O + Send + 'static,
) -> Act<ROOM> {
    Act(Box::new(|me, cx, reply| act(me, cx, reply).into_flow("act")))
}

/// Answers this.
pub(crate) fn number<const ROOM: u32>(number: u64) -> Act<ROOM> {
    act(move |_, _, reply| reply.send(number))
}

/// Keeps the reply.
pub(crate) fn keep<const ROOM: u32>() -> Act<ROOM> {
    act(|me: &mut Puppet<ROOM>, _, reply| me.kept.push(reply))
}

/// Notes a number, which is also the answer.
pub(crate) fn note<const ROOM: u32>(number: u64) -> Act<ROOM> {
    act(move |me: &mut Puppet<ROOM>, _, reply| {
        me.notes.push(number);
        reply.send(number);
    })
}

impl<const ROOM: u32> Accepts<Act<ROOM>> for Puppet<ROOM> {
    fn accept(message: Act<ROOM>) -> Strings<ROOM> {
        Strings(message, None)
    }

    fn accept_ask(message: Act<ROOM>, reply: Reply<u64>) -> Strings<ROOM> {
        Strings(message, Some(reply))
    }
}

impl<const ROOM: u32> Actor for Puppet<ROOM> {
    type Message = Strings<ROOM>;
    const MAILBOX_CAPACITY: u32 = ROOM;

    fn handle(&mut self, Strings(Act(act), reply): Strings<ROOM>, cx: &mut Context<Self>) -> Flow {
        match reply {
            None => act(self, cx, Reply::nobody()),
            Some(reply) => match reply.open() {
                Some(reply) => act(self, cx, reply),
                None => Flow::Continue,
            },
        }
    }

    fn stopped(&mut self, reason: StopReason, _: &mut Context<Self>) {
        if let Some(end) = &self.end {
            // The test may not want to know any more.
            let _ = end.send((reason, self.notes.clone()));
        }
    }
}

/// Why a puppet ended, and what it had noted.
pub(crate) struct End(Receiver<(StopReason, Vec<u64>)>);

impl End {
    pub(crate) fn wait(&self) -> (StopReason, Vec<u64>) {
        self.0.recv_timeout(PATIENCE).expect("it ends")
    }

    pub(crate) fn reason(&self) -> StopReason {
        self.wait().0
    }
}

impl World {
    /// Spawns a puppet on a core. It belongs to the baseline from then on.
    pub(crate) fn puppet(&mut self, core: usize) -> Addr<Puppet> {
        let puppet = self.system.spawn_on(core, Puppet::default()).expect("the core has room");
        self.remember();
        puppet
    }

    /// Spawns one that ends before the case does.
    pub(crate) fn mortal<const ROOM: u32>(&self, core: usize) -> (Addr<Puppet<ROOM>>, End) {
        let (end, ends) = channel();
        let puppet = Puppet { end: Some(end), ..Puppet::default() };
        (self.system.spawn_on(core, puppet).expect("the core has room"), End(ends))
    }
}

/// Waits until a puppet has done everything that it was told before.
pub(crate) fn done<const ROOM: u32>(puppet: Addr<Puppet<ROOM>>) {
    assert_eq!(puppet.ask(number(0)).timeout(PATIENCE).wait(), Ok(0));
}

/// Waits until a puppet keeps so many replies.
pub(crate) fn until_kept<const ROOM: u32>(puppet: Addr<Puppet<ROOM>>, count: u64) {
    let kept = || act(|me: &mut Puppet<ROOM>, _, reply| reply.send(me.kept.len() as u64));
    until("the questions", || puppet.ask(kept()).wait() == Ok(count));
}

/// What a puppet has noted, and what it then notes no more.
pub(crate) fn notes<const ROOM: u32>(puppet: Addr<Puppet<ROOM>>) -> Vec<u64> {
    let (told, notes) = channel();
    let tell = act(move |me: &mut Puppet<ROOM>, _, reply| {
        // The test waits for it.
        let _ = told.send(std::mem::take(&mut me.notes));
        reply.send(0);
    });
    assert_eq!(puppet.ask(tell).timeout(PATIENCE).wait(), Ok(0));
    notes.recv().expect("it was told before the answer")
}

/// A gate that is closed at first. Futures wait at it, on any thread.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Gate {
    fn state(&self) -> MutexGuard<'_, (bool, Vec<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everybody through, from now on.
    pub(crate) fn open(&self) {
        let wakers = {
            let mut state = self.state();
            state.0 = true;
            std::mem::take(&mut state.1)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until it is open.
    pub(crate) async fn pass(&self) {
        poll_fn(|cx| {
            let mut state = self.state();
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state().0
    }

    /// How many have come to it so far, and found it closed.
    pub(crate) fn waiting(&self) -> usize {
        self.state().1.len()
    }

    /// Waits on this thread until somebody waits at it.
    pub(crate) fn until_somebody_waits(&self) {
        until("somebody at the gate", || self.waiting() > 0);
    }
}

/// Lets others go on for a while: ready the second time.
pub(crate) async fn yield_now() {
    let mut polled = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
