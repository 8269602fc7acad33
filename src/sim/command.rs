//! The command that repeats one seed of one test.
//!
//! Knows: what cargo says of a test that runs, and how it names the program. Must not know what is tested.

use std::env;
use std::panic::Location;
use std::path::Path;
use std::thread;

/// A test, as far as it can be known from within.
#[derive(Debug, Clone)]
pub(super) struct Test {
    /// What cargo is to be told of the package and its target.
    target: String,
    name: Option<String>,
}

impl Test {
    /// The test that runs on this thread, and has come to this place of its own code.
    pub(super) fn here(place: &Location<'_>) -> Test {
        let package = env::var("CARGO_PKG_NAME").ok();
        let manifest = env::var_os("CARGO_MANIFEST_DIR");
        let is_library = manifest.is_some_and(|path| Path::new(&path).join("src/lib.rs").is_file());
        let program = env::current_exe().unwrap_or_default();
        let target = target(&program, place.file(), package.as_deref(), is_library);
        // With one thread only, tests run on the main one.
        let named = thread::current().name().filter(|name| *name != "main").map(str::to_owned);
        Test { target, name: named.or_else(|| told(env::args().skip(1))) }
    }

    /// The command for one seed.
    pub(super) fn command(&self, seed: u64) -> String {
        let name = self.name.as_ref().map_or_else(String::new, |name| format!(" {name} -- --exact"));
        format!("ODEON_SEED={seed} cargo test{}{name}", self.target)
    }
}

/// The one test that a program was told to run.
fn told(mut words: impl Iterator<Item = String>) -> Option<String> {
    let mut names = Vec::new();
    let mut is_exact = false;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--exact" => is_exact = true,
            "--test-threads" | "--skip" | "--format" | "--color" | "--logfile" => drop(words.next()),
            word if word.starts_with('-') => {}
            name => names.push(name.to_owned()),
        }
    }
    names.pop().filter(|_| is_exact && names.is_empty())
}

/// What cargo is told so that it builds and runs what this program was built from; less, if that is not known.
fn target(program: &Path, file: &str, package: Option<&str>, is_library: bool) -> String {
    let program_name = program.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let name = program_name.rsplit_once('-').map_or(program_name, |(name, _)| name);
    let is_example = program.parent().is_some_and(|folder| folder.ends_with("examples"));
    let known = if is_example {
        Some(format!(" --example {}", spelled(file, "examples", name).unwrap_or(name)))
    } else if let Some(test) = spelled(file, "tests", name) {
        Some(format!(" --test {test}"))
    } else if let Some(binary) = spelled(file, "bin", name) {
        Some(format!(" --bin {binary}"))
    } else if package.is_some_and(|package| as_crate(package) == name) {
        match Path::new(file).ends_with("src/main.rs") {
            true => package.map(|package| format!(" --bin {package}")),
            false => is_library.then(|| " --lib".to_owned()),
        }
    } else {
        None
    };
    let package = package.map_or_else(String::new, |package| format!(" -p {package}"));
    package + &known.unwrap_or_default()
}

/// How the target of this name of a crate is spelled in the path of a file: by what follows the folder.
fn spelled<'a>(file: &'a str, folder: &str, name: &str) -> Option<&'a str> {
    let parts: Vec<&str> = file.split(['/', '\\']).collect();
    let behind = parts.windows(2).rev().find(|pair| pair[0] == folder)?[1];
    let behind = behind.strip_suffix(".rs").unwrap_or(behind);
    (as_crate(behind) == name).then_some(behind)
}

/// What the crate of a target is called.
fn as_crate(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_told_by_its_program_and_a_file_of_it() {
        let check = |program: &str, file: &str, expected: &str| {
            let program = format!("/a/target/debug/{program}-0123456789abcdef");
            assert_eq!(target(Path::new(&program), file, Some("my-app"), true), expected, "{program} {file}");
        };
        check("deps/lobby", "tests/lobby.rs", " -p my-app --test lobby");
        check("deps/two_words", "crates/my-app/tests/two-words.rs", " -p my-app --test two-words");
        check("deps/lobby", "tests/lobby/doors.rs", " -p my-app --test lobby");
        check("examples/chat", "examples/chat.rs", " -p my-app --example chat");
        check("examples/chat", "examples/support/mod.rs", " -p my-app --example chat");
        check("deps/my_app", "src/doors.rs", " -p my-app --lib");
        check("deps/my_app", "src/main.rs", " -p my-app --bin my-app");
        check("deps/gate", "src/bin/gate.rs", " -p my-app --bin gate");
        // A test that is written elsewhere runs when everything does.
        check("deps/lobby", "shared/lobby.rs", " -p my-app");
        assert_eq!(target(Path::new("/a/my_app-0"), "src/doors.rs", Some("my-app"), false), " -p my-app");
        assert_eq!(target(Path::new(""), "", None, false), "");
    }

    #[test]
    fn a_test_is_known_by_its_thread_or_by_what_the_program_was_told() {
        let threaded = thread::Builder::new().name("b::c".to_owned());
        let test = threaded.spawn(|| Test::here(Location::caller())).expect("a thread").join();
        let test = Test { target: " -p a --lib".to_owned(), ..test.expect("a test") };
        assert_eq!(test.command(7), "ODEON_SEED=7 cargo test -p a --lib b::c -- --exact");
        let unnamed = Test { name: None, ..test };
        assert_eq!(unnamed.command(7), "ODEON_SEED=7 cargo test -p a --lib");

        let told = |words: &str| told(words.split(' ').map(str::to_owned));
        assert_eq!(told("--exact --test-threads 1 b::c --nocapture").as_deref(), Some("b::c"));
        assert_eq!(told("b::c --test-threads=1"), None, "there may be others");
        assert_eq!(told("--exact b::c b::d"), None);
    }
}
