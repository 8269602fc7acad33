//! A connection that does what it is told, and tells what happens to it.
//!
//! Knows: closures, the hooks of a connection. Must not know the cases.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use odeon::net::codec::FrameError;
use odeon::prelude::*;
use odeon::{FileForwardError, ForwardedFile, IntoFlow};

/// What the test is told.
#[derive(Debug, PartialEq)]
pub enum Told {
    Started(Addr<Hand>),
    Line(String),
    Body(Vec<u8>),
    /// What had come of a body, how much had not, and why.
    Cut(Vec<u8>, usize, StopReason),
    /// So many bytes are in a file; that is not all, for this reason.
    Filed(u64, Option<StopReason>),
    EndOfStream,
    Malformed(FrameError),
    /// With the bytes that it had forwarded.
    Stopped(StopReason, u64),
}

/// What is done with a line.
pub type Script = Arc<dyn Fn(&mut Hand, &str, &mut Context<Hand>) -> Flow + Send + Sync>;

/// The same in short.
pub fn script<O: IntoFlow>(
    script: impl Fn(&mut Hand, &str, &mut Context<Hand>) -> O + Send + Sync + 'static,
) -> Script {
    Arc::new(move |hand, line, cx| script(hand, line, cx).into_flow("script"))
}

/// Tells which lines come.
pub fn tell_lines(hand: &mut Hand, line: &str, _: &mut Context<Hand>) {
    hand.tell(Told::Line(line.to_owned()));
}

type Act = Box<dyn FnOnce(&mut Hand, &mut Context<Hand>) -> Flow + Send>;

/// What a hand is to do.
#[derive(Message)]
pub struct Do(Act);

/// The same in short.
pub fn act<O: IntoFlow>(act: impl FnOnce(&mut Hand, &mut Context<Hand>) -> O + Send + 'static) -> Do {
    Do(Box::new(move |hand, cx| act(hand, cx).into_flow("act")))
}

pub struct Hand {
    told: Sender<Told>,
    pub script: Script,
    /// It goes on when its peer sends no more.
    pub stays_after_end: bool,
    pub kept: Vec<Bytes>,
}

impl Hand {
    pub fn new(told: &Sender<Told>, script: &Script) -> Hand {
        Hand { told: told.clone(), script: Arc::clone(script), stays_after_end: false, kept: Vec::new() }
    }

    /// Another one, which tells the same test.
    pub fn other(&self) -> Hand {
        Hand::new(&self.told, &self.script)
    }

    pub fn tell(&self, told: Told) {
        // The test may have failed.
        let _ = self.told.send(told);
    }
}

#[actor(codec = Lines<1_048_576>, mailbox(capacity = 256))]
impl Hand {
    #[started]
    fn begin(&mut self, cx: &mut Context<Self>) {
        self.tell(Told::Started(cx.me()));
    }

    #[message]
    fn act(&mut self, Do(act): Do, cx: &mut Context<Self>) -> Flow {
        act(self, cx)
    }

    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        let script = Arc::clone(&self.script);
        script(self, line, cx)
    }

    #[body]
    fn whole(&mut self, body: Result<Vec<u8>, BodyError>) {
        self.tell(match body {
            Ok(body) => Told::Body(body),
            Err(error) => {
                let (missing, why) = (error.missing(), error.why());
                Told::Cut(error.into_buffer(), missing, why)
            }
        });
    }

    #[forwarded]
    fn filed(&mut self, forwarded: ForwardedFile) {
        let why = match forwarded.end {
            Ok(()) => None,
            Err(FileForwardError::Stream(why)) => Some(why),
            Err(error) => panic!("the file takes it: {error}"),
        };
        self.tell(Told::Filed(forwarded.bytes, why));
    }

    #[end_of_stream]
    fn end_of_stream(&mut self) -> Flow {
        self.tell(Told::EndOfStream);
        if self.stays_after_end { Flow::Continue } else { Flow::Close }
    }

    #[malformed]
    fn malformed(&mut self, error: FrameError) {
        self.tell(Told::Malformed(error));
    }

    #[stopped]
    fn stop(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        self.tell(Told::Stopped(reason, cx.forwarded_bytes()));
    }
}
