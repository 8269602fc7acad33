//! Opening the backend: each feature is used once before it is relied on.
//!
//! Knows: what the backend needs of a kernel. Must not know what to use instead.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::buffers::Buffers;
use super::outgoing::{BUFFER_GROUP, Outgoing};
use super::preflight::{closes_at_once, receives_again, sends_without_copy};
use super::zero_copy::ZeroCopy;
use super::{BATCH, Counts, Uring};
use crate::driver::{InFlight, Pools};
use crate::sys::{
    Answer, BufferRing, Errno, EventFd, Ring, descriptor_limit, locked_memory_limit,
    raise_locked_memory_limit,
};

/// Sizes of one core's ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UringConfig {
    /// Entries of the submission queue. What does not fit waits. At least 1.
    pub submission_entries: u32,
    /// Entries of the completion queue. What does not fit waits in the kernel, at a price.
    pub completion_entries: u32,
    /// Sockets at a time, listeners included.
    pub sockets_max: u32,
    /// Places beyond those, for connections that come while others are being accepted: the kernel closes what it has
    /// accepted when it finds no place.
    pub head_room: u32,
    /// Fill receive buffers bit by bit where the kernel proves that it can.
    pub incremental: bool,
    /// Bytes that a send must hold by reference to go out without a copy, where the kernel can do that.
    pub zero_copy_min: u32,
    /// Parts of one socket's sends whose memory the kernel may still read; what is beyond is copied.
    pub pinned_parts_max: u8,
    /// Send without a copy whatever has so many bytes, also if they lie in slots, and go on where the kernel copies: for tests.
    pub zero_copy_always: bool,
    /// Refuse a kernel that keeps closed sockets while an operation on an older one goes on: its memory grows with the number
    /// of connections for as long as one of them waits.
    pub prompt_close: bool,
}

impl Default for UringConfig {
    fn default() -> UringConfig {
        UringConfig {
            submission_entries: 512,
            completion_entries: 4096,
            sockets_max: 8192,
            head_room: 64,
            incremental: true,
            zero_copy_min: 16 << 10,
            pinned_parts_max: 64,
            zero_copy_always: false,
            prompt_close: false,
        }
    }
}

/// What was being done when the kernel refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Setting up the ring.
    Ring,
    /// Receiving again and again into provided buffers.
    Receive,
    /// Making the table of direct descriptors.
    Descriptors,
    /// Registering the receive buffers.
    Buffers,
    /// Closing a socket while an operation on an older one goes on.
    Closing,
    /// Opening the event descriptor that ends sleeps.
    Event,
}

/// Why io_uring cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenError {
    /// What was being done.
    pub stage: Stage,
    /// What the kernel said.
    pub errno: Errno,
}

impl OpenError {
    /// True if this machine does not offer io_uring, or not enough of it, so that another backend is the answer. Else
    /// something is short or set up wrong, and should be said instead of being papered over.
    #[must_use]
    pub fn fallback_allowed(&self) -> bool {
        match self.stage {
            // Locked memory may be too short for any ring at all, where that still counts against it.
            Stage::Ring | Stage::Receive | Stage::Closing | Stage::Buffers if self.errno == Errno::ENOMEM => {
                true
            }
            Stage::Closing if self.errno == Errno::EBUSY => true,
            _ => matches!(self.errno, Errno::ENOSYS | Errno::EPERM | Errno::EINVAL),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (self.stage, self.errno) == (Stage::Closing, Errno::EBUSY) {
            return out.write_str(
                "io_uring: this kernel keeps closed sockets for as long as an older connection waits, as Linux 6.1 does",
            );
        }
        let doing = match self.stage {
            Stage::Ring => "setting up the ring",
            Stage::Receive => "receiving into provided buffers (Linux 6.0 or later)",
            Stage::Descriptors => "making the table of direct descriptors (bounded by RLIMIT_NOFILE)",
            Stage::Buffers => "registering receive buffers",
            Stage::Closing => "closing a socket while another is in use",
            Stage::Event => "opening an event descriptor",
        };
        write!(out, "io_uring: {doing}: {}", self.errno)?;
        match (self.stage, self.errno) {
            (Stage::Ring | Stage::Receive | Stage::Buffers | Stage::Closing, Errno::ENOMEM) => {
                write!(out, "; {}", LockedMemory(&UringConfig::default()))
            }
            (Stage::Ring | Stage::Receive, Errno::EMFILE) => out.write_str("; RLIMIT_NOFILE is too low"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for OpenError {}

/// How much a ring of this size wants of what the process may lock in memory, for people.
struct LockedMemory<'a>(&'a UringConfig);

impl fmt::Display for LockedMemory<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = locked_bytes(self.0).div_ceil(1024);
        let allowed = locked_memory_limit().now / 1024;
        write!(
            out,
            "RLIMIT_MEMLOCK is {allowed} KiB for all processes of this user, and a core wants {wanted} KiB of it: raise it \
             (ulimit -l, LimitMEMLOCK= in systemd), or lower Config::completion_entries"
        )
    }
}

/// What a ring counts for where the kernel counts all of it: both queues, the ring of receive buffers, and the rings of the
/// trials before, which the kernel takes a moment to give back.
fn locked_bytes(config: &UringConfig) -> u64 {
    const PAGE: u64 = 4096;
    const SUBMISSION: u64 = 64;
    const COMPLETION: u64 = 16;
    const TRIALS: u64 = 10 * PAGE;
    let queue = |entries: u32, each: u64| u64::from(entries) * each;
    let [submissions, completions] =
        [queue(config.submission_entries, SUBMISSION), queue(config.completion_entries, COMPLETION)];
    // The indices take part of a page, and so does the ring of buffers.
    submissions.next_multiple_of(PAGE) + completions.next_multiple_of(PAGE) + 2 * PAGE + TRIALS
}

/// Names the stage of an error.
fn at(stage: Stage) -> impl Fn(Errno) -> OpenError {
    move |errno| OpenError { stage, errno }
}

/// Places in the table of direct descriptors. The kernel allows no more of them than descriptors: then there is less head
/// room, and connections are accepted one by one, but never less than was asked for.
fn places(config: &UringConfig, descriptors: u64) -> u32 {
    let wanted = config.sockets_max.saturating_add(config.head_room);
    let allowed = u32::try_from(descriptors).unwrap_or(u32::MAX);
    wanted.min(allowed.max(config.sockets_max)).max(1)
}

/// What the kernel has been seen to do.
struct Proven {
    incremental: bool,
    prompt_close: bool,
    zero_copy: bool,
}

/// Uses each feature once that is not to be taken for granted.
fn prove(config: &UringConfig) -> Result<Proven, OpenError> {
    let incremental = config.incremental && receives_again(true).is_ok();
    if !incremental {
        receives_again(false).map_err(at(Stage::Receive))?;
    }
    let prompt_close = closes_at_once().map_err(at(Stage::Closing))?;
    if config.prompt_close && !prompt_close {
        return Err(OpenError { stage: Stage::Closing, errno: Errno::EBUSY });
    }
    // A kernel that does not say what it has copied could make each send dearer, and nobody would know.
    let zero_copy = sends_without_copy().unwrap_or(false);
    Ok(Proven { incremental, prompt_close, zero_copy })
}

/// Kernel threads for what cannot be done without blocking (shutting down is such a thing): few, or a burst of ten
/// thousand shutdowns starts as many. Zero leaves the kernel's own bound for files.
const SOCKET_WORKERS_MAX: u32 = 4;

impl Uring {
    /// Opens a ring for the calling thread, which alone may use it. Buffers of the receive pool go to the kernel with each
    /// `enter`; the backend keeps the pools alive until the kernel no longer knows them, and leaks
    /// them should that not come about.
    ///
    /// # Errors
    /// Says at which stage, and whether another backend may take its place.
    pub fn open(config: &UringConfig, pools: &Rc<Pools>) -> Result<Uring, OpenError> {
        // Where that is refused, the limit stays as it is, and may suffice.
        let _ = raise_locked_memory_limit(u64::MAX);
        drop(Ring::open(2, 4).map_err(at(Stage::Ring))?);
        // Before the ring that stays: where locked memory is short, that one takes what is left.
        let Proven { incremental, prompt_close, zero_copy } = prove(config)?;
        let mut ring =
            Ring::open(config.submission_entries, config.completion_entries).map_err(at(Stage::Ring))?;
        let lacking = ring.lacking();
        let bounded = ring.bound_workers(0, SOCKET_WORKERS_MAX).is_ok();
        let shortage = ring
            .is_smaller()
            .then(|| format!("io_uring has smaller queues than it should: {}", LockedMemory(config)));
        let places = places(config, descriptor_limit().now);
        ring.register_files(places).map_err(at(Stage::Descriptors))?;
        let buffers = BufferRing::new(pools.receive.count()).map_err(at(Stage::Buffers))?;
        let buffers =
            Buffers::register(&mut ring, buffers, BUFFER_GROUP, incremental).map_err(at(Stage::Buffers))?;
        let event = EventFd::new().map_err(|error| at(Stage::Event)(Errno::of(&error)))?;
        let features = format!(
            "io_uring: {}{}{}{}{}{}",
            ring.report(),
            if incremental { ", incremental buffers" } else { ", whole buffers" },
            if bounded { "" } else { ", unbounded workers" },
            if zero_copy { ", sends without a copy" } else { ", every send copied" },
            if prompt_close { "" } else { ", closed sockets kept while older ones wait" },
            if lacking.is_empty() { String::new() } else { format!(", without {}", lacking.join(", ")) },
        );
        // A place is free again before the answer to its close is seen: for that moment it has two sockets.
        let mut in_flight = InFlight::with_pins(places.saturating_mul(2), config.pinned_parts_max);
        let (wake, narrow) = (in_flight.begin_wake(), in_flight.begin_wake());
        let mut uring = Uring {
            pools: Some(Rc::clone(pools)),
            outgoing: Outgoing::new(ring),
            in_flight,
            buffers,
            instant: Vec::new(),
            gathers: Vec::new(),
            batch: [Answer::default(); BATCH],
            connects: HashMap::new(),
            notes: HashMap::new(),
            tries: HashMap::new(),
            pairs: HashMap::new(),
            left_opens: HashSet::new(),
            routes: Vec::new(),
            zero_copy: ZeroCopy::new(config, zero_copy),
            has_memory_table: false,
            keeps_closed: !prompt_close,
            opening: 0,
            sockets_max: config.sockets_max as usize,
            burst_max: 0,
            narrow,
            own_operations: 2,
            event: Arc::new(event),
            event_count: Box::new(0),
            draining: false,
            drained: false,
            keeps_pools: false,
            counts: Counts::default(),
            features,
            shortage,
        };
        uring.issue(pools, wake);
        Ok(uring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_room_shrinks_before_the_limit_of_sockets_does() {
        let config = UringConfig { sockets_max: 10, head_room: 64, ..UringConfig::default() };
        assert_eq!(places(&config, u64::MAX), 74);
        assert_eq!(places(&config, 20), 20);
        assert_eq!(places(&config, 5), 10);
    }

    #[test]
    fn a_shortage_names_its_limit() {
        let memory = OpenError { stage: Stage::Ring, errno: Errno::ENOMEM };
        assert!(memory.to_string().contains("RLIMIT_MEMLOCK"));
        assert!(memory.fallback_allowed());
        let descriptors = OpenError { stage: Stage::Receive, errno: Errno::EMFILE };
        assert!(descriptors.to_string().contains("RLIMIT_NOFILE"));
        assert!(!descriptors.fallback_allowed());
    }

    #[test]
    fn a_kernel_that_keeps_closed_sockets_gives_way_to_another_backend() {
        let kept = OpenError { stage: Stage::Closing, errno: Errno::EBUSY };
        assert!(kept.fallback_allowed());
        assert!(kept.to_string().contains("keeps closed sockets"));
    }
}
