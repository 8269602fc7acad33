//! How often each word of a text occurs, counted by an actor on each core, for threads and tasks at the same time.
//!
//!     cargo run --release --example sharded_counter
//!     cargo run --release --example sharded_counter -- README.md
//!
//! Counts the words of a file, or of this one, which several readers go through, and ends by itself. Prints what each core has
//! counted, and the words that occur most. Ends with status 1 where the sum is not that of the words read.
//!
//! Shows: `Sharded`, an actor on each core; a word that belongs to one of them, whoever says it, so that no count is shared and no
//! lock is needed; the same question asked by `.wait()` on threads and by `.await` in tasks; a total, by asking each.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs, thread};

use odeon::prelude::*;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Threads that go through the text, and as many tasks.
const READERS: usize = 4;
const WORDS_SHOWN: usize = 5;

/// The words that belong to one core.
#[derive(Default)]
struct Counter(HashMap<Box<str>, u64>);

#[actor]
impl Counter {
    #[call]
    fn add(&mut self, word: Box<str>) {
        *self.0.entry(word).or_default() += 1;
    }

    /// How many there were, and how many different ones.
    #[call]
    fn total(&self) -> (u64, usize) {
        (self.0.values().sum(), self.0.len())
    }

    /// Those that occur most.
    #[call]
    fn most(&self, count: usize) -> Vec<(u64, Box<str>)> {
        let mut words: Vec<_> = self.0.iter().map(|(word, count)| (*count, word.clone())).collect();
        words.sort_unstable_by(|one, other| other.cmp(one));
        words.truncate(count);
        words
    }
}

fn words(text: &str) -> impl Iterator<Item = Box<str>> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word.to_lowercase().into())
}

/// On a thread of the program, which waits for each answer.
fn read(text: &str, counters: &Sharded<Counter>) -> Result<u64, AskError> {
    let mut said = 0;
    for word in words(text) {
        counters.by_key(&word).add(word).wait()?;
        said += 1;
    }
    Ok(said)
}

/// In a task, beside whatever else its core does.
async fn read_beside(text: Arc<str>, counters: Sharded<Counter>) -> Result<u64, AskError> {
    let mut said = 0;
    for word in words(&text) {
        counters.by_key(&word).add(word).await?;
        said += 1;
    }
    Ok(said)
}

/// How many words were read by all of them.
fn read_by_all(system: &System, text: &Arc<str>, counters: &Sharded<Counter>) -> Result<u64, Error> {
    let begin = |number| {
        let (text, counters) = (text.clone(), counters.clone());
        system.spawn_task(number % system.cores(), move || read_beside(text, counters))
    };
    let tasks = (0..READERS).map(begin).collect::<odeon::Result<Vec<_>>>()?;
    let on_threads = thread::scope(|scope| {
        let threads: Vec<_> = (0..READERS).map(|_| scope.spawn(|| read(text, counters))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it does not panic")).sum::<Result<u64, _>>()
    })?;
    let mut said = on_threads;
    for task in tasks {
        said += task.wait()??;
    }
    Ok(said)
}

fn main() -> ExitCode {
    count().unwrap_or_else(|error| {
        eprintln!("sharded_counter: {error}");
        ExitCode::FAILURE
    })
}

fn count() -> Result<ExitCode, Error> {
    let text: Arc<str> = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => include_str!("sharded_counter.rs").into(),
        [path] => fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?.into(),
        _ => return Err("usage: sharded_counter [FILE]".into()),
    };
    let system = System::builder().cores(Cores::All).build()?;
    let counters = system.sharded(|_core| Counter::default())?;
    let said = read_by_all(&system, &text, &counters)?;

    let (mut sum, mut most) = (0, Vec::new());
    for (core, counter) in counters.each().enumerate() {
        let (counted, different) = counter.total().wait()?;
        println!("core {core}: {counted} words, {different} different ones");
        sum += counted;
        most.extend(counter.most(WORDS_SHOWN).wait()?);
    }
    most.sort_unstable_by(|one, other| other.cmp(one));
    for (count, word) in most.iter().take(WORDS_SHOWN) {
        println!("{count:>6} {word}");
    }
    println!("counted {sum} of {said}, by {READERS} threads and {READERS} tasks");
    system.shutdown();
    Ok(if sum == said { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
