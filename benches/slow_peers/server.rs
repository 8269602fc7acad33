//! The server on Odeon that slow peers are connected to: frames, bodies and answers, with times for all of them.
//!
//! Knows: what a request asks for, how long its peer may take. Must not know what is measured.
//!
//! A request is a frame of one size. One that begins as [`BODY`] says announces a body, one that begins as [`ANSWER`] says asks for a large
//! answer; any other comes back as it is, as a load expects it.

use std::process::ExitCode;
use std::time::Duration;

use odeon::prelude::*;

use crate::support::slowly::{ANSWER, BODY, LIFE_NS, REQUEST_BYTES};

/// More than a slow peer sends in its time.
const BODY_BYTES: usize = 64 << 10;
/// A few of them are more than the kernel takes for a peer with a small window.
const ANSWER_BYTES: usize = 64 << 10;

struct Requests {
    /// Of all connections.
    answer: Bytes,
}

#[actor(codec = Fixed<REQUEST_BYTES>)]
impl Requests {
    #[frame]
    fn request(&mut self, request: &[u8; REQUEST_BYTES], cx: &mut Context<Self>) -> Flow {
        if request.starts_with(&BODY) {
            return cx.read_exact_into(Vec::new(), BODY_BYTES).map_or(Flow::Fail, |()| Flow::Continue);
        }
        if request.starts_with(&ANSWER) {
            cx.write_bytes(self.answer.clone());
        } else {
            cx.write(request);
        }
        Flow::Continue
    }

    #[body]
    fn whole(&mut self, _: Result<Vec<u8>, BodyError>) {}
}

/// Serves on one core until the process is ended.
pub(crate) fn serve() -> ExitCode {
    let mut config = Config::default();
    let life = Duration::from_nanos(LIFE_NS);
    (config.frame_timeout, config.write_stall, config.spin) = (life, life, Duration::ZERO);
    let builder = System::builder().cores(Cores::Count(1)).backend(BackendChoice::Uring).config(config);
    let system = builder.build().expect("the machine can run a system");
    let answer = Bytes::copy_from(&[0x5A; ANSWER_BYTES]);
    let listening = system
        .listener("127.0.0.1:0")
        .start(move |_peer| Requests { answer: answer.clone() })
        .expect("a port is free");
    println!("listening on {} ({}, 1 core)", listening.address(), system.backend());
    loop {
        std::thread::park();
    }
}
