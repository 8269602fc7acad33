//! Tests that pages for readers name: each is a file.
//!
//! Knows: how a page names a file. Must not know what it promises.

use super::source::{Source, Violation};

const PROMISES: &str = "src/manual/promises.rs";
/// Pages that promise nothing: a list of the others, and names.
const WITHOUT: [&str; 2] = ["src/manual/mod.rs", "src/manual/words.rs"];
/// What is wrong on purpose is not among the sources.
const UNREAD: &str = "tests/ui/";

/// What pages of the manual name below `tests/` is there; each page names something, and so does every section of the promises.
pub(crate) fn named_tests(sources: &[Source]) -> Vec<Violation> {
    let is_there = |name: &str| {
        name == UNREAD
            || sources
                .iter()
                .any(|source| source.path == name || (name.ends_with('/') && source.path.starts_with(name)))
    };
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("src/manual/")) {
        for (place, _) in source.text.match_indices("`tests/") {
            let name = source.text[place + 1..].split('`').next().unwrap_or_default();
            if !is_there(name) {
                found.push(source.violation(place, format!("`{name}` is no file")));
            }
        }
    }
    let silent =
        |source: &&Source| source.path.starts_with("src/manual/") && !source.text.contains("`tests/");
    for source in sources.iter().filter(|source| !WITHOUT.contains(&source.path.as_str())).filter(silent) {
        found.push(source.violation_of_file("a page without a test".to_owned()));
    }
    let promises = sources.iter().find(|source| source.path == PROMISES);
    for (at, section) in promises.iter().flat_map(|source| sections(&source.text)) {
        if !section.contains("`tests/") {
            found.push(
                promises.expect("it has sections").violation(at, "a promise without a test".to_owned()),
            );
        }
    }
    found
}

/// What follows each heading, and where.
fn sections(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices("//! # ")
        .map(|(at, _)| (at, text[at + 6..].split("//! # ").next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str, expected: usize) {
        let tree = [Source::new("tests/semantics/order.rs", ""), Source::new(PROMISES, page)];
        let found = named_tests(&tree);
        assert_eq!(found.len(), expected, "{page}: {found:?}");
    }

    #[test]
    fn what_a_page_names_is_there() {
        check("//! # Order\n//! `tests/semantics/order.rs`, `tests/semantics/`\n", 0);
        check("//! # Order\n//! `tests/semantics/chaos.rs`\n", 1);
        check("//! # Order\n//! `tests/semantics/order.rs`\n//! # Peace\n//! nobody knows\n", 1);
        // Neither the page nor its promise.
        check("//! # Order\n//! nobody knows\n", 2);
    }
}
