//! The shortest program: it stays short, and does what it says.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::{Process, example};

#[test]
fn it_says_hello_in_thirty_lines() {
    let ended = Process::start(&mut Command::new(example("hello"))).ended();
    assert!(ended.status.success());
    assert_eq!(ended.output, "hello, world: you are guest 1\n");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/hello.rs");
    assert!(fs::read_to_string(source).unwrap().lines().count() <= 30);
}
