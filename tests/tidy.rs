//! Are the rules kept? Reads the source as text, in milliseconds.
//!
//! Knows: the rules of the architecture that neither types nor lints can keep. Must not know what the code does.
//!
//! Each rule is a function of one source file or of all of them, and has a test with a planted violation: a rule that cannot
//! fail keeps nothing. What a rule tolerates stands in `tidy/tables.rs` with its reason.

#[path = "tidy/boundaries.rs"]
mod boundaries;
#[path = "tidy/generics.rs"]
mod generics;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/manual.rs"]
mod manual;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tables.rs"]
mod tables;
#[path = "tidy/words.rs"]
mod words;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use source::{Source, Violation};

/// The project, read once.
static TREE: LazyLock<Vec<Source>> = LazyLock::new(tree);

/// Every Rust file of the project except those that are wrong on purpose.
fn tree() -> Vec<Source> {
    let root =
        PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is"));
    let mut sources = Vec::new();
    for folder in ["src", "macros/src", "tests", "examples", "benches"] {
        read_folder(&root, &root.join(folder), &mut sources);
    }
    assert!(
        sources.iter().any(|source| source.path == "src/lib.rs"),
        "the sources are where they are expected"
    );
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

fn read_folder(root: &Path, folder: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        let name = path.strip_prefix(root).expect("it lies in the project").to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.ends_with("/target") && name != "tests/ui" {
                read_folder(root, &path, sources);
            }
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).expect("a source file is text");
            sources.push(Source::new(&name, &text));
        }
    }
}

fn assert_none(violations: &[Violation]) {
    let list: Vec<String> = violations.iter().map(Violation::to_string).collect();
    assert!(list.is_empty(), "{} violations:\n{}", list.len(), list.join("\n"));
}

/// One test per rule of a single file.
macro_rules! each_file {
    ($($name:ident: $rule:path;)*) => { $(
        #[test]
        fn $name() {
            assert_none(&TREE.iter().flat_map($rule).collect::<Vec<_>>());
        }
    )* };
}

/// One test per rule of all files together.
macro_rules! all_files {
    ($($name:ident: $rule:path;)*) => { $(
        #[test]
        fn $name() {
            assert_none(&$rule(&TREE));
        }
    )* };
}

each_file! {
    only_sys_and_the_backends_make_system_calls: boundaries::system_crates;
    no_descriptors_above_the_driver: boundaries::descriptors;
    platforms_differ_in_few_places: boundaries::platforms;
    layers_name_only_what_lies_below: layers::order;
    files_are_short: shape::file_length;
    functions_are_short: shape::function_length;
    files_say_what_they_know: shape::header;
    unsafe_files_say_so: shape::unsafe_header;
    nothing_is_unwrapped: words::unwraps;
    nothing_sleeps: words::sleeps;
    one_clock_is_read: words::clocks;
    nothing_is_ignored: words::ignored;
    nothing_is_left_to_do: words::unfinished;
    no_dead_code_is_kept: words::dead_code;
    orderings_have_a_reason: words::orderings;
    nothing_is_called_get: words::getters;
    no_flag_loses_an_answer: words::flags_of_entries;
}

all_files! {
    exactly_two_types_are_generic_over_the_backend: generics::over_the_backend;
    indirect_calls_are_listed: boundaries::indirect_calls;
    atomics_and_locks_are_listed: boundaries::shared_state;
    unsafe_is_counted: boundaries::unsafe_counts;
    no_handler_is_hidden_by_a_method_of_addresses: names::of_addresses;
    most_functions_are_very_short: shape::function_length_usual;
    tests_that_the_manual_names_are_there: manual::named_tests;
    cases_that_the_contract_names_are_run: manual::named_cases;
}
