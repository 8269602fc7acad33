//! Words that must not be written.
//!
//! Knows: the words, put together here so that this file does not break its own rules. Must not know where they come from.

use super::source::{Source, Violation, words};
use super::tables::{CLOCK, TIMES_OF_FILES, WAITS};

/// What is shipped does not unwrap, and an `expect` states an invariant.
pub(crate) fn unwraps(source: &Source) -> Vec<Violation> {
    let bare = source.shipped.match_indices(".unwrap()").chain(source.shipped.match_indices(".unwrap_err()"));
    let silent = source.text.match_indices(concat!(".expect(", "\"\")"));
    bare.chain(silent)
        .map(|(place, _)| source.violation(place, "use `expect`, and state the invariant"))
        .collect()
}

/// Nothing sleeps, tests least of all: they wait for what they need.
pub(crate) fn sleeps(source: &Source) -> Vec<Violation> {
    const NAMES: &[&str] =
        &["park_timeout", "nanosleep", "clock_nanosleep", "usleep", "sleep_ms", "sleep_until"];
    if source.path.starts_with("benches/") {
        // A measurement waits for a time, and not for something.
        return Vec::new();
    }
    let code = &source.code;
    words(code)
        .filter(|(place, word)| {
            let of_thread = code[..*place].trim_end().ends_with("thread::");
            let of_system = code[..*place].trim_end().ends_with("libc::");
            let grouped = || code[..*place].rsplit(';').next().is_some_and(|item| item.contains("thread::{"));
            match *word {
                "sleep" => of_thread || of_system || grouped(),
                "park_timeout" if WAITS.iter().any(|(path, _)| *path == source.path) => false,
                word => NAMES.contains(&word) && (of_thread || of_system),
            }
        })
        .map(|(place, word)| source.violation(place, format!("a sleep does not synchronise: `{word}`")))
        .collect()
}

/// One clock is read, in one place, and that goes on evenly: whatever becomes of the clock on the wall, no timer hears of it.
pub(crate) fn clocks(source: &Source) -> Vec<Violation> {
    const READS: &[&str] = &["clock_gettime", "gettimeofday", "timerfd_create"];
    const TYPES: &[&str] = &["SystemTime", "UNIX_EPOCH", "Instant"];
    if !source.path.starts_with("src/") {
        return Vec::new();
    }
    let (reads, has_times) = (source.path == CLOCK, TIMES_OF_FILES.contains(&source.path.as_str()));
    words(&source.shipped)
        .filter(|(_, word)| {
            let other_clock = word.starts_with("CLOCK_") && (!reads || *word != "CLOCK_MONOTONIC");
            other_clock || (!reads && READS.contains(word)) || (!has_times && TYPES.contains(word))
        })
        .map(|(place, word)| source.violation(place, format!("only {CLOCK} reads a clock: `{word}`")))
        .collect()
}

/// No test is ignored, and no example in the documentation.
pub(crate) fn ignored(source: &Source) -> Vec<Violation> {
    let tests = source.code.match_indices("#[ignore");
    let examples = ["ignore", "no_run"].into_iter().flat_map(|word| {
        let fence = format!("```{word}");
        let other = format!("```rust,{word}");
        let places = source.text.match_indices(&fence).chain(source.text.match_indices(&other));
        places.map(|(place, _)| place).collect::<Vec<_>>()
    });
    tests
        .map(|(place, _)| place)
        .chain(examples.filter(|place| is_comment(&source.text, *place)))
        .map(|place| source.violation(place, "a test that does not run is none"))
        .collect()
}

fn is_comment(text: &str, place: usize) -> bool {
    let line = text[..place].rsplit('\n').next().unwrap_or_default().trim_start();
    line.starts_with("//!") || line.starts_with("///")
}

/// Nothing is left to do: it is done, or it is in the issue tracker.
pub(crate) fn unfinished(source: &Source) -> Vec<Violation> {
    const NAMES: &[&str] =
        &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
    words(&source.text)
        .filter(|(_, word)| NAMES.contains(word))
        .map(|(place, word)| source.violation(place, format!("`{word}`: do it, or say what is so")))
        .collect()
}

/// How far above an ordering its reason may stand.
const REASON_LINES_MAX: usize = 5;

/// An ordering of memory says what must be seen by whom: above it, or for all of a file that is sequentially consistent in
/// its header.
pub(crate) fn orderings(source: &Source) -> Vec<Violation> {
    const NAMES: &[&str] = &["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];
    let mut header = source.text.lines().take_while(|line| line.starts_with("//!"));
    let argued = header.any(|line| line.contains("sequentially consistent"));
    let text: Vec<&str> = source.text.lines().collect();
    let code = source.shipped.lines().enumerate();
    let silent = code.filter(|(index, line)| {
        let from = index.saturating_sub(REASON_LINES_MAX);
        words(line).any(|(_, word)| NAMES.contains(&word) && !(argued && word == "SeqCst"))
            && !text[from..=*index].iter().any(|line| line.contains("// "))
    });
    silent
        .map(|(index, _)| Violation {
            path: source.path.clone(),
            line: index + 1,
            what: "an ordering says what must be seen by whom, in a comment above it".to_owned(),
        })
        .collect()
}

/// Code that nobody uses goes.
pub(crate) fn dead_code(source: &Source) -> Vec<Violation> {
    const LINTS: &[&str] = &[
        "dead_code",
        "unused",
        "unused_imports",
        "unused_variables",
        "unused_mut",
        "unreachable_code",
        "warnings",
    ];
    let attributes = ["allow(", "expect("].into_iter().flat_map(|open| source.code.match_indices(open));
    attributes
        .filter(|(place, open)| {
            let in_attribute =
                source.code[..*place].trim_end().ends_with('[') || source.code[..*place].ends_with(", ");
            let end = super::source::behind_match(&source.code, place + open.len() - 1);
            in_attribute && words(&source.code[*place..end]).any(|(_, word)| LINTS.contains(&word))
        })
        .map(|(place, _)| source.violation(place, "code that nobody uses goes, and warnings are heard"))
        .collect()
}

/// A function that answers something is called by what it answers.
pub(crate) fn getters(source: &Source) -> Vec<Violation> {
    let mut previous = "";
    let mut found = Vec::new();
    for (place, word) in words(&source.code) {
        // `get_mut` is what the standard library calls the twin of `get`.
        if previous == "fn" && word.starts_with(concat!("get", "_")) && word != "get_mut" {
            found.push(source.violation(place, format!("`{word}`: leave `get` out of it")));
        }
        previous = word;
    }
    found
}

/// What must not be asked of the kernel for an entry: a success that is not told hides short sends and keeps slots, links
/// break where a receive is short, and whoever polls first does so each time that a multishot goes on. A report of what was copied
/// is none of these, and is asked for in the same place; so is the link of a pair whose halves are both awaited.
pub(crate) fn flags_of_entries(source: &Source) -> Vec<Violation> {
    const NAMES: &[&str] = &[
        "SKIP_SUCCESS",
        "CQE_SKIP_SUCCESS",
        "IO_LINK",
        "IO_HARDLINK",
        "IO_DRAIN",
        "LinkTimeout",
        "POLL_FIRST",
        "RECVSEND_POLL_FIRST",
        "ioprio",
    ];
    if !source.path.starts_with("src/") {
        return Vec::new();
    }
    words(&source.code)
        .filter(|(_, word)| NAMES.contains(word))
        .filter(|(place, _)| !source.code[*place..].starts_with("ioprio(REPORT_USAGE)"))
        .filter(|(place, _)| !source.code[..*place].ends_with("first.flags(Flags::"))
        .map(|(place, word)| source.violation(place, format!("`{word}` loses answers, or delays them")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&Source) -> Vec<Violation>, text: &str, expected: usize) {
        assert_eq!(rule(&Source::new("src/a.rs", text)).len(), expected, "{text}");
    }

    #[test]
    fn unwraps_are_found_in_what_is_shipped() {
        check(unwraps, "a.unwrap(); b.unwrap_err(); c.unwrap_or(d)", 2);
        check(unwraps, "#[cfg(test)] mod tests { fn a() { b.unwrap() } }", 0);
        check(unwraps, concat!("a.expect(", "\"\")"), 1);
        check(unwraps, "a.expect(\"it is there\")", 0);
    }

    #[test]
    fn sleeps_are_found_in_tests_too() {
        check(sleeps, "std::thread::sleep(a)", 1);
        check(sleeps, "use std::thread::{self, sleep};", 1);
        check(sleeps, "#[cfg(test)] mod tests { fn a() { thread::park_timeout(b) } }", 1);
        check(sleeps, "libc::nanosleep(a, b)", 1);
        check(sleeps, "core.sleep(a); odeon::time::sleep(b)", 0);
        let tolerated = Source::new(WAITS[0].0, "thread::park_timeout(a); thread::sleep(b)");
        assert_eq!(sleeps(&tolerated).len(), 1);
    }

    #[test]
    fn other_clocks_are_found() {
        check(clocks, "libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now)", 2);
        check(clocks, "use std::time::{Duration, Instant, SystemTime};", 2);
        check(clocks, "let now = sys::now(); // SystemTime", 0);
        check(clocks, "#[cfg(test)] mod tests { use std::time::SystemTime; }", 0);
        let of = |path: &str, text: &str| clocks(&Source::new(path, text)).len();
        assert_eq!(of(CLOCK, "clock_gettime(CLOCK_MONOTONIC); clock_gettime(CLOCK_BOOTTIME)"), 1);
        assert_eq!(of(TIMES_OF_FILES[0], "SystemTime::UNIX_EPOCH; gettimeofday()"), 1);
    }

    #[test]
    fn tests_that_do_not_run_are_found() {
        check(ignored, concat!("#[test] #[ign", "ore] fn a() {}"), 1);
        check(ignored, concat!("#[test] #[ign", "ore = \"slow\"] fn a() {}"), 1);
        check(ignored, "/// ```ignore\n//! ```no_run\n/// ```rust,no_run", 3);
        check(ignored, "/// ```compile_fail\n/// ```", 0);
    }

    #[test]
    fn unfinished_things_are_found() {
        check(unfinished, concat!("// TO", "DO: more"), 1);
        check(unfinished, concat!("/* FIX", "ME */"), 1);
        check(unfinished, "let todos = 3;", 0);
    }

    #[test]
    fn orderings_without_a_reason_are_found() {
        check(orderings, "a.load(Ordering::Relaxed);\nfence(SeqCst)", 2);
        check(orderings, "// Relaxed: a count.\na.load(Ordering::Relaxed);\nb.load(Ordering::Relaxed)", 0);
        check(
            orderings,
            "//! All are sequentially consistent.\na.load(SeqCst)\n\n\n\n\n\n\nb.load(SeqCst)",
            0,
        );
        check(orderings, "//! All are sequentially consistent.\n\n\n\n\n\n\nb.load(Relaxed)", 1);
        check(orderings, "// Far away.\n\n\n\n\n\na.load(Ordering::Relaxed);", 1);
        check(orderings, "#[cfg(test)] mod tests { fn a() { b.load(Ordering::Relaxed) } }", 0);
    }

    #[test]
    fn dead_code_that_is_kept_is_found() {
        check(dead_code, "#[allow(dead_code)] fn a() {}", 1);
        check(dead_code, "#![expect(clippy::a, unused)]", 1);
        check(dead_code, "#[cfg_attr(a, allow(dead_code))] fn a() {}", 1);
        check(dead_code, "#![allow(unsafe_code)] fn a() { b.expect(\"dead_code\") }", 0);
    }

    #[test]
    fn getters_are_found() {
        check(getters, concat!("fn get", "_name() {}"), 1);
        check(getters, concat!("fn get() {} fn get_mut() {} fn a() { b.get", "_name() }"), 0);
    }

    #[test]
    fn flags_that_lose_answers_are_found() {
        check(flags_of_entries, "entry.flags(Flags::SKIP_SUCCESS | Flags::IO_LINK)", 2);
        check(flags_of_entries, "first.flags(Flags::IO_LINK)", 0);
        check(flags_of_entries, "RecvMulti::new(a, b).ioprio(IORING_RECVSEND_POLL_FIRST)", 1);
        check(flags_of_entries, "RecvMulti::new(a, b).flags(POLL_FIRST)", 1);
        check(flags_of_entries, "SendMsgZc::new(a, b).ioprio(REPORT_USAGE)", 0);
        check(flags_of_entries, "SendMsgZc::new(a, b).ioprio(REPORT_USAGE | POLL_FIRST)", 2);
        check(flags_of_entries, "Recv::new(a, b).flags(MSG_WAITALL) // ioprio", 0);
    }
}
