//! What the servers among the examples share: arguments, the line that says they are ready, the end on a signal.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use odeon::prelude::*;
use odeon::{Listening, Signals};

pub(crate) type Error = Box<dyn std::error::Error>;

/// Options of one example, each with its value.
pub(crate) type Options = HashMap<String, String>;

struct Arguments {
    listen: String,
    cores: Cores,
    backend: BackendChoice,
    /// Print what of the machine is in use.
    features: bool,
    /// How long an idle core looks at memory before it sleeps; for measurements.
    spin: Option<Duration>,
    own: Options,
}

/// Starts a system as the arguments say, opens the listener, and serves until SIGINT or SIGTERM. `own` are the options that this
/// example has beside the common ones, as its usage shows them.
pub(crate) fn serve<E: Into<Error>>(
    name: &str,
    own: &str,
    config: Config,
    open: impl FnOnce(&System, &str, &Options) -> Result<Listening, E>,
) -> ExitCode {
    let common = "[--listen ADDR] [--cores N] [--backend auto|uring|mio] [--spin-us N] [--features]";
    let usage = format!("usage: {}", [name, own, common].join(" ").replace("  ", " "));
    if std::env::args().any(|word| word == "--help") {
        println!("{usage}");
        return ExitCode::SUCCESS;
    }
    let arguments = match parse(std::env::args().skip(1), own) {
        Ok(arguments) => arguments,
        Err(mistake) => {
            eprintln!("{name}: {mistake}; {usage}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments, config, open) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run<E: Into<Error>>(
    arguments: &Arguments,
    mut config: Config,
    open: impl FnOnce(&System, &str, &Options) -> Result<Listening, E>,
) -> Result<(), Error> {
    config.spin = arguments.spin.unwrap_or(config.spin);
    let system =
        System::builder().cores(arguments.cores).backend(arguments.backend).config(config).build()?;
    let listening = open(&system, &arguments.listen, &arguments.own).map_err(E::into)?;
    // Caught before anybody is told that the server is ready: whoever reads that may ask it to end at once.
    let signals = Signals::catch().map_err(|errno| odeon::Error::Signals(errno.into()))?;
    let cores = system.cores();
    let plural = if cores == 1 { "" } else { "s" };
    println!("listening on {} ({}, {cores} core{plural})", listening.address(), system.backend());
    if arguments.features {
        println!("{}", system.features());
    }
    // What had to be cut off it says itself.
    system.run_until(signals);
    Ok(())
}

fn parse(mut words: impl Iterator<Item = String>, own: &str) -> Result<Arguments, String> {
    let mut arguments = Arguments {
        listen: "127.0.0.1:7000".to_owned(),
        cores: Cores::All,
        backend: BackendChoice::Auto,
        features: false,
        spin: None,
        own: Options::new(),
    };
    let own: Vec<&str> = own.split([' ', '[', ']']).filter(|word| word.starts_with("--")).collect();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--features" => arguments.features = true,
            "--listen" => arguments.listen = value()?,
            "--cores" => arguments.cores = Cores::Count(number(&word, &value()?)?),
            "--spin-us" => arguments.spin = Some(Duration::from_micros(number(&word, &value()?)? as u64)),
            "--backend" => {
                arguments.backend = value()?.parse().map_err(|error: odeon::Error| error.to_string())?;
            }
            option if own.contains(&option) => drop(arguments.own.insert(option.to_owned(), value()?)),
            _ => return Err(format!("there is no argument `{word}`")),
        }
    }
    Ok(arguments)
}

fn number(word: &str, value: &str) -> Result<usize, String> {
    value.parse().map_err(|_| format!("{word} wants a number, not `{value}`"))
}
