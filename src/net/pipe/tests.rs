//! Tests of the pipe: what each side sees of the other.
//!
//! Knows: a pipe, wakers that count. Must not know connections, nor what is beneath.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;

use super::*;
use crate::config::Config;
use crate::executor::{CoreId, Links};
use crate::sys::{Clock, Time};

#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn times(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A pipe to a connection that cannot be reached, and who waits at it.
fn pipe() -> (Pipe, Unread, Arc<Woken>, Waker) {
    let config = Config { activation_messages: 5, receive_buffers: 1, ..Config::default() };
    let clock = Clock::Virtual(Rc::new(std::cell::Cell::new(Time::ZERO)));
    let core = Core::new(CoreId(0), Rc::new(config), clock, Links::new(CoreId(0), []));
    let pipe = Pipe::default();
    pipe.open(&core, RawAddress::new(CoreId(0), Key { index: 0, generation: 0 }));
    let woken = Arc::new(Woken::default());
    (pipe, Unread::default(), woken.clone(), Waker::from(woken))
}

#[test]
fn a_read_that_needs_more_is_not_woken_for_less() {
    let (pipe, mut unread, woken, waker) = pipe();
    assert!(pipe.poll_fill(&mut unread, 3, &waker).is_pending());
    pipe.arrived(b"ab");
    assert_eq!(woken.times(), 0);
    pipe.arrived(b"cd");
    assert_eq!(woken.times(), 1);
    assert!(matches!(pipe.poll_fill(&mut unread, 3, &waker), Poll::Ready(Ok(true))));
    assert_eq!(unread.rest(), b"abcd");
}

#[test]
fn silence_is_told_to_the_read_that_waited_and_to_no_other() {
    let (pipe, mut unread, woken, waker) = pipe();
    pipe.silent();
    assert!(pipe.poll_fill(&mut unread, 1, &waker).is_pending(), "nothing waited then");
    pipe.silent();
    assert_eq!(woken.times(), 1);
    pipe.wait_no_more(Half::Read);
    assert!(pipe.poll_fill(&mut unread, 1, &waker).is_pending(), "that read was given up");
    pipe.silent();
    let Poll::Ready(Err(error)) = pipe.poll_fill(&mut unread, 1, &waker) else { panic!("it is told") };
    assert!(error.kind() == ErrorKind::TimedOut && pipe.has_told(&error));
    assert!(!pipe.has_told(&io::Error::other("another")));
}

#[test]
fn who_never_has_to_wait_lets_others_go_first_now_and_then() {
    let (pipe, mut unread, woken, waker) = pipe();
    pipe.arrived(&[7; 100]);
    for round in 0..10 {
        for _ in 0..5 {
            assert!(pipe.poll_fill(&mut unread, 1, &waker).is_ready());
            unread.consume(1);
        }
        assert_eq!(woken.times(), round);
        assert!(pipe.poll_fill(&mut unread, 1, &waker).is_pending());
        assert_eq!(woken.times(), round + 1);
    }
}

#[test]
fn what_had_arrived_is_read_before_the_failure_is() {
    let (pipe, mut unread, woken, waker) = pipe();
    pipe.arrived(b"ab");
    assert!(pipe.poll_fill(&mut unread, 3, &waker).is_pending());
    assert!(pipe.end(StopReason::Disconnected(Errno::ECONNRESET.0)), "it is served still");
    assert_eq!(woken.times(), 1);
    assert!(matches!(pipe.poll_fill(&mut unread, 1, &waker), Poll::Ready(Ok(true))));
    unread.consume(2);
    let Poll::Ready(Err(error)) = pipe.poll_fill(&mut unread, 1, &waker) else { panic!("it is told") };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let Poll::Ready(Err(error)) = pipe.poll_write(b"x", &waker) else { panic!("it is told") };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(pipe.served() && !pipe.served());
}

/// Looks at the pipe when it is woken, as a future does that is polled at once.
struct Nosy(Rc<Pipe>, Rc<std::cell::Cell<u32>>);

thread_local! {
    static NOSY: std::cell::RefCell<Option<Nosy>> = const { std::cell::RefCell::new(None) };
}

struct Look;

impl Wake for Look {
    fn wake(self: Arc<Self>) {
        NOSY.with_borrow(|nosy| {
            let Nosy(pipe, looks) = nosy.as_ref().expect("it was put there");
            pipe.is_cut_short();
            pipe.wait_no_more(Half::Write);
            looks.set(looks.get() + 1);
        });
    }
}

#[test]
fn whoever_is_woken_may_use_the_pipe_at_once() {
    let (pipe, mut unread, _, _) = pipe();
    let (pipe, looks) = (Rc::new(pipe), Rc::default());
    NOSY.set(Some(Nosy(pipe.clone(), Rc::clone(&looks))));
    let waker = Waker::from(Arc::new(Look));
    assert!(pipe.poll_fill(&mut unread, 1, &waker).is_pending());
    pipe.arrived(b"a");
    assert_eq!(looks.get(), 1);
    assert!(pipe.poll_fill(&mut unread, 2, &waker).is_pending());
    pipe.silent();
    assert_eq!(looks.get(), 2);
    drop(pipe.poll_fill(&mut unread, 2, &waker));
    assert!(pipe.poll_fill(&mut unread, 2, &waker).is_pending());
    pipe.body(Ok(Vec::new()));
    assert_eq!(looks.get(), 3);
    assert!(pipe.poll_fill(&mut unread, 2, &waker).is_pending());
    pipe.ended();
    assert_eq!(looks.get(), 4);
}
