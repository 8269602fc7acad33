//! Answers that other actors owe: whatever ends the connection in order waits for them.
//!
//! Knows: questions passed on, answers held back. Must not know how a connection keeps count.

use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use odeon::ShutdownReport;
use odeon::prelude::*;

use crate::client::{connect, ends_by_reset, finish, request, rest};
use crate::world::{PATIENCE, World};

/// A question on its way to whoever knows the answer.
#[derive(Message)]
struct Question {
    text: String,
    answer: Recipient<Answer>,
}

#[derive(Message)]
struct Answer(String);

/// Hands every question to the test, which answers when it likes.
struct Oracle(Sender<Question>);

impl Actor for Oracle {
    type Message = Question;

    fn handle(&mut self, question: Question, _: &mut Context<Self>) -> Flow {
        self.0.send(question).expect("the test waits for questions");
        Flow::Continue
    }
}

impl Accepts<Question> for Oracle {
    fn accept(question: Question) -> Question {
        question
    }
}

/// Passes lines on, and writes the answers.
struct Asker {
    oracle: Addr<Oracle>,
    /// One question at a time.
    slowly: bool,
    /// Answers have a place each.
    deferring: bool,
    places: VecDeque<Place>,
    told: Sender<Told>,
}

#[derive(Debug, PartialEq)]
enum Told {
    Started(Addr<Asker>),
    EndOfStream,
    Stopped(StopReason),
}

impl Asker {
    fn new(oracle: Addr<Oracle>, told: Sender<Told>) -> Asker {
        Asker { oracle, slowly: false, deferring: false, places: VecDeque::new(), told }
    }

    fn tell(&self, what: Told) {
        // The test may not want to know any more.
        let _ = self.told.send(what);
    }
}

impl Accepts<Answer> for Asker {
    fn accept(answer: Answer) -> Answer {
        answer
    }
}

impl Actor for Asker {
    type Message = Answer;

    fn started(&mut self, cx: &mut Context<Self>) -> Flow {
        self.tell(Told::Started(cx.me()));
        Flow::Continue
    }

    fn handle(&mut self, Answer(text): Answer, cx: &mut Context<Self>) -> Flow {
        if let Some(place) = self.places.pop_front() {
            cx.fill_line(place, text);
            return Flow::Continue;
        }
        cx.write_line(text);
        cx.answered();
        cx.resume_reading();
        Flow::Continue
    }

    fn stopped(&mut self, reason: StopReason, cx: &mut Context<Self>) {
        cx.write_line(match reason {
            StopReason::Malformed => "what was that?",
            _ => "bye",
        });
        self.tell(Told::Stopped(reason));
    }
}

impl Connection for Asker {
    type Codec = Lines<64>;

    fn frame(&mut self, line: &str, cx: &mut Context<Self>) -> Flow {
        match line {
            "slowly" => self.slowly = true,
            "defer" => self.deferring = true,
            "quit" => return Flow::Close,
            "owe?" => writeln!(cx, "{}", cx.answers_expected()),
            question => {
                if self.deferring {
                    self.places.push_back(cx.defer());
                } else {
                    cx.expect_answer();
                }
                if self.slowly {
                    cx.pause_reading();
                }
                let question = Question { text: question.to_owned(), answer: cx.recipient() };
                self.oracle.tell(question).expect("the oracle is there");
            }
        }
        Flow::Continue
    }

    fn end_of_stream(&mut self, _: &mut Context<Self>) -> Flow {
        self.tell(Told::EndOfStream);
        Flow::Close
    }
}

/// A system with an oracle, clients of it, and what the test is told.
struct Scene {
    world: World,
    address: std::net::SocketAddr,
    questions: Receiver<Question>,
    told: Receiver<Told>,
}

impl Scene {
    fn new(on: BackendChoice, change: impl FnOnce(&mut Config)) -> Scene {
        let mut world = World::with(on, 2, change);
        let (asked, questions) = channel();
        let (tell, told) = channel();
        let oracle = world.system.spawn(Oracle(asked)).expect("there is room");
        world.remember();
        let address = world.serve(move |_| Asker::new(oracle, tell.clone()));
        Scene { world, address, questions, told }
    }

    /// A client whose question has reached the oracle.
    fn ask(&self, bytes: &str) -> (TcpStream, Addr<Asker>, Question) {
        let (mut stream, asker) = self.connect();
        stream.write_all(bytes.as_bytes()).expect("the server reads");
        let question = self.questions.recv_timeout(PATIENCE).expect("the question is passed on");
        (stream, asker, question)
    }

    fn connect(&self) -> (TcpStream, Addr<Asker>) {
        let stream = connect(self.address);
        match self.next() {
            Told::Started(asker) => (stream, asker),
            other => panic!("expected a start, got {other:?}"),
        }
    }

    fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("somebody tells something")
    }
}

fn answer(question: Question) {
    question.answer.tell(Answer(format!("{}!", question.text))).expect("who asks waits for the answer");
}

pub(crate) fn an_answer_that_is_owed_comes_after_the_end_of_the_clients_stream(on: BackendChoice) {
    let scene = Scene::new(on, |_| {});
    let (mut stream, _, question) = scene.ask("when\n");
    finish(&stream);
    assert_eq!(scene.next(), Told::EndOfStream);
    answer(question);
    assert_eq!(rest(&mut stream), b"when!\nbye\n");
    assert_eq!(scene.next(), Told::Stopped(StopReason::EndOfStream));
    drop(stream);
    scene.world.finish();
}

pub(crate) fn an_answer_that_is_owed_comes_before_a_close(on: BackendChoice) {
    let scene = Scene::new(on, |_| {});
    let (mut stream, _, first) = scene.ask("one\ntwo\nquit\nthree\n");
    let second = scene.questions.recv_timeout(PATIENCE).expect("the second question is passed on");
    answer(second);
    answer(first);
    assert_eq!(rest(&mut stream), b"two!\none!\nbye\n", "both, and nothing for what follows the close");
    assert_eq!(scene.next(), Told::Stopped(StopReason::Stopped));
    assert!(scene.questions.try_recv().is_err(), "nothing is read after a close");
    drop(stream);
    scene.world.finish();
}

pub(crate) fn an_answer_that_is_owed_comes_before_a_refusal(on: BackendChoice) {
    let scene = Scene::new(on, |_| {});
    let (mut stream, _, question) = scene.ask(&format!("one\n{}\n", "x".repeat(100)));
    answer(question);
    assert_eq!(rest(&mut stream), b"one!\nwhat was that?\n");
    assert_eq!(scene.next(), Told::Stopped(StopReason::Malformed));
    drop(stream);
    scene.world.finish();
}

pub(crate) fn an_answer_that_is_owed_comes_before_a_stop(on: BackendChoice) {
    let scene = Scene::new(on, |_| {});
    let (mut stream, asker, question) = scene.ask("one\n");
    request(&mut stream, "owe?", "1\n");
    let (mut other, idle) = scene.connect();
    asker.stop();
    idle.stop();
    assert_eq!(rest(&mut other), b"bye\n");
    assert_eq!(scene.next(), Told::Stopped(StopReason::Stopped), "who owes nothing does not wait");
    answer(question);
    assert_eq!(rest(&mut stream), b"one!\nbye\n");
    assert_eq!(scene.next(), Told::Stopped(StopReason::Stopped));
    drop((stream, other));
    scene.world.finish();
}

pub(crate) fn a_shutdown_waits_for_answers_that_are_owed(on: BackendChoice) {
    // The deadline of a single connection does not count: the system has its own. By then a goodbye is sent, on a machine that does much else
    // as well.
    let scene = Scene::new(on, |config| config.close_deadline = Duration::from_millis(1500));
    let (mut stream, _, question) = scene.ask("one\n");
    let (mut others, _): (Vec<_>, Vec<_>) = (0..4).map(|_| scene.connect()).unzip();
    let system = scene.world.system;
    let end = thread::spawn(move || system.shutdown());
    // On every core, connections that owe nothing say goodbye, and are reset when their peers stay beyond the deadline.
    for other in &mut others {
        assert_eq!(rest(other), b"bye\n");
        while other.write(b"still here").is_ok() {
            thread::yield_now();
        }
    }
    answer(question);
    assert_eq!(rest(&mut stream), b"one!\nbye\n");
    assert_eq!(end.join().expect("it shuts down"), ShutdownReport::default());
}

/// The next question of the client is read when the last is answered.
fn shut_down_while_questions_wait(on: BackendChoice, how: &str, change: impl FnOnce(&mut Config)) {
    let scene = Scene::new(on, change);
    let (mut stream, _, first) = scene.ask(&format!("{how}\none\ntwo\nthree\n"));
    let (mut other, _) = scene.connect();
    let system = scene.world.system;
    let end = thread::spawn(move || system.shutdown());
    assert_eq!(rest(&mut other), b"bye\n");
    drop(other);
    assert!(scene.questions.try_recv().is_err(), "one at a time");
    answer(first);
    for _ in 0..2 {
        answer(scene.questions.recv_timeout(PATIENCE).expect("the next question is passed on"));
    }
    assert_eq!(rest(&mut stream), b"one!\ntwo!\nthree!\nbye\n");
    assert_eq!(end.join().expect("it shuts down"), ShutdownReport::default());
}

pub(crate) fn a_shutdown_waits_for_questions_that_wait_behind_others(on: BackendChoice) {
    shut_down_while_questions_wait(on, "slowly", |_| {});
}

pub(crate) fn a_shutdown_waits_for_questions_that_wait_for_a_place(on: BackendChoice) {
    shut_down_while_questions_wait(on, "defer", |config| config.deferred_max = 2);
}

pub(crate) fn a_shutdown_reports_answers_that_did_not_come(on: BackendChoice) {
    let scene = Scene::new(on, |config| config.drain_deadline = Duration::from_millis(150));
    let (mut stream, _, question) = scene.ask("one\n");
    let report = scene.world.system.shutdown();
    assert_eq!((report.connections_cut_off, report.actors_cut_off), (1, 0));
    assert!(ends_by_reset(&mut stream), "a stream that was cut short does not look like one that ended");
    drop(question);
}

pub(crate) fn an_answer_that_never_comes_is_not_waited_for_for_ever(on: BackendChoice) {
    let scene = Scene::new(on, |config| config.close_deadline = Duration::from_millis(150));
    let (mut stream, _, question) = scene.ask("one\n");
    finish(&stream);
    assert!(ends_by_reset(&mut stream), "a stream that was cut short does not look like one that ended");
    assert_eq!(scene.next(), Told::EndOfStream);
    assert_eq!(scene.next(), Told::Stopped(StopReason::Aborted));
    drop(question);
    scene.world.wait_for_figure("its end", 1, |ledger| ledger.connections_cut_off);
    drop(stream);
    scene.world.finish();
}
