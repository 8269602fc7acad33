//! Counted bytes that never change.
//!
//! Knows: what users may do with them. Must not know who keeps the memory: that is the `bytes` crate's.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};
use std::ops::{Bound, Deref, RangeBounds};
use std::str::Utf8Error;
use std::sync::Arc;

/// So much of some bytes is printed by `Debug`.
const DEBUG_BYTES_MAX: usize = 64;

/// Counted bytes that never change: a text that is sent to many actors, on any core, is in memory once.
///
/// They are a `[u8]` in every respect: they are compared and hashed as one, also with slices and texts, and a map with such
/// keys is asked with a slice. A [part](Bytes::slice) of them is counted together with the whole, and keeps all of it in memory.
///
/// **Costs**: 32 bytes, besides what they hold. A clone, a part and a drop are one atomic operation each, or none for bytes
/// that live as long as the program. What is made from a vector, a `String` or a copy allocates a few bytes once for its count,
/// at the latest when it is cloned first. Conversions to and from `bytes::Bytes` are free. The last drop frees the memory or drops the
/// owner; that of bytes that [keep a receive buffer](crate::Context::bytes_of) is two or three atomic operations more, on memory
/// that its core and all that keep such bytes share, and the buffer is used again when the core comes to it.
///
/// ```
/// use odeon::prelude::*;
///
/// #[derive(Message, Clone)]
/// struct Said {
///     from: u64,
///     text: Bytes,
/// }
///
/// let said = Said { from: 7, text: Bytes::copy_from(b"good morning") };
/// let heard = said.clone();
/// assert_eq!(heard.text, "good morning");
/// assert_eq!(heard.text.as_ptr(), said.text.as_ptr());
///
/// let last = heard.text.slice(5..).expect("it is long enough");
/// assert_eq!(last.as_str(), Ok("morning"));
/// assert_eq!(format!("{last:?}"), r#"b"morning""#);
/// assert!(last > *b"evening" && last.starts_with(b"morn"));
/// ```
#[derive(Clone, Default)]
pub struct Bytes(::bytes::Bytes);

impl Bytes {
    /// No bytes.
    #[must_use]
    pub const fn new() -> Bytes {
        Bytes(::bytes::Bytes::new())
    }

    /// Bytes of their own with this content. **Costs** one allocation and one copy.
    ///
    /// ```
    /// # use odeon::Bytes;
    /// let line = String::from("a line");
    /// assert_eq!(Bytes::copy_from(line.as_bytes()), line);
    /// ```
    #[must_use]
    pub fn copy_from(bytes: &[u8]) -> Bytes {
        Bytes(::bytes::Bytes::copy_from_slice(bytes))
    }

    /// The bytes that an owner of any kind holds, a mapped file for example, without a copy. The owner is asked for them once, and
    /// dropped with the last clone or part of them, on whichever thread that is: on a core, a panic of its `Drop` is counted like
    /// that of any other value.
    ///
    /// **Costs** one allocation, for the owner and the count.
    ///
    /// ```
    /// # use odeon::Bytes;
    /// struct Page([u8; 4096]);
    ///
    /// impl AsRef<[u8]> for Page {
    ///     fn as_ref(&self) -> &[u8] {
    ///         &self.0
    ///     }
    /// }
    ///
    /// let page = Bytes::from_owner(Page([7; 4096]));
    /// assert_eq!(page.slice(..3), Some(Bytes::from(b"\x07\x07\x07")));
    /// ```
    #[must_use]
    pub fn from_owner(owner: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes(::bytes::Bytes::from_owner(owner))
    }

    /// A part of the bytes, without a copy; `None` if they do not reach so far, or the range ends before it starts.
    ///
    /// ```
    /// # use odeon::Bytes;
    /// let bytes = Bytes::from("key=value");
    /// assert_eq!(bytes.slice(4..), Some(Bytes::from("value")));
    /// assert_eq!(bytes.slice(..=9), None);
    /// ```
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Option<Bytes> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.checked_add(1)?,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.checked_add(1)?,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => self.len(),
        };
        (start <= end && end <= self.len()).then(|| Bytes(self.0.slice(start..end)))
    }

    /// The bytes as text. **Costs** one look at each byte.
    ///
    /// # Errors
    /// Says where they are not UTF-8.
    ///
    /// ```
    /// # use odeon::Bytes;
    /// assert_eq!(Bytes::from("text").as_str(), Ok("text"));
    /// assert_eq!(Bytes::from(b"te\xFFt").as_str().unwrap_err().valid_up_to(), 2);
    /// ```
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Bytes {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for Bytes {
    #[inline]
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl<'a> IntoIterator for &'a Bytes {
    type Item = &'a u8;
    type IntoIter = std::slice::Iter<'a, u8>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// As a literal, with letters of any script as they are; of more than 64 bytes the first, and how many they are.
impl fmt::Debug for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("b\"")?;
        for chunk in self[..self.len().min(DEBUG_BYTES_MAX)].utf8_chunks() {
            for letter in chunk.valid().chars() {
                match letter {
                    '\'' => out.write_char(letter)?,
                    _ => write!(out, "{}", letter.escape_debug())?,
                }
            }
            for byte in chunk.invalid() {
                write!(out, "\\x{byte:02x}")?;
            }
        }
        out.write_char('"')?;
        if self.len() > DEBUG_BYTES_MAX {
            write!(out, "… ({} bytes)", self.len())?;
        }
        Ok(())
    }
}

impl Eq for Bytes {}

impl PartialEq for Bytes {
    #[inline]
    fn eq(&self, other: &Bytes) -> bool {
        **self == **other
    }
}

impl Ord for Bytes {
    #[inline]
    fn cmp(&self, other: &Bytes) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl PartialOrd for Bytes {
    #[inline]
    fn partial_cmp(&self, other: &Bytes) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Bytes {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// Compares bytes with what can be seen as a slice, from both sides.
macro_rules! compared {
    ($($other:ty $(, const $n:ident)?;)+) => {$(
        impl<$(const $n: usize)?> PartialEq<$other> for Bytes {
            #[inline]
            fn eq(&self, other: &$other) -> bool {
                let other: &[u8] = other.as_ref();
                **self == *other
            }
        }

        impl<$(const $n: usize)?> PartialEq<Bytes> for $other {
            #[inline]
            fn eq(&self, other: &Bytes) -> bool {
                other == self
            }
        }

        impl<$(const $n: usize)?> PartialOrd<$other> for Bytes {
            #[inline]
            fn partial_cmp(&self, other: &$other) -> Option<Ordering> {
                let other: &[u8] = other.as_ref();
                Some((**self).cmp(other))
            }
        }

        impl<$(const $n: usize)?> PartialOrd<Bytes> for $other {
            #[inline]
            fn partial_cmp(&self, other: &Bytes) -> Option<Ordering> {
                other.partial_cmp(self).map(Ordering::reverse)
            }
        }
    )+};
}

compared! {
    [u8];
    &[u8];
    [u8; N], const N;
    &[u8; N], const N;
    Vec<u8>;
    str;
    &str;
    String;
}

/// Free.
impl From<&'static [u8]> for Bytes {
    fn from(bytes: &'static [u8]) -> Bytes {
        Bytes(::bytes::Bytes::from_static(bytes))
    }
}

/// Free.
impl<const N: usize> From<&'static [u8; N]> for Bytes {
    fn from(bytes: &'static [u8; N]) -> Bytes {
        Bytes::from(&bytes[..])
    }
}

/// Free.
impl From<&'static str> for Bytes {
    fn from(text: &'static str) -> Bytes {
        Bytes::from(text.as_bytes())
    }
}

/// Without a copy.
impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes(bytes.into())
    }
}

/// Without a copy.
impl From<Box<[u8]>> for Bytes {
    fn from(bytes: Box<[u8]>) -> Bytes {
        Bytes(bytes.into())
    }
}

/// Without a copy. **Costs** one small allocation: the count of the `Arc` stays its own.
impl From<Arc<[u8]>> for Bytes {
    fn from(bytes: Arc<[u8]>) -> Bytes {
        Bytes::from_owner(bytes)
    }
}

/// Without a copy.
impl From<String> for Bytes {
    fn from(text: String) -> Bytes {
        Bytes(text.into())
    }
}

/// Free.
impl From<::bytes::Bytes> for Bytes {
    fn from(bytes: ::bytes::Bytes) -> Bytes {
        Bytes(bytes)
    }
}

/// Free.
impl From<Bytes> for ::bytes::Bytes {
    fn from(bytes: Bytes) -> ::bytes::Bytes {
        bytes.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    const _: () = assert!(size_of::<Bytes>() == 32, "as its documentation says");

    #[test]
    fn clones_and_parts_share_memory_and_go_to_any_thread() {
        let bytes = Bytes::from(b"0123456789".to_vec());
        let address = bytes.as_ptr();
        let (whole, part) = (bytes.clone(), bytes.slice(3..=5).unwrap());
        assert_eq!((whole.as_ptr(), part.as_ptr()), (address, address.wrapping_add(3)));
        drop((bytes, whole));
        std::thread::spawn(move || assert_eq!(part, "345")).join().unwrap();
    }

    #[test]
    fn a_part_that_is_not_there_is_none() {
        let bytes = Bytes::from("abc");
        let part = |range: (Bound<usize>, Bound<usize>)| bytes.slice(range);
        assert_eq!(bytes.slice(..).unwrap(), "abc");
        assert_eq!(bytes.slice(3..).unwrap(), "");
        assert_eq!(part((Bound::Excluded(0), Bound::Included(1))).unwrap(), "b");
        assert_eq!((bytes.slice(4..), bytes.slice(..4), bytes.slice(..=3)), (None, None, None));
        assert_eq!(part((Bound::Included(2), Bound::Excluded(1))), None);
        assert_eq!(part((Bound::Excluded(usize::MAX), Bound::Unbounded)), None);
        assert_eq!(part((Bound::Unbounded, Bound::Included(usize::MAX))), None);
    }

    #[test]
    fn bytes_are_compared_like_slices_from_both_sides() {
        let words: [&[u8]; 5] = [b"", b"a", b"a\xFF", b"ab", b"b"];
        for one in words {
            let bytes = Bytes::copy_from(one);
            for other in words {
                let others = Bytes::copy_from(other);
                assert_eq!((bytes == others, bytes.cmp(&others)), (one == other, one.cmp(other)));
                assert_eq!(bytes.partial_cmp(other), Some(one.cmp(other)));
                assert_eq!(other.partial_cmp(&bytes), Some(other.cmp(one)));
                assert_eq!((bytes == other, *other == bytes), (one == other, one == other));
            }
        }
        let (bytes, text) = (Bytes::from("abc"), String::from("abc"));
        assert!(bytes == *b"abc" && b"abc" == bytes && bytes == b"abc".to_vec() && "abc" == bytes);
        assert!(bytes == *"abc" && text == bytes && bytes < "abd" && text >= bytes && "b" > bytes);
    }

    #[test]
    fn maps_are_asked_with_slices() {
        let hashed = HashMap::from([(Bytes::from("key"), 1)]);
        let sorted = BTreeMap::from([(Bytes::from("key"), 2)]);
        assert_eq!((hashed.get(&b"key"[..]), sorted.get(&b"key"[..])), (Some(&1), Some(&2)));
    }

    #[test]
    fn conversions_copy_nothing() {
        let vector = b"some bytes".to_vec();
        let address = vector.as_ptr();
        let there = ::bytes::Bytes::from(Bytes::from(vector));
        assert_eq!(there.as_ptr(), address);
        assert_eq!(Bytes::from(there).as_ptr(), address);
        let text = String::from("a text");
        let address = text.as_ptr();
        assert_eq!(Bytes::from(text).as_ptr(), address);
        let boxed: Box<[u8]> = Box::from(*b"boxed");
        let address = boxed.as_ptr();
        assert_eq!(Bytes::from(boxed).as_ptr(), address);
        let shared: Arc<[u8]> = Arc::from(*b"shared");
        assert_eq!(Bytes::from(Arc::clone(&shared)).as_ptr(), shared.as_ptr());
        assert_eq!(Arc::strong_count(&shared), 1, "it is let go with the bytes");
        assert_eq!(Bytes::from("abc"), Bytes::from(b"abc"));
        assert!(Bytes::new().is_empty() && Bytes::default().is_empty());
    }

    #[test]
    fn an_owner_is_asked_once_and_dropped_once_with_the_last_part_on_any_thread() {
        struct Owner(Box<[u8]>, Arc<(AtomicU32, AtomicU32)>);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                self.1.0.fetch_add(1, Relaxed);
                &self.0
            }
        }
        impl Drop for Owner {
            fn drop(&mut self) {
                self.1.1.fetch_add(1, Relaxed);
            }
        }
        let counts = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let bytes = Bytes::from_owner(Owner(Box::from(*b"abc"), Arc::clone(&counts)));
        let part = bytes.clone().slice(1..).unwrap();
        drop(bytes);
        assert_eq!((counts.0.load(Relaxed), counts.1.load(Relaxed)), (1, 0));
        std::thread::spawn(move || assert_eq!(part, "bc")).join().unwrap();
        assert_eq!((counts.0.load(Relaxed), counts.1.load(Relaxed)), (1, 1));
    }

    #[test]
    fn what_is_printed_can_be_read_and_is_bounded() {
        let check = |bytes: &[u8], text: &str| assert_eq!(format!("{:?}", Bytes::copy_from(bytes)), text);
        check(b"", r#"b"""#);
        check("it's \"Grüße\"\r\n".as_bytes(), r#"b"it's \"Grüße\"\r\n""#);
        check(b"a\0\x07\xFF\xC3", r#"b"a\0\u{7}\xff\xc3""#);
        check(&[b'a'; 64], &format!("b\"{}\"", "a".repeat(64)));
        check(&[b'a'; 1000], &format!("b\"{}\"… (1000 bytes)", "a".repeat(64)));
    }

    #[test]
    fn text_is_text_only_if_it_is() {
        assert_eq!(Bytes::from("Grüße").as_str(), Ok("Grüße"));
        assert!(Bytes::from(b"\xFF").as_str().is_err());
    }

    #[test]
    fn bytes_are_gone_through() {
        let sum: u32 = (&Bytes::from(b"\x01\x02\x03")).into_iter().map(|byte| u32::from(*byte)).sum();
        assert_eq!(sum, 6);
    }
}
