//! What the rules tolerate, where, and why.
//!
//! Knows: paths, counts, reasons. A file ends with `.rs`; a path that ends with `/` stands for all files below it.

/// The layers, lowest first. A module may name those before its own row, and itself.
pub(crate) const LAYERS: &[&[&str]] = &[
    &["config"],
    &["sys"],
    &["mem"],
    &["driver"],
    &["executor"],
    &["actor"],
    &["time"],
    &["task"],
    &["fs", "process"],
    &["net"],
    &["system"],
    &["testing"],
    &["sim"],
    &["prelude"],
    &["manual"],
];

/// Where system calls are made (R1).
pub(crate) const SYSTEM_CALLS: &[&str] = &["src/sys/", "src/driver/backend/", "src/driver/backend.rs"];

/// Crates that make system calls, named elsewhere: file, crate, reason.
pub(crate) const SYSTEM_CRATES_TOLERATED: &[(&str, &str, &str)] = &[
    (
        "src/driver/mod.rs",
        "mio",
        "holds the poll's waker; wakers cross threads, so one type covers all backends",
    ),
    ("src/driver/mod.rs", "socket2", "holds a listening socket on its way to its core, without calling it"),
];

/// Where descriptors may be seen (R2).
pub(crate) const DESCRIPTORS: &[&str] = &["src/sys/", "src/driver/"];

/// Where platforms may differ (R4).
pub(crate) const PLATFORMS: &[(&str, &str)] = &[
    ("src/driver/backend.rs", "which backends there are"),
    ("src/sys/mod.rs", "which system calls there are"),
    ("src/driver/mod.rs", "the waker of the backend that only Linux has"),
    ("src/system/thread.rs", "starts a core with the backend that only Linux has"),
    ("src/sys/listen.rs", "FreeBSD has another name for the option by which sockets share a port"),
];

/// The types that are generic over the backend (R3).
pub(crate) const GENERIC_OVER_BACKEND: &[&str] = &["Driver", "Executor"];

/// Where indirect calls and boxed closures are declared (R6): file, how many times `dyn` or a function pointer's type is
/// written, what is called through it and how often.
pub(crate) const INDIRECT_CALLS: &[(&str, usize, &str)] = &[
    (
        "src/actor/address.rs",
        3,
        "a recipient hides the type of its actor: one call per message or question sent through it",
    ),
    ("src/actor/ask.rs", 3, "where an answer is put, by its type: one call per answer"),
    (
        "src/executor/anteroom.rs",
        3,
        "messages of any type wait in front of a core: one call for each that has to, when its turn comes",
    ),
    (
        "src/actor/send.rs",
        6,
        "messages of any type wait for room in one line: two calls for each that has to",
    ),
    (
        "src/actor/topic.rs",
        1,
        "ends the hubs of a topic of any type: one call for each core when it is dropped",
    ),
    ("src/actor/shell.rs", 1, "a task knows no type of an actor: one call for each that fails"),
    ("src/actor/testing/questions.rs", 6, "questions of any type that a test answers: none in a system"),
    (
        "src/driver/pool.rs",
        3,
        "what blocks is of any type: two calls for each task, on a thread that may wait",
    ),
    (
        "src/executor/cell.rs",
        3,
        "the functions of a cell's type: one call per activation, one per cell freed, one to name who is slow",
    ),
    ("src/executor/core.rs", 3, "what a panic carries, and what follows a stage of the end: once each"),
    ("src/executor/dead_letters.rs", 1, "whoever hears of dead letters: one call for each kind and turn"),
    ("src/executor/envelope.rs", 2, "a message from another core: one call that unpacks and delivers it"),
    ("src/executor/guest.rs", 3, "what a test keeps with its core: looked up, and not called"),
    (
        "src/executor/request.rs",
        2,
        "what is asked of a core from outside: one call per listener or inspection",
    ),
    ("src/actor/answer.rs", 1, "hides the type of the answer that an actor waits for: not called here"),
    (
        "src/executor/tasks/waits.rs",
        2,
        "an answer of any type that an actor waits for: one look each time that somebody asks an actor that waits",
    ),
    ("src/executor/task.rs", 2, "finds the state of an actor in its head: once per asynchronous handler"),
    (
        "src/executor/task_block.rs",
        6,
        "what an actor has begun is of any type: one call when an answer has come, one each time that a future goes on, one when a \
         reply is kept",
    ),
    (
        "src/net/connect.rs",
        3,
        "what is made of a socket that is connected, or of what nobody has taken: one call per outgoing connection",
    ),
    (
        "src/executor/stage.rs",
        4,
        "whoever runs the cores of a simulation, while a test waits for one: none in a system",
    ),
    ("src/system/simulation.rs", 3, "is such a stage: as there"),
    ("src/sim/scene.rs", 2, "what a test waits for: asked as often as it takes, none in a system"),
    ("src/sim/mod.rs", 1, "names the type of `src/executor/stage.rs`"),
    ("src/sim/check.rs", 2, "the accidents of a seed: one call for each"),
    ("src/sim/seeds.rs", 1, "what a test has panicked with: looked at when it has"),
    ("src/sys/signals.rs", 1, "a signal handler is a function to the kernel"),
    ("src/system/error.rs", 1, "the source of an error, as the standard library wants it"),
];

/// Where cores share memory (R9): file, reason.
pub(crate) const SHARED_STATE: &[(&str, &str)] = &[
    (
        "src/actor/pool.rs",
        "whose turn it is among workers, and how often each is lent out: looked at when one is chosen",
    ),
    (
        "src/actor/topic.rs",
        "what a topic and its hub on one core know of each other though messages overtake each other: read when one comes or ends",
    ),
    (
        "src/driver/pool.rs",
        "how many threads block and how many tasks there are for them: looked at when one is handed over, and when it is done",
    ),
    (
        "src/executor/anteroom.rs",
        "who waits in front of a core whose ways are full: looked at every turn, locked where somebody does",
    ),
    (
        "src/executor/circle.rs",
        "names of circles of actors: looked at when one was found, and when it is shown",
    ),
    ("src/executor/counters.rs", "metrics: each is written by one core and read by any"),
    ("src/executor/directory.rs", "the directory of cores: written when one starts or ends"),
    ("src/executor/hubs.rs", "numbers the topics of the process, once per topic"),
    ("src/executor/lane.rs", "a lane: the head and the tail of its ring, and whether an end is gone"),
    (
        "src/executor/names.rs",
        "what actors are called: looked at when a name is given, looked up, or goes with its actor",
    ),
    ("src/executor/oneshot.rs", "one value from thread to thread, and who waits for it"),
    (
        "src/executor/room.rs",
        "that others have made room for what a core owes them: looked at every turn, written where it owes",
    ),
    ("src/executor/sleep.rs", "the flag by which a core announces that it sleeps"),
    (
        "src/executor/waker.rs",
        "the tasks of a core that were woken from elsewhere: a list, and a flag of each",
    ),
    (
        "src/mem/pool_id.rs",
        "numbers the pools of the process, once per pool, so that what is lent knows its own",
    ),
    (
        "src/mem/block_pool.rs",
        "which blocks of a region are free, and who waits for all of them: looked at when one is taken or dropped, on any thread",
    ),
    (
        "src/mem/returns.rs",
        "parts of receive buffers that are kept: a list of the buffers that they come back to, from any thread",
    ),
    ("src/net/credits.rs", "connection credits: one number for all cores of a system"),
    ("src/sys/buffers.rs", "the tail of a ring of provided buffers, which the kernel reads"),
    ("src/sys/signals.rs", "the pipe of the signal handlers: one per process"),
    ("src/sys/sync.rs", "atomics under a name that a model checker can replace"),
    ("src/system/builder.rs", "starts the count of `system/mod.rs`"),
    ("src/system/shutdown.rs", "hands the count of `system/mod.rs` on"),
    ("src/system/mod.rs", "a count by which threads from outside choose a core in turn"),
];

/// Where a thread waits for a time: file, reason.
pub(crate) const WAITS: &[(&str, &str)] =
    &[("src/sys/sync.rs", "a thread from outside waits to be woken, and has a deadline for that")];

/// Where the clock is read.
pub(crate) const CLOCK: &str = "src/sys/clock.rs";

/// Where times of the clock on the wall are said, because files have such, and are not read from it.
pub(crate) const TIMES_OF_FILES: &[&str] =
    &["src/sys/file.rs", "src/sys/statx.rs", "src/fs/mod.rs", "src/driver/backend/sim/disk.rs"];

/// Where `unsafe` may stand at all.
pub(crate) const UNSAFE_ALLOWED: &[&str] = &[
    "src/sys/",
    "src/mem/",
    "src/driver/backend/uring",
    "src/executor/cell",
    "src/executor/current",
    "src/executor/lane",
    "src/executor/envelope",
    "src/executor/task",
    "src/executor/waker",
];

/// How many times `unsafe` stands in a file, its tests included.
pub(crate) const UNSAFE_COUNTS: &[(&str, usize)] = &[
    ("src/driver/backend/uring/buffers.rs", 3),
    ("src/driver/backend/uring/complete.rs", 1),
    ("src/driver/backend/uring/files.rs", 11),
    ("src/driver/backend/uring/regions.rs", 1),
    ("src/driver/backend/uring/gather.rs", 2),
    ("src/driver/backend/uring/issue.rs", 8),
    ("src/driver/backend/uring/links.rs", 2),
    ("src/driver/backend/uring/outgoing.rs", 16),
    ("src/driver/backend/uring/preflight.rs", 6),
    ("src/driver/backend/uring/room.rs", 7),
    ("src/driver/backend/uring/tests/regions.rs", 1),
    ("src/executor/cell.rs", 23),
    ("src/executor/cell/activation.rs", 3),
    ("src/executor/current.rs", 4),
    ("src/executor/envelope.rs", 21),
    ("src/executor/task.rs", 1),
    ("src/executor/task_block.rs", 39),
    ("src/executor/task_answer.rs", 1),
    ("src/executor/tasks.rs", 7),
    ("src/executor/tasks/table.rs", 2),
    ("src/executor/lane.rs", 10),
    ("src/executor/waker.rs", 3),
    ("src/mem/block_pool.rs", 10),
    ("src/mem/blocks.rs", 20),
    ("src/mem/buffer.rs", 6),
    ("src/mem/lend.rs", 2),
    ("src/mem/poison.rs", 5),
    ("src/mem/fifo.rs", 12),
    ("src/mem/kept.rs", 4),
    ("src/mem/receive.rs", 3),
    ("src/mem/region.rs", 3),
    ("src/mem/send.rs", 2),
    ("src/mem/send/parts.rs", 1),
    ("src/sys/beneath.rs", 2),
    ("src/sys/buffers.rs", 4),
    ("src/sys/clock.rs", 1),
    ("src/sys/event.rs", 3),
    ("src/sys/limits.rs", 2),
    ("src/sys/mapping.rs", 5),
    ("src/sys/open.rs", 4),
    ("src/sys/ring.rs", 14),
    ("src/sys/signals.rs", 12),
    ("src/sys/spare.rs", 9),
    ("src/sys/topology.rs", 5),
    ("src/sys/backlog.rs", 3),
    ("tests/contract/actors/segments.rs", 1),
    ("tests/server/process.rs", 1),
];

/// True if `path` is one of `places` or lies below one.
pub(crate) fn lies_in(path: &str, places: &[&str]) -> bool {
    places.iter().any(|place| if place.ends_with(".rs") { path == *place } else { path.starts_with(place) })
}
