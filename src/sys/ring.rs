//! One io_uring: its set-up, its two queues, the one call that enters the kernel.
//!
//! Knows: entries and answers. Must not know what an operation means.
//!
//! A ring is bound to the thread that opened it: the kernel refuses every other one (`SINGLE_ISSUER`), and the index of
//! the registered ring descriptor is a number of that thread. So it is neither `Send` nor `Sync`.
//!
//! Invariants:
//! 1. The queues are touched only through `&mut self`, apart from `pending`, which reads kernel-written words.
//! 2. `queued` is the number of entries between the submission queue's head and tail: only `enter` makes the kernel
//!    consume any, and its answer says how many.
//! 3. Memory named by a pushed entry lives until its last completion: promised by whoever calls `push`.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;
use std::{fmt, ptr};

use io_uring::squeue::Entry;
use io_uring::types::CancelBuilder;
use io_uring::{CompletionStatus, EnterFlags, IoUring, Probe, opcode};

use super::{BufferRing, Errno, Time};

const REGISTER_RING_DESCRIPTORS: libc::c_uint = 20;
const UNREGISTER_RING_DESCRIPTORS: libc::c_uint = 21;

/// What the kernel answered to one entry: a completion queue entry.
#[derive(Debug, Clone, Copy, Default)]
pub struct Answer {
    /// What the entry carried.
    pub user_data: u64,
    /// Negative: an error number.
    pub result: i32,
    /// Bits that say whether more will come, and which buffer was used.
    pub flags: u32,
}

impl Answer {
    /// True if the same entry will be answered again. To be looked at before the result.
    #[must_use]
    pub fn more(&self) -> bool {
        io_uring::cqueue::more(self.flags)
    }

    /// True if this is not about the result of the entry, but says that the kernel has let go of the memory that it named.
    #[must_use]
    pub fn released(&self) -> bool {
        io_uring::cqueue::notif(self.flags)
    }

    /// Where [`Answer::released`], and the entry asked for it: true if the kernel has copied the memory after all.
    #[must_use]
    pub fn copied(&self) -> bool {
        const COPIED: u32 = 1 << 31;
        self.result as u32 & COPIED != 0
    }

    /// The provided buffer that was used, if any was.
    #[must_use]
    pub fn buffer(&self) -> Option<u16> {
        io_uring::cqueue::buffer_select(self.flags)
    }

    /// True if the kernel goes on filling the buffer that it used.
    #[must_use]
    pub fn buffer_more(&self) -> bool {
        io_uring::cqueue::buffer_more(self.flags)
    }

    /// The result as a number of bytes, or of whatever the operation counts.
    pub fn outcome(&self) -> Result<u32, Errno> {
        u32::try_from(self.result).map_err(|_| Errno(-self.result))
    }
}

/// How long [`Ring::enter`] may stay in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// It returns at once.
    No,
    /// Until something completes, or until that time; for ever with [`Time::MAX`].
    Until(Time),
}

/// A set of set-up flags that a kernel knows altogether or not.
#[derive(Debug, Clone, Copy)]
struct Rung {
    name: &'static str,
    single_issuer: bool,
    defer: bool,
    coop: bool,
    submit_all: bool,
    no_array: bool,
}

/// From the richest down; each line names the first kernel that has all of it.
const LADDER: [Rung; 5] = [
    Rung { no_array: true, ..RUNG_6_1 }.named("single issuer, deferred task work, no index array (6.6)"),
    RUNG_6_1,
    Rung { defer: false, ..RUNG_6_1 }.named("single issuer, cooperative task work (6.0)"),
    Rung { defer: false, single_issuer: false, ..RUNG_6_1 }.named("cooperative task work (5.19)"),
    Rung {
        name: "plain",
        single_issuer: false,
        defer: false,
        coop: false,
        submit_all: false,
        no_array: false,
    },
];

const RUNG_6_1: Rung = Rung {
    name: "single issuer, deferred task work (6.1)",
    single_issuer: true,
    defer: true,
    coop: true,
    submit_all: true,
    no_array: false,
};

impl Rung {
    const fn named(self, name: &'static str) -> Rung {
        Rung { name, ..self }
    }

    fn open(self, submissions: u32, completions: u32) -> Result<IoUring, Errno> {
        let mut builder = IoUring::builder();
        builder.dontfork().setup_clamp().setup_cqsize(completions.max(submissions));
        if self.single_issuer {
            builder.setup_single_issuer();
        }
        if self.defer {
            builder.setup_defer_taskrun();
        }
        if self.coop {
            builder.setup_coop_taskrun().setup_taskrun_flag();
        }
        if self.submit_all {
            builder.setup_submit_all();
        }
        if self.no_array {
            builder.setup_no_sqarray();
        }
        builder.build(submissions).map_err(|error| Errno::of(&error))
    }
}

/// What Odeon has a use for.
const USEFUL: [(u8, &str); 16] = [
    (opcode::Accept::CODE, "accept"),
    (opcode::Recv::CODE, "receive"),
    (opcode::Send::CODE, "send"),
    (opcode::SendMsg::CODE, "send of several parts"),
    (opcode::Connect::CODE, "connect"),
    (opcode::FilesUpdate::CODE, "places for what was connected"),
    (opcode::Shutdown::CODE, "shutdown"),
    (opcode::Close::CODE, "close"),
    (opcode::AsyncCancel::CODE, "cancel"),
    (opcode::Read::CODE, "read"),
    (opcode::Write::CODE, "write"),
    (opcode::Writev::CODE, "write of several parts"),
    (opcode::OpenAt2::CODE, "open"),
    (opcode::Statx::CODE, "stat"),
    (opcode::Fsync::CODE, "sync"),
    (opcode::SendMsgZc::CODE, "send without a copy"),
];

/// An io_uring, bound to the thread that opened it.
///
/// ```compile_fail,E0277
/// fn takes_along<T: Send>(_: T) {}
///
/// takes_along(odeon::sys::Ring::open(2, 4).unwrap());
/// ```
pub struct Ring {
    ring: IoUring,
    rung: &'static str,
    status: CompletionStatus,
    /// The number to enter by: an index if the ring is registered with its thread, else a descriptor.
    entrance: i32,
    registered: bool,
    enter_flags: u32,
    absolute_time: bool,
    queued: u32,
    capacity: u32,
    /// The queues had to be halved.
    smaller: bool,
    thread: PhantomData<*const ()>,
}

impl fmt::Debug for Ring {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Ring").field("rung", &self.rung).field("queued", &self.queued).finish()
    }
}

#[repr(C)]
struct GetEvents {
    signals: u64,
    signals_len: u32,
    least_wait_us: u32,
    timeout: u64,
}

#[repr(C)]
struct RingDescriptor {
    index: u32,
    reserved: u32,
    descriptor: u64,
}

impl Ring {
    /// Opens a ring for the calling thread, with the richest set of flags that the kernel takes. Where memory is short,
    /// the queues are halved until they fit.
    ///
    /// # Errors
    /// `ENOSYS` or `EPERM` where io_uring is absent or forbidden; `ENOMEM` when not even two entries fit.
    pub fn open(submissions: u32, completions: u32) -> Result<Ring, Errno> {
        let (mut submissions, mut completions) = (submissions.max(1), completions.max(2));
        let mut smaller = false;
        loop {
            match climb_down(submissions, completions) {
                Err(Errno::ENOMEM) if submissions > 2 => {
                    submissions /= 2;
                    completions /= 2;
                    smaller = true;
                }
                other => {
                    let mut ring = other.map(|(ring, rung)| Ring::new(ring, rung))?;
                    ring.smaller = smaller;
                    return Ok(ring);
                }
            }
        }
    }

    fn new(mut ring: IoUring, rung: Rung) -> Ring {
        // SAFETY: kept beside the ring that it came from, and dropped with it.
        let status = unsafe { ring.completion().status() };
        let params = ring.params();
        let (absolute_time, no_iowait) = (params.is_feature_min_timeout(), params.is_feature_no_iowait());
        let capacity = params.sq_entries();
        let descriptor = ring.as_raw_fd();
        let registered = register_descriptor(descriptor);
        let mut enter_flags = EnterFlags::GETEVENTS;
        enter_flags.set(EnterFlags::NO_IOWAIT, no_iowait);
        enter_flags.set(EnterFlags::REGISTERED_RING, registered.is_ok());
        Ring {
            ring,
            rung: rung.name,
            status,
            entrance: registered.unwrap_or(descriptor),
            registered: registered.is_ok(),
            enter_flags: enter_flags.bits(),
            // Both came with 6.12.
            absolute_time,
            queued: 0,
            capacity,
            smaller: false,
            thread: PhantomData,
        }
    }

    /// The features in use, for people.
    #[must_use]
    pub fn report(&self) -> String {
        let has = |name: &str, yes: bool| if yes { format!(", {name}") } else { String::new() };
        format!(
            "{}, {} + {} entries{}{}{}",
            self.rung,
            self.capacity,
            self.ring.params().cq_entries(),
            has("registered descriptor", self.registered),
            has("absolute timeouts", self.absolute_time),
            has("no iowait", self.ring.params().is_feature_no_iowait()),
        )
    }

    /// The operations that Odeon has a use for and this kernel does not know.
    #[must_use]
    pub fn lacking(&self) -> Vec<&'static str> {
        let mut probe = Probe::new();
        if self.ring.submitter().register_probe(&mut probe).is_err() {
            return vec!["a probe of operations"];
        }
        let lacking = USEFUL.iter().filter(|(code, _)| !probe.is_supported(*code));
        lacking.map(|(_, name)| *name).collect()
    }

    /// Entries that fit into the submission queue.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// True if the queues are smaller than asked for, because memory is short.
    #[must_use]
    pub fn is_smaller(&self) -> bool {
        self.smaller
    }

    /// Entries in the submission queue that the kernel has not taken yet.
    #[must_use]
    pub fn queued(&self) -> u32 {
        self.queued
    }

    /// Queues an entry; false if the queue is full.
    ///
    /// # Safety
    /// Memory that the entry names must live, and be used by nobody else in a conflicting way, until its last completion.
    pub unsafe fn push(&mut self, entry: &Entry) -> bool {
        if self.queued == self.capacity {
            return false;
        }
        // SAFETY: promised by the caller.
        let pushed = unsafe { self.ring.submission().push(entry) };
        debug_assert!(pushed.is_ok(), "the queue has room, see invariant 2");
        self.queued += 1;
        true
    }

    /// Hands every queued entry to the kernel and lets it complete what it can. **Costs** one system call.
    ///
    /// # Errors
    /// `EAGAIN`, `EBUSY` and `ENOMEM`: the kernel is short of something; take the answers that are there and come again.
    ///
    /// # Panics
    /// On any other error: the ring is broken.
    pub fn enter(&mut self, pause: Pause) -> Result<(), Errno> {
        match self.try_enter(pause) {
            Ok(()) => Ok(()),
            Err(error @ (Errno::EAGAIN | Errno::EBUSY | Errno::ENOMEM)) => Err(error),
            Err(error) => panic!("io_uring_enter: {error}"),
        }
    }

    /// As [`Ring::enter`], for a ring that may not be entered at all: a filter of system calls may allow to set up rings and
    /// nothing else.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub fn try_enter(&mut self, pause: Pause) -> Result<(), Errno> {
        let mut flags = self.enter_flags;
        let mut timeout = [0_i64; 2];
        let mut events = GetEvents { signals: 0, signals_len: 0, least_wait_us: 0, timeout: 0 };
        let mut argument = ptr::null();
        let mut argument_len = 0;
        if let Pause::Until(time) = pause
            && time != Time::MAX
        {
            let nanoseconds = if self.absolute_time {
                flags |= EnterFlags::ABS_TIMER.bits();
                time.0
            } else {
                time.0.saturating_sub(super::now().0)
            };
            timeout = [(nanoseconds / 1_000_000_000) as i64, (nanoseconds % 1_000_000_000) as i64];
            events.timeout = (&raw const timeout).expose_provenance() as u64;
            flags |= EnterFlags::EXT_ARG.bits();
            argument = &raw const events;
            argument_len = size_of::<GetEvents>();
        }
        let least = u32::from(pause != Pause::No);
        // SAFETY: `argument` is null or points to a local that names another local, both alive during the call; the
        // memory that the queued entries name is alive (invariant 3).
        let taken = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                self.entrance,
                self.queued,
                least,
                flags,
                argument,
                argument_len,
            )
        };
        let _ = timeout;
        if taken >= 0 {
            self.queued -= taken as u32;
            return Ok(());
        }
        match Errno::last() {
            Errno::EINTR | Errno::ETIME => Ok(()),
            error => Err(error),
        }
    }

    /// Takes answers out of the completion queue, oldest first, as many as there are and `batch` holds.
    pub fn take(&mut self, batch: &mut [Answer]) -> usize {
        let mut queue = self.ring.completion();
        let mut count = 0;
        while count < batch.len()
            && let Some(entry) = queue.next()
        {
            batch[count] =
                Answer { user_data: entry.user_data(), result: entry.result(), flags: entry.flags() };
            count += 1;
        }
        count
    }

    /// True if [`Ring::take`] would find something.
    #[must_use]
    pub fn answered(&self) -> bool {
        !self.status.is_empty()
    }

    /// True if the kernel has something that only [`Ring::enter`] brings out: work put off, or completions that did not
    /// fit into their queue. A look at memory.
    #[must_use]
    pub fn must_enter(&self) -> bool {
        self.overflowed() || self.work_put_off()
    }

    /// True if completions did not fit into their queue and wait in the kernel.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        // SAFETY: no other view of the submission queue exists during the call (invariant 1).
        unsafe { self.ring.submission_shared() }.cq_overflow()
    }

    fn work_put_off(&self) -> bool {
        // SAFETY: no other view of the submission queue exists during the call (invariant 1).
        unsafe { self.ring.submission_shared() }.taskrun()
    }

    /// Makes a table of `count` empty places for direct descriptors.
    ///
    /// # Errors
    /// `EMFILE` when the table would exceed the limit of descriptors, `ENOMEM`.
    pub fn register_files(&mut self, count: u32) -> Result<(), Errno> {
        self.ring.submitter().register_files_sparse(count).map_err(|error| Errno::of(&error))
    }

    /// Puts a descriptor into a place of the table. It may be closed afterwards.
    pub fn set_file(&mut self, place: u32, descriptor: RawFd) -> Result<(), Errno> {
        let set = self.ring.submitter().register_files_update(place, &[descriptor]);
        set.map(drop).map_err(|error| Errno::of(&error))
    }

    /// Closes the direct descriptor in a place of the table, at once.
    pub fn clear_file(&mut self, place: u32) -> Result<(), Errno> {
        let cleared = self.ring.submitter().register_files_update(place, &[-1]);
        cleared.map(drop).map_err(|error| Errno::of(&error))
    }

    /// Makes a table of `count` empty places for memory that operations may name by its place.
    ///
    /// # Errors
    /// `EINVAL` where the kernel does not know of this, `ENOMEM`.
    pub fn register_memory_table(&mut self, count: u16) -> Result<(), Errno> {
        self.ring.submitter().register_buffers_sparse(count.into()).map_err(|error| Errno::of(&error))
    }

    /// Puts memory into an empty place of the table. The kernel makes it resident, and keeps it where it is.
    ///
    /// # Errors
    /// `ENOMEM` when no more memory may be locked; `EFAULT` for more than 1 GiB.
    ///
    /// # Safety
    /// The memory lives until its place is cleared, or the ring is closed, and every operation that names it has had its last
    /// completion.
    pub unsafe fn set_memory(&mut self, place: u16, memory: *mut [u8]) -> Result<(), Errno> {
        let named = libc::iovec { iov_base: memory.cast(), iov_len: memory.len() };
        self.update_memory(place, named)
    }

    /// Takes memory out of the table again. Operations that name it go on.
    pub fn clear_memory(&mut self, place: u16) -> Result<(), Errno> {
        self.update_memory(place, libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 })
    }

    fn update_memory(&mut self, place: u16, memory: libc::iovec) -> Result<(), Errno> {
        let submitter = self.ring.submitter();
        // SAFETY: how long the memory lives is promised by whoever names any, in `set_memory`.
        let updated = unsafe { submitter.register_buffers_update(place.into(), &[memory], None) };
        updated.map_err(|error| Errno::of(&error))
    }

    /// Registers a ring of buffers as group `group`. `incremental`: the kernel fills a buffer bit by bit.
    ///
    /// # Safety
    /// The buffer ring, and every buffer ever added to it, must live until the group is unregistered or every operation
    /// that may pick a buffer of it has had its last completion.
    pub unsafe fn register_buffers(
        &mut self,
        buffers: &BufferRing,
        group: u16,
        incremental: bool,
    ) -> Result<(), Errno> {
        const INCREMENTAL: u16 = 2;
        let flags = if incremental { INCREMENTAL } else { 0 };
        let submitter = self.ring.submitter();
        // SAFETY: the ring of buffers covers its entries, and the caller promises how long it lives.
        let registered = unsafe {
            submitter.register_buf_ring_with_flags(buffers.address(), buffers.entries(), group, flags)
        };
        registered.map_err(|error| Errno::of(&error))
    }

    /// Takes a group of buffers away from the kernel.
    pub fn unregister_buffers(&mut self, group: u16) -> Result<(), Errno> {
        self.ring.submitter().unregister_buf_ring(group).map_err(|error| Errno::of(&error))
    }

    /// Cancels everything in flight, waiting for `patience` at most. The answers come as usual.
    ///
    /// # Errors
    /// `ENOENT` when there was nothing, `ETIME` when not everything ended in time.
    pub fn cancel_all(&mut self, patience: Duration) -> Result<(), Errno> {
        let timeout = io_uring::types::Timespec::from(patience);
        let cancelled = self.ring.submitter().register_sync_cancel(Some(timeout), CancelBuilder::any());
        cancelled.map_err(|error| Errno::of(&error))
    }

    /// Bounds the kernel threads that run what cannot be done without blocking: `regular` for files, `other` for
    /// sockets. Without a bound, ten thousand shutdowns at once may start a thread each.
    pub fn bound_workers(&mut self, regular: u32, other: u32) -> Result<(), Errno> {
        let mut bounds = [regular, other];
        let bounded = self.ring.submitter().register_iowq_max_workers(&mut bounds);
        bounded.map_err(|error| Errno::of(&error))
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.registered {
            let mut ring = RingDescriptor { index: self.entrance as u32, reserved: 0, descriptor: 0 };
            // A failure would leave an index in use until the thread ends: nothing to be done about it.
            let _ = change_registration(self.ring.as_raw_fd(), UNREGISTER_RING_DESCRIPTORS, &mut ring, 1);
        }
    }
}

/// Opens a ring with the first set of flags that the kernel takes.
fn climb_down(submissions: u32, completions: u32) -> Result<(IoUring, Rung), Errno> {
    let mut refused = Errno::EINVAL;
    for rung in LADDER {
        match rung.open(submissions, completions) {
            Ok(ring) => return Ok((ring, rung)),
            Err(Errno::EINVAL) => refused = Errno::EINVAL,
            Err(error) => return Err(error),
        }
    }
    Err(refused)
}

/// Registers the ring's descriptor with this thread, which makes entering cheaper.
fn register_descriptor(descriptor: RawFd) -> Result<i32, Errno> {
    let mut ring = RingDescriptor { index: u32::MAX, reserved: 0, descriptor: descriptor as u64 };
    change_registration(descriptor, REGISTER_RING_DESCRIPTORS, &mut ring, 1)?;
    Ok(ring.index as i32)
}

fn change_registration<T>(
    descriptor: RawFd,
    change: libc::c_uint,
    argument: &mut T,
    count: u32,
) -> Result<(), Errno> {
    let argument: *mut T = argument;
    // SAFETY: points to one structure of the kind that the change takes, alive during the call.
    let changed = unsafe { libc::syscall(libc::SYS_io_uring_register, descriptor, change, argument, count) };
    if changed < 0 { Err(Errno::last()) } else { Ok(()) }
}

/// Ends a test where the machine refuses io_uring, as containers do, and says so.
#[cfg(test)]
macro_rules! needs_io_uring {
    () => {
        if let Err(error @ (Errno::EPERM | Errno::ENOSYS)) = crate::sys::Ring::open(2, 4) {
            // Not by `eprintln!`, which the test runner would swallow.
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("SKIPPED: this machine refuses io_uring: {error}\n").as_bytes(),
            );
            return;
        }
    };
}
#[cfg(test)]
pub(crate) use needs_io_uring;

#[cfg(test)]
mod tests {
    use super::*;

    fn nop(user_data: u64) -> Entry {
        opcode::Nop::new().build().user_data(user_data)
    }

    #[test]
    fn every_rung_that_the_kernel_takes_works() {
        needs_io_uring!();
        let mut opened = 0;
        for rung in LADDER {
            let Ok(ring) = rung.open(4, 8) else { continue };
            let mut ring = Ring::new(ring, rung);
            // SAFETY: names no memory.
            assert!(unsafe { ring.push(&nop(7)) });
            ring.enter(Pause::Until(Time::MAX)).unwrap();
            let mut batch = [Answer::default(); 2];
            assert_eq!(ring.take(&mut batch), 1);
            assert_eq!((batch[0].user_data, batch[0].result), (7, 0));
            opened += 1;
        }
        assert!(opened > 0);
    }

    /// Without the first, what the kernel has put off never shows; without the second, an idle core looks like a slow disk.
    #[test]
    fn whoever_enters_collects_and_does_not_wait_for_a_disk() {
        needs_io_uring!();
        let ring = Ring::open(2, 4).unwrap();
        assert_ne!(ring.enter_flags & EnterFlags::GETEVENTS.bits(), 0);
        let no_iowait = ring.enter_flags & EnterFlags::NO_IOWAIT.bits() != 0;
        assert_eq!(no_iowait, ring.ring.params().is_feature_no_iowait());
    }

    /// In a child it would be of no use, and whoever wrote to it there would write to this one.
    #[test]
    #[cfg(not(miri))]
    fn a_ring_is_kept_from_children() {
        needs_io_uring!();
        let _ring = Ring::open(2, 4).unwrap();
        let rings = || super::super::mapping::tests::flags(|line| line.ends_with("[io_uring]"));
        // Another test may be about to make one.
        let kept = (0..1000).any(|_| rings().iter().all(|flags| flags.split(' ').any(|flag| flag == "dc")));
        assert!(kept && !rings().is_empty(), "{:?}", rings());
    }

    #[test]
    fn a_full_queue_refuses_and_has_room_again_after_entering() {
        needs_io_uring!();
        let mut ring = Ring::open(2, 4).unwrap();
        assert_eq!(ring.capacity(), 2);
        let mut batch = [Answer::default(); 8];
        for round in 0..3 {
            // SAFETY: names no memory.
            let pushed: Vec<bool> = (0..3).map(|n| unsafe { ring.push(&nop(round * 3 + n)) }).collect();
            assert_eq!(pushed, [true, true, false]);
            ring.enter(Pause::No).unwrap();
            assert_eq!(ring.queued(), 0);
            assert_eq!(ring.take(&mut batch), 2);
        }
    }

    #[test]
    fn a_wait_ends_at_its_time_and_not_before() {
        needs_io_uring!();
        let mut ring = Ring::open(2, 4).unwrap();
        for absolute in [ring.absolute_time, false] {
            ring.absolute_time = absolute;
            let until = super::super::now().after(Duration::from_millis(3));
            ring.enter(Pause::Until(until)).unwrap();
            assert!(super::super::now() >= until);
            ring.enter(Pause::Until(Time::ZERO)).unwrap();
        }
        assert!(!ring.answered());
    }

    #[test]
    fn completions_beyond_the_queue_wait_in_the_kernel() {
        needs_io_uring!();
        let mut ring = Ring::open(4, 4).unwrap();
        for n in 0..8 {
            // SAFETY: names no memory.
            assert!(unsafe { ring.push(&nop(n)) });
            if n % 4 == 3 {
                ring.enter(Pause::No).unwrap();
            }
        }
        assert!(ring.answered() && ring.overflowed());
        let mut seen = Vec::new();
        let mut batch = [Answer::default(); 3];
        while seen.len() < 8 {
            let count = ring.take(&mut batch);
            seen.extend(batch[..count].iter().map(|answer| answer.user_data));
            if ring.must_enter() {
                ring.enter(Pause::No).unwrap();
            }
        }
        assert_eq!(seen, (0..8).collect::<Vec<_>>());
    }
}
