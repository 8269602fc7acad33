//! Do macros explain mistakes? Each file in the folders of `ui/` is a mistake, and the file beside it is what the compiler says.
//!
//! After a change of words: `TRYBUILD=overwrite cargo test --test ui`, and read the difference.

#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*/*.rs");
    cases.pass("tests/ui/clean.rs");
}
