//! Every limit of the runtime, by name.
//!
//! Knows: numbers. Must not know what they are used for.

use std::time::Duration;

/// The limits of a system. Each has a default that suits a server of many small connections; reaching one is an answer
/// (`Full`, a closed connection, a counted dead letter), never growth.
///
/// Limits are per core unless they say otherwise.
///
/// ```
/// use odeon::prelude::*;
///
/// let mut config = Config::default();
/// config.outbox_bytes_max = 64 << 10;
/// config.connections_max = Some(100);
/// let system = System::builder().cores(Cores::Count(1)).config(config).build()?;
/// assert_eq!(system.config().connections_max, Some(100));
///
/// let mut config = Config::default();
/// config.actors_max = 0;
/// let error = System::builder().config(config).build().unwrap_err();
/// assert_eq!(error.to_string(), "Config::actors_max is 0: it must be at least 1");
/// # Ok::<(), odeon::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// Actors alive on a core, connections included. Default 4,194,304.
    pub actors_max: u32,
    /// Keep each core's thread on a processor of its own, if there are enough. Switch it off where several processes share
    /// the machine's processors, as tests do that are a process each: they know nothing of one another. Default true.
    pub pin: bool,
    /// Accepted connections open in the whole system. `None`: as many as the descriptor limit allows, less
    /// [`sockets_beside`](Config::sockets_beside) and 32 for everything else.
    pub connections_max: Option<usize>,
    /// Sockets and files of a core beside accepted connections: listeners, connections to others, files that are open, accepted ones that
    /// wait for another to end. They count together with those in one table, which has so many places more than `connections_max`: so
    /// there are these when there are as many connections as there may be, and more before. Each costs a place in the kernel's table of
    /// the core, too. From 1 to 65,536. Default 32.
    pub sockets_beside: u32,
    /// Bytes in all mailboxes of a core together. Default 256 MiB.
    pub mailbox_bytes_max: usize,
    /// Receive buffers: resident from the start, few of them with the kernel at a time, so that those are in the cache. A power of two,
    /// at most 32,768. Default 32.
    pub receive_buffers: u16,
    /// Bytes in each receive buffer; in all of them together at most 16 GiB. Fewer and larger ones cost less where much arrives at a
    /// time and goes on as it is, as through a proxy: 8 of 256 KiB. More and smaller ones let more be kept at a time. Default 64 KiB.
    pub receive_buffer_bytes: u32,
    /// Send slots of 256 B, 1 KiB, 4 KiB, 16 KiB and 64 KiB, together at most 16 GiB. Default 8192, 4096, 1024, 256, 64.
    pub send_slots: [u32; 5],
    /// Bytes written and not yet taken by the kernel, per connection. Default 1 MiB.
    pub outbox_bytes_max: usize,
    /// Bytes of these in send slots, per connection; less while few slots are free, so that peers that do not read leave
    /// some to the others. The rest waits in memory of the connection's own. Default 512 KiB.
    pub connection_slot_bytes_max: usize,
    /// Bytes that wait there, or behind answers that were deferred, of all connections of a core together; one may have an
    /// eighth of what is left, and is closed if it writes more. Default 256 MiB.
    pub spill_bytes_max: usize,
    /// So many counted bytes that are written ([`Context::write_bytes`](crate::Context::write_bytes)) are sent from where they lie; fewer
    /// are copied. Zero copies none, `usize::MAX` all. Default 4 KiB.
    pub owned_bytes_min: usize,
    /// Pieces of such bytes under way at one time, of 56 bytes each; what is beyond is copied. Zero copies all. Default 65,536.
    pub send_parts_max: u32,
    /// Bytes in all such pieces of a core together; one connection may have an eighth of what is left, and what is beyond is copied, into
    /// slots and into what [`spill_bytes_max`](Config::spill_bytes_max) allows, or refused. Bytes that many connections are sent count for
    /// each of them. Zero copies all. Default 1 GiB.
    pub send_part_bytes_max: usize,
    /// A send of which so many bytes lie in such pieces goes out without a copy in the kernel either, on io_uring. On a connection where
    /// the kernel says that it copies all the same, as to the same machine, no more sends do, and few on those that the listener
    /// accepts after it. They count together, so that pieces of `owned_bytes_min` may be enough. `usize::MAX` switches it off. Default 16 KiB.
    pub zero_copy_min: usize,
    /// Parts of one connection's sends, of up to 16 pieces each, whose memory the kernel may still read because they went out without a
    /// copy; what is beyond is copied. Each takes up 56 bytes of the core until the peer has its bytes. Zero copies all, at most 255.
    /// Default 64.
    pub pinned_parts_max: u32,
    /// Regions ([`fs::Region`](crate::fs::Region)) of which anything is left, a handle or a block. At most 256. Default 64.
    pub regions_max: u16,
    /// Bytes of all of them together. On io_uring they are locked in memory, which `RLIMIT_MEMLOCK` bounds for most users. Default
    /// 256 MiB.
    pub region_bytes_max: usize,
    /// Answers deferred and not yet written, per connection, of 72 bytes each besides what is written. A connection with half
    /// as many stops reading, so that requests that come faster than their answers make the peer wait. At most 65,536.
    /// Default 1,024.
    pub deferred_max: u32,
    /// Bytes that a [`Stream`](crate::Stream) receives ahead of its reader, whole receive buffers counted as they come, before its
    /// peer has to wait. The reader may have taken over as many, or as many as one read needs. Default 64 KiB.
    pub read_ahead_bytes_max: usize,
    /// Bytes that a connection has received for a [file](crate::Context::forward_to_file) and that are not written yet. From half of it on its
    /// peer has to wait, until it is less than a quarter. Default 1 MiB.
    pub unwritten_bytes_max: usize,
    /// Bytes of one [body](crate::Context::read_exact_into), which a connection receives into memory of its own. Default 64 MiB.
    pub body_bytes_max: usize,
    /// Bytes that a core holds of what has come in part: frames that lie in several receive buffers, bodies as far as the runtime has made
    /// room for them, and what arrived before a connection stopped reading. While half of it is held, those of which
    /// something has come in part receive one after the other, as there is room for all that each of them is known to need; the others wait, and so do
    /// their peers. What a future that serves a connection reads ahead is not counted here. Whoever needs no more than one receive buffer goes on before that, up to seven eighths, unless the first in line
    /// waits for such alone. A connection that receives what there is no room for is closed
    /// ([`StopReason::AssemblyFull`](crate::StopReason::AssemblyFull)). Set it to a few times the largest frame or body. At least 65,536, and one receive buffer. Default 256 MiB,
    /// as much as may wait [on the way out](Config::spill_bytes_max), and four of the largest bodies.
    pub assembly_bytes_max: usize,
    /// An accepted connection ends if its peer sends nothing at all for so long, with
    /// [`StopReason::Late`](crate::StopReason::Late). `Duration::MAX`: it may wait, as where only the server speaks. What the
    /// [listener](crate::ListenerBuilder::first_byte_timeout) or the
    /// [actor](crate::Connection::FIRST_BYTE_TIMEOUT) says comes first. Longer than nothing. Default 10 s.
    pub first_byte_timeout: Duration,
    /// A connection ends so, too, if its peer has begun a frame or a [body](crate::Context::read_exact_into) and not sent all of it in
    /// this time, and in what it earns beyond by [`frame_rate_min`](Config::frame_rate_min). Time in which the connection does not
    /// read does not count, that in which it [waits for room](Config::assembly_bytes_max) included; whoever has been given room for which others
    /// may wait is never ahead by more than this time; but it keeps that room for as long as it goes on at the rate, and whoever is behind it
    /// waits as long: 64 MiB take 18 h at a kibibyte a second. `Duration::MAX`: it may take as long as it likes, and keep others from
    /// room as long. What the [listener](crate::ListenerBuilder::frame_timeout) or the
    /// [actor](crate::Connection::FRAME_TIMEOUT) says comes first. Longer than nothing. Default 30 s, as [`write_stall`](Config::write_stall).
    pub frame_timeout: Duration,
    /// Bytes of a frame or a body that earn its peer a second more: who sends as fast is never late. Raise it where large bodies come, and
    /// none is to keep room from others for long. At least 1. Default 1,024.
    pub frame_rate_min: u32,
    /// A connection ends if the kernel takes nothing of what it sends for so long, because the peer does not read. The kernel
    /// takes more in steps of 128 KiB or a little more: a peer that reads as much in this time is waited for. (Elsewhere than
    /// on Linux, in steps of a good part of the socket's send buffer.) What the kernel has taken is its own affair, also where it reads it
    /// from [where it lies](Config::zero_copy_min). Default 30 s.
    pub write_stall: Duration,
    /// Entries in the submission queue: a power of two from 2 to 32,768. Default 256.
    pub submission_entries: u32,
    /// Entries in the completion queue: a power of two, at least as many. Default 4,096.
    pub completion_entries: u32,
    /// Places for messages under way from one core to another, of 32 bytes each: a message of up to 16 bytes takes up one,
    /// one of up to 48 bytes two, and so on up to four; larger ones are boxed and take up one. [How many](crate#sizing) are needed
    /// depends on what is sent while the other core is busy. A power of two, from 8 on. Default 2,048.
    pub lane_capacity: u32,
    /// Envelopes under way to a core from threads outside of the system: see [Sizing](crate#sizing). Default 4,096.
    pub inbox_capacity: usize,
    /// Timers set at one time, of 32 bytes each. Where a connection finds none, it ends, by a reset, unless it ends in order anyway,
    /// everything has been sent and no answer is owed: then it is closed at once, which is a reset all the same where the peer has sent
    /// something that is unread. Where an interval finds none, its actor fails, and that is reported. What futures, answers and messages
    /// that actors have set for later find none for stands in an ordered list instead, which allocates, is slower and no less exact
    /// ([`sleep_until`](crate::time::sleep_until)). Default 4,194,304.
    pub timers_max: u32,
    /// Tasks that have begun and not finished: answers that are awaited, futures, and messages that actors have set for later
    /// ([`Context::send_after`](crate::Context::send_after)), which are not set beyond that. Beside them, up to 1,024 continuations may wait
    /// to be told that there was no room for their questions; more are dropped and counted as failures. Default 1,048,576.
    pub tasks_max: u32,
    /// Subscriptions of a core's actors to [topics](crate::Topic), of some 100 bytes each. Default 4,194,304.
    pub subscriptions_max: usize,
    /// Publications of one [topic](crate::Topic) that wait on a core to be handed round there. What is beyond is missed by the subscribers
    /// of that core, who are told how much that is. Default 1,024.
    pub topic_backlog_max: u32,
    /// Names of actors ([`System::register`](crate::System::register)) in the whole system, of up to 255 bytes each. Default 65,536.
    pub names_max: usize,
    /// How long an answer is awaited, where the question does not say. It counts from the asking core's last look at the clock, as
    /// [`Context::now`](crate::Context::now) does: a question that is asked after others have blocked the core has that much less. At
    /// least 1 ms. Default 5 s.
    pub ask_timeout: Duration,
    /// How long an asynchronous handler may take, where it does not say. Longer than nothing. Default 30 s.
    pub handler_timeout: Duration,
    /// Requests of futures about files ([`fs`](crate::fs)) in flight. Whoever asks for more waits in line. What connections
    /// [forward to files](crate::Context::forward_to_file) does not count, nor do closes and [regions](crate::fs::Region). Each costs about 200 bytes beside its memory.
    /// From 1 to 65,536. Default 1,024.
    pub file_requests_max: u32,
    /// Those of them that the threads of the system have at one time, which block for the cores on mio; the others wait with their core, in
    /// order. Enough to keep the threads busy while answers are on their way. Each costs some 400 bytes from the start. From 1 to 65,536.
    /// Default 64.
    pub blocking_tasks_max: u32,
    /// Messages that one actor handles before others have their turn. Default 64.
    pub activation_messages: u32,
    /// Time that one actor runs before others have their turn, looked at between messages. Default 200 µs.
    pub activation_time: Duration,
    /// Activations before the core looks at the kernel again. Default 1,024.
    pub turn_activations: u32,
    /// Time before the core looks at the kernel again, looked at between activations. Default 500 µs.
    pub turn_time: Duration,
    /// A handler, or whatever else of a program runs on a core without waiting, is reported if it keeps the core from everything else
    /// for longer. A machine that has no processor for the core looks the same. `Duration::MAX` reports none. Default 100 ms.
    pub slow_handler: Duration,
    /// Longest time that an idle core looks at memory before it sleeps: less while that finds nothing, down to a sixteenth but
    /// for one time in sixteen. Cores that answer each other stay awake more surely if it is longer than a wake takes: 15 to 40 µs. Zero
    /// where cores outnumber processors. Default 20 µs.
    pub spin: Duration,
    /// Time for connections to send what is queued when the system shuts down. Default 10 s.
    pub drain_deadline: Duration,
    /// How long a closing connection waits for its peer: to read, where something is queued still, and then to close as well. It begins
    /// anew whenever the kernel takes some of what is queued, in steps as those of [`write_stall`](Config::write_stall), or lets go of
    /// something that was sent without a copy. If output is left when it is over, the connection is cut off, by a reset, and counted. So it is if what was sent
    /// [without a copy](Config::zero_copy_min) has not been read, for the kernel would keep that memory for as long. All else that was sent
    /// the kernel goes on delivering after the close. Default 5 s.
    pub close_deadline: Duration,
    /// Longest time that `close_deadline` may become by beginning anew, however steadily the peer reads; never less than that. Default
    /// 60 s.
    pub close_deadline_max: Duration,
    /// A connection that has read for so long and received nothing is closed, when all is sent, without waiting for its peer to close too.
    /// One that did not read, as in a pause, does not know whether its peer has sent more, and waits. Default 1 s.
    pub linger_after: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            actors_max: 1 << 22,
            pin: true,
            connections_max: None,
            sockets_beside: 32,
            mailbox_bytes_max: 256 << 20,
            receive_buffers: 32,
            receive_buffer_bytes: 64 << 10,
            send_slots: [8192, 4096, 1024, 256, 64],
            outbox_bytes_max: 1 << 20,
            connection_slot_bytes_max: 512 << 10,
            spill_bytes_max: 256 << 20,
            owned_bytes_min: 4 << 10,
            send_parts_max: 1 << 16,
            send_part_bytes_max: 1 << 30,
            zero_copy_min: 16 << 10,
            pinned_parts_max: 64,
            regions_max: 64,
            region_bytes_max: 256 << 20,
            deferred_max: 1024,
            read_ahead_bytes_max: 64 << 10,
            unwritten_bytes_max: 1 << 20,
            body_bytes_max: 64 << 20,
            assembly_bytes_max: 256 << 20,
            first_byte_timeout: Duration::from_secs(10),
            frame_timeout: Duration::from_secs(30),
            frame_rate_min: 1024,
            write_stall: Duration::from_secs(30),
            submission_entries: 256,
            completion_entries: 4096,
            lane_capacity: 2048,
            inbox_capacity: 4096,
            timers_max: 1 << 22,
            tasks_max: 1 << 20,
            subscriptions_max: 1 << 22,
            topic_backlog_max: 1024,
            names_max: 1 << 16,
            ask_timeout: Duration::from_secs(5),
            handler_timeout: Duration::from_secs(30),
            file_requests_max: 1024,
            blocking_tasks_max: 64,
            activation_messages: 64,
            activation_time: Duration::from_micros(200),
            turn_activations: 1024,
            turn_time: Duration::from_micros(500),
            slow_handler: Duration::from_millis(100),
            spin: Duration::from_micros(20),
            drain_deadline: Duration::from_secs(10),
            close_deadline: Duration::from_secs(5),
            close_deadline_max: Duration::from_secs(60),
            linger_after: Duration::from_secs(1),
        }
    }
}

/// A limit that cannot be: see [`Config::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The limit's name in [`Config`].
    pub limit: &'static str,
    /// What it was set to.
    pub got: u64,
    /// What it may be.
    pub expected: &'static str,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Config::{} is {}: it must be {}", self.limit, self.got, self.expected)
    }
}

impl std::error::Error for ConfigError {}

/// A limit, what it was set to, whether it can be, and what it may be.
type Rule = (&'static str, u64, bool, &'static str);

/// The most that a pool of one core may hold: asking for more memory than the machine can name would end the process.
const POOL_BYTES_MAX: u64 = 16 << 30;
/// The most requests about files that a core may have in flight: tables have room for so many.
pub(crate) const FILE_REQUESTS_LIMIT: u32 = 1 << 16;
/// The least time for an answer. Less would be over before the question is asked: it may count from so much earlier.
const ASK_TIMEOUT_MIN: Duration = Duration::from_millis(1);
/// Bytes per send slot of each class.
const SLOT_BYTES: [u64; 5] = [256, 1 << 10, 4 << 10, 16 << 10, 64 << 10];

impl Config {
    /// Looks at every limit.
    ///
    /// # Errors
    /// Names the first limit that cannot be, with what it may be.
    pub fn check(&self) -> Result<(), ConfigError> {
        let slots = self.send_slots.iter().map(|slots| u64::from(*slots)).sum::<u64>();
        let rules: [Rule; 6] = [
            ("actors_max", self.actors_max.into(), self.actors_max > 0, "at least 1"),
            (
                "connections_max",
                self.connections_max.unwrap_or(usize::MAX) as u64,
                self.connections_max != Some(0),
                "at least 1, or None",
            ),
            (
                "sockets_beside",
                self.sockets_beside.into(),
                (1..=1 << 16).contains(&self.sockets_beside),
                "from 1 to 65,536",
            ),
            (
                "receive_buffers",
                self.receive_buffers.into(),
                self.receive_buffers.is_power_of_two() && self.receive_buffers <= 32_768,
                "a power of two, at most 32,768",
            ),
            (
                "receive_buffer_bytes",
                self.receive_buffer_bytes.into(),
                (64..=1 << 26).contains(&self.receive_buffer_bytes),
                "from 64 to 67,108,864",
            ),
            (
                "send_slots",
                slots,
                slots > 0 && slots < 1 << 24,
                "from 1 to 16,777,215 in all classes together",
            ),
        ];
        let broken = rules
            .into_iter()
            .chain(self.rules_of_bytes())
            .chain(self.rules_of_queues())
            .chain(self.rules_of_files())
            .chain(self.rules_of_times())
            .chain(self.pool_rules())
            .find(|(_, _, holds, _)| !holds);
        broken.map_or(Ok(()), |(limit, got, _, expected)| Err(ConfigError { limit, got, expected }))
    }

    fn rules_of_bytes(&self) -> [Rule; 10] {
        [
            (
                "pinned_parts_max",
                self.pinned_parts_max.into(),
                u8::try_from(self.pinned_parts_max).is_ok(),
                "at most 255",
            ),
            (
                "outbox_bytes_max",
                self.outbox_bytes_max as u64,
                (1..=1 << 30).contains(&self.outbox_bytes_max),
                "from 1 to 1,073,741,824",
            ),
            (
                "connection_slot_bytes_max",
                self.connection_slot_bytes_max as u64,
                self.connection_slot_bytes_max >= 256,
                "at least 256",
            ),
            (
                "spill_bytes_max",
                self.spill_bytes_max as u64,
                self.spill_bytes_max >= 64 << 10,
                "at least 65,536",
            ),
            ("regions_max", self.regions_max.into(), self.regions_max <= 256, "at most 256"),
            (
                "deferred_max",
                self.deferred_max.into(),
                (1..=1 << 16).contains(&self.deferred_max),
                "from 1 to 65,536",
            ),
            (
                "read_ahead_bytes_max",
                self.read_ahead_bytes_max as u64,
                (1..=1 << 30).contains(&self.read_ahead_bytes_max),
                "from 1 to 1,073,741,824",
            ),
            (
                "unwritten_bytes_max",
                self.unwritten_bytes_max as u64,
                (1..=1 << 30).contains(&self.unwritten_bytes_max),
                "from 1 to 1,073,741,824",
            ),
            (
                "body_bytes_max",
                self.body_bytes_max as u64,
                (1..=1 << 40).contains(&(self.body_bytes_max as u64)),
                "from 1 to 1,099,511,627,776",
            ),
            (
                "assembly_bytes_max",
                self.assembly_bytes_max as u64,
                self.assembly_bytes_max >= 64 << 10
                    && self.assembly_bytes_max >= self.receive_buffer_bytes as usize,
                "at least 65,536, and receive_buffer_bytes",
            ),
        ]
    }

    fn rules_of_queues(&self) -> [Rule; 11] {
        let queue = |entries: u32| entries.is_power_of_two() && (2..=32_768).contains(&entries);
        [
            (
                "submission_entries",
                self.submission_entries.into(),
                queue(self.submission_entries),
                "a power of two from 2 to 32,768",
            ),
            (
                "completion_entries",
                self.completion_entries.into(),
                self.completion_entries.is_power_of_two()
                    && (self.submission_entries..=1 << 20).contains(&self.completion_entries),
                "a power of two from submission_entries to 1,048,576",
            ),
            (
                "lane_capacity",
                self.lane_capacity.into(),
                self.lane_capacity.is_power_of_two() && (8..=1 << 20).contains(&self.lane_capacity),
                "a power of two from 8 to 1,048,576",
            ),
            ("inbox_capacity", self.inbox_capacity as u64, self.inbox_capacity > 0, "at least 1"),
            ("timers_max", self.timers_max.into(), self.timers_max > 0, "at least 1"),
            ("tasks_max", self.tasks_max.into(), self.tasks_max > 0, "at least 1"),
            ("subscriptions_max", self.subscriptions_max as u64, self.subscriptions_max > 0, "at least 1"),
            ("topic_backlog_max", self.topic_backlog_max.into(), self.topic_backlog_max > 0, "at least 1"),
            (
                "activation_messages",
                self.activation_messages.into(),
                self.activation_messages > 0,
                "at least 1",
            ),
            ("turn_activations", self.turn_activations.into(), self.turn_activations > 0, "at least 1"),
            (
                "mailbox_bytes_max",
                self.mailbox_bytes_max as u64,
                self.mailbox_bytes_max >= 16_384,
                "at least 16,384",
            ),
        ]
    }

    fn rules_of_files(&self) -> [Rule; 2] {
        let rule = |limit, requests: u32| {
            let holds = (1..=FILE_REQUESTS_LIMIT).contains(&requests);
            (limit, requests.into(), holds, "from 1 to 65,536")
        };
        [
            rule("file_requests_max", self.file_requests_max),
            rule("blocking_tasks_max", self.blocking_tasks_max),
        ]
    }

    /// Times that may be as long as anybody likes.
    fn rules_of_times(&self) -> [Rule; 7] {
        let rule = |limit, time: Duration| (limit, time.as_secs(), !time.is_zero(), "longer than nothing");
        let ask_timeout = self.ask_timeout;
        [
            rule("write_stall", self.write_stall),
            rule("first_byte_timeout", self.first_byte_timeout),
            rule("frame_timeout", self.frame_timeout),
            ("frame_rate_min", self.frame_rate_min.into(), self.frame_rate_min > 0, "at least 1"),
            ("ask_timeout", ask_timeout.as_secs(), ask_timeout >= ASK_TIMEOUT_MIN, "at least 1 ms"),
            rule("handler_timeout", self.handler_timeout),
            rule("slow_handler", self.slow_handler),
        ]
    }

    /// What the pools may hold in bytes.
    fn pool_rules(&self) -> [Rule; 2] {
        let receive_bytes = u64::from(self.receive_buffers) * u64::from(self.receive_buffer_bytes);
        let send_bytes =
            self.send_slots.iter().zip(SLOT_BYTES).map(|(slots, bytes)| u64::from(*slots) * bytes);
        let send_bytes = send_bytes.sum::<u64>();
        let slots = self.send_slots.iter().map(|slots| u64::from(*slots)).sum();
        [
            (
                "receive_buffer_bytes",
                self.receive_buffer_bytes.into(),
                receive_bytes <= POOL_BYTES_MAX,
                "at most 16 GiB divided by receive_buffers",
            ),
            (
                "send_slots",
                slots,
                send_bytes <= POOL_BYTES_MAX,
                "so few that all slots together have at most 16 GiB",
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_possible() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn pools_of_more_than_16_gib_are_refused() {
        let config = Config { receive_buffers: 32_768, receive_buffer_bytes: 1 << 26, ..Config::default() };
        assert_eq!(config.check().unwrap_err().limit, "receive_buffer_bytes");
        let config = Config { receive_buffers: 256, ..config };
        assert_eq!(config.check(), Ok(()), "just 16 GiB");
        let config = Config { send_slots: [0, 0, 0, 0, (1 << 18) + 1], ..Config::default() };
        assert_eq!(config.check().unwrap_err().limit, "send_slots");
    }

    #[test]
    fn a_core_without_a_place_for_a_listener_is_refused() {
        let check = |sockets_beside| Config { sockets_beside, ..Config::default() }.check();
        assert_eq!((check(1), check(65_536)), (Ok(()), Ok(())));
        let error = check(0).unwrap_err();
        assert_eq!(error.to_string(), "Config::sockets_beside is 0: it must be from 1 to 65,536");
        assert!(check(65_537).is_err());
    }

    #[test]
    fn a_system_of_no_connections_is_refused() {
        let error = Config { connections_max: Some(0), ..Config::default() }.check().unwrap_err();
        assert_eq!(error.to_string(), "Config::connections_max is 0: it must be at least 1, or None");
    }

    #[test]
    fn times_of_nothing_are_refused_where_nothing_could_happen_in_them() {
        type Set = fn(&mut Config, Duration);
        let set: [(&str, Set); 5] = [
            ("write_stall", |config, time| config.write_stall = time),
            ("handler_timeout", |config, time| config.handler_timeout = time),
            ("slow_handler", |config, time| config.slow_handler = time),
            ("first_byte_timeout", |config, time| config.first_byte_timeout = time),
            ("frame_timeout", |config, time| config.frame_timeout = time),
        ];
        for (limit, set) in set {
            let check = |time| {
                let mut config = Config::default();
                set(&mut config, time);
                config.check()
            };
            let error = check(Duration::ZERO).unwrap_err();
            assert_eq!(error.to_string(), format!("Config::{limit} is 0: it must be longer than nothing"));
            assert_eq!((check(Duration::from_nanos(1)), check(Duration::MAX)), (Ok(()), Ok(())), "{limit}");
        }
    }

    #[test]
    fn times_for_answers_that_may_be_over_before_the_question_is_asked_are_refused() {
        let check = |ask_timeout| Config { ask_timeout, ..Config::default() }.check();
        let error = check(ASK_TIMEOUT_MIN - Duration::from_nanos(1)).unwrap_err();
        assert_eq!(error.to_string(), "Config::ask_timeout is 0: it must be at least 1 ms");
        assert_eq!((check(ASK_TIMEOUT_MIN), check(Duration::MAX)), (Ok(()), Ok(())));
    }

    #[test]
    fn room_for_what_comes_in_part_is_at_least_one_receive_buffer() {
        let check = |receive_buffer_bytes, assembly_bytes_max| {
            Config { receive_buffer_bytes, assembly_bytes_max, ..Config::default() }.check()
        };
        assert_eq!(
            (check(64, 65_536), check(65_536, 65_536), check(1 << 20, 1 << 20)),
            (Ok(()), Ok(()), Ok(()))
        );
        let error = check(64, 65_535).unwrap_err();
        assert_eq!(
            (error.limit, error.expected),
            ("assembly_bytes_max", "at least 65,536, and receive_buffer_bytes")
        );
        assert_eq!(check(1 << 20, (1 << 20) - 1).unwrap_err().limit, "assembly_bytes_max");
    }

    #[test]
    fn as_many_regions_may_there_be_as_have_places() {
        let check = |regions_max| Config { regions_max, ..Config::default() }.check();
        assert_eq!((check(0), check(256)), (Ok(()), Ok(())));
        assert_eq!(check(257).unwrap_err().to_string(), "Config::regions_max is 257: it must be at most 256");
    }

    #[test]
    fn as_many_answers_may_be_deferred_as_can_be_kept() {
        let check = |deferred_max| Config { deferred_max, ..Config::default() }.check();
        assert_eq!((check(1), check(65_536)), (Ok(()), Ok(())));
        for deferred_max in [0, 65_537] {
            let error = check(deferred_max).unwrap_err();
            assert_eq!((error.limit, error.expected), ("deferred_max", "from 1 to 65,536"));
        }
    }

    #[test]
    fn requests_about_files_and_parts_without_a_copy_are_as_many_as_tables_have_room_for() {
        let check = |config: Config| config.check().map_err(|error| error.to_string());
        let of = |file_requests_max, blocking_tasks_max, pinned_parts_max| {
            check(Config { file_requests_max, blocking_tasks_max, pinned_parts_max, ..Config::default() })
        };
        assert_eq!((of(1, 1, 0), of(65_536, 65_536, 255)), (Ok(()), Ok(())));
        for (broken, limit) in [
            (of(0, 1, 0), "file_requests_max is 0: it must be from 1 to 65,536"),
            (of(65_537, 1, 0), "file_requests_max is 65537: it must be from 1 to 65,536"),
            (of(1, 0, 0), "blocking_tasks_max is 0: it must be from 1 to 65,536"),
            (of(1, 1, 256), "pinned_parts_max is 256: it must be at most 255"),
        ] {
            assert_eq!(broken, Err(format!("Config::{limit}")));
        }
    }

    #[test]
    fn an_impossible_limit_is_named_with_its_cure() {
        let error = Config { submission_entries: 3, ..Config::default() }.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "Config::submission_entries is 3: it must be a power of two from 2 to 32,768"
        );
    }
}
