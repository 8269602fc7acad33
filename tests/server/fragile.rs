//! A connection that panics in one of its hooks.
//!
//! Knows: every hook, and what its peer writes for it to come. Must not know how the peer is connected.

use std::path::PathBuf;
use std::sync::mpsc::Sender;

use odeon::fs::File;
use odeon::prelude::*;
use odeon::{BodyError, ForwardedFile, Timeout};

/// The hooks, and what is written for each of them to come.
pub(crate) const HOOKS: [(&str, &str); 8] = [
    ("started", ""),
    ("frame", "frame\n"),
    ("body", "body\n!"),
    ("forwarded", "file\n!"),
    ("malformed", "more than a line of this codec may have\n"),
    ("every", ""),
    ("idle", ""),
    ("end_of_stream", ""),
];

pub(crate) struct Fragile {
    /// Where it panics.
    pub(crate) breaks: &'static str,
    pub(crate) file: PathBuf,
    pub(crate) told: Sender<StopReason>,
}

impl Fragile {
    fn at(&self, hook: &'static str) {
        if self.breaks == hook {
            std::panic::resume_unwind(Box::new("as planned"));
        }
    }
}

#[actor(codec = Lines<16>)]
impl Fragile {
    #[started]
    fn started(&mut self) {
        self.at("started");
    }

    #[frame]
    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        self.at("frame");
        match line {
            "body" => cx.read_exact_into(Vec::new(), 1).expect("it is the first"),
            "file" => {
                let begin = async move |me: &mut Self, cx: &mut Context<Self>| {
                    let file = File::create(&me.file).await.expect("it can be made");
                    cx.forward_to_file(file, 0, Some(1)).expect("it is the first");
                    Flow::Continue
                };
                return cx.exclusive("Fragile::begin", Timeout::Default, begin);
            }
            _ => {}
        }
        Flow::Continue
    }

    #[body]
    fn body(&mut self, _: Result<Vec<u8>, BodyError>) {
        self.at("body");
    }

    #[forwarded]
    fn forwarded(&mut self, _: ForwardedFile) {
        self.at("forwarded");
    }

    #[malformed]
    fn malformed(&mut self, _: FrameError) {
        self.at("malformed");
    }

    #[every("1ms")]
    fn every(&mut self) {
        self.at("every");
    }

    #[idle("5ms")]
    fn idle(&mut self) -> Flow {
        self.at("idle");
        Flow::Continue
    }

    #[end_of_stream]
    fn end_of_stream(&mut self) -> Flow {
        self.at("end_of_stream");
        Flow::Close
    }

    #[stopped]
    fn stopped(&mut self, why: StopReason) {
        self.told.send(why).expect("the test listens");
    }
}
