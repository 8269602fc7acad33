//! The deadlines of tasks and sleepers: by timers, and beyond those.
//!
//! Knows: what is due when. Must not know what becomes of it.
//!
//! Whoever waits for an answer or for a time is told, also where as many timers are set as there may be. The deadlines for
//! which there is no timer stand in a list, ordered by time. That is dearer, and there are never more of them than tasks,
//! futures and listeners, which have taken more memory themselves.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::core::Core;
use super::wheel::{TimerPayload, WheelKey};
use crate::mem::Key;
use crate::sys::Time;

/// The deadlines for which there was no timer.
#[derive(Default)]
pub(super) struct Beyond(RefCell<BTreeSet<(Time, TimerPayload)>>);

impl Beyond {
    /// When the first of them is due.
    pub(super) fn first(&self) -> Option<Time> {
        self.0.borrow().first().map(|(deadline, _)| *deadline)
    }

    /// Takes the first if it is due.
    pub(super) fn take_due(&self, now: Time) -> Option<TimerPayload> {
        let mut beyond = self.0.borrow_mut();
        let due = beyond.first().is_some_and(|(deadline, _)| *deadline <= now);
        due.then(|| beyond.pop_first()).flatten().map(|(_, payload)| payload)
    }
}

/// A deadline that was set. It must be cleared, unless it comes due.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    time: Time,
    timer: Option<WheelKey>,
}

impl Core {
    /// Sets a deadline: `payload` comes when it is due.
    pub(super) fn set_deadline(&self, time: Time, payload: TimerPayload) -> Deadline {
        let timer = if time < Time::MAX { self.arm_timer(time, payload).ok() } else { None };
        if timer.is_none() && time < Time::MAX {
            self.beyond.0.borrow_mut().insert((time, payload));
        }
        Deadline { time, timer }
    }

    /// Sets a timer for a cell as [`Core::arm`], also where as many are set as there may be: for cells of which there are few.
    pub fn arm_surely(&self, cell: Key, kind: u32, time: Time) -> Deadline {
        self.set_deadline(time, TimerPayload { token: cell.to_bits(), kind })
    }

    /// Takes such a timer back. Does nothing if it has come due.
    pub fn disarm_surely(&self, cell: Key, kind: u32, deadline: Deadline) {
        self.clear_deadline(deadline, TimerPayload { token: cell.to_bits(), kind });
    }

    /// Takes a deadline back that was set for this.
    #[inline]
    pub(super) fn clear_deadline(&self, deadline: Deadline, payload: TimerPayload) {
        match deadline.timer {
            Some(timer) => drop(self.disarm(timer)),
            None => drop(self.beyond.0.borrow_mut().remove(&(deadline.time, payload))),
        }
    }
}

impl Deadline {
    /// It never comes.
    pub(super) const NEVER: Deadline = Deadline { time: Time::MAX, timer: None };

    /// One that was set before, taken apart.
    pub(super) fn of_timer(time: Time, timer: Option<WheelKey>) -> Deadline {
        Deadline { time, timer }
    }

    /// The timer that it takes up, if it does.
    pub(super) fn timer(self) -> Option<WheelKey> {
        self.timer
    }

    /// When it comes.
    pub(super) fn time(self) -> Time {
        self.time
    }

    /// True if it takes up a timer.
    pub(super) fn has_timer(self) -> bool {
        self.timer.is_some()
    }
}
