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

#[actor(codec = Raw)]
impl Echo {
    #[frame]
    fn bytes(&mut self, bytes: &[u8], cx: &mut Context<Self>) {
        cx.write(bytes);
    }
}

fn main() -> ExitCode {
    let mut config = Config::default();
    // As much memory as by default, in larger pieces: what comes in bulk then comes, and goes back, in fewer. No frame is kept, so few
    // are enough.
    (config.receive_buffers, config.receive_buffer_bytes) = (8, 256 << 10);
    support::serve("echo", "", config, |system, address, _| system.listener(address).start(|_peer| Echo))
}
