//! Tests that pages for readers name: each is a file, or a case of the contract.
//!
//! Knows: how a page names a file or a case. Must not know what it promises.

use super::source::{Source, Violation};

const PROMISES: &str = "src/manual/promises.rs";
/// Pages that promise nothing: a list of the others, and names.
const WITHOUT: [&str; 2] = ["src/manual/mod.rs", "src/manual/words.rs"];
/// What is wrong on purpose is not among the sources.
const UNREAD: &str = "tests/ui/";
/// Each file of cases there holds a promise.
const SEMANTICS: &str = "tests/semantics/";
/// Those that are no cases.
const NO_CASES: [&str; 2] = ["main.rs", "world.rs"];
/// Has a table of cases.
const CONTRACT: &str = "tests/contract/main.rs";

/// What pages of the manual name below `tests/` is there; each page names something, so does every section of the promises, and some page
/// names each file that holds one.
pub(crate) fn named_tests(sources: &[Source]) -> Vec<Violation> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("src/manual/")) {
        found.extend(named_files(sources, source));
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
    let of_promises = |source: &&Source| {
        let name = source.path.strip_prefix(SEMANTICS);
        name.is_some_and(|name| !NO_CASES.contains(&name))
    };
    for source in sources.iter().filter(of_promises) {
        let name = format!("`{}`", source.path);
        let names_it = |page: &Source| page.path.starts_with("src/manual/") && page.text.contains(&name);
        if !sources.iter().any(names_it) {
            found.push(source.violation_of_file("no page of the manual names it".to_owned()));
        }
    }
    found
}

/// What the table of the contract names is there: cases that are run, and files.
pub(crate) fn named_cases(sources: &[Source]) -> Vec<Violation> {
    let Some(contract) = sources.iter().find(|source| source.path == CONTRACT) else { return Vec::new() };
    let mut found = named_files(sources, contract);
    let (mut at, mut rows) = (0, 0);
    for line in contract.text.split_inclusive('\n') {
        if let Some(row) = line.strip_prefix("//! | ") {
            rows += 1;
            for name in row.split('`').skip(1).step_by(2).filter(|name| !name.contains('/')) {
                let is_run = contract.text.lines().any(|line| line.trim() == name);
                if !is_run {
                    found.push(contract.violation(at, format!("`{name}` is no case")));
                }
            }
        }
        at += line.len();
    }
    if rows == 0 {
        found.push(contract.violation_of_file("no table of its cases".to_owned()));
    }
    found
}

/// Names of files below `tests/` that are none.
fn named_files(sources: &[Source], page: &Source) -> Vec<Violation> {
    let is_there = |name: &str| {
        name == UNREAD
            || sources
                .iter()
                .any(|source| source.path == name || (name.ends_with('/') && source.path.starts_with(name)))
    };
    let named = page.text.match_indices("`tests/").map(|(place, _)| {
        let name = page.text[place + 1..].split('`').next().unwrap_or_default();
        (place, name)
    });
    let absent = named.filter(|(_, name)| !is_there(name));
    absent.map(|(place, name)| page.violation(place, format!("`{name}` is no file"))).collect()
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
        let tree = [Source::new("tests/server/order.rs", ""), Source::new(PROMISES, page)];
        let found = named_tests(&tree);
        assert_eq!(found.len(), expected, "{page}: {found:?}");
    }

    #[test]
    fn what_a_page_names_is_there() {
        check("//! # Order\n//! `tests/server/order.rs`, `tests/server/`\n", 0);
        check("//! # Order\n//! `tests/server/chaos.rs`\n", 1);
        check("//! # Order\n//! `tests/server/order.rs`\n//! # Peace\n//! nobody knows\n", 1);
        // Neither the page nor its promise.
        check("//! # Order\n//! nobody knows\n", 2);
    }

    #[test]
    fn what_holds_a_promise_is_named() {
        let tree = |page| {
            let files = ["order.rs", "chaos.rs", "main.rs", "world.rs"];
            let files = files.map(|file| Source::new(&format!("{SEMANTICS}{file}"), ""));
            files.into_iter().chain([Source::new(PROMISES, page)]).collect::<Vec<_>>()
        };
        let page = "//! # Order\n//! `tests/semantics/order.rs`, `tests/semantics/chaos.rs`\n";
        assert!(named_tests(&tree(page)).is_empty());
        assert_eq!(named_tests(&tree("//! # Order\n//! `tests/semantics/order.rs`\n")).len(), 1);
    }

    #[test]
    fn what_the_table_of_the_contract_names_is_run() {
        let check = |table: &str, expected: usize| {
            let text = format!("{table}\non! {{\n    sends {{\n        a_case\n    }}\n}}\n");
            let found = named_cases(&[Source::new(CONTRACT, &text), Source::new("tests/server/slow.rs", "")]);
            assert_eq!(found.len(), expected, "{table}: {found:?}");
        };
        check("//! | what | by |\n//! | sends | `a_case`, `tests/server/slow.rs` |", 0);
        check("//! | sends | `a_case_that_is_gone`, `a_case` |", 1);
        check("//! | sends | `a_case`, `tests/server/fast.rs` |", 1);
        check("//! sends: `a_case`", 1);
    }
}
