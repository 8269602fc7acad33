//! The story of the supervisors: it is the same for the same seed, and ends as it should.

use std::process::Command;

use crate::process::{Process, example};

/// What is told, without the times.
fn story(seed: &str) -> Vec<String> {
    let ended = Process::start(Command::new(example("supervision")).args(["--seed", seed])).ended();
    assert!(ended.status.success(), "{ended:?}");
    let lines =
        ended.output.lines().map(|line| line.split_once(" ms  ").expect("a time, and what was then").1);
    lines.map(str::to_owned).collect()
}

fn count(story: &[String], what: &str) -> usize {
    story.iter().filter(|line| line.contains(what)).count()
}

#[test]
fn a_group_is_begun_again_once_and_then_everything_ends() {
    for seed in ["1", "2", "3"] {
        let told = story(seed);
        assert_eq!(told, story(seed), "the same seed tells the same story");
        assert_eq!(told[..2], ["the log begins", "sensor number 1 begins"]);
        // Two are forgiven, of each beginning of the group.
        assert_eq!((count(&told, "PANICS"), count(&told, "sensor number")), (6, 6), "{told:#?}");
        assert_eq!((count(&told, "the log begins"), count(&told, "the log ends")), (2, 2), "{told:#?}");
        let [.., end, sum] = told.as_slice() else { panic!("more is told") };
        assert_eq!(end, "the sensor has ended: its supervisor has given up");
        assert_eq!(sum, "5 new beginnings, 3 supervisors that gave up");
    }
}

#[test]
fn a_log_keeps_what_was_read_while_only_the_sensor_is_begun_again() {
    let told = story("7");
    let kept = |line: &&String| line.contains("kept");
    let kept: Vec<&str> = told.iter().filter(kept).filter_map(|line| line.split(": ").nth(1)).collect();
    let ended = "its supervisor has ended it because of another";
    let expected = ["1 kept", "2 kept", "3 kept", "4 kept", ended, "1 kept", "2 kept", "3 kept", ended];
    assert_eq!(kept, expected, "{told:#?}");
    assert_eq!(count(&told, "the log ends with 4 kept"), 1);
}

#[test]
fn what_is_no_seed_is_refused() {
    for (arguments, why) in [
        (&["--speed"][..], "supervision: usage: "),
        (&["--seed", "7", "8"], "supervision: usage: "),
        (&["--seed", "many"], "supervision: --seed many: invalid digit"),
    ] {
        let ended = Process::start(Command::new(example("supervision")).args(arguments)).ended();
        assert!(!ended.status.success() && ended.errors.starts_with(why), "{ended:?}");
    }
}
