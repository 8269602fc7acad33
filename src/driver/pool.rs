//! Threads for what blocks: one pool for all cores of a system.
//!
//! Knows: tasks, threads, who is told. Must not know what a task does, nor for whom.
//!
//! One per system, and not one per core, because what blocks waits for the same disk whoever asked; and not one per process, because
//! systems owe each other nothing and each ends with all of its threads. A thread is started by whoever hands over a task for which
//! none is free, and ends when it has had nothing to do for a while, or when all clients are gone and everything is done.
//!
//! A client has a bounded number of tasks with the pool, and both channels have a place for each of them: nothing waits for room
//! in a channel. What a client must not hand over yet stays with it until it has collected an answer.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::Waker;
use crate::sys::{allow_processors, allowed_processors};

/// Threads of a system that block at a time. They keep a disk busy and leave the processors to the cores.
const THREADS_MAX: usize = 4;
/// Tasks that one client has with the pool at a time, where nobody says anything else: enough for all threads while answers are on
/// their way.
pub(super) const CLIENT_TASKS: usize = 64;
/// A thread that has had nothing to do for so long ends. Whoever blocks less often does not notice what starting one costs.
const IDLE: Duration = Duration::from_secs(10);

/// Something that blocks.
pub(super) trait Task: Send + 'static {
    /// Does it, on a thread of the pool. A panic ends the task and not the thread.
    fn run(&mut self);
}

/// A task that has ended. It comes back also if it has panicked, as it was by then.
#[derive(Debug)]
pub(super) struct Done<T> {
    pub(super) task: T,
    /// What it panicked with, if it did.
    pub(super) result: thread::Result<()>,
}

/// Why a task was not taken, and the task.
#[derive(Debug)]
pub(super) enum Refused<T> {
    /// The client has as many with the pool as it may: collecting an answer makes room.
    Full(T),
    /// There is no thread, and none can be started.
    NoThread(T, io::Error),
}

/// The threads on which a system does what blocks. Whoever has it can become a client.
#[derive(Debug, Clone)]
pub struct BlockingPool {
    crew: Arc<Crew>,
    queue: Sender<Box<dyn Job>>,
}

/// What the threads share. None of them has a sender: the last client takes the last one with it.
#[derive(Debug)]
struct Crew {
    load: Mutex<Load>,
    tasks: Receiver<Box<dyn Job>>,
    /// Those of whoever made the pool. A thread would have those of the core that started it: one, and a busy one.
    processors: Vec<usize>,
    idle: Duration,
    /// Tasks of one client at a time.
    client_tasks: usize,
}

#[derive(Debug)]
struct Load {
    /// Clients that may still come.
    seats: usize,
    threads: usize,
    /// Handed over, or about to be, and not done.
    tasks: usize,
}

/// A task of any type, with the way back to its client.
trait Job: Send + std::fmt::Debug {
    fn run(&mut self);
    fn answer(self: Box<Self>);
}

/// Hands tasks of one type to a pool, and collects them again.
#[derive(Debug)]
pub(super) struct Client<T> {
    pool: BlockingPool,
    told: Sender<Done<T>>,
    answers: Receiver<Done<T>>,
    waker: Waker,
    under_way: usize,
}

struct Errand<T> {
    done: Done<T>,
    told: Sender<Done<T>>,
    waker: Waker,
}

impl BlockingPool {
    /// A pool for so many clients, with so many tasks at a time each. No thread is started before there is something to do.
    #[must_use]
    pub fn new(clients: usize, client_tasks: usize) -> BlockingPool {
        BlockingPool::with_idle(clients, client_tasks, IDLE)
    }

    fn with_idle(clients: usize, client_tasks: usize, idle: Duration) -> BlockingPool {
        let (queue, tasks) = bounded(clients * client_tasks);
        let load = Mutex::new(Load { seats: clients, threads: 0, tasks: 0 });
        // Where it cannot be told, threads run wherever they happen to.
        let processors = allowed_processors().unwrap_or_default();
        BlockingPool { crew: Arc::new(Crew { load, tasks, processors, idle, client_tasks }), queue }
    }

    /// A new client. Its answers wake the core of this waker.
    ///
    /// # Panics
    /// When there are as many as the pool is for.
    pub(super) fn client<T: Task>(&self, waker: Waker) -> Client<T> {
        let mut load = self.crew.load();
        load.seats = load.seats.checked_sub(1).expect("a pool is made for all of its clients");
        drop(load);
        let (told, answers) = bounded(self.crew.client_tasks);
        Client { pool: self.clone(), told, answers, waker, under_way: 0 }
    }
}

impl<T: Task> Client<T> {
    /// True if a task that is handed over now will be taken.
    pub(super) fn has_room(&self) -> bool {
        self.under_way < self.pool.crew.client_tasks
    }

    /// Hands a task over. Its answer comes for certain, and later than this.
    pub(super) fn submit(&mut self, task: T) -> Result<(), Refused<T>> {
        if !self.has_room() {
            return Err(Refused::Full(task));
        }
        if let Err(error) = self.pool.crew.expect_task() {
            return Err(Refused::NoThread(task, error));
        }
        let done = Done { task, result: Ok(()) };
        let errand = Errand { done, told: self.told.clone(), waker: self.waker.clone() };
        self.pool
            .queue
            .try_send(Box::new(errand))
            .expect("the queue has a place for each task of each client");
        self.under_way += 1;
        Ok(())
    }

    /// A task that has ended, if there is one.
    pub(super) fn collect(&mut self) -> Option<Done<T>> {
        let done = self.answers.try_recv().ok()?;
        self.under_way -= 1;
        Some(done)
    }

    /// The same, and waits for it, so long at most.
    pub(super) fn wait(&mut self, patience: Duration) -> Option<Done<T>> {
        if self.under_way == 0 {
            return None;
        }
        let done = self.answers.recv_timeout(patience).ok()?;
        self.under_way -= 1;
        Some(done)
    }

    /// True if there is something to collect.
    pub(super) fn ready(&self) -> bool {
        !self.answers.is_empty()
    }
}

impl Crew {
    fn load(&self) -> MutexGuard<'_, Load> {
        // Nothing under the lock leaves the numbers half changed.
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a task in, and starts a thread if there may be another and none is free. Counted before it is sent, so that no thread
    /// ends that it was counted on.
    fn expect_task(self: &Arc<Crew>) -> io::Result<()> {
        let mut load = self.load();
        if load.tasks >= load.threads && load.threads < THREADS_MAX {
            let crew = self.clone();
            match thread::Builder::new().name("odeon-blocking".to_owned()).spawn(move || crew.work()) {
                Ok(_) => load.threads += 1,
                Err(error) if load.threads == 0 => return Err(error),
                // One of those that there are will come to it.
                Err(_) => {}
            }
        }
        load.tasks += 1;
        Ok(())
    }

    /// The life of a thread.
    fn work(&self) {
        // A thread that may not go elsewhere works where it is.
        let _ = allow_processors(&self.processors);
        loop {
            match self.tasks.recv_timeout(self.idle) {
                Ok(job) => self.carry_out(job),
                Err(RecvTimeoutError::Timeout) => {
                    let mut load = self.load();
                    if load.tasks < load.threads {
                        load.threads -= 1;
                        return;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.load().threads -= 1;
                    return;
                }
            }
        }
    }

    fn carry_out(&self, mut job: Box<dyn Job>) {
        job.run();
        // Before the answer: whoever hands the next task over because of it finds this thread free.
        self.load().tasks -= 1;
        // If its client is gone the task is dropped here, and that may be anybody's code.
        if let Err(cause) = catch_unwind(AssertUnwindSafe(|| job.answer())) {
            // So may be its drop, which could panic again.
            std::mem::forget(cause);
        }
    }
}

impl<T: Task> Job for Errand<T> {
    fn run(&mut self) {
        let task = &mut self.done.task;
        // Whoever gets it back is told that it has panicked.
        self.done.result = catch_unwind(AssertUnwindSafe(|| task.run()));
    }

    fn answer(self: Box<Self>) {
        // There is a place for each task of a client, so it fails only if the client is gone.
        drop(self.told.try_send(self.done));
        self.waker.wake();
    }
}

impl<T> std::fmt::Debug for Errand<T> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Errand").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{now, pin_thread};

    const PATIENCE: Duration = Duration::from_secs(10);

    /// What a test has done.
    enum Work {
        Note(u32),
        /// Ends when the other end of the channel is dropped.
        WaitFor(Receiver<()>),
        Panic,
    }

    struct Chore {
        work: Work,
        by: Option<thread::ThreadId>,
        processors: Vec<usize>,
    }

    impl Chore {
        fn new(work: Work) -> Chore {
            Chore { work, by: None, processors: Vec::new() }
        }
    }

    impl Task for Chore {
        fn run(&mut self) {
            self.by = Some(thread::current().id());
            self.processors = allowed_processors().unwrap();
            match &self.work {
                Work::Note(_) => {}
                Work::WaitFor(gate) => assert!(gate.recv().is_err()),
                Work::Panic => panic!("as a test wants it"),
            }
        }
    }

    fn client(pool: &BlockingPool) -> Client<Chore> {
        pool.client(Waker::None)
    }

    fn submit(client: &mut Client<Chore>, work: Work) {
        assert!(client.submit(Chore::new(work)).is_ok());
    }

    fn done(client: &mut Client<Chore>) -> Done<Chore> {
        client.wait(PATIENCE).expect("it is done in time")
    }

    fn threads(crew: &Crew) -> usize {
        crew.load().threads
    }

    fn until(condition: impl Fn() -> bool) {
        let deadline = now().after(PATIENCE);
        while !condition() {
            assert!(now() < deadline, "it has not come true in time");
            thread::yield_now();
        }
    }

    #[test]
    fn one_thread_does_what_is_handed_over_bit_by_bit_and_survives_a_panic() {
        let pool = BlockingPool::new(1, CLIENT_TASKS);
        let mut client = client(&pool);
        assert_eq!(threads(&pool.crew), 0, "none is started before there is something to do");
        submit(&mut client, Work::Note(1));
        let first = done(&mut client).task.by;
        assert!(first.is_some() && first != Some(thread::current().id()));
        submit(&mut client, Work::Panic);
        let failed = done(&mut client);
        let cause = failed.result.expect_err("it panicked");
        assert_eq!(cause.downcast_ref(), Some(&"as a test wants it"));
        assert!(matches!(failed.task.work, Work::Panic), "it comes back");
        submit(&mut client, Work::Note(2));
        let next = done(&mut client);
        assert!(next.result.is_ok() && matches!(next.task.work, Work::Note(2)));
        assert_eq!((first, threads(&pool.crew)), (next.task.by, 1));
    }

    #[test]
    fn what_is_too_much_is_refused_and_threads_are_few() {
        let pool = BlockingPool::new(2, 5);
        let (mut greedy, mut modest) = (client(&pool), client(&pool));
        let (open, gate) = bounded(0);
        for _ in 0..5 {
            submit(&mut greedy, Work::WaitFor(gate.clone()));
        }
        assert!(!greedy.has_room());
        let refused = greedy.submit(Chore::new(Work::Note(7)));
        let Err(Refused::Full(chore)) = refused else { panic!("it has room") };
        assert!(matches!(chore.work, Work::Note(7)));
        assert_eq!(threads(&pool.crew), THREADS_MAX);
        submit(&mut modest, Work::Note(8));
        drop(open);
        assert!(matches!(done(&mut modest).task.work, Work::Note(8)), "each has places of its own");
        for left in (0..5).rev() {
            assert!(done(&mut greedy).result.is_ok());
            assert_eq!(greedy.under_way, left);
        }
        assert!(greedy.has_room() && !greedy.ready() && greedy.collect().is_none());
    }

    #[test]
    fn a_task_does_not_wait_for_another_while_there_may_be_more_threads() {
        let pool = BlockingPool::new(1, CLIENT_TASKS);
        let mut client = client(&pool);
        let (open, gate) = bounded(0);
        for _ in 1..THREADS_MAX {
            submit(&mut client, Work::WaitFor(gate.clone()));
            submit(&mut client, Work::Note(0));
            assert!(matches!(done(&mut client).task.work, Work::Note(0)));
        }
        drop(open);
    }

    #[test]
    fn a_thread_without_work_ends_and_another_is_started_when_there_is_some() {
        let pool = BlockingPool::with_idle(1, CLIENT_TASKS, Duration::ZERO);
        let mut client = client(&pool);
        for _ in 0..100 {
            submit(&mut client, Work::Note(1));
            done(&mut client);
        }
        until(|| threads(&pool.crew) == 0);
        submit(&mut client, Work::Note(2));
        done(&mut client);
    }

    #[test]
    fn no_thread_ends_that_a_task_counts_on() {
        let pool = BlockingPool::with_idle(1, CLIENT_TASKS, Duration::ZERO);
        let mut client = client(&pool);
        // As far as it comes before its task is in the queue.
        pool.crew.expect_task().unwrap();
        for _ in 0..1_000 {
            thread::yield_now();
            assert_eq!(threads(&pool.crew), 1);
        }
        submit(&mut client, Work::Note(1));
        done(&mut client);
    }

    #[test]
    fn threads_end_with_the_last_client_when_everything_is_done() {
        let pool = BlockingPool::new(1, CLIENT_TASKS);
        let crew = pool.crew.clone();
        let mut client = client(&pool);
        let (open, gate) = bounded(0);
        let (written, read) = bounded(CLIENT_TASKS);
        for _ in 0..THREADS_MAX {
            submit(&mut client, Work::WaitFor(gate.clone()));
        }
        // Dropped when it has been done and nobody is there to collect it.
        struct Told(Sender<bool>, bool);
        impl Task for Told {
            fn run(&mut self) {
                self.1 = true;
            }
        }
        impl Drop for Told {
            fn drop(&mut self) {
                self.0.send(self.1).unwrap();
                panic!("as a test wants it");
            }
        }
        let errand = Errand {
            done: Done { task: Told(written, false), result: Ok(()) },
            told: bounded(0).0,
            waker: Waker::None,
        };
        crew.expect_task().unwrap();
        pool.queue.send(Box::new(errand)).unwrap();
        drop((pool, client));
        assert_eq!(threads(&crew), THREADS_MAX);
        drop(open);
        assert_eq!(read.recv_timeout(PATIENCE), Ok(true), "it was done all the same");
        until(|| threads(&crew) == 0);
    }

    #[test]
    fn threads_do_not_crowd_the_core_that_starts_them() {
        let everywhere = allowed_processors().unwrap();
        let pool = BlockingPool::new(1, CLIENT_TASKS);
        let chore = thread::scope(|scope| {
            let core = scope.spawn(|| {
                // Where threads cannot be kept on a processor there is nothing to be seen.
                let _ = pin_thread(everywhere[0]);
                let mut client = client(&pool);
                submit(&mut client, Work::Note(1));
                done(&mut client).task
            });
            core.join().unwrap()
        });
        assert_eq!(chore.processors, everywhere);
    }
}
