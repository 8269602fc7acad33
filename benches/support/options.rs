//! What the command line asks for.
//!
//! Knows: flags and their defaults. Must not know how anything is measured.

use std::time::Duration;

pub(crate) const HELP: &str = "\
cargo bench --bench {echo,proxy,slow_peers,publish} -- [OPTIONS]

  (no option)             echo: 64 B x {64, 512} connections x pipeline {1, 16}: CPU per request, requests per second
                          proxy: {16, 256} KiB x 64 connections through a proxy to an echo server beside the load: the same
                          publish: 100 B to 10,000 connections: CPU per delivery; when it comes, beside a hundred that never read
                          slow_peers: round trips of 64 B on 64 connections, beside a hundred peers that never read, or do all a byte at a time
  --full                  echo: also 1 KiB and 4,096 connections; 16 KiB and 256 KiB x 64 connections
  --part NAME[,NAME]      publish: only `cost` or `slow`; slow_peers: only `never-read` or `slowly`
  --peers N               slow_peers: how many do all a byte at a time (100)
  --latency               round trips of one connection whose client blocks
  --memory                memory per idle connection, base memory, wake-ups when idle
  --size N[,N]            only these message sizes      (with or without --full)
  --connections N[,N]     only these numbers of connections
  --pipeline N[,N]        only these pipelines
  --rounds N              pairs to measure (31; slow_peers: 60)
  --rounds-max N          add pairs up to this many while an interval is too wide to judge (--rounds)
  --window MS             length of a measurement (250; slow_peers: 100)
  --warm-up MS            what is not measured before it (100; slow_peers: 10)
  --spin US               how long servers spin on memory before they sleep (0)
  --server NAME=COMMAND   one more server; it must print `listening on ADDR`; a proxy goes to the address that `{to}` becomes
  --only NAME[,NAME]      of the servers bare_uring (always), bare_epoll, bare_splice, odeon and the added ones, only these
  --self-check            a second copy of bare_uring instead of odeon: its ratio must be 1.00
  --json                  figures as JSON lines on stdout, everything else on stderr
  --no-build              take the example as it is
";

/// What to measure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Echo,
    Proxy,
    SlowPeers,
    Publish,
    Latency,
    Memory,
}

impl Subject {
    /// What can be measured by itself.
    fn parts(self) -> &'static [&'static str] {
        match self {
            Subject::SlowPeers => &["never-read", "slowly"],
            Subject::Publish => &["cost", "slow"],
            _ => &[],
        }
    }
}

/// A message size with a number of connections and a pipeline.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) size: usize,
    pub(crate) connections: usize,
    pub(crate) pipeline: usize,
}

/// 64 → 64B, 16384 → 16KiB.
pub(crate) fn size_name(bytes: usize) -> String {
    if bytes >= 1024 && bytes.is_multiple_of(1024) {
        format!("{}KiB", bytes / 1024)
    } else {
        format!("{bytes}B")
    }
}

pub(crate) struct Options {
    pub(crate) subject: Subject,
    pub(crate) points: Vec<Point>,
    pub(crate) rounds: usize,
    pub(crate) rounds_max: usize,
    pub(crate) window: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) spin_us: u64,
    pub(crate) added: Vec<(String, String)>,
    pub(crate) only: Vec<String>,
    pub(crate) parts: Vec<String>,
    pub(crate) peers: usize,
    pub(crate) self_check: bool,
    pub(crate) json: bool,
    pub(crate) build: bool,
}

/// Values of the flags that choose points; empty where a flag is absent.
#[derive(Default)]
struct Chosen {
    sizes: Vec<usize>,
    connections: Vec<usize>,
    pipelines: Vec<usize>,
    full: bool,
}

impl Options {
    /// Reads the arguments behind the program's name, for one of the benchmarks.
    ///
    /// # Errors
    /// The argument that makes no sense.
    pub(crate) fn parse(bench: &str, arguments: impl IntoIterator<Item = String>) -> Result<Options, String> {
        let subject = match bench {
            "proxy" => Subject::Proxy,
            "slow_peers" => Subject::SlowPeers,
            "publish" => Subject::Publish,
            _ => Subject::Echo,
        };
        // The speed of a shared machine changes within seconds: many short pairs follow it, few long ones do not. Servers that stay need
        // little to warm up, and the shorter a window, the more of them nothing disturbs.
        let (rounds, window_ms, warm_up_ms) = match subject {
            Subject::SlowPeers => (60, 100, 10),
            _ => (31, 250, 100),
        };
        let mut options = Options {
            subject,
            points: Vec::new(),
            rounds,
            rounds_max: 0,
            window: Duration::from_millis(window_ms),
            warm_up: Duration::from_millis(warm_up_ms),
            spin_us: 0,
            added: Vec::new(),
            only: Vec::new(),
            parts: Vec::new(),
            peers: 100,
            self_check: false,
            json: false,
            build: true,
        };
        let mut chosen = Chosen::default();
        let mut arguments = arguments.into_iter();
        while let Some(flag) = arguments.next() {
            if !options.switch(&flag, &mut chosen) {
                let value = arguments.next().ok_or_else(|| format!("{flag}: no such flag, or no value"))?;
                options.value(&flag, &value, &mut chosen)?;
            }
        }
        options.check_parts()?;
        options.points = chosen.points(options.subject);
        options.rounds_max = options.rounds_max.max(options.rounds);
        Ok(options)
    }

    fn check_parts(&self) -> Result<(), String> {
        let known = self.subject.parts();
        match self.parts.iter().find(|part| !known.contains(&part.as_str())) {
            Some(part) if known.is_empty() => Err(format!("--part {part}: there are no parts here")),
            Some(part) => Err(format!("--part {part}: no such part, there are {}", known.join(", "))),
            None => Ok(()),
        }
    }

    /// Whether a part is to be measured: all are, where none is named.
    pub(crate) fn asks_for(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|name| name == part)
    }

    /// Takes a flag without a value; answers whether it is one.
    fn switch(&mut self, flag: &str, chosen: &mut Chosen) -> bool {
        match flag {
            "--full" => chosen.full = true,
            "--latency" => self.subject = Subject::Latency,
            "--memory" => self.subject = Subject::Memory,
            "--self-check" => self.self_check = true,
            "--json" => self.json = true,
            "--no-build" => self.build = false,
            // Cargo adds this one.
            "--bench" => {}
            _ => return false,
        }
        true
    }

    fn value(&mut self, flag: &str, value: &str, chosen: &mut Chosen) -> Result<(), String> {
        match flag {
            "--size" => chosen.sizes = numbers(flag, value)?,
            "--connections" => chosen.connections = numbers(flag, value)?,
            "--pipeline" => chosen.pipelines = numbers(flag, value)?,
            "--rounds" => self.rounds = number(flag, value)?.max(1),
            "--rounds-max" => self.rounds_max = number(flag, value)?,
            "--peers" => self.peers = number(flag, value)?.max(1),
            "--window" => self.window = Duration::from_millis(number(flag, value)? as u64),
            "--warm-up" => self.warm_up = Duration::from_millis(number(flag, value)? as u64),
            "--spin" => self.spin_us = number(flag, value)? as u64,
            "--only" => self.only = value.split(',').map(str::to_owned).collect(),
            "--part" => self.parts = value.split(',').map(str::to_owned).collect(),
            "--server" => {
                let (name, command) = value.split_once('=').ok_or("--server wants NAME=COMMAND")?;
                self.added.push((name.to_owned(), command.to_owned()));
            }
            _ => return Err(format!("{flag}: no such flag")),
        }
        Ok(())
    }
}

impl Chosen {
    fn points(&self, subject: Subject) -> Vec<Point> {
        if self.full {
            let mut points = product(&[64, 1024], &[64, 512, 4096], &[1, 16]);
            points.extend(product(&[16 << 10, 256 << 10], &[64], &[1]));
            points.retain(|point| {
                let admits = |list: &[usize], value| list.is_empty() || list.contains(&value);
                admits(&self.sizes, point.size)
                    && admits(&self.connections, point.connections)
                    && admits(&self.pipelines, point.pipeline)
            });
            return points;
        }
        let (sizes, connections, pipelines): (&[usize], &[usize], &[usize]) = match subject {
            Subject::Proxy => (&[16 << 10, 256 << 10], &[64], &[1]),
            Subject::SlowPeers => (&[64], &[64], &[1]),
            Subject::Publish => (&[100], &[10_000], &[1]),
            _ => (&[64], &[64, 512], &[1, 16]),
        };
        product(or(&self.sizes, sizes), or(&self.connections, connections), or(&self.pipelines, pipelines))
    }
}

fn or<'a>(chosen: &'a [usize], default: &'a [usize]) -> &'a [usize] {
    if chosen.is_empty() { default } else { chosen }
}

fn product(sizes: &[usize], connections: &[usize], pipelines: &[usize]) -> Vec<Point> {
    let mut points = Vec::new();
    for &size in sizes {
        for &connections in connections {
            points.extend(pipelines.iter().map(|&pipeline| Point { size, connections, pipeline }));
        }
    }
    points
}

fn numbers(flag: &str, value: &str) -> Result<Vec<usize>, String> {
    value.split(',').map(|part| number(flag, part)).collect()
}

fn number(flag: &str, value: &str) -> Result<usize, String> {
    value.parse().map_err(|_| format!("{flag}: {value} is not a number"))
}
