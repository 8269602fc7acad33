//! How long an idle core looks at memory before it sleeps.
//!
//! Knows: whether that has paid lately. Must not know what is looked for.

/// Of so many times in vain, one is as long as any may be.
///
/// Two cores that wait for each other would otherwise sleep by turns, once both have: what the other sends comes when it has woken,
/// later than a short look finds out. Where a wake takes longer than the longest look, as on some virtual machines, it takes two of
/// them at a time, or luck.
const WHOLE_EVERY: u32 = 16;

/// Less while it finds nothing, more while it does.
#[derive(Debug)]
pub(super) struct Spin {
    now_ns: u64,
    max_ns: u64,
    in_vain: u32,
}

impl Spin {
    /// At most so long. Zero: not at all.
    pub(super) fn new(max_ns: u64) -> Spin {
        Spin { now_ns: max_ns, max_ns, in_vain: 0 }
    }

    pub(super) fn is_off(&self) -> bool {
        self.max_ns == 0
    }

    /// How long to look this time.
    pub(super) fn next_ns(&self) -> u64 {
        if self.in_vain % WHOLE_EVERY == WHOLE_EVERY - 1 { self.max_ns } else { self.now_ns }
    }

    pub(super) fn found(&mut self) {
        (self.now_ns, self.in_vain) = (self.max_ns, 0);
    }

    /// A core that spins in vain soon all but stops; a sixteenth is kept to notice when it begins to pay again.
    pub(super) fn missed(&mut self) {
        self.now_ns = (self.now_ns / 2).max(self.max_ns / 16);
        self.in_vain = self.in_vain.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_NS: u64 = 20_000;

    fn in_vain(spin: &mut Spin) -> u64 {
        let ns = spin.next_ns();
        spin.missed();
        ns
    }

    #[test]
    fn a_core_that_finds_nothing_soon_looks_for_a_short_time_only() {
        let mut spin = Spin::new(MAX_NS);
        let times: Vec<u64> = (0..64).map(|_| in_vain(&mut spin)).collect();
        assert_eq!(times[..6], [20_000, 10_000, 5_000, 2_500, 1_250, 1_250]);
        let whole: Vec<usize> = (6..64).filter(|&time| times[time] == MAX_NS).collect();
        assert_eq!(whole, [15, 31, 47, 63]);
        assert!((6..64).all(|time| whole.contains(&time) || times[time] == 1_250));
        spin.found();
        assert_eq!(spin.next_ns(), MAX_NS);
    }

    #[test]
    fn two_cores_that_slept_by_turns_soon_answer_each_other_awake_if_a_look_outlasts_a_wake() {
        const HOP_NS: u64 = 200;
        const WAKE_NS: u64 = 15_000;
        let mut cores = [Spin::new(MAX_NS), Spin::new(MAX_NS)];
        for spin in &mut cores {
            (0..5).for_each(|_| spin.missed());
        }
        // Whether whoever is sent to must be woken first.
        let mut asleep = true;
        let mut wakes = 0;
        for hop in 0..1_000 {
            let spin = &mut cores[hop % 2];
            let answer_ns = HOP_NS + if asleep { WAKE_NS } else { 0 };
            if answer_ns <= spin.next_ns() {
                spin.found();
                asleep = false;
            } else {
                spin.missed();
                asleep = true;
            }
            wakes += u32::from(asleep);
        }
        assert!(wakes < 2 * WHOLE_EVERY, "{wakes} of a thousand");
    }
}
