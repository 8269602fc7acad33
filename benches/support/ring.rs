//! An io_uring as lean as the kernel offers, for the reference server and the load generator.
//!
//! Knows: setup flags, entering, the user data of an entry. Must not know what the operations mean.
//!
//! Invariants:
//! 1. The ring is leaked: its queues are valid until the process ends.
//! 2. `push` is given entries whose memory belongs to leaked pools.
#![allow(unsafe_code)]

use std::io;

use io_uring::{CompletionQueue, IoUring, SubmissionQueue, Submitter, cqueue, squeue};

use super::machine::Clock;

/// Submission entries: few, so that the same cache lines are written again and again.
const SUBMISSION_ENTRIES: u32 = 256;
const COMPLETION_ENTRIES: u32 = 4096;

pub(crate) struct Ring {
    pub(crate) submitter: Submitter<'static>,
    pub(crate) completions: CompletionQueue<'static>,
    submissions: SubmissionQueue<'static>,
    spin_ns: u64,
}

impl Ring {
    /// A ring for this thread alone, that spins on memory for `spin_us` before it sleeps.
    pub(crate) fn new(spin_us: u64) -> io::Result<Ring> {
        let mut builder = IoUring::builder();
        builder
            .setup_single_issuer()
            .setup_coop_taskrun()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_no_sqarray()
            .setup_cqsize(COMPLETION_ENTRIES);
        if spin_us > 0 {
            builder.setup_taskrun_flag();
        }
        let ring: &'static mut IoUring = Box::leak(Box::new(builder.build(SUBMISSION_ENTRIES)?));
        let (mut submitter, submissions, completions) = ring.split();
        submitter.register_ring_fd()?;
        Ok(Ring { submitter, completions, submissions, spin_ns: spin_us * 1000 })
    }

    /// Queues an operation; hands the queue to the kernel first when it is full.
    #[inline]
    pub(crate) fn push(&mut self, entry: squeue::Entry, user_data: u64) {
        let entry = entry.user_data(user_data);
        loop {
            // SAFETY: invariant 2.
            if unsafe { self.submissions.push(&entry) }.is_ok() {
                return;
            }
            self.submissions.sync();
            ignore_pressure(self.submitter.submit());
            self.submissions.sync();
        }
    }

    /// Submits what is queued and waits for a completion: one system call.
    #[inline]
    pub(crate) fn enter(&mut self) {
        self.submissions.sync();
        // What has been taken must be known to the kernel, or it counts it as new and does not wait.
        self.completions.sync();
        if self.spin_ns == 0 || !self.spin(Clock::MONOTONIC.now_ns() + self.spin_ns) {
            ignore_pressure(self.submitter.submit_and_wait(1));
        }
        self.submissions.sync();
        self.completions.sync();
    }

    /// Submits what is queued and watches memory until there is a completion, or until a time. For a ring that spins.
    pub(crate) fn watch(&mut self, until_ns: u64) {
        self.submissions.sync();
        self.completions.sync();
        self.spin(until_ns);
        self.submissions.sync();
    }

    /// Submits, then watches memory for a while. Answers whether there are completions.
    fn spin(&mut self, until_ns: u64) -> bool {
        if !self.submissions.is_empty() {
            ignore_pressure(self.submitter.submit());
        }
        loop {
            if self.submissions.taskrun() {
                ignore_pressure(self.submitter.submit());
            }
            self.completions.sync();
            if !self.completions.is_empty() {
                return true;
            }
            if Clock::MONOTONIC.now_ns() >= until_ns {
                return false;
            }
            std::hint::spin_loop();
        }
    }

    /// The next completion of those that the last `enter` brought.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<cqueue::Entry> {
        self.completions.next()
    }
}

/// Interrupted or busy is answered by the next enter; anything else is a bug of the caller.
fn ignore_pressure(result: io::Result<usize>) {
    if let Err(error) = result {
        let pressure = [libc::EINTR, libc::EAGAIN, libc::EBUSY];
        assert!(
            error.raw_os_error().is_some_and(|errno| pressure.contains(&errno)),
            "io_uring_enter: {error}"
        );
    }
}
