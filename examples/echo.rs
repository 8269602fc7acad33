//! An echo server: a connection actor that writes back every byte that it receives.
//!
//!     cargo run --release --example echo -- --listen 127.0.0.1:7000
//!
//! Shows: a connection actor with the raw codec, a listener on every core, the choice of the backend, a shutdown on SIGINT
//! or SIGTERM that lets output drain.

use std::process::ExitCode;

use odeon::prelude::*;

mod support;

struct Echo;

impl Actor for Echo {
    type Message = Never;

    fn handle(&mut self, message: Never, _: &mut Context<Self>) -> Flow {
        match message {}
    }
}

impl Connection for Echo {
    type Codec = Raw;

    fn frame(&mut self, bytes: &[u8], cx: &mut Context<Self>) -> Flow {
        cx.write(bytes);
        Flow::Continue
    }
}

fn main() -> ExitCode {
    support::serve("echo", |system, address| system.listener(address).start(|_peer| Echo))
}
