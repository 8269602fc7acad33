//! A TCP proxy: what a client sends goes to an upstream server, and what that sends goes to the client.
//!
//!     cargo run --release --example proxy -- --listen 127.0.0.1:7000 --to 127.0.0.1:8080 --idle 60
//!
//! Shows: connecting to others; two connection actors of one core that are tied, so that bytes go from one to the other without a
//! copy and without code of the proxy; a hook that begins what has to wait; an idle timeout; figures of what was.
//!
//! A half-close is passed on: a client that has said everything still gets its answer. Whoever reads slowly makes the other wait.
//! When one of the connections breaks, the peer of the other sees a reset, so that it does not take a part for the whole. When nothing has come
//! from either side for the idle time, what had come is sent, and both streams end in order.
//!
//! Limits: an upstream server that does not accept within ten seconds is given up, and its client is reset. Clients beyond half of what the
//! descriptors allow wait to be accepted: each takes up two.

use std::fmt;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use odeon::prelude::*;
use odeon::{ForwardError, Timeout};

#[path = "support/places.rs"]
mod places;
mod support;

use support::{Error, Options};

const CONNECT_TIME: Duration = Duration::from_secs(10);
const IDLE_SECONDS: u64 = 300;

/// How the connections of all cores have ended, and what went through them.
#[derive(Default)]
struct Counts {
    /// Both sides had said everything.
    finished: AtomicU64,
    /// Nothing came from either side for too long.
    idle: AtomicU64,
    not_connected: AtomicU64,
    /// One of the sides was reset, or the end of the proxy came first.
    broken: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
}

/// A client's connection.
struct Client {
    upstream: SocketAddr,
    counts: Arc<Counts>,
}

// It may be the other side that speaks first; for both there is the idle timeout.
#[actor(codec = Raw, timeouts(first_byte = "never"))]
impl Client {
    /// The client is not read from before this has finished.
    #[started]
    fn connect(&mut self, cx: &mut Context<Self>) -> Flow {
        cx.exclusive("Client::connect", Timeout::Never, async |me: &mut Client, cx: &mut Context<Client>| {
            let (client, counts) = (cx.me(), me.counts.clone());
            let upstream = odeon::connect(me.upstream).timeout(CONNECT_TIME);
            match upstream.start(move |_peer| Upstream { client, counts }).await {
                // An error: it has ended again.
                Ok(upstream) => cx.forward_to(upstream).map_or(Flow::Fail, |()| Flow::Continue),
                Err(error) => {
                    add(&me.counts.not_connected, 1);
                    eprintln!("proxy: cannot connect to {}: {error}", me.upstream);
                    Flow::Fail
                }
            }
        })
    }

    #[frame]
    fn bytes(&mut self, _: &[u8]) {
        unreachable!("what arrives is forwarded");
    }

    #[stopped]
    fn count(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        add(&self.counts.bytes_up, cx.forwarded_bytes());
        match reason {
            StopReason::EndOfStream => add(&self.counts.finished, 1),
            StopReason::Idle => add(&self.counts.idle, 1),
            StopReason::Failed => {}
            _ => add(&self.counts.broken, 1),
        }
    }
}

/// The connection to the upstream server, for one client.
struct Upstream {
    client: Addr<Client>,
    counts: Arc<Counts>,
}

#[actor(codec = Raw)]
impl Upstream {
    #[started]
    fn tie(&mut self, cx: &mut Context<Self>) -> Result<(), ForwardError> {
        cx.forward_to(self.client)
    }

    #[frame]
    fn bytes(&mut self, _: &[u8]) {
        unreachable!("what arrives is forwarded");
    }

    #[stopped]
    fn count(&mut self, _: StopReason, cx: &mut Context<Self>) {
        add(&self.counts.bytes_down, cx.forwarded_bytes());
    }
}

fn add(count: &AtomicU64, more: u64) {
    // Read when all cores have ended.
    count.fetch_add(more, Ordering::Relaxed);
}

impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [finished, idle, not_connected, broken, up, down] =
            [&self.finished, &self.idle, &self.not_connected, &self.broken, &self.bytes_up, &self.bytes_down]
                .map(|count| count.load(Ordering::Relaxed));
        write!(
            out,
            "connections: {finished} finished, {idle} idle, {not_connected} not connected, {broken} broken; \
             bytes: {up} up, {down} down"
        )
    }
}

fn main() -> ExitCode {
    let counts = Arc::<Counts>::default();
    let theirs = counts.clone();
    let open = move |system: &System, address: &str, options: &Options| -> Result<_, Error> {
        let to = options
            .get("--to")
            .ok_or("--to is missing: where do connections go, such as to 127.0.0.1:8000?")?;
        let upstream =
            to.parse().map_err(|_| format!("--to wants an address such as 127.0.0.1:8000, not `{to}`"))?;
        let idle = options.get("--idle").map_or(Ok(IDLE_SECONDS), |seconds| {
            seconds.parse().map_err(|_| format!("--idle wants a number of seconds, not `{seconds}`"))
        })?;
        // Bytes in either direction count for the client's connection, and its end is that of the other.
        let listener = system.listener(address).idle_timeout(Duration::from_secs(idle));
        let listener = listener.max_connections(places::clients_max(system, 2));
        Ok(listener.start(move |_peer| Client { upstream, counts: theirs.clone() })?)
    };
    let mut config = Config::default();
    // As much memory as by default, in larger pieces: what passes through a proxy in bulk is then sent on in fewer. Nothing is kept here.
    (config.receive_buffers, config.receive_buffer_bytes) = (8, 256 << 10);
    let code = support::serve("proxy", "--to ADDR [--idle SECONDS]", config, open);
    if code == ExitCode::SUCCESS {
        println!("{counts}");
    }
    code
}
