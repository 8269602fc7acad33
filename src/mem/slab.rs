//! A table whose keys go stale: index and generation.
//!
//! Knows: slots and generations. Must not know what it holds.
//!
//! Slots come into being as they are needed, up to a capacity. A slot whose generation would wrap is retired, so a stale
//! key never reaches a later occupant.

/// Names an entry of a [`Slab`]. Stale once the entry has been removed, and for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Which slot.
    pub index: u32,
    /// Which occupant of it.
    pub generation: u32,
}

impl Key {
    /// Both halves in one word; [`Key::from_bits`] is the inverse.
    #[inline(always)]
    #[must_use]
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The key that [`Key::to_bits`] packed.
    #[inline(always)]
    #[must_use]
    pub fn from_bits(bits: u64) -> Key {
        Key { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// A [`Key`] of a [`Slab`] or none, in the eight bytes of one: no slab has a slot of the index that stands for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaybeKey(Key);

impl MaybeKey {
    /// No key.
    pub const NONE: MaybeKey = MaybeKey(Key { index: NONE, generation: 0 });

    /// This key.
    #[must_use]
    pub fn some(key: Key) -> MaybeKey {
        debug_assert!(key.index != NONE, "a slab has this slot");
        MaybeKey(key)
    }

    /// The key, if there is one.
    #[must_use]
    pub fn get(self) -> Option<Key> {
        (self.0.index != NONE).then_some(self.0)
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    entry: Entry<T>,
}

#[derive(Debug)]
enum Entry<T> {
    Vacant { next: u32 },
    Occupied(T),
}

const NONE: u32 = u32::MAX;

/// A generational slab with a capacity.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    len: usize,
    capacity: u32,
}

impl<T> Slab<T> {
    /// An empty slab for at most `capacity` entries. Takes no memory yet.
    #[must_use]
    pub fn new(capacity: u32) -> Slab<T> {
        Slab { slots: Vec::new(), free: NONE, len: 0, capacity: capacity.min(NONE - 1) }
    }

    /// Puts an entry in; hands it back when the slab is at its capacity.
    #[inline]
    pub fn insert(&mut self, value: T) -> Result<Key, T> {
        let index = self.free;
        if index == NONE {
            return self.grow(value);
        }
        let slot = &mut self.slots[index as usize];
        let Entry::Vacant { next } = slot.entry else { unreachable!("the free list holds vacant slots") };
        self.free = next;
        slot.entry = Entry::Occupied(value);
        self.len += 1;
        Ok(Key { index, generation: slot.generation })
    }

    #[cold]
    fn grow(&mut self, value: T) -> Result<Key, T> {
        if self.slots.len() >= self.capacity as usize {
            return Err(value);
        }
        let index = self.slots.len() as u32;
        self.slots.push(Slot { generation: 0, entry: Entry::Occupied(value) });
        self.len += 1;
        Ok(Key { index, generation: 0 })
    }

    /// The entry, unless the key is stale.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&T> {
        match self.slots.get(key.index as usize) {
            Some(Slot { generation, entry: Entry::Occupied(value) }) if *generation == key.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    /// The entry, unless the key is stale.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.slots.get_mut(key.index as usize) {
            Some(Slot { generation, entry: Entry::Occupied(value) }) if *generation == key.generation => {
                Some(value)
            }
            _ => None,
        }
    }

    /// Takes the entry out, unless the key is stale.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let slot = &mut self.slots[key.index as usize];
        // A slot whose generation would wrap stays out of the free list for ever.
        let retired = slot.generation == u32::MAX;
        let next = if retired { NONE } else { self.free };
        let entry = std::mem::replace(&mut slot.entry, Entry::Vacant { next });
        if !retired {
            slot.generation += 1;
            self.free = key.index;
        }
        self.len -= 1;
        match entry {
            Entry::Occupied(value) => Some(value),
            Entry::Vacant { .. } => None,
        }
    }

    /// Entries in the slab.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most entries that it will hold.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The keys of all entries, by index.
    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            matches!(slot.entry, Entry::Occupied(_))
                .then_some(Key { index: index as u32, generation: slot.generation })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_removed_key_is_stale_for_ever() {
        let mut slab = Slab::new(1);
        let first = slab.insert('a').unwrap();
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b').unwrap();
        assert_eq!(second.index, first.index);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&'b'));
    }

    #[test]
    fn a_slab_takes_memory_as_it_is_needed() {
        let mut slab = Slab::new(1 << 20);
        assert_eq!(slab.slots.capacity(), 0);
        slab.insert([0_u64; 16]).unwrap();
        assert!(slab.slots.capacity() < 100);
    }

    #[test]
    fn a_full_slab_hands_the_entry_back() {
        let mut slab = Slab::new(2);
        slab.insert(1).unwrap();
        slab.insert(2).unwrap();
        assert_eq!(slab.insert(3), Err(3));
    }

    #[test]
    fn a_slot_whose_generation_would_wrap_is_retired() {
        let mut slab = Slab::new(2);
        let key = slab.insert('a').unwrap();
        slab.slots[0].generation = u32::MAX;
        let last = Key { generation: u32::MAX, ..key };
        assert_eq!(slab.remove(last), Some('a'));
        assert_eq!(slab.insert('b').unwrap().index, 1);
        assert_eq!(slab.insert('c'), Err('c'), "the retired slot is not used again");
    }

    #[test]
    fn random_operations_agree_with_a_map() {
        let mut slab = Slab::new(50);
        let mut twin = BTreeMap::new();
        let mut seen = Vec::new();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for step in 0..if cfg!(miri) { 1_000 } else { 20_000_u64 } {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pick = (state >> 33) as usize;
            if pick % 5 < 3 || seen.is_empty() {
                match slab.insert(step) {
                    Ok(key) => {
                        assert!(twin.insert(key, step).is_none(), "a key is given once");
                        seen.push(key);
                    }
                    Err(_) => assert_eq!(twin.len(), 50),
                }
            } else {
                let key = seen[pick % seen.len()];
                assert_eq!(slab.remove(key), twin.remove(&key));
            }
            let key = seen[pick % seen.len()];
            assert_eq!(slab.get(key), twin.get(&key));
            assert_eq!(slab.len(), twin.len());
        }
        assert_eq!(slab.keys().collect::<std::collections::BTreeSet<_>>(), twin.keys().copied().collect());
    }
}
