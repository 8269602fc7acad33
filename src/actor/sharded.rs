//! An actor on each core, and which of them a key belongs to.
//!
//! Knows: addresses by the number of their core, a hash that stays. Must not know what is sent.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{Actor, Addr};
use crate::executor::current;

/// The same kind of actor once on each core, as [`System::sharded`](crate::System::sharded) spawns them: what belongs together is
/// kept by the one that its key belongs to, and what is to be near is done by the one that is [here](Sharded::here).
///
/// A clone is another handle of the same actors, and may go anywhere.
///
/// ```
/// use std::collections::HashMap;
/// use odeon::prelude::*;
///
/// /// Counts words: each word on one core, whoever says it.
/// #[derive(Default)]
/// struct Words(HashMap<String, u64>);
///
/// #[actor]
/// impl Words {
///     #[call]
///     fn say(&mut self, word: String) -> u64 {
///         let count = self.0.entry(word).or_default();
///         *count += 1;
///         *count
///     }
///
///     #[call]
///     fn known(&self) -> usize {
///         self.0.len()
///     }
/// }
///
/// let system = System::builder().cores(Cores::Count(2)).build()?;
/// let words = system.sharded(|_core| Words::default())?;
/// for (word, count) in [("yes", 1), ("no", 1), ("yes", 2)] {
///     assert_eq!(words.by_key(word).say(word.to_owned()).wait(), Ok(count));
/// }
/// let known: usize = words.each().map(|words| words.known().wait().unwrap_or(0)).sum();
/// assert_eq!((known, words.len()), (2, 2));
/// # Ok::<(), odeon::Error>(())
/// ```
pub struct Sharded<A> {
    actors: Arc<[Addr<A>]>,
}

impl<A: Actor> Sharded<A> {
    /// Of actors that are there already, which keys are spread over: usually one for each core, in their order.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn of(actors: impl IntoIterator<Item = Addr<A>>) -> Sharded<A> {
        let actors: Arc<[Addr<A>]> = actors.into_iter().collect();
        assert!(!actors.is_empty(), "a key belongs to one of the actors, and there is none");
        Sharded { actors }
    }

    /// The one that a key belongs to: always the same one in every run of a program, as long as there are as many of them. Keys that are
    /// equal as their [`Hash`] sees them belong to the same one, such as a `String` and a `&str`. Of strings and single integers the place is
    /// the same on every machine, too; what other types have hashed may change with the compiler.
    ///
    /// The hash is FNV-1a of the key's bytes, numbers in little-endian order and `usize` as 64 bits, mixed by the last step of
    /// MurmurHash3. It is not made to withstand keys that somebody chooses so that they all belong to one core.
    ///
    /// **Costs** a multiplication for each byte.
    pub fn by_key<K: Hash + ?Sized>(&self, key: &K) -> Addr<A> {
        self.actors[place_of(key, self.actors.len())]
    }

    /// The one on the core that this runs on; none on a thread that is no core of these actors.
    #[must_use]
    pub fn here(&self) -> Option<Addr<A>> {
        let here = current::with(|core| core.map(|core| core.id))?;
        self.each().find(|actor| actor.raw().core() == here)
    }

    /// All of them, in the order of their cores.
    pub fn each(&self) -> impl ExactSizeIterator<Item = Addr<A>> + '_ {
        self.actors.iter().copied()
    }

    /// How many there are: never none.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.actors.len()
    }
}

impl<A> Clone for Sharded<A> {
    fn clone(&self) -> Sharded<A> {
        Sharded { actors: Arc::clone(&self.actors) }
    }
}

impl<A> fmt::Debug for Sharded<A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sharded").field("actors", &self.actors).finish()
    }
}

/// Where a key belongs, of so many places.
pub(crate) fn place_of<K: Hash + ?Sized>(key: &K, places: usize) -> usize {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    key.hash(&mut hasher);
    ((u128::from(hasher.finish()) * places as u128) >> 64) as usize
}

/// FNV-1a with 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): no secret, no word size, no byte order.
struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_u16(&mut self, number: u16) {
        self.write(&number.to_le_bytes());
    }

    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_le_bytes());
    }

    fn write_u64(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }

    fn write_u128(&mut self, number: u128) {
        self.write(&number.to_le_bytes());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_i16(&mut self, number: i16) {
        self.write(&number.to_le_bytes());
    }

    fn write_i32(&mut self, number: i32) {
        self.write(&number.to_le_bytes());
    }

    fn write_i64(&mut self, number: i64) {
        self.write(&number.to_le_bytes());
    }

    fn write_i128(&mut self, number: i128) {
        self.write(&number.to_le_bytes());
    }

    fn write_isize(&mut self, number: isize) {
        self.write_i64(number as i64);
    }

    /// The last step of MurmurHash3 (`fmix64`): the places are chosen by the upper bits, in which FNV has little of a short key.
    fn finish(&self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash<K: Hash + ?Sized>(key: &K) -> u64 {
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
        key.hash(&mut hasher);
        hasher.0
    }

    #[test]
    fn the_hash_is_the_one_that_is_written_down() {
        // The published values of FNV-1a for these bytes.
        let of = |bytes: &[u8]| {
            let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
            hasher.write(bytes);
            hasher.0
        };
        assert_eq!(
            (of(b""), of(b"a"), of(b"foobar")),
            (0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c, 0x8594_4171_f739_67e8)
        );
        assert_eq!((hash(&7_usize), hash(&7_u64)), (of(&[7, 0, 0, 0, 0, 0, 0, 0]), hash(&7_i64)));
        assert_eq!((hash("a"), hash("a")), (of(b"a\xff"), hash(&"a".to_owned())));
    }

    #[test]
    fn keys_spread_over_all_places() {
        let mut counts = [0; 7];
        (0..7_000_u64).for_each(|key| counts[place_of(&key, 7)] += 1);
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(place_of("any", 1), 0);
    }
}
