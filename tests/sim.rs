//! What `odeon::sim` promises to those who test with it: one run for one seed, failures that say what was waited for and how they are
//! repeated, and nothing left at the end.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use odeon::prelude::*;
use odeon::sim::{self, Check, Faults, Sim};
use odeon::testing::probe;
use odeon::time::sleep;
use odeon::{DeadLetter, DeadReason, Place, ShutdownReport, Time};

const SERVER: &str = "10.0.0.1:7000";

#[derive(Default)]
struct Sum(i64);

#[actor]
impl Sum {
    #[call]
    fn add(&mut self, more: i64) -> i64 {
        self.0 = self.0.checked_add(more).expect("it fits");
        self.0
    }

    #[call]
    fn never(&self, reply: Reply<()>) {
        ASIDE.lock().expect("it can be").push(reply);
    }
}

/// Replies that nobody sends.
static ASIDE: Mutex<Vec<Reply<()>>> = Mutex::new(Vec::new());

#[derive(Message, Debug, PartialEq)]
struct Note(u32);

/// Has room for one note.
struct Pigeonhole;

#[actor(mailbox(capacity = 1))]
impl Pigeonhole {
    #[message]
    fn note(&mut self, _: Note) {}
}

/// Fails at every note.
struct Clerk;

#[actor]
impl Clerk {
    #[message]
    fn note(&mut self, Note(number): Note) -> Result<(), String> {
        Err(format!("note {number}"))
    }
}

struct Session {
    sum: Addr<Sum>,
    kept: &'static Mutex<Vec<Bytes>>,
    /// Places in its output that are never filled.
    owed: Vec<Place>,
}

#[actor(codec = Lines<9000>)]
impl Session {
    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        match line.parse() {
            Ok(more) => {
                let place = cx.defer();
                self.sum.add(more).then(cx, move |_, sum, cx| cx.fill_line(place, format!("{sum:?}")));
            }
            Err(_) if line == "bye" => return Flow::Close,
            Err(_) if line == "owe" => self.owed.push(cx.defer()),
            Err(_) => {
                let bytes = cx.bytes_of(line.as_bytes());
                self.kept.lock().expect("it can be").push(bytes);
            }
        }
        Flow::Continue
    }
}

/// What sessions keep and nobody looks at.
static KEPT: Mutex<Vec<Bytes>> = Mutex::new(Vec::new());

/// Does not outlive the sum, which it ends.
struct Tied(Addr<Sum>);

#[actor(codec = Lines<9000>)]
impl Tied {
    #[started]
    fn started(&mut self, cx: &mut Context<Self>) {
        cx.link(self.0).expect("there is room");
    }

    #[frame]
    fn line(&mut self, line: &str, cx: &mut Context<Self>) {
        cx.write(line.repeat(20_000));
        self.0.stop();
    }

    #[stopped]
    fn stopped(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        assert_eq!(reason, StopReason::LinkEnded);
        cx.write_line("bye");
    }
}

#[test]
fn a_connection_that_ends_by_a_link_sends_what_is_queued() {
    Check::new().faults(|_| Faults::none()).seeds(20).run(|sim| {
        let sum = sim.spawn(Sum::default()).expect("it can be");
        sim.listener(SERVER).start(move |_| Tied(sum)).expect("it can be");
        let mut client = sim.connect(SERVER);
        // What is sent waits for it to read.
        client.limit_unread(1000);
        client.write_line("seven");
        assert_eq!(client.read_to_end(), format!("{}bye\n", "seven".repeat(20_000)).into_bytes());
    });
}

/// How much of it there is at a time is up to the network, and no time passes by reading it.
#[test]
fn all_that_is_sent_is_read_to_its_end() {
    const BYTES: usize = if cfg!(miri) { 500 } else { 100_000 };
    for bytes in [BYTES / 20, BYTES] {
        Check::new().seeds(100).run(|sim| {
            let speak = move |mut stream: Stream| async move { stream.write_all(vec![b'x'; bytes]).await };
            let listening = sim.listener(SERVER).serve(speak).expect("it can be");
            assert_eq!(sim.connect(listening.address()).read_to_end().len(), bytes);
        });
    }
}

#[test]
fn what_has_arrived_is_taken_whole() {
    Check::new().faults(|_| Faults { slow_reader: 1.0, ..Faults::none() }).seeds(4).run(|sim| {
        let speak = |mut stream: Stream| async move { stream.write_all([b'x'; 200]).await };
        let listening = sim.listener(SERVER).serve(speak).expect("it can be");
        let mut client = sim.connect(listening.address());
        sim.settle();
        assert_eq!(client.take(), [b'x'; 200]);
    });
}

fn open(system: &System) -> Addr<Sum> {
    let sum = system.spawn(Sum::default()).expect("it can be");
    system
        .listener(SERVER)
        .start(move |_| Session { sum, kept: &KEPT, owed: Vec::new() })
        .expect("it can be");
    sum
}

/// Two clients, at whatever time, on whatever core: the sums that they have seen.
fn play(sim: &Sim) -> Vec<String> {
    open(sim);
    let mut random = sim.random();
    let mut clients = [sim.connect(SERVER), sim.connect(SERVER)];
    for _ in 0..10 {
        clients[random.index(2)].write_line("1");
        sim.run_for(Duration::from_micros(random.below(2_000)));
    }
    let lines = clients.iter_mut().flat_map(|client| {
        client.shutdown_write();
        String::from_utf8(client.read_to_end())
            .expect("it can be")
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    lines.collect()
}

/// How a test fails whose system is the same for all seeds.
fn failure(test: impl Fn(&Sim) + Sync) -> String {
    let check = Check::new().faults(|_| Faults::none()).cores(2).patience(Duration::from_secs(9));
    let failure = check.seeds(1).first_failure(|sim| test(sim));
    failure.expect("it is found").message().to_owned()
}

#[test]
fn a_seed_is_one_run_and_another_seed_another() {
    let mut runs = [Vec::new(), Vec::new()];
    for runs in &mut runs {
        Check::new().seeds(20).run(|sim| {
            let sums = play(sim);
            assert_eq!(sums.len(), 10);
            runs.push((sim.seed(), sim.trace(), sim.now(), sums));
        });
    }
    assert_eq!(runs[0], runs[1]);
    let mut traces: Vec<u64> = runs[0].iter().map(|run| run.1).collect();
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), runs[0].len(), "no two seeds are alike");
}

#[test]
fn what_depends_on_more_than_the_seed_is_found() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    Check::new().seeds(5).twice().run(|sim| assert_eq!(play(sim).len(), 10));
    let failure = Check::new().seeds(1).twice().first_failure(|sim| {
        // As somebody does who asks the machine for the time.
        sim.run_for(Duration::from_nanos(RUNS.fetch_add(1, Ordering::SeqCst)));
    });
    let failure = failure.expect("it is found");
    assert!(failure.message().contains("more than the seed"), "{failure}");
}

#[test]
fn a_system_of_a_test_is_one_like_others() {
    sim::check(|sim| {
        let sum = open(sim);
        sim.register("sum", sum).unwrap();
        assert_eq!(sim.lookup::<Sum>("sum").unwrap().add(40).wait(), Ok(40));
        let supervised = sim.supervise_on(1, Restart::one_for_one(), Sum::default).unwrap();
        assert_eq!(supervised.add(7).wait(), Ok(7));
        sim.allow_panics();
        assert_eq!(supervised.add(i64::MAX).wait(), Err(AskError::Panicked));
        assert_eq!(supervised.add(5).wait(), Ok(5), "it has been begun again");
        let group = sim.supervisor(Restart::one_for_all()).unwrap();
        assert_eq!(group.spawn(Sum::default).unwrap().add(1).wait(), Ok(1));
        let task = sim.spawn_task(1, move || async move {
            sleep(Duration::from_secs(3)).await;
            sum.add(2).await
        });
        assert_eq!(task.unwrap().wait(), Ok(Ok(42)));
        assert!(sim.now() >= Time(3_000_000_000), "it has slept");
        assert!(sim.now() < Time(4_000_000_000), "and no longer than it should");
        let (letters, mut told) = probe::<DeadLetter>();
        sim.dead_letters(letters).unwrap();
        let ended = sim.spawn(Sum::default()).unwrap();
        ended.stop();
        sim.settle();
        assert_eq!(sim.block_on(ended.add(1)), Err(AskError::Stopped));
        let full = sim.spawn(Pigeonhole).unwrap();
        for number in 0..3 {
            full.tell(Note(number)).unwrap();
        }
        let letter = sim.receive(&mut told);
        assert!(letter.reason == DeadReason::Full && letter.count <= 2, "{letter:?}");
        assert_eq!(sim.backend(), "sim");
    });
}

#[test]
fn whoever_is_not_answered_waits_as_long_as_was_said_and_no_time_passes_outside() {
    sim::check(|sim| {
        let sum = sim.spawn(Sum::default()).unwrap();
        let begun = sim.now();
        assert_eq!(sum.never().wait(), Err(AskError::Timeout));
        let waited = sim.now().since(begun);
        assert!((5..6).contains(&waited.as_secs()), "{waited:?}");
        let begun = sim.now();
        assert_eq!(sum.never().timeout(Duration::from_secs(50)).wait(), Err(AskError::Timeout));
        let waited = sim.now().since(begun);
        assert!((50..51).contains(&waited.as_secs()), "{waited:?}");
        let begun = sim.now();
        assert_eq!(sim.block_on(sum.never().timeout(Duration::from_secs(7))), Err(AskError::Timeout));
        let waited = sim.now().since(begun);
        assert!((7..8).contains(&waited.as_secs()), "{waited:?}");
        ASIDE.lock().unwrap().clear();
    });
}

#[derive(Message)]
struct Strike(Time);

/// Strikes now and then, and tells another.
struct Tower {
    to: Recipient<Strike>,
}

#[actor]
impl Tower {
    #[every("7ms")]
    fn strike(&mut self, cx: &mut Context<Self>) {
        self.to.tell(Strike(cx.now())).or_dead_letter();
    }
}

/// Never answers.
#[derive(Default)]
struct Silent(Vec<Reply<()>>);

#[actor]
impl Silent {
    #[call]
    fn nothing(&mut self, reply: Reply<()>) {
        self.0.push(reply);
    }
}

/// Hears that on another core, and asks somebody.
struct Ear {
    silent: Addr<Silent>,
    /// When it has struck, was heard, and somebody was waited for no more.
    times: Vec<[Time; 3]>,
}

#[actor]
impl Ear {
    #[message]
    fn struck(&mut self, Strike(at): Strike, cx: &mut Context<Self>) {
        let heard = cx.now();
        self.silent.nothing().then(cx, move |me, _, cx| me.times.push([at, heard, cx.now()]));
    }

    #[call]
    fn times(&mut self) -> Vec<[Time; 3]> {
        std::mem::take(&mut self.times)
    }
}

#[test]
fn it_is_the_same_time_on_all_cores_and_who_is_not_answered_waits_for_all_of_its_time() {
    const PATIENCE: Duration = Duration::from_millis(100);
    /// What a timer may be late by.
    const TICK: Duration = Duration::from_nanos(65_536);
    let check =
        Check::new().faults(|_| Faults::none()).cores(2).config(|config| config.ask_timeout = PATIENCE);
    check.run(|sim| {
        let silent = sim.spawn_on(0, Silent::default()).unwrap();
        let ear = sim.spawn_on(1, Ear { silent, times: Vec::new() }).unwrap();
        sim.spawn_on(0, Tower { to: ear.recipient() }).unwrap();
        sim.run_for(Duration::from_secs(1));
        let times = ear.times().wait().unwrap();
        assert!(times.len() > 120, "{}", times.len());
        for [struck, heard, given_up] in times {
            assert_eq!(heard, struck);
            let waited = given_up.since(heard);
            assert!(waited >= PATIENCE && waited <= PATIENCE + TICK, "{waited:?}");
        }
    });
}

#[test]
fn what_is_waited_for_in_vain_is_named() {
    let check = |test: fn(&Sim), parts: &[&str]| {
        let message = failure(test);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    };
    check(|sim| sim.run_until("a miracle", || false), &["in vain for 9s: a miracle"]);
    check(|sim| sim.block_on(std::future::pending()), &["in vain for 9s", "Pending"]);
    check(|sim| assert_eq!(sim.receive(&mut probe::<Note>().1), Note(1)), &["in vain for 9s", "Note"]);
    check(
        |sim| drop(sim.listen("10.0.0.9:1").accept()),
        &["nobody connected to 10.0.0.9:1", "in vain for 9s"],
    );
    check(|sim| drop(sim.connect(SERVER)), &["no connecting", "refused"]);
    check(|sim| drop((sim.listen(SERVER), sim.listen(SERVER))), &["no listening"]);
    let talk = |sim: &Sim, say: &str| {
        open(sim);
        let mut client = sim.connect(SERVER);
        client.write_all(say);
        client
    };
    let message = failure(|sim| talk(sim, "1").expect_line("Ok(1)"));
    assert!(
        message.contains("the line \"Ok(1)\" did not come from 10.0.0.1:7000: waited in vain"),
        "{message}"
    );
    let message = failure(|sim| drop(talk(sim, "1\n").read_exact(7)));
    assert!(
        message.contains("7 bytes did not come") && message.contains("What has come: \"Ok(1)\\n\""),
        "{message}"
    );
    let message = failure(|sim| drop(talk(sim, "bye\n").read_line()));
    assert!(message.contains("a line did not come") && message.contains("has ended"), "{message}");
    let message = failure(|sim| drop(talk(sim, "1\n").read_to_end()));
    assert!(message.contains("the end did not come") && message.contains("in vain"), "{message}");
    let message = failure(|sim| drop(talk(sim, "bye\n").expect_reset()));
    assert!(message.contains("no reset came") && message.contains("has ended"), "{message}");
    let message = failure(|sim| talk(sim, "1\n").expect_line("Ok(2)"));
    assert!(message.contains("another line has come"), "{message}");
}

#[test]
fn a_panic_on_a_core_fails_the_test_unless_it_is_allowed() {
    let provoke = |sim: &Sim| {
        let sum = sim.spawn(Sum(1)).unwrap();
        assert!(sum.add(i64::MAX).wait().is_err());
    };
    let message = failure(provoke);
    assert!(message.contains("has panicked") && message.contains("sim.allow_panics()"), "{message}");
    Check::new().seeds(3).run(|sim| {
        sim.allow_panics();
        provoke(sim);
    });
}

/// Panics as it ends, in one way or the other.
struct Brittle {
    stops_well: bool,
}

#[actor]
impl Brittle {
    #[stopped]
    fn stopped(&mut self) {
        assert!(self.stops_well, "broken");
    }
}

impl Drop for Brittle {
    fn drop(&mut self) {
        assert!(!self.stops_well, "broken");
    }
}

#[test]
fn a_panic_at_the_end_fails_the_test_unless_it_is_allowed() {
    for stops_well in [false, true] {
        let spawn = move |sim: &Sim| {
            let _ = sim.spawn(Brittle { stops_well }).unwrap();
        };
        assert!(failure(spawn).contains("has panicked"));
        assert!(
            failure(|sim| {
                spawn(sim);
                let _ = sim.shutdown();
            })
            .contains("has panicked")
        );
        Check::new().seeds(3).run(|sim| {
            sim.allow_panics();
            spawn(sim);
        });
    }
}

#[test]
fn what_is_left_at_the_end_is_named() {
    static LEFT: Mutex<Vec<Bytes>> = Mutex::new(Vec::new());
    let message = failure(|sim| {
        let sum = sim.spawn(Sum::default()).unwrap();
        sim.listener(SERVER).start(move |_| Session { sum, kept: &LEFT, owed: Vec::new() }).unwrap();
        let mut client = sim.connect(SERVER);
        client.write_line(&"x".repeat(8000));
        sim.run_until("it is kept", || !LEFT.lock().unwrap().is_empty());
    });
    assert!(message.contains("left after the end: receive_kept of core"), "{message}");
    let message = failure(|sim| {
        open(sim);
        let mut client = sim.connect(SERVER);
        client.write_all("owe\n1\n");
        sim.settle();
    });
    assert!(message.contains("cut off at the end: 1 connection") && message.contains("Session"), "{message}");
}

#[test]
fn a_test_that_ends_the_system_itself_judges_what_was_cut_off() {
    // With some, whoever does not read meanwhile is cut off.
    Check::new().faults(|_| Faults::none()).run(|sim| {
        open(sim);
        let mut client = sim.connect(SERVER);
        client.write_line("1");
        client.expect_line("Ok(1)");
        client.write_line("2");
        assert!(sim.shutdown().is_clean());
        assert!(sim.spawn(Sum::default()).is_err(), "there is no core any more");
        client.expect_line("Ok(3)");
        assert_eq!(client.read_to_end(), b"");
    });
}

#[test]
fn an_end_takes_as_long_as_that_of_a_system() {
    /// How long it takes to shut down, and what that cuts off.
    fn end(sim: &Sim) -> (Duration, ShutdownReport) {
        let (before, report) = (sim.now(), sim.shutdown());
        (sim.now().since(before), report)
    }
    let check = Check::new().faults(|_| Faults::none()).seeds(5);
    check.run(|sim| {
        open(sim);
        let (took, report) = end(sim);
        assert!(
            took < Duration::from_secs(1) && report.is_clean(),
            "nobody is waited for: {took:?}, {report}"
        );
    });
    let owing = |sim: &Sim| {
        open(sim);
        let mut client = sim.connect(SERVER);
        client.write_all("owe\n1\n");
        sim.settle();
        end(sim)
    };
    let drain = Duration::from_secs(20);
    check.clone().config(|config| config.drain_deadline = drain).run(|sim| {
        let (took, report) = owing(sim);
        assert_eq!(report.connections_cut_off, 1, "{report}");
        assert!((drain..drain + Duration::from_secs(1)).contains(&took), "{took:?}");
    });
    let ever = |config: &mut Config| {
        (config.drain_deadline, config.close_deadline) = (Duration::MAX, Duration::MAX);
    };
    check.config(ever).run(|sim| {
        let (_, report) = owing(sim);
        assert_eq!(report.connections_cut_off, 1, "nothing would happen any more: {report}");
    });
}

/// Says which number its connection has.
struct Numbered(u64);

#[actor(codec = Lines<80>)]
impl Numbered {
    #[frame]
    fn line(&mut self, _: &str, cx: &mut Context<Self>) {
        cx.write_line(self.0.to_string());
    }
}

#[test]
fn connections_have_the_same_numbers_in_every_run_of_a_seed() {
    let mut runs = [Vec::new(), Vec::new()];
    for numbers in &mut runs {
        Check::new().seeds(5).cores(3).twice().run(|sim| {
            sim.listener(SERVER).start(|peer| Numbered(peer.id())).unwrap();
            let mut clients: Vec<_> = (0..6).map(|_| sim.connect(SERVER)).collect();
            let ask = |client: &mut sim::Peer| {
                client.write_line("?");
                client.read_line()
            };
            let mut its: Vec<String> = clients.iter_mut().map(ask).collect();
            numbers.extend(its.clone());
            its.sort_unstable();
            its.dedup();
            assert_eq!(its.len(), clients.len(), "each has one of its own");
        });
    }
    assert_eq!(runs[0], runs[1]);
}

#[test]
fn the_last_seed_is_one_like_others() {
    let last = Check::new().seed(u64::MAX);
    let failure = last.first_failure(|sim| assert_ne!(sim.seed(), u64::MAX, "the last")).unwrap();
    assert_eq!(failure.seed(), u64::MAX);
    last.run(|sim| assert_eq!(sim.seed(), u64::MAX));
}

/// Takes note of the sizes of what arrives.
struct Sizes(Recipient<Note>);

#[actor(codec = Raw)]
impl Sizes {
    #[frame]
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.tell(Note(bytes.len() as u32)).or_dead_letter();
    }
}

#[test]
fn accidents_happen_as_often_as_was_said() {
    let sizes = |sim: &Sim| {
        let (to, mut sizes) = probe();
        sim.listener(SERVER).start(move |_| Sizes(to)).unwrap();
        let mut client = sim.connect(SERVER);
        client.write_all([7; 5000]);
        sim.settle();
        sizes.take().into_iter().map(|Note(size)| size).collect::<Vec<u32>>()
    };
    Check::new().seeds(5).faults(|_| Faults::none()).run(|sim| assert_eq!(sizes(sim), [5000]));
    let split = |_| Faults { short_receive: 1.0, ..Faults::none() };
    Check::new().seeds(5).faults(split).run(|sim| {
        let sizes = sizes(sim);
        assert!(sizes.iter().all(|size| *size <= 64) && sizes.iter().sum::<u32>() == 5000, "{sizes:?}");
    });
    let late = |_| Faults { delay: 1.0, delay_ns_max: 1_000_000_000, ..Faults::none() };
    Check::new().seeds(5).faults(late).run(|sim| assert_eq!(sizes(sim), [0; 0], "no time has passed"));
    let cut = |_| Faults { reset: 1.0, ..Faults::none() };
    Check::new().seeds(5).faults(cut).run(|sim| {
        open(sim);
        let mut client = sim.connect(SERVER);
        client.write_line("1");
        assert_eq!(client.expect_reset(), b"");
    });
}

#[test]
fn a_peer_that_does_not_read_makes_the_other_wait_and_can_do_all_that_peers_do() {
    Check::new().faults(|_| Faults::none()).run(|sim| {
        open(sim);
        let mut client = sim.connect(SERVER);
        client.limit_unread(5);
        client.write_all("1\n2\n3\n");
        sim.run_for(Duration::from_secs(1));
        assert_eq!(client.take(), b"Ok(1)");
        assert_eq!(client.read_until(")\n"), b"\nOk(3)\n");
        client.limit_unread(1000);
        assert_eq!(client.read_line(), "Ok(6)");
        client.shutdown_write();
        assert_eq!(client.read_to_end(), b"");
        assert!(client.is_ended() && !client.is_reset());
        client.close();
        sim.connect(SERVER).reset();
        sim.run_until("every connection has ended", || {
            sim.ledgers().unwrap().iter().all(|ledger| ledger.connections_opened == ledger.connections_closed)
        });
    });
}

/// Has the runtime complain, and fails if it is told to by the environment.
#[test]
fn complains_where_it_is_told_to() {
    let Some(how) = std::env::var_os("ODEON_SIM_COMPLAINS") else { return };
    Check::new().seeds(1).run(|sim| {
        sim.spawn(Clerk).unwrap().tell(Note(7)).unwrap();
        sim.settle();
        assert!(how != "and fails", "as planned");
    });
}

#[test]
fn what_the_runtime_says_is_shown_where_the_test_fails() {
    let run = |how: &str| {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["complains_where_it_is_told_to", "--exact"]).env("ODEON_SIM_COMPLAINS", how);
        let output = test.env_remove("RUST_TEST_NOCAPTURE").output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let complaint = "odeon: Clerk::note failed: note 7; its actor goes on";
    let (passed, text) = run("and goes on");
    assert!(passed && text.contains("1 passed") && !text.contains("odeon: "), "{text}");
    let (passed, text) = run("and fails");
    assert!(!passed && text.contains(complaint), "{text}");
}

/// Fails for some seeds, where it is told to by the environment.
#[test]
fn fails_where_it_is_told_to() {
    if std::env::var_os("ODEON_SIM_FAILS").is_some() {
        sim::check(|sim| {
            println!("seed {}", sim.seed());
            assert!(sim.random().chance(0.7), "unlucky");
        });
    }
}

#[test]
fn the_command_that_a_failure_prints_repeats_it() {
    let run = |words: &[(&str, &str)]| {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["fails_where_it_is_told_to", "--exact", "--nocapture", "--test-threads=2"]);
        test.env("ODEON_SIM_FAILS", "1").env("CARGO_PKG_NAME", "odeon").env_remove("ODEON_SEED");
        let output = test.env_remove("ODEON_SEEDS").envs(words.iter().copied()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let command =
        |text: &str| text.split_once("repeat it with: ").unwrap().1.lines().next().unwrap().to_owned();
    let (passed, text) = run(&[]);
    assert!(!passed && text.contains("unlucky"), "{text}");
    let first = command(&text);
    let (seed, rest) = first.strip_prefix("ODEON_SEED=").unwrap().split_once(' ').unwrap();
    assert_eq!(rest, "cargo test -p odeon --test sim fails_where_it_is_told_to -- --exact");
    let (passed, again) = run(&[("ODEON_SEED", seed)]);
    assert!(!passed && again.contains("unlucky") && command(&again) == first, "{again}");
    assert_eq!(again.matches("seed ").count(), 1, "{again}");
    let last = u64::MAX.to_string();
    let (_, text) = run(&[("ODEON_SEED", &last)]);
    assert!(text.contains(&format!("seed {last}")), "{text}");
    // Fewer seeds than it takes to fail.
    let (passed, few) = run(&[("ODEON_SEEDS", seed)]);
    assert!(passed && few.matches("seed ").count().to_string() == seed, "{few}");
}
