//! The actor of most cases: it does what the lines say that it receives, and tells the test what happens to it.
//!
//! Knows: commands and events. Must not know the cases.

use std::sync::mpsc::{Receiver, Sender, channel};

use odeon::net::codec::FrameError;
use odeon::prelude::*;

use crate::client::pattern;
use crate::world::PATIENCE;

/// What the test is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Started(Addr<Session>),
    EndOfStream,
    Malformed(FrameError),
    Idle,
    Handled(u64),
    Stopped(StopReason),
}

/// What the actor can be sent.
#[derive(Message)]
pub(crate) enum Do {
    Write(Vec<u8>),
    Give(Bytes),
    Say(u64),
    Panic,
    Close,
    Link(Addr<Session>),
    Resume,
    /// Dropped wherever it ends.
    Keep(Box<dyn std::any::Any + Send>),
    /// Wait until the other end is dropped: the core stands still.
    Block(Receiver<()>),
}

/// What a session does without being told to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Habits {
    /// Stay open for output when the peer's stream has ended.
    pub(crate) stay_after_end: bool,
    /// So often go on when idle.
    pub(crate) stay_when_idle: u32,
    pub(crate) panic_in_started: bool,
    pub(crate) panic_in_stopped: bool,
    pub(crate) panic_in_drop: bool,
    /// Written in `stopped`.
    pub(crate) last_words: &'static str,
}

pub(crate) struct Session {
    habits: Habits,
    told: Sender<Told>,
}

/// A way to make sessions, and the events of all of them.
pub(crate) fn sessions(habits: Habits) -> (impl FnMut(Peer) -> Session + Clone + Send + 'static, Events) {
    let (told, events) = channel();
    (move |_| Session { habits, told: told.clone() }, Events(events))
}

impl Session {
    fn tell(&self, what: Told) {
        // The test may not want to know any more.
        let _ = self.told.send(what);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        assert!(!self.habits.panic_in_drop, "as planned, in drop");
    }
}

impl Accepts<Do> for Session {
    fn accept(message: Do) -> Do {
        message
    }
}

impl Actor for Session {
    type Message = Do;
    const MAILBOX_CAPACITY: u32 = 64;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        self.tell(Told::Started(cx.me()));
        assert!(!self.habits.panic_in_started, "as planned, in started");
        Flow::Continue
    }

    fn handle(&mut self, message: Do, cx: &mut Context<Self>) -> Flow {
        match message {
            Do::Write(bytes) => cx.write(bytes),
            Do::Give(bytes) => cx.write_bytes(bytes),
            Do::Say(number) => self.tell(Told::Handled(number)),
            Do::Panic => panic!("as planned, in a handler"),
            Do::Close => return Flow::Close,
            Do::Link(other) => cx.link(other).expect("there is room"),
            Do::Resume => cx.resume_reading(),
            Do::Keep(what) => drop(what),
            Do::Block(until) => drop(until.recv()),
        }
        Flow::Continue
    }

    fn stopped(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        self.tell(Told::Stopped(reason));
        cx.write(self.habits.last_words);
        assert!(!self.habits.panic_in_stopped, "as planned, in stopped");
    }
}

impl Connection for Session {
    type Codec = Lines<{ 1 << 16 }>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "echo" => cx.write_line(rest),
            "big" => cx.write(pattern(1, rest.parse().expect("a number"))),
            "pause" => cx.pause_reading(),
            "last" => {
                cx.write_line(rest);
                cx.shutdown_write();
            }
            "panic" => panic!("as planned, in a frame"),
            "close" => return Flow::Close,
            _ => cx.write_line("?"),
        }
        Flow::Continue
    }

    fn end_of_stream(&mut self, _: &mut Context<Self>) -> Flow {
        self.tell(Told::EndOfStream);
        if self.habits.stay_after_end { Flow::Continue } else { Flow::Close }
    }

    fn malformed(&mut self, error: FrameError, _: &mut Context<Self>) {
        self.tell(Told::Malformed(error));
    }

    fn idle(&mut self, _: &mut Context<Self>) -> Flow {
        self.tell(Told::Idle);
        if self.habits.stay_when_idle == 0 {
            return Flow::Close;
        }
        self.habits.stay_when_idle -= 1;
        Flow::Continue
    }
}

/// What sessions have told.
pub(crate) struct Events(Receiver<Told>);

impl Events {
    pub(crate) fn next(&self) -> Told {
        self.0.recv_timeout(PATIENCE).expect("a session tells something")
    }

    /// The address of a session that has just started.
    pub(crate) fn started(&self) -> Addr<Session> {
        match self.next() {
            Told::Started(address) => address,
            other => panic!("expected the start of a session, got {other:?}"),
        }
    }

    /// The address of the next one that starts, whatever happens to others before.
    pub(crate) fn next_started(&self) -> Addr<Session> {
        loop {
            if let Told::Started(address) = self.next() {
                return address;
            }
        }
    }

    /// The reason for which the next one stops, whatever happens before.
    pub(crate) fn stopped(&self) -> StopReason {
        loop {
            if let Told::Stopped(reason) = self.next() {
                return reason;
            }
        }
    }

    /// What has been told and not taken, if anything.
    pub(crate) fn at_hand(&self) -> Option<Told> {
        self.0.try_recv().ok()
    }
}
