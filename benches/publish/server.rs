//! The server on Odeon: an actor per connection, all of which have subscribed to one topic, and an actor that has the topic.
//!
//! Knows: a topic, connections with a bound for what a peer does not read. Must not know what is measured.

use std::process::ExitCode;
use std::time::Duration;

use odeon::prelude::*;

/// Bytes of a message.
const MESSAGE: usize = 100;
/// What waits for a peer that does not read. Whatever has no place there it has missed.
const OUTBOX_BYTES: usize = 16 << 10;

const CONNECTIONS_MAX: u32 = 16_384;

#[derive(Message, Clone)]
struct Said([u8; MESSAGE]);

#[derive(Message)]
struct Join {
    id: u64,
    to: Recipient<Said>,
}

#[derive(Default)]
struct Room(Topic<Said>);

#[actor(mailbox(capacity = CONNECTIONS_MAX))]
impl Room {
    #[message]
    fn join(&mut self, join: Join) {
        self.0.subscribe(join.id, join.to);
    }

    #[message]
    fn said(&mut self, said: Said) {
        self.0.publish(said);
    }
}

struct Member {
    id: u64,
    room: Addr<Room>,
}

#[actor(codec = Fixed<MESSAGE>, outbox(bytes = "16k", overflow = refuse), mailbox(capacity = 64))]
impl Member {
    #[started]
    fn join(&mut self, cx: &mut Context<Self>) {
        self.room.tell(Join { id: self.id, to: cx.recipient() }).or_dead_letter();
    }

    #[frame]
    fn publish(&mut self, message: &[u8; MESSAGE]) {
        self.room.tell(Said(*message)).or_dead_letter();
    }

    #[message]
    fn said(&mut self, Said(message): Said, cx: &mut Context<Self>) {
        cx.write(message);
        // What the bound promises: the measurement fails where it is not kept.
        if cx.queued_bytes() > OUTBOX_BYTES {
            eprintln!("{} bytes wait for a peer", cx.queued_bytes());
            std::process::abort();
        }
    }
}

/// Serves on so many cores until the process is ended.
pub(crate) fn serve(cores: &str) -> ExitCode {
    let cores = cores.parse().expect("a number of cores");
    let mut config = Config::default();
    // All of one core may subscribe at once to what lies on the other.
    config.lane_capacity = CONNECTIONS_MAX;
    // Whoever never reads stays as long as the measurement.
    config.write_stall = Duration::MAX;
    let builder = System::builder().cores(Cores::Count(cores)).config(config);
    let system = builder.build().expect("the machine can run a system");
    let room = system.spawn(Room::default()).expect("there is room for a room");
    let member = move |peer: Peer| Member { id: peer.id(), room };
    // They only listen.
    let listener = system.listener("127.0.0.1:0").first_byte_timeout(Duration::MAX);
    let listening = listener.start(member).expect("a port is free");
    println!("listening on {} ({}, {cores} cores)", listening.address(), system.backend());
    loop {
        std::thread::park();
    }
}
