//! Values on paths that are hardly ever taken.
//!
//! Knows: that they are moved. Must not know what they are.

/// Moves a value to a place of its own, for a branch that is hardly ever taken and needs it in memory: a call, mostly. Otherwise
/// the compiler keeps it in memory before the branch as well, for the usual path to load it in larger parts than it was stored in; and
/// such a load waits until the stores have left the core, some 7 ns.
#[inline(always)]
#[must_use]
pub fn aside<T>(value: T) -> T {
    std::hint::black_box(value)
}
