//! A source file as the rules see it.
//!
//! Knows: what is code, what is comment or text, and what only tests compile. Must not know a rule.

use std::fmt;

/// A file, three times, with the same length and the same lines.
pub(crate) struct Source {
    /// Relative to the root of the project, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// With blanks for comments and for what stands in quotes.
    pub(crate) code: String,
    /// The same, with blanks for what only tests compile too.
    pub(crate) shipped: String,
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) path: String,
    /// From one; zero when it is about the whole file.
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Source {
        let code = without_comments_and_quotes(text);
        let only_tests = !path.starts_with("src/") && !path.starts_with("macros/src/")
            || path.ends_with("/tests.rs")
            || path.contains("/tests/");
        let shipped = if only_tests { blank(&code) } else { without_tests(&code) };
        Source { path: path.to_owned(), text: text.to_owned(), code, shipped }
    }

    /// A violation at a place in this file.
    pub(crate) fn violation(&self, offset: usize, what: impl Into<String>) -> Violation {
        let line = 1 + self.text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count();
        Violation { path: self.path.clone(), line, what: what.into() }
    }

    /// A violation of this file as a whole.
    pub(crate) fn violation_of_file(&self, what: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line: 0, what: what.into() }
    }
}

/// The words of some code (identifiers, keywords, numbers), with their places.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = code.as_bytes();
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + bytes[rest..].iter().position(is_word)?;
        let end =
            bytes[start..].iter().position(|byte| !is_word(byte)).map_or(code.len(), |length| start + length);
        rest = end;
        Some((start, &code[start..end]))
    })
}

fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii()
}

/// The place behind the bracket that closes the one at `open`; the end of the code when none does.
pub(crate) fn behind_match(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (index, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return index + 1;
        }
    }
    code.len()
}

fn blank(code: &str) -> String {
    code.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

/// Blanks the items behind `#[cfg(test)]` and its like.
fn without_tests(code: &str) -> String {
    let mut kept = code.to_owned();
    let mut from = 0;
    while let Some(start) = kept[from..].find("#[cfg(").map(|index| from + index) {
        let behind_attribute = behind_match(&kept, start + 1);
        from = behind_attribute;
        let condition = &kept[start..behind_attribute];
        let tests_only = words(condition).any(|(_, word)| word == "test")
            && !condition.contains("not(test")
            && !condition.contains("any(");
        if tests_only {
            let end = end_of_item(&kept, behind_attribute);
            let blanks = blank(&kept[start..end]);
            kept.replace_range(start..end, &blanks);
            from = end;
        }
    }
    kept
}

/// The place behind the item that starts at `from`: its block or its semicolon; its comma, if it is a variant or a field.
fn end_of_item(code: &str, from: usize) -> usize {
    const ITEMS: [&str; 9] = ["fn", "impl", "struct", "enum", "mod", "use", "trait", "type", "macro_rules"];
    let mut place = from;
    while let Some(index) = code[place..].find(['{', '(', '[', ';', ',']).map(|index| place + index) {
        match code.as_bytes()[index] {
            b';' => return index + 1,
            b'{' => return behind_match(code, index),
            b',' if words(&code[from..index]).any(|(_, word)| ITEMS.contains(&word)) => place = index + 1,
            b',' => return index + 1,
            _ => place = behind_match(code, index),
        }
    }
    code.len()
}

/// Blanks comments, strings and characters.
fn without_comments_and_quotes(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut place = 0;
    while place < bytes.len() {
        let (start, end) = match &bytes[place..] {
            [b'/', b'/', ..] => (place, line_end(bytes, place)),
            [b'/', b'*', ..] => (place, comment_end(bytes, place)),
            [b'"', ..] => quoted(bytes, place),
            [b'r' | b'b' | b'c', ..] if place == 0 || !is_word(&bytes[place - 1]) => {
                match raw_quoted(bytes, place) {
                    Some(range) => range,
                    None => (place + 1, place + 1),
                }
            }
            [b'\'', ..] => character(bytes, place),
            _ => (place + 1, place + 1),
        };
        for byte in &mut code[start..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        place = end;
    }
    String::from_utf8(code).expect("characters are blanked whole")
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| from + length)
}

fn comment_end(bytes: &[u8], from: usize) -> usize {
    let (mut depth, mut place) = (0, from);
    while place < bytes.len() {
        match &bytes[place..] {
            [b'/', b'*', ..] => (depth, place) = (depth + 1, place + 2),
            [b'*', b'/', ..] => (depth, place) = (depth - 1, place + 2),
            _ => place += 1,
        }
        if depth == 0 {
            return place;
        }
    }
    bytes.len()
}

/// The string at `from`.
fn quoted(bytes: &[u8], from: usize) -> (usize, usize) {
    let mut place = from + 1;
    while place < bytes.len() {
        match bytes[place] {
            b'\\' => place += 2,
            b'"' => return (from, place + 1),
            _ => place += 1,
        }
    }
    (from, bytes.len())
}

/// The whole of a raw string at `from`, its marks included, if there is one.
fn raw_quoted(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    let letters = bytes[from..].iter().take_while(|byte| matches!(byte, b'r' | b'b' | b'c')).count();
    if letters > 2 || bytes[from + letters - 1] != b'r' {
        return None;
    }
    let hashes = bytes[from + letters..].iter().take_while(|byte| **byte == b'#').count();
    let open = from + letters + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let length = bytes[open + 1..].windows(close.len()).position(|window| window == close)?;
    Some((from, open + 1 + length + close.len()))
}

/// The character at `from`; nothing when it is a lifetime.
fn character(bytes: &[u8], from: usize) -> (usize, usize) {
    let end = match &bytes[from + 1..] {
        [b'\\', _, rest @ ..] => {
            rest.iter().position(|byte| *byte == b'\'').map(|length| from + 3 + length + 1)
        }
        [first, ..] => {
            let length = match first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            (bytes.get(from + 1 + length) == Some(&b'\'')).then_some(from + length + 2)
        }
        [] => None,
    };
    end.map_or((from + 1, from + 1), |end| (from, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: &str) {
        let found = without_comments_and_quotes(text);
        assert_eq!(found.len(), text.len());
        assert_eq!(
            found.split_whitespace().collect::<Vec<_>>(),
            code.split_whitespace().collect::<Vec<_>>(),
            "{text}"
        );
    }

    #[test]
    fn comments_and_quotes_are_no_code() {
        check("a // b\nc /* d /* e */ f */ g", "a c g");
        check("a(\"b\\\"c\", d)", "a( , d)");
        check("a(\"\", b)", "a( , b)");
        check("a(r#\"b \" c\"#, br\"d\", raw, bytes)", "a( , , raw, bytes)");
        check("a('\\'', '\"', b'x', 'ü', '\\u{1f600}')", "a( , , b , , )");
        check("fn a<'b>(c: &'b str, d: &'static str) {}", "fn a<'b>(c: &'b str, d: &'static str) {}");
        check("a(\"// b\") // \"", "a( )");
        check("\"ü\" ü", "ü");
    }

    #[test]
    fn what_only_tests_compile_is_not_shipped() {
        let shipped =
            |text| Source::new("src/a.rs", text).shipped.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(shipped("a; #[cfg(test)] mod b { c; { d } } e"), "a; e");
        assert_eq!(shipped("a; #[cfg(all(test, loom))] use b::c; d"), "a; d");
        assert_eq!(shipped("#[cfg(test)] mod b; c"), "c");
        assert_eq!(shipped("#[cfg(not(test))] mod b; c"), "#[cfg(not(test))] mod b; c");
        assert_eq!(shipped("#[cfg(all(test, not(loom)))] mod b; c"), "c");
        assert_eq!(shipped("#[cfg(any(test, unix))] mod b; c"), "#[cfg(any(test, unix))] mod b; c");
        assert_eq!(shipped("#[cfg(loom)] mod b; c"), "#[cfg(loom)] mod b; c");
        assert_eq!(shipped("#[cfg(test)] #[derive(A, B)] pub(super) fn b<A, B>(c: [u8; 3]) { d } e"), "e");
        assert_eq!(shipped("enum A { B, #[cfg(test)] C(u8, u8), D }"), "enum A { B, D }");
        for path in ["tests/a.rs", "src/a/tests.rs", "src/a/tests/b.rs"] {
            assert_eq!(Source::new(path, "a").shipped, " ");
        }
    }

    #[test]
    fn places_become_lines() {
        let source = Source::new("src/a.rs", "a\nb\nc");
        assert_eq!(source.violation(2, "x").to_string(), "src/a.rs:2: x");
        assert_eq!(words("a::b_1(c)").collect::<Vec<_>>(), [(0, "a"), (3, "b_1"), (7, "c")]);
        assert_eq!(behind_match("a{(b)[c]}d", 1), 9);
    }
}
