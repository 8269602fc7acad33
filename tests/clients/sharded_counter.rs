//! The counter of words: its counts are those of a plain loop, and each word is on one core.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::{Ended, Process, example};

/// Threads and tasks that read the same text.
const READERS: u64 = 8;

fn counted(path: &Path) -> Ended {
    let ended = Process::start(Command::new(example("sharded_counter")).arg(path)).ended();
    assert!(ended.status.success(), "{ended:?}");
    ended
}

#[test]
fn each_word_is_counted_once_for_each_reader() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("CONTRIBUTING.md");
    let text = fs::read_to_string(&path).unwrap().to_lowercase();
    let mut counts = BTreeMap::<&str, u64>::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *counts.entry(word).or_default() += READERS;
    }
    let ended = counted(&path);
    let lines: Vec<&str> = ended.output.lines().collect();
    let (cores, others): (Vec<&str>, Vec<&str>) =
        lines.into_iter().partition(|line| line.starts_with("core "));

    let number = |line: &&str, place| line.split_whitespace().nth(place).unwrap().parse::<u64>().unwrap();
    let of_cores = |place| cores.iter().map(|line| number(line, place)).sum::<u64>();
    let sum = counts.values().sum::<u64>();
    assert_eq!((of_cores(2), of_cores(4)), (sum, counts.len() as u64), "{ended:?}");

    let mut most: Vec<_> = counts.iter().map(|(word, count)| (*count, *word)).collect();
    most.sort_unstable_by(|one, other| other.cmp(one));
    let most: Vec<String> = most.iter().take(5).map(|(count, word)| format!("{count:>6} {word}")).collect();
    assert_eq!(others[..5], most);
    assert_eq!(others[5], format!("counted {sum} of {sum}, by 4 threads and 4 tasks"));
}

#[test]
fn it_counts_its_own_source_where_it_is_given_nothing() {
    let ended = Process::start(&mut Command::new(example("sharded_counter"))).ended();
    assert!(ended.status.success() && ended.output.contains("counted "), "{ended:?}");
}

#[test]
fn what_is_no_file_is_refused() {
    for (arguments, why) in [
        (&["no such file"][..], "sharded_counter: no such file: No such file or directory"),
        (&["Cargo.toml", "README.md"], "sharded_counter: usage: "),
    ] {
        let ended = Process::start(Command::new(example("sharded_counter")).args(arguments)).ended();
        assert!(!ended.status.success() && ended.errors.starts_with(why), "{ended:?}");
        assert_eq!(ended.output, "");
    }
}
