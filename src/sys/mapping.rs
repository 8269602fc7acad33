//! Anonymous memory from the kernel: page-aligned, zeroed, not inherited by a child process.
//!
//! Knows: the mapping. Must not know what it holds.
//!
//! Invariants: 1. `start` is a mapping of `len` bytes, made here and unmapped once, when the value is dropped.
#![allow(unsafe_code)]

use std::ptr::{self, NonNull};

use super::Errno;

/// A private mapping, readable and writable.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to the value alone (invariant 1); which thread holds it makes no difference to the kernel.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes, rounded up to whole pages by the kernel.
    ///
    /// # Errors
    /// `ENOMEM` when memory or address space is short, `EINVAL` for no bytes at all.
    pub fn new(len: usize) -> Result<Mapping, Errno> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new private mapping at an address of the kernel's choice touches no other memory.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let start = NonNull::new(start.cast()).expect("the kernel never maps address zero unasked");
        let mapping = Mapping { start, len };
        mapping.keep_from_children();
        Ok(mapping)
    }

    /// Where it starts.
    #[must_use]
    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Bytes that were asked for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Always false: the kernel refuses to map nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn keep_from_children(&self) {
        // SAFETY: covers exactly this mapping (invariant 1), whose content it leaves alone.
        let result = unsafe { libc::madvise(self.start().cast(), self.len, libc::MADV_DONTFORK) };
        debug_assert_eq!(result, 0, "anonymous memory can be kept from children");
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: unmaps what `new` mapped, once (invariant 1).
        let result = unsafe { libc::munmap(self.start().cast(), self.len) };
        debug_assert_eq!(result, 0, "a mapping of ours can be unmapped");
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_zeroed_and_page_aligned() {
        let mapping = Mapping::new(5000).unwrap();
        assert_eq!(mapping.start().addr() % 4096, 0);
        assert_eq!(mapping.len(), 5000);
        // SAFETY: inside the mapping, which nobody else knows.
        let last = unsafe { mapping.start().wrapping_add(4999).read() };
        assert_eq!(last, 0);
    }

    /// What the kernel says of each mapping that `is_one` tells by its first line, in its letters.
    #[cfg(not(miri))]
    pub(crate) fn flags(is_one: impl Fn(&str) -> bool) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("this is Linux");
        let mut ours = false;
        let mut flags = Vec::new();
        for line in maps.lines() {
            match line.strip_prefix("VmFlags:") {
                Some(letters) if ours => flags.push(letters.to_owned()),
                Some(_) => {}
                None if line.split_once(' ').is_some_and(|(range, _)| range.contains('-')) => {
                    ours = is_one(line)
                }
                None => {}
            }
        }
        flags
    }

    #[test]
    #[cfg(not(miri))]
    fn a_mapping_is_kept_from_children() {
        let mapping = Mapping::new(5000).unwrap();
        let start = mapping.start().addr();
        let holds = |line: &str| {
            let ends = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
            let [from, to] =
                ends.map(|(from, to)| [from, to].map(|end| usize::from_str_radix(end, 16))).unwrap();
            (from.unwrap()..to.unwrap()).contains(&start)
        };
        let flags = flags(holds);
        assert_eq!(flags.len(), 1);
        assert!(flags[0].split(' ').any(|letters| letters == "dc"), "{flags:?}");
    }

    #[test]
    fn mapping_nothing_is_refused() {
        assert_eq!(Mapping::new(0).unwrap_err(), Errno::EINVAL);
    }
}
