//! Do macros explain mistakes? Each file in `ui/` is a mistake, and the file beside it is what the compiler says.
//!
//! After a change of words: `TRYBUILD=overwrite cargo test --test ui`, and read the difference.

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*/*.rs");
}
