//! What must not cross a boundary: system calls, descriptors, platforms, indirect calls, shared memory, `unsafe`.
//!
//! Knows: the words by which these are written. Must not know layers.

use super::source::{Source, Violation, words};
use super::tables::{
    DESCRIPTORS, INDIRECT_CALLS, PLATFORMS, SHARED_STATE, SYSTEM_CALLS, SYSTEM_CRATES_TOLERATED,
    UNSAFE_ALLOWED, UNSAFE_COUNTS, lies_in,
};

const SYSTEM_CRATES: &[&str] = &["io_uring", "libc", "mio", "nix", "polling", "rustix", "socket2"];
const SYSTEM_MODULES: &[&str] = &[
    "std::fs",
    "std::os",
    "std::process::Command",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
];

/// R1: only `sys/` and the backends name what makes system calls.
pub(crate) fn system_crates(source: &Source) -> Vec<Violation> {
    if lies_in(&source.path, SYSTEM_CALLS) {
        return Vec::new();
    }
    let crates = words(&source.shipped).filter(|(place, word)| {
        SYSTEM_CRATES.contains(word)
            && names_a_crate(&source.shipped, *place, word)
            && !SYSTEM_CRATES_TOLERATED.iter().any(|(path, name, _)| *path == source.path && name == word)
    });
    let modules = SYSTEM_MODULES
        .iter()
        .flat_map(|module| source.shipped.match_indices(module))
        .filter(|(place, module)| !continues_word(&source.shipped, place + module.len()));
    crates
        .chain(modules)
        .map(|(place, name)| {
            source.violation(place, format!("only sys and the backends make system calls: `{name}`"))
        })
        .collect()
}

fn continues_word(code: &str, place: usize) -> bool {
    code[place..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// True if the word stands where a path starts: `mio::…`, `::mio::…`, `use mio;`, but not `backend::mio::…`.
fn names_a_crate(code: &str, place: usize, word: &str) -> bool {
    let before = code[..place].trim_end();
    let starts_path = match before.strip_suffix("::") {
        Some(parent) => !parent.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '>'),
        None => true,
    };
    let used = before.ends_with("use") || before.ends_with("extern crate");
    starts_path && (used || code[place + word.len()..].trim_start().starts_with("::"))
}

/// R2: above the driver there are no descriptors.
pub(crate) fn descriptors(source: &Source) -> Vec<Violation> {
    const NAMES: &[&str] = &["RawFd", "OwnedFd", "BorrowedFd", "AsRawFd", "AsFd", "as_raw_fd", "as_fd"];
    if lies_in(&source.path, DESCRIPTORS) {
        return Vec::new();
    }
    words(&source.shipped)
        .filter(|(_, word)| NAMES.contains(word))
        .map(|(place, word)| source.violation(place, format!("no descriptors above the driver: `{word}`")))
        .collect()
}

/// R4: platforms differ in few places.
pub(crate) fn platforms(source: &Source) -> Vec<Violation> {
    const NAMES: &[&str] =
        &["target_os", "target_family", "target_arch", "target_env", "target_vendor", "unix", "windows"];
    if PLATFORMS.iter().any(|(path, _)| *path == source.path) {
        return Vec::new();
    }
    let conditions = ["cfg(", "cfg!(", "cfg_attr("];
    let mut found = Vec::new();
    for (place, condition) in conditions.iter().flat_map(|condition| source.shipped.match_indices(condition))
    {
        let open = place + condition.len() - 1;
        let end = super::source::behind_match(&source.shipped, open);
        if words(&source.shipped[open..end]).any(|(_, word)| NAMES.contains(&word)) {
            found.push(
                source.violation(place, "platforms differ in `driver/backend.rs` and `sys/mod.rs` only"),
            );
        }
    }
    found
}

/// R6: indirect calls are few, listed, and each has a reason.
pub(crate) fn indirect_calls(sources: &[Source]) -> Vec<Violation> {
    let table: Vec<(&str, usize)> = INDIRECT_CALLS.iter().map(|(path, count, _)| (*path, *count)).collect();
    counted(sources, &table, "INDIRECT_CALLS", "indirect calls", |source| {
        if !source.path.starts_with("src/") {
            return 0;
        }
        let code = &source.shipped;
        // A marker's type says what is consumed, and nothing is called.
        let is_marker = |place: usize| code[..place].trim_end().ends_with("PhantomData<");
        let is_pointer = |place: usize| code[place + 2..].trim_start().starts_with('(') && !is_marker(place);
        words(code).filter(|(place, word)| *word == "dyn" || *word == "fn" && is_pointer(*place)).count()
    })
}

/// R9: cores share nothing but what is listed.
pub(crate) fn shared_state(sources: &[Source]) -> Vec<Violation> {
    shared_state_but(sources, SHARED_STATE)
}

fn shared_state_but(sources: &[Source], table: &[(&str, &str)]) -> Vec<Violation> {
    let mut found = stale(sources, table.iter().map(|(path, _)| *path), "SHARED_STATE");
    for source in sources.iter().filter(|source| source.path.starts_with("src/")) {
        let places: Vec<_> = words(&source.shipped).filter(|(_, word)| shares(word)).collect();
        let listed = table.iter().any(|(path, _)| *path == source.path);
        match places.first() {
            Some((place, word)) if !listed => found.push(source.violation(
                *place,
                format!("cores share nothing but what `SHARED_STATE` in tidy/tables.rs lists: `{word}`"),
            )),
            None if listed => {
                found.push(source.violation_of_file("shares nothing any more: take it off `SHARED_STATE`"))
            }
            _ => {}
        }
    }
    found
}

fn shares(word: &str) -> bool {
    const LOCKS: &[&str] = &[
        "Mutex", "RwLock", "Condvar", "OnceLock", "LazyLock", "Once", "Barrier", "ArcSwap", "fence", "mpsc",
    ];
    let atomic = word.strip_prefix("Atomic").is_some_and(|kind| kind.starts_with(|c: char| c.is_uppercase()));
    atomic || LOCKS.contains(&word)
}

/// `unsafe` stands only where it may, exactly as often as the table says.
pub(crate) fn unsafe_counts(sources: &[Source]) -> Vec<Violation> {
    unsafe_counts_but(sources, UNSAFE_COUNTS)
}

fn unsafe_counts_but(sources: &[Source], table: &[(&str, usize)]) -> Vec<Violation> {
    let count = |source: &Source| match source.path.starts_with("benches/") {
        false => words(&source.code).filter(|(_, word)| *word == "unsafe").count(),
        // What is measured against is written against the kernel, as others would write it.
        true => 0,
    };
    let mut found = counted(sources, table, "UNSAFE_COUNTS", "uses of `unsafe`", count);
    let crate_code = |source: &&Source| source.path.starts_with("src/") || source.path.starts_with("macros/");
    for source in sources.iter().filter(crate_code) {
        if count(source) > 0 && !lies_in(&source.path, UNSAFE_ALLOWED) {
            found.push(source.violation_of_file("`unsafe` has no place here, whatever the table says"));
        }
    }
    found
}

/// Compares what is counted in each file with a table of counts.
fn counted(
    sources: &[Source],
    table: &[(&str, usize)],
    name: &str,
    what: &str,
    count: impl Fn(&Source) -> usize,
) -> Vec<Violation> {
    let mut found = stale(sources, table.iter().map(|(path, _)| *path), name);
    for source in sources {
        let expected = table.iter().find(|(path, _)| *path == source.path).map_or(0, |(_, count)| *count);
        let counted = count(source);
        if counted != expected {
            let path = &source.path;
            found.push(source.violation_of_file(format!(
                "{counted} {what} where `{name}` in tidy/tables.rs has {expected}. If they are needed: (\"{path}\", {counted})"
            )));
        }
    }
    found
}

/// Rows of a table about files that are gone.
fn stale<'a>(sources: &[Source], paths: impl Iterator<Item = &'a str>, name: &str) -> Vec<Violation> {
    paths
        .filter(|path| !sources.iter().any(|source| source.path == *path))
        .map(|path| Violation {
            path: path.to_owned(),
            line: 0,
            what: format!("is gone: take it off `{name}`"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: fn(&Source) -> Vec<Violation>, path: &str, text: &str) -> usize {
        rule(&Source::new(path, text)).len()
    }

    #[test]
    fn system_crates_are_found_where_they_are_named() {
        let check =
            |text, expected| assert_eq!(count(system_crates, "src/net/a.rs", text), expected, "{text}");
        check("use libc;", 1);
        check("use mio::Poll;", 1);
        check("fn a() { unsafe { libc::close(3) } }", 1);
        check("struct A(::socket2::Socket, ::io_uring::IoUring);", 2);
        check("use crate::driver::backend::mio::Mio;", 0);
        check("// libc::close\nconst A: &str = \"libc::close\";", 0);
        check("#[cfg(test)] mod tests { use libc::close; }", 0);
        check("use std::fs::File; use std::fs; use std::fsx;", 2);
        check("use std::net::{IpAddr}; use std::net::TcpStream;", 1);
        assert_eq!(count(system_crates, "src/sys/a.rs", "use libc::close;"), 0);
        assert_eq!(count(system_crates, "src/driver/backend/a.rs", "use libc::close;"), 0);
        assert_eq!(count(system_crates, "src/driver/mod.rs", "use mio::Waker; use libc::close;"), 1);
    }

    #[test]
    fn descriptors_are_found_above_the_driver() {
        assert_eq!(count(descriptors, "src/net/a.rs", "fn a(b: RawFd) { c.as_raw_fd() }"), 2);
        assert_eq!(count(descriptors, "src/sys/a.rs", "fn a(b: RawFd) {}"), 0);
    }

    #[test]
    fn platforms_are_found() {
        let check = |text, expected| assert_eq!(count(platforms, "src/net/a.rs", text), expected, "{text}");
        check("#[cfg(target_os = \"linux\")] mod a;", 1);
        check("#[cfg(all(test, unix))] mod a;", 0);
        check("#[cfg(any(feature = \"a\", unix))] mod a;", 1);
        check("fn a() { if cfg!(windows) {} }", 1);
        check("#[cfg(feature = \"tls\")] mod a;", 0);
        assert_eq!(count(platforms, "src/sys/mod.rs", "#[cfg(unix)] mod a;"), 0);
    }

    #[test]
    fn indirect_calls_are_found() {
        let found = indirect_calls(&[Source::new(
            "src/a.rs",
            "struct A { b: Box<dyn C>, d: unsafe fn(u8), e: PhantomData<fn(u8)> } fn f(g: u8) {}",
        )]);
        assert!(
            found
                .iter()
                .any(|one| one.what.contains("2 indirect calls") && one.what.contains("(\"src/a.rs\", 2)"))
        );
    }

    #[test]
    fn shared_state_is_found_and_so_is_a_list_that_is_out_of_date() {
        let check = |text, table: &[(&str, &str)], part: &str| {
            let found = shared_state_but(&[Source::new("src/a.rs", text)], table);
            assert!(found.len() == 1 && found[0].what.contains(part), "{found:?}");
        };
        check("use std::sync::atomic::AtomicU8;", &[], "`AtomicU8`");
        check("static A: Mutex<u8> = Mutex::new(0);", &[], "`Mutex`");
        check("struct A;", &[("src/a.rs", "")], "shares nothing any more");
        check("struct A;", &[("src/b.rs", "")], "is gone");
        assert_eq!(shared_state_but(&[Source::new("src/a.rs", "Mutex")], &[("src/a.rs", "")]), []);
        assert_eq!(shared_state_but(&[Source::new("src/a.rs", "struct AtomicallyDone;")], &[]), []);
    }

    #[test]
    fn unsafe_is_counted_and_refused_where_it_has_no_place() {
        let check = |path, text, table: &[(&str, usize)], expected| {
            assert_eq!(unsafe_counts_but(&[Source::new(path, text)], table).len(), expected, "{path} {text}");
        };
        check("src/sys/a.rs", "unsafe { a() } unsafe_code", &[("src/sys/a.rs", 1)], 0);
        check("src/sys/a.rs", "unsafe { a() }", &[], 1);
        check("src/sys/a.rs", "a() // unsafe", &[("src/sys/a.rs", 1)], 1);
        check("src/net/a.rs", "unsafe { a() }", &[("src/net/a.rs", 1)], 1);
        check("src/net/a.rs", "unsafe { a() }", &[], 2);
        check("src/sys/a.rs", "", &[("src/sys/b.rs", 1)], 1);
    }
}
