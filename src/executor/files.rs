//! What futures have asked of files, and who waits for the answers.
//!
//! Knows: requests, wakers. Must not know what a request means, nor what is made of its answer.
//!
//! A request belongs to the core, not to the future that asked: it goes on when that has been dropped, with its memory, and its
//! answer is thrown away then; a file that was opened for nobody is closed. There is a bound on requests of futures in flight. Whoever
//! comes when it is reached stands in a line, and is called when a place is free: first come, first called. The place is kept until
//! it comes, or is dropped, which calls the next one.
//!
//! While anybody waits, no place is free that nobody has been called for. So it is when somebody begins to wait, and whatever
//! makes more places free than are called for (an answer, the end of one who was called) calls the next ones.
//!
//! What has a bound of its own has no place and does not wait for one: the close of a file and what a cell stores in one, of which
//! there is one for each open file, and that a region comes or goes. A region may go as late as its users like, who may be
//! waiting for a place themselves.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::address::CoreId;
use super::blame::user;
use super::core::Core;
use super::current;
use super::notice::Notice;
use crate::driver::{FileId, FileRequest, FileWork, Op, Token};
use crate::mem::{BlockPool, Key, Slab};

/// A file that is open on a core, and is closed when nobody has it any more, and nothing that was asked of it is under way.
#[derive(Debug)]
pub struct OpenFile {
    core: CoreId,
    id: FileId,
}

impl OpenFile {
    /// True if it is open on this core.
    #[must_use]
    pub fn is_of(&self, core: &Core) -> bool {
        self.core == core.id
    }

    /// True if this is the file that a request is about.
    #[must_use]
    pub fn is_named_by(&self, request: &FileRequest) -> bool {
        request.file == Some(self.id)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        current::at(self.core, |core| core.map(|core| core.close_file(self.id)));
    }
}

/// Who waits for an answer.
enum Waits {
    For(Waker),
    /// A cell: it is told by a notice.
    Cell(Key),
    /// As many as like to, or nobody.
    Together(Rc<Together>),
    /// It has come.
    Done(Box<FileRequest>),
    Nobody,
}

struct Pending {
    waits: Waits,
    /// It has one of the places.
    admitted: bool,
    /// Stays open meanwhile.
    _open: Option<Rc<OpenFile>>,
}

/// The answer to one request that several may wait for, each as a future, and none needs to.
#[derive(Debug, Default)]
pub(super) struct Together {
    /// It has come.
    over: Cell<bool>,
    /// By numbers, as they came.
    waiting: RefCell<BTreeMap<u64, Waker>>,
    came: Cell<u64>,
}

/// The requests of one core.
pub(super) struct Files {
    pending: RefCell<Slab<Pending>>,
    /// Requests that have places, and have not been answered.
    admitted: Cell<u32>,
    line: RefCell<Line>,
    /// Of those whose answer or whose turn has come: to be woken by [`Core::settle`], because answers come where completions are
    /// taken to those who asked, and no code of users runs there.
    woken: RefCell<VecDeque<Waker>>,
}

/// Who waits until there is a place for a request, numbered as they came.
#[derive(Default)]
struct Line {
    waiting: BTreeMap<u64, Waker>,
    /// Woken, each for a place that is free, and have not come yet.
    called: BTreeSet<u64>,
    came: u64,
}

impl Default for Files {
    fn default() -> Files {
        let (pending, line) = (RefCell::new(Slab::new(u32::MAX)), RefCell::default());
        Files { pending, admitted: Cell::new(0), line, woken: RefCell::default() }
    }
}

impl Files {
    /// Requests under way, and answers that nobody has taken yet.
    #[must_use]
    pub(super) fn count(&self) -> usize {
        self.pending.borrow().len()
    }

    /// True if somebody is to be woken. A look at memory.
    #[inline]
    pub(super) fn has_woken(&self) -> bool {
        !self.woken.borrow().is_empty()
    }
}

impl Core {
    fn ask_file(
        &self,
        waits: Waits,
        admitted: bool,
        file: Option<Rc<OpenFile>>,
        request: Box<FileRequest>,
    ) -> Key {
        let inserted = self.files.pending.borrow_mut().insert(Pending { waits, admitted, _open: file });
        let key = inserted.ok().expect("four thousand million futures do not find room in memory");
        self.files.admitted.set(self.files.admitted.get() + u32::from(admitted));
        self.submit(Token(key.to_bits()), Op::File { request });
        key
    }

    /// Writes what a cell has for a file. It is told by [`Notice::Stored`], and asks for one such write of a file at a time. It has no
    /// place: futures find as many with it as without, and it does not wait for one.
    pub fn store(&self, cell: Key, file: &Rc<OpenFile>, mut request: Box<FileRequest>) {
        request.file = Some(file.id);
        self.ask_file(Waits::Cell(cell), false, Some(file.clone()), request);
    }

    fn close_file(&self, id: FileId) {
        self.ask_file(Waits::Nobody, false, None, FileRequest::new(Some(id), FileWork::Close));
    }

    /// Lets a region go, once for each.
    pub(super) fn dismiss_region(&self, pool: Arc<BlockPool>, together: &Rc<Together>) {
        let request = FileRequest::new(None, FileWork::Dismiss { pool });
        self.ask_file(Waits::Together(together.clone()), false, None, request);
    }

    /// The answer to a request has come.
    pub(super) fn file_answered(&self, token: Token, request: Box<FileRequest>) {
        let key = Key::from_bits(token.0);
        let mut pending = self.files.pending.borrow_mut();
        let entry = pending.get_mut(key);
        let admitted = entry.as_ref().is_some_and(|entry| entry.admitted);
        self.files.admitted.set(self.files.admitted.get() - u32::from(admitted));
        let waits = entry.map(|entry| &mut entry.waits);
        if let Some(Waits::Cell(cell)) = waits {
            let cell = *cell;
            let gone = pending.remove(key);
            drop(pending);
            // The cell may have ended meanwhile.
            if let Err(Notice::Stored(request)) = self.notify(cell, Notice::Stored(request)) {
                self.drop_answer(*request);
            }
            drop(gone);
        } else if let Some(Waits::For(_)) = &waits {
            let before = waits.map(|waits| std::mem::replace(waits, Waits::Done(request)));
            drop(pending);
            if let Some(Waits::For(waker)) = before {
                self.files.woken.borrow_mut().push_back(waker);
            }
        } else {
            let gone = pending.remove(key);
            drop(pending);
            if let Some(Pending { waits: Waits::Together(together), .. }) = &gone {
                self.files.woken.borrow_mut().extend(together.end());
            }
            self.drop_answer(*request);
            drop(gone);
        }
        self.call_line();
    }

    /// Places that no request has: as many at least as have been called for.
    fn free_places(&self) -> usize {
        self.config.file_requests_max.saturating_sub(self.files.admitted.get()) as usize
    }

    /// Hands the waker back if a request may begin now: of one who was called, or who comes when a place is kept for nobody. Else that
    /// is who waits in the line, at this number, or behind all others if it has none yet.
    fn admit(&self, number: &mut Option<u64>, waker: Waker) -> Option<Waker> {
        let mut line = self.files.line.borrow_mut();
        let free = self.free_places();
        let admitted = match number {
            Some(number) => line.called.remove(number),
            None => free > line.called.len(),
        };
        if admitted {
            *number = None;
            return Some(waker);
        }
        line.came += 1;
        let number = *number.get_or_insert(line.came);
        let before = line.waiting.insert(number, waker);
        drop(line);
        self.drop_contained(before);
        None
    }

    /// Calls as many as there are places for.
    fn call_line(&self) {
        loop {
            let mut line = self.files.line.borrow_mut();
            if line.called.len() >= self.free_places() {
                return;
            }
            let Some((number, waker)) = line.waiting.pop_first() else { return };
            line.called.insert(number);
            self.files.woken.borrow_mut().push_back(waker);
        }
    }

    /// Wakes those whose answer or whose turn has come. Nothing of the runtime may be borrowed.
    pub(super) fn wake_for_files(&self) {
        loop {
            let next = self.files.woken.borrow_mut().pop_front();
            let Some(waker) = next else { return };
            self.contain(|| user(|| waker.wake()));
        }
    }

    fn leave_line(&self, number: u64) {
        let mut line = self.files.line.borrow_mut();
        let waker = line.waiting.remove(&number);
        line.called.remove(&number);
        drop(line);
        self.drop_contained(waker);
        self.call_line();
    }

    /// Nobody wants what was asked for.
    fn drop_answer(&self, request: FileRequest) {
        if let (FileWork::Open { .. }, Ok(_), Some(file)) = (&request.work, request.outcome, request.file) {
            self.close_file(file);
        }
        self.release_chain(request.work);
    }

    fn release_chain(&self, work: FileWork) {
        if let FileWork::Load { chain, .. } | FileWork::Store { chain, .. } = work {
            self.pools.send.release(chain);
        }
    }

    /// The answer, if it has come; else it is `waker` that will be woken then.
    fn take_answer(&self, key: Key, waker: &Waker) -> Option<Box<FileRequest>> {
        let mut pending = self.files.pending.borrow_mut();
        match pending.get_mut(key).map(|pending| &mut pending.waits)? {
            Waits::For(present) if present.will_wake(waker) => return None,
            Waits::Done(_) => {
                let gone = pending.remove(key);
                drop(pending);
                let Some(Pending { waits: Waits::Done(request), .. }) = gone else {
                    unreachable!("looked at above")
                };
                return Some(request);
            }
            _ => {}
        }
        drop(pending);
        // Cloning and dropping are code of users, so nothing is borrowed meanwhile.
        let waits = Waits::For(user(|| waker.clone()));
        let mut pending = self.files.pending.borrow_mut();
        let before = pending.get_mut(key).map(|pending| std::mem::replace(&mut pending.waits, waits));
        drop(pending);
        self.drop_contained(before);
        None
    }

    /// Nobody waits for an answer any more.
    fn forget_answer(&self, key: Key) {
        let mut pending = self.files.pending.borrow_mut();
        let Some(entry) = pending.get_mut(key) else { return };
        let before = std::mem::replace(&mut entry.waits, Waits::Nobody);
        let gone = matches!(before, Waits::Done(_)).then(|| pending.remove(key)).flatten();
        drop(pending);
        match before {
            Waits::Done(request) => self.drop_answer(*request),
            waits => self.drop_contained(waits),
        }
        drop(gone);
    }
}

impl Together {
    /// The answer has come: those who are to be woken.
    fn end(&self) -> impl Iterator<Item = Waker> {
        self.over.set(true);
        self.waiting.take().into_values()
    }

    /// Waits for the answer, on the core that has asked.
    pub(super) async fn wait(&self) {
        let mut place = Place { of: self, number: None };
        std::future::poll_fn(|cx| place.poll(cx.waker())).await;
    }
}

/// Of one who waits.
struct Place<'a> {
    of: &'a Together,
    number: Option<u64>,
}

impl Place<'_> {
    fn poll(&mut self, waker: &Waker) -> Poll<()> {
        if self.of.over.get() {
            return Poll::Ready(());
        }
        // Cloning and dropping are code of users, so nothing is borrowed meanwhile.
        let waker = user(|| waker.clone());
        let number = *self.number.get_or_insert_with(|| {
            self.of.came.set(self.of.came.get() + 1);
            self.of.came.get()
        });
        let before = self.of.waiting.borrow_mut().insert(number, waker);
        drop_of_users(before);
        Poll::Pending
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let gone = self.number.and_then(|number| self.of.waiting.borrow_mut().remove(&number));
        drop_of_users(gone);
    }
}

fn drop_of_users(waker: Option<Waker>) {
    current::with(|core| match core {
        Some(core) => core.drop_contained(waker),
        None => drop(waker),
    });
}

/// A request on its way, as a future. Dropped, it goes on without anybody.
#[must_use = "nothing is asked before it is awaited"]
pub struct Asked {
    /// Before it has begun.
    request: Option<Box<FileRequest>>,
    file: Option<Rc<OpenFile>>,
    /// Its number in the line of a core.
    waits: Option<(CoreId, u64)>,
    begun: Option<(CoreId, Key)>,
}

impl Asked {
    /// Asks this of a file, or of none, when it is polled.
    pub fn new(file: Option<&Rc<OpenFile>>, work: FileWork) -> Asked {
        let request = FileRequest::new(file.map(|file| file.id), work);
        Asked { request: Some(request), file: file.cloned(), waits: None, begun: None }
    }
}

impl Future for Asked {
    /// The request, and the file if it was to open one and has; or why it could not be asked, with the request.
    type Output = (Result<(), io::Error>, Box<FileRequest>, Option<Rc<OpenFile>>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker();
        let asked = &mut *self;
        current::with(|core| {
            if let Some((at, key)) = asked.begun {
                let Some(core) = core.filter(|core| core.id == at) else { return Poll::Pending };
                let Some(request) = core.take_answer(key, waker) else { return Poll::Pending };
                asked.begun = None;
                let opened = match (&request.work, request.outcome, request.file) {
                    (FileWork::Open { .. }, Ok(_), Some(id)) => Some(Rc::new(OpenFile { core: core.id, id })),
                    _ => None,
                };
                return Poll::Ready((Ok(()), request, opened));
            }
            let elsewhere = core.is_none_or(|core| {
                let file = asked.file.as_ref().map(|file| file.core);
                file.into_iter().chain(asked.waits.map(|(at, _)| at)).any(|at| at != core.id)
            });
            let Some(core) = core.filter(|_| !elsewhere) else {
                let error = io::Error::new(ErrorKind::Unsupported, NO_CORE);
                return Poll::Ready((Err(error), asked.request.take().expect(FINISHED), None));
            };
            // That is code of users, which may ask for files itself: so it comes before the line is looked at.
            let waker = user(|| waker.clone());
            let takes_place = !asked.request.as_ref().expect(FINISHED).work.is_of_region();
            let mut number = asked.waits.map(|(_, number)| number);
            let admitted = if takes_place { core.admit(&mut number, waker) } else { Some(waker) };
            asked.waits = number.map(|number| (core.id, number));
            if let Some(waker) = admitted {
                let request = asked.request.take().expect(FINISHED);
                let key = core.ask_file(Waits::For(waker), takes_place, asked.file.take(), request);
                asked.begun = Some((core.id, key));
            }
            Poll::Pending
        })
    }
}

const FINISHED: &str = "a future is not polled after it has finished";
const NO_CORE: &str = "files are used on the core that has opened them: this thread runs none, or another (System::spawn_task runs a future on one)";

impl Drop for Asked {
    fn drop(&mut self) {
        // What was never asked has no answer, but perhaps a part of a pool.
        if let (Some(request), Some(file)) = (self.request.take(), &self.file) {
            current::at(file.core, |core| core.map(|core| core.release_chain(request.work)));
        }
        if let Some((at, number)) = self.waits {
            current::at(at, |core| core.map(|core| core.leave_line(number)));
        }
        if let Some((at, key)) = self.begun {
            current::at(at, |core| core.map(|core| core.forget_answer(key)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::config::Config;
    use crate::executor::Links;
    use crate::sys::{Clock, Errno, Time};

    const REQUESTS_MAX: u32 = 20;

    #[derive(Default)]
    struct Counts(AtomicU32);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Bench {
        core: Core,
        counts: Arc<Counts>,
    }

    impl Bench {
        fn new() -> Bench {
            let mut config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
            config.send_slots = [1, 0, 0, 0, 0];
            config.file_requests_max = REQUESTS_MAX;
            let clock = Clock::Virtual(Rc::new(Cell::new(Time::ZERO)));
            let core = Core::new(CoreId(0), Rc::new(config), clock, Links::new(CoreId(0), []));
            Bench { core, counts: Arc::default() }
        }

        fn poll(&self, asked: &mut Asked) -> Poll<<Asked as Future>::Output> {
            let waker = Waker::from(self.counts.clone());
            current::scope(&self.core, || Pin::new(asked).poll(&mut Context::from_waker(&waker)))
        }

        fn woken(&self) -> u32 {
            self.counts.0.load(Ordering::Relaxed)
        }

        /// What has been asked of the backend, oldest first.
        fn asked(&self) -> Vec<(Token, Box<FileRequest>)> {
            let mut asked = Vec::new();
            self.core.drain_outbox(|_, token, op| match op {
                Op::File { request } => asked.push((token, request)),
                other => panic!("not about a file: {other:?}"),
            });
            asked
        }

        fn answer(&self, (token, mut request): (Token, Box<FileRequest>), outcome: Result<u32, Errno>) {
            request.outcome = outcome;
            if matches!(request.work, FileWork::Open { .. }) && outcome.is_ok() {
                request.file = Some(FileId(Key { index: 7, generation: 0 }));
            }
            let woken = self.woken();
            current::scope(&self.core, || {
                self.core.file_answered(token, request);
                assert_eq!(self.woken(), woken, "nobody is woken while answers are taken to those who asked");
                self.core.settle();
            });
        }

        /// Opens a file; answers with it.
        fn open(&self) -> Rc<OpenFile> {
            let mut opening = open();
            assert!(self.poll(&mut opening).is_pending());
            self.answer(self.asked().pop().unwrap(), Ok(0));
            let Poll::Ready((Ok(()), _, Some(file))) = self.poll(&mut opening) else { panic!("it is open") };
            file
        }

        fn in_flight(&self) -> (u32, usize) {
            (self.core.files.admitted.get(), self.core.files.count())
        }
    }

    fn open() -> Asked {
        Asked::new(None, FileWork::Open { path: c"a".into(), options: Default::default() })
    }

    fn read() -> FileWork {
        FileWork::Read { offset: 0, buffer: Vec::with_capacity(8).into() }
    }

    #[test]
    fn an_answer_reaches_whoever_asked_and_a_file_is_closed_after_the_last_request() {
        let bench = Bench::new();
        let file = bench.open();
        assert_eq!(bench.woken(), 1);
        let mut reading = Asked::new(Some(&file), read());
        assert!(bench.poll(&mut reading).is_pending());
        current::scope(&bench.core, || drop(file));
        let asked = bench.asked().pop().unwrap();
        assert!(bench.asked().is_empty(), "what is read is not closed");
        assert!(bench.poll(&mut reading).is_pending(), "the answer has not come");
        bench.answer(asked, Err(Errno::EBUSY));
        let Poll::Ready((Ok(()), request, None)) = bench.poll(&mut reading) else { panic!("it has come") };
        assert_eq!((request.outcome, bench.woken()), (Err(Errno::EBUSY), 2));
        let (token, closing) = bench.asked().pop().expect("nobody has the file any more");
        assert!(matches!(closing.work, FileWork::Close));
        bench.answer((token, closing), Ok(0));
        assert_eq!(bench.in_flight(), (0, 0));
    }

    #[test]
    fn a_request_goes_on_without_the_future_and_what_it_opened_is_closed() {
        let bench = Bench::new();
        for answered_before in [false, true] {
            let mut opening = open();
            assert!(bench.poll(&mut opening).is_pending());
            let asked = bench.asked().pop().unwrap();
            if answered_before {
                bench.answer(asked, Ok(0));
                current::scope(&bench.core, || drop(opening));
            } else {
                current::scope(&bench.core, || drop(opening));
                assert_eq!(bench.in_flight(), (1, 1), "the kernel has its memory");
                bench.answer(asked, Ok(0));
            }
            let (token, closing) = bench.asked().pop().expect("it is open for nobody");
            assert!(matches!(closing.work, FileWork::Close) && closing.file.is_some());
            bench.answer((token, closing), Ok(0));
            assert_eq!(bench.in_flight(), (0, 0));
        }
        assert_eq!(Arc::strong_count(&bench.counts), 1, "no waker is left");
    }

    /// As many requests as may be in flight.
    fn full(bench: &Bench) -> (Vec<Asked>, Vec<(Token, Box<FileRequest>)>) {
        let mut first: Vec<Asked> = (0..REQUESTS_MAX).map(|_| open()).collect();
        for opening in &mut first {
            assert!(bench.poll(opening).is_pending());
        }
        let asked = bench.asked();
        assert_eq!(asked.len(), REQUESTS_MAX as usize);
        (first, asked)
    }

    /// Polls those that are in line or new; answers which of them have begun.
    fn begun(bench: &Bench, line: &mut [Asked]) -> Vec<usize> {
        for waiting in line.iter_mut().filter(|asked| asked.begun.is_none()) {
            assert!(bench.poll(waiting).is_pending());
        }
        (0..line.len()).filter(|place| line[*place].begun.is_some()).collect()
    }

    #[test]
    fn whoever_finds_too_many_requests_in_flight_is_called_in_order_and_not_passed() {
        let bench = Bench::new();
        let (first, mut asked) = full(&bench);
        let mut line: Vec<Asked> = (0..3).map(|_| open()).collect();
        assert!(begun(&bench, &mut line).is_empty());
        assert!(bench.asked().is_empty(), "they wait");
        current::scope(&bench.core, || drop(first));
        bench.answer(asked.pop().unwrap(), Err(Errno::ENOENT));
        assert_eq!(bench.woken(), 1, "there is a place for one");
        line.push(open());
        assert!(bench.poll(&mut line[3]).is_pending());
        line.swap(0, 2);
        assert_eq!(begun(&bench, &mut line), [2], "the one that came first");
        asked.extend(bench.asked());
        assert_eq!(asked.len(), REQUESTS_MAX as usize);
        for _ in 0..5 {
            bench.answer(asked.pop().unwrap(), Err(Errno::ENOENT));
        }
        assert_eq!(bench.woken(), 5, "one has been answered, three were called");
        let mut late = open();
        assert!(bench.poll(&mut late).is_pending());
        assert!(late.begun.is_some(), "there are places for all before it");
        assert_eq!(begun(&bench, &mut line), [0, 1, 2, 3]);
        current::scope(&bench.core, || drop((late, line)));
        asked.extend(bench.asked());
        asked.into_iter().for_each(|asked| bench.answer(asked, Err(Errno::ENOENT)));
        assert_eq!(bench.in_flight(), (0, 0));
        assert_eq!(Arc::strong_count(&bench.counts), 1, "no waker is left");
    }

    #[test]
    fn whoever_is_called_and_gives_up_lets_the_next_one_have_its_turn() {
        let bench = Bench::new();
        let (first, mut asked) = full(&bench);
        let mut line: Vec<Asked> = (0..3).map(|_| open()).collect();
        for _ in 0..100 {
            assert!(begun(&bench, &mut line).is_empty());
        }
        assert_eq!(bench.core.files.line.borrow().waiting.len(), 3, "however often they are polled");
        current::scope(&bench.core, || drop((first, line.remove(1))));
        assert_eq!(bench.core.files.line.borrow().waiting.len(), 2);
        bench.answer(asked.pop().unwrap(), Err(Errno::ENOENT));
        assert_eq!(bench.woken(), 1);
        current::scope(&bench.core, || {
            drop(line.remove(0));
            assert_eq!(bench.woken(), 1, "whoever gives up may do so anywhere");
            bench.core.settle();
        });
        assert_eq!(bench.woken(), 2, "the next one is called");
        assert_eq!(begun(&bench, &mut line), [0]);
        current::scope(&bench.core, || drop(line));
        asked.extend(bench.asked());
        asked.into_iter().for_each(|asked| bench.answer(asked, Err(Errno::ENOENT)));
        assert_eq!(bench.in_flight(), (0, 0));
        assert_eq!(Arc::strong_count(&bench.counts), 1, "no waker is left");
    }

    /// What has no place: a close, two writes of cells, and that two regions come and one goes.
    fn without_place(bench: &Bench, files: [Rc<OpenFile>; 2]) -> (Vec<Asked>, Rc<Together>) {
        let cell = Key { index: 9, generation: 0 };
        let pools: Vec<_> = (0..2).map(|_| BlockPool::new(1, 64).unwrap()).collect();
        let together = Rc::default();
        bench.core.dismiss_region(pools[0].clone(), &together);
        let enrol = pools.into_iter().map(|pool| Asked::new(None, FileWork::Enrol { pool }));
        let mut coming: Vec<Asked> = enrol.collect();
        assert_eq!(begun(bench, &mut coming), [0, 1]);
        let [first, second] = &files;
        for file in [first, second] {
            let chain = crate::mem::Chain::EMPTY;
            bench.core.store(
                cell,
                file,
                FileRequest::new(None, FileWork::Store { offset: 0, chain, from: 0 }),
            );
        }
        current::scope(&bench.core, || {
            let closing = FileId(Key { index: 8, generation: 0 });
            drop((files, Rc::new(OpenFile { core: CoreId(0), id: closing })));
        });
        (coming, together)
    }

    #[test]
    fn what_has_a_bound_of_its_own_neither_waits_for_a_place_nor_takes_one() {
        let bench = Bench::new();
        let files = [bench.open(), bench.open()];
        let (first, mut asked) = full(&bench);
        let mut line = [open(), open(), open()];
        assert!(begun(&bench, &mut line).is_empty());
        let (coming, together) = without_place(&bench, files);
        let others = bench.asked();
        assert_eq!((others.len(), bench.in_flight()), (6, (REQUESTS_MAX, REQUESTS_MAX as usize + 6)));
        current::scope(&bench.core, || drop((first, coming)));
        for place in 0..2 {
            bench.answer(asked.pop().unwrap(), Err(Errno::ENOENT));
            assert_eq!(begun(&bench, &mut line), (0..=place).collect::<Vec<_>>(), "there is a place for one");
            asked.extend(bench.asked());
        }
        for other in others {
            assert!(!matches!(other.1.work, FileWork::Close) || other.1.file.is_some());
            bench.answer(other, Ok(0));
        }
        assert!(together.over.get());
        assert_eq!(begun(&bench, &mut line), [0, 1], "they had no places to leave");
        let closing = bench.asked();
        assert_eq!(closing.len(), 2, "the files that were written to");
        current::scope(&bench.core, || drop(line));
        asked.extend(closing);
        asked.into_iter().for_each(|asked| bench.answer(asked, Err(Errno::ENOENT)));
        assert_eq!(bench.in_flight(), (0, 0));
    }

    #[test]
    fn as_many_as_like_to_wait_together_and_whoever_gives_up_leaves_no_waker() {
        let bench = Bench::new();
        let together = Rc::<Together>::default();
        bench.core.dismiss_region(BlockPool::new(1, 64).unwrap(), &together);
        let waker = Waker::from(bench.counts.clone());
        let poll = |waiting: &mut Pin<Box<dyn Future<Output = ()> + '_>>| {
            current::scope(&bench.core, || waiting.as_mut().poll(&mut Context::from_waker(&waker)))
        };
        let [mut first, mut second] =
            [(); 2].map(|()| Box::pin(together.wait()) as Pin<Box<dyn Future<Output = ()>>>);
        for _ in 0..100 {
            let mut third: Pin<Box<dyn Future<Output = ()>>> = Box::pin(together.wait());
            assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
            assert!(poll(&mut third).is_pending());
        }
        assert_eq!(together.waiting.borrow().len(), 2);
        bench.answer(bench.asked().pop().unwrap(), Err(Errno::EIO));
        assert_eq!(bench.woken(), 2);
        assert!(poll(&mut first).is_ready() && poll(&mut second).is_ready());
        drop((first, second, waker));
        assert_eq!(Arc::strong_count(&bench.counts), 1, "no waker is left");
        assert_eq!(bench.in_flight(), (0, 0));
    }

    #[test]
    fn whoever_gives_up_in_line_leaves_no_slot() {
        let bench = Bench::new();
        let file = bench.open();
        let (first, asked) = full(&bench);
        let chain = bench.core.pools.send.space(1).expect("a slot is free");
        let mut late = Asked::new(Some(&file), FileWork::Load { offset: 0, chain });
        assert!(bench.poll(&mut late).is_pending());
        assert_eq!(bench.core.pools.send.taken(), 1);
        current::scope(&bench.core, || drop((late, first)));
        assert_eq!(bench.core.pools.send.taken(), 0);
        asked.into_iter().for_each(|asked| bench.answer(asked, Err(Errno::ENOENT)));
        current::scope(&bench.core, || drop(file));
    }

    #[test]
    fn without_a_core_nothing_is_asked() {
        let mut opening = open();
        let polled = Pin::new(&mut opening).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready((Err(error), ..)) = polled else { panic!("nobody would ever answer") };
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
