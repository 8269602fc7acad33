//! Random numbers from a seed: the same seed, the same numbers, on every machine.
//!
//! Knows: one small generator. Must not know what is decided by it; nothing here is fit for secrets.
//!
//! The generator is xoshiro256** by Blackman and Vigna, its state filled by `SplitMix64`, as its authors advise.

/// A generator of numbers that look random. `Clone` repeats what is to come; [`Random::fork`] does not.
#[derive(Debug, Clone)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// A generator for a seed. Every seed is as good as any other, zero included.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        let mut mixed = seed;
        Random { state: std::array::from_fn(|_| split_mix(&mut mixed)) }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let state = &mut self.state;
        let result = state[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = state[3].rotate_left(45);
        result
    }

    /// A number below `bound`, each equally likely up to a bias of `bound` in 2⁶⁴; zero if `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the upper half of a product of two u64 is a u64")
    }

    /// An index below `length`; zero if there is none.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("a number below a usize is a usize")
    }

    /// True with this probability: never at 0.0, always at 1.0.
    pub fn chance(&mut self, probability: f64) -> bool {
        // 53 bits are what a double holds exactly.
        let unit = (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
        unit < probability
    }

    /// Puts a slice in a random order.
    pub fn shuffle<T>(&mut self, slice: &mut [T]) {
        for last in (1..slice.len()).rev() {
            let other = self.index(last + 1);
            slice.swap(last, other);
        }
    }

    /// Another generator, whose numbers have nothing to do with those still to come from this one.
    #[must_use]
    pub fn fork(&mut self) -> Random {
        Random::new(self.bits())
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_gives_the_published_numbers() {
        let mut state = 1_234_567;
        let numbers: Vec<u64> = (0..3).map(|_| split_mix(&mut state)).collect();
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut one, mut other, mut third) = (Random::new(7), Random::new(7), Random::new(8));
        let numbers = |random: &mut Random| (0..100).map(|_| random.bits()).collect::<Vec<u64>>();
        let first = numbers(&mut one);
        assert_eq!(first, numbers(&mut other));
        assert_ne!(first, numbers(&mut third));
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut random = Random::new(1);
        let mut seen = [0u32; 7];
        for _ in 0..7_000 {
            seen[random.index(7)] += 1;
        }
        assert!(seen.iter().all(|&count| (800..1_200).contains(&count)), "{seen:?}");
        assert_eq!((random.below(0), random.below(1)), (0, 0));
    }

    #[test]
    fn a_chance_is_kept() {
        let mut random = Random::new(2);
        let hits = (0..10_000).filter(|_| random.chance(0.25)).count();
        assert!((2_300..2_700).contains(&hits), "{hits}");
        assert!((0..1_000).all(|_| !random.chance(0.0)));
        assert!((0..1_000).all(|_| random.chance(1.0)));
    }

    #[test]
    fn a_shuffle_keeps_every_element() {
        let mut random = Random::new(3);
        let mut numbers: Vec<u32> = (0..100).collect();
        random.shuffle(&mut numbers);
        assert!(!numbers.is_sorted());
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..100));
    }
}
