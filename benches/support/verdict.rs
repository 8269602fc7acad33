//! When a bar is reached.
//!
//! Knows: an interval, a bar.

use super::stats::Estimate;

/// An interval wider than this decides nothing.
const WIDTH_MAX: f64 = 0.06;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Reached,
    Missed,
    Undecided,
}

impl Verdict {
    pub(crate) fn of(ratio: Estimate, bar: f64) -> Verdict {
        if ratio.median <= bar {
            Verdict::Reached
        } else if ratio.low > bar {
            Verdict::Missed
        } else if ratio.high - ratio.low <= WIDTH_MAX {
            Verdict::Reached
        } else {
            Verdict::Undecided
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Verdict::Reached => "reached",
            Verdict::Missed => "missed",
            Verdict::Undecided => "undecided, add pairs",
        }
    }
}
