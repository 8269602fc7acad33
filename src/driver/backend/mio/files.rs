//! Requests about files, which block: each is made a job for the pool.
//!
//! Knows: what a job needs, and what comes back. Must not know threads.
//!
//! A request stays in the table; the memory for it goes with the job and comes back with it. No job has anything of the pools: what
//! is stored from a chain is copied first, and what is loaded into one is copied last. Requests that the pool has no room for wait in order, and are as many at most as the table
//! has operations. An open file has its place in the table like a socket, taken before it is opened: a file that there is no place
//! for is not made either.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::take;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::{Mio, Source};
use crate::driver::pool::{Client, Done, Refused, Task};
use crate::driver::{
    Abandoned, Backend, Completion, Event, FileId, FileOptions, FileStat, FileWork, Left, Pools, SocketId,
    Token,
};
use crate::mem::{Buffer, Chain, Key};
use crate::sys::{Errno, Time, close_file, expect_places, now, open_file, read_at};

/// Bytes of a chain that are copied for one job. The rest is for the next request.
const STORE_MAX: usize = 1 << 20;

/// The files of a core, and what is being done with them.
#[derive(Debug)]
pub(super) struct Files {
    /// By their keys in the table. Beside it, because connections are many and files are few.
    pub(super) open: BTreeMap<Key, Arc<File>>,
    pool: Client<Job>,
    /// Requests that the pool has no room for, first come, first served.
    pub(super) waiting: VecDeque<Key>,
}

/// One call on a file, with all that it needs.
#[derive(Debug)]
pub(super) struct Job {
    /// The request.
    key: Key,
    /// The file, or the directory below which one is opened.
    file: Option<Arc<File>>,
    call: Call,
    outcome: Result<u32, Errno>,
}

#[derive(Debug)]
enum Call {
    Open { path: CString, options: FileOptions, place: SocketId, opened: Option<File> },
    Stat { stat: FileStat },
    Read { offset: u64, buffer: Buffer },
    Write { offset: u64, buffer: Buffer, from: usize },
    WriteSynced { offset: u64, buffer: Buffer, written: usize },
    Sync { data: bool },
    Close,
}

impl Files {
    pub(super) fn new(pool: Client<Job>) -> Files {
        Files { open: BTreeMap::new(), pool, waiting: VecDeque::new() }
    }

    /// True if something has been done and not been told.
    pub(super) fn ready(&self) -> bool {
        self.pool.ready()
    }
}

impl Mio {
    /// Begins a request about a file.
    pub(super) fn begin_request(&mut self, pools: &Pools, key: Key) {
        match &self.table.file_request(key).work {
            FileWork::Enrol { pool } => {
                let pool = Arc::clone(pool);
                self.end_dismissals();
                // The kernel is told of no memory here: a region is one place among those that there may be.
                let outcome = self.table.regions.enter(&pool).map(|_| 0);
                return self.answers.push(self.table.end_file(key, outcome, None).0);
            }
            FileWork::Dismiss { pool } => {
                let (pool, waker) = (Arc::clone(pool), self.waker());
                self.table.regions.leave(key, pool, waker);
                return self.end_dismissals();
            }
            _ => {}
        }
        self.files.waiting.push_back(key);
        let mut answers = take(&mut self.answers);
        self.hand_over(pools, &mut answers);
        self.answers = answers;
    }

    /// Lets regions go that nobody uses any more.
    pub(super) fn end_dismissals(&mut self) {
        while let Some(Abandoned { key, .. }) = self.table.regions.take_left() {
            self.answers.push(self.table.end_file(key, Ok(0), None).0);
        }
    }

    /// Tells what the pool has done, and hands it what now finds room.
    pub(super) fn collect_jobs(&mut self, pools: &Pools, completions: &mut Vec<Completion>) {
        while let Some(done) = self.files.pool.collect() {
            let completion = self.finish(pools, done);
            completions.push(completion);
        }
        self.hand_over(pools, completions);
    }

    fn hand_over(&mut self, pools: &Pools, completions: &mut Vec<Completion>) {
        while self.files.pool.has_room() {
            let Some(key) = self.files.waiting.pop_front() else { return };
            let job = match self.job(pools, key) {
                Ok(job) => job,
                Err(error) => {
                    completions.push(self.table.refuse(key, error));
                    continue;
                }
            };
            let (mut job, error) = match self.files.pool.submit(job) {
                Ok(()) => continue,
                Err(Refused::NoThread(job, error)) => (job, Errno::of(&error)),
                Err(Refused::Full(job)) => (job, Errno::EAGAIN),
            };
            match job.call {
                // Its file is gone from the table: this is the last chance.
                Call::Close => job.run(),
                _ => job.outcome = Err(error),
            }
            completions.push(self.finish(pools, Done { task: job, result: Ok(()) }));
        }
    }

    /// What a request needs, taken out of it. An open takes its place in the table.
    fn job(&mut self, pools: &Pools, key: Key) -> Result<Job, Errno> {
        let full = self.table.sockets() >= self.sockets_max;
        let request = self.table.file_request(key);
        let file = request.file.map(|file| self.files.open.get(&file.0).cloned().ok_or(Errno::EBADF));
        let file = file.transpose()?;
        let call = match &mut request.work {
            FileWork::Open { .. } if full => return Err(Errno::ENFILE),
            FileWork::Open { path, options } => {
                let (path, options) = (path.clone(), *options);
                let place = self.table.insert(Source::file()).expect("there is a place, as looked at above");
                Call::Open { path, options, place, opened: None }
            }
            FileWork::Stat { .. } => Call::Stat { stat: FileStat::default() },
            FileWork::Read { offset, buffer } => Call::Read { offset: *offset, buffer: take(buffer) },
            FileWork::Write { offset, buffer, from } => {
                Call::Write { offset: *offset, buffer: take(buffer), from: *from }
            }
            FileWork::WriteSynced { offset, buffer, written } => {
                Call::WriteSynced { offset: *offset, buffer: take(buffer), written: *written }
            }
            FileWork::Store { offset, chain, from } => {
                let mut buffer = Vec::with_capacity(((chain.bytes() - *from) as usize).min(STORE_MAX));
                for segment in pools.send.segments(chain, *from) {
                    let room = buffer.capacity() - buffer.len();
                    buffer.extend_from_slice(&segment[..segment.len().min(room)]);
                }
                Call::Write { offset: *offset, buffer: buffer.into(), from: 0 }
            }
            FileWork::Load { offset, chain } => {
                Call::Read { offset: *offset, buffer: Vec::with_capacity(room(pools, chain)).into() }
            }
            FileWork::Sync { data } => Call::Sync { data: *data },
            FileWork::Enrol { .. } | FileWork::Dismiss { .. } => unreachable!("no job is made of it"),
            FileWork::Close => {
                // From here on the job is its only owner.
                self.files.open.remove(&request.file.ok_or(Errno::EBADF)?.0);
                Call::Close
            }
        };
        Ok(Job { key, file, call, outcome: Ok(0) })
    }

    /// Ends a request whose job has come back.
    fn finish(&mut self, pools: &Pools, done: Done<Job>) -> Completion {
        let Job { key, call, mut outcome, .. } = done.task;
        if done.result.is_err() {
            outcome = Err(Errno::EIO);
        }
        let mut opened = None;
        match (&mut self.table.file_request(key).work, call) {
            (FileWork::Open { .. }, Call::Open { place, opened: file, .. }) => match file {
                Some(file) if outcome.is_ok() => {
                    self.files.open.insert(place.0, Arc::new(file));
                    opened = Some(FileId(place.0));
                }
                _ => self.discard(place),
            },
            (FileWork::Stat { stat }, Call::Stat { stat: found }) => *stat = found,
            (FileWork::Read { buffer, .. }, Call::Read { buffer: lent, .. })
            | (FileWork::Write { buffer, .. }, Call::Write { buffer: lent, .. }) => *buffer = lent,
            (
                FileWork::WriteSynced { buffer, written, .. },
                Call::WriteSynced { buffer: lent, written: by_then, .. },
            ) => (*buffer, *written) = (lent, by_then),
            (FileWork::Load { chain, .. }, Call::Read { buffer, .. }) => {
                let bytes = &buffer[..buffer.len().min(room(pools, chain))];
                pools.send.write(chain, bytes).expect("its slot has room for what was read");
                outcome = outcome.map(|_| chain.bytes());
            }
            // A chain that is stored has stayed where it was, and the others have no memory.
            _ => {}
        }
        self.table.end_file(key, outcome, opened).0
    }

    /// Ends every request: those that wait are not begun any more, those that the pool has are waited for. Answers which have not
    /// ended by then: they go on with memory of their own, and the thread that ends one drops what it has, and closes its file.
    pub(super) fn drain_files(&mut self, pools: &Pools, until: Time) -> Left {
        let mut completions = Vec::new();
        for key in take(&mut self.files.waiting).into_iter().chain(self.table.regions.give_up()) {
            completions.push(self.table.refuse(key, Errno::ECANCELED));
        }
        while let Some(done) = self.files.pool.wait(until.since(now())) {
            // One of which an earlier drain has let go has come after all.
            if self.table.operation(done.task.key).is_some() {
                completions.push(self.finish(pools, done));
            }
        }
        completions.append(&mut self.answers);
        let mut left = Left::default();
        for (_, request, _) in self.table.leave_files() {
            left.note(&request);
            completions.push(Completion { token: Token(0), event: Event::File { request } });
        }
        for completion in completions {
            completion.event.release(pools);
        }
        // Nobody names them any more: a job that has not come back has its own hold on its file.
        self.files.open.clear();
        drop(self.table.regions.take_all());
        left
    }
}

/// How many bytes go into the slot of a chain that has none yet.
fn room(pools: &Pools, chain: &mut Chain) -> usize {
    let room = pools.send.space_address(chain).len();
    // It is not given away: nobody but this thread writes there.
    pools.send.filled(chain, 0);
    room
}

impl Task for Job {
    fn run(&mut self) {
        let result = self.call.carry_out(&mut self.file);
        // No call moves four gibibytes.
        self.outcome = result.map(|bytes| bytes as u32).map_err(|error| Errno::of(&error));
    }
}

impl Call {
    /// # Panics
    /// When a buffer is to be written from behind its end, or there is no file: bugs of the runtime.
    fn carry_out(&mut self, file: &mut Option<Arc<File>>) -> io::Result<usize> {
        if let Call::Open { path, options, opened, .. } = self {
            let file = open_file(file.as_deref(), path, flags(options)?, options.mode)?;
            expect_places(&file)?;
            *opened = Some(file);
            return Ok(0);
        }
        let file = file.take().expect("a request names its file");
        match self {
            Call::Open { .. } => unreachable!("dealt with above"),
            Call::Stat { stat } => file.metadata().map(|metadata| *stat = FileStat::from(&metadata))?,
            Call::Read { offset, buffer } => return read_at(&file, buffer, *offset),
            Call::Write { offset, buffer, from } => return write_at(&file, &buffer[*from..], *offset),
            Call::WriteSynced { offset, buffer, written } => {
                while *written < buffer.len() {
                    match write_at(&file, &buffer[*written..], *offset + *written as u64)? {
                        0 => break,
                        bytes => *written += bytes,
                    }
                }
                file.sync_data()?;
            }
            Call::Sync { data: true } => file.sync_data()?,
            Call::Sync { data: false } => file.sync_all()?,
            Call::Close => {
                if let Some(file) = Arc::into_inner(file) {
                    close_file(file)?;
                }
            }
        }
        Ok(0)
    }
}

/// Writes once, as much as every kernel takes.
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    const BYTES_MAX: usize = 1 << 30;
    let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
    // What is passed on is taken for signed.
    i64::try_from(offset).map_err(|_| Errno::EINVAL)?;
    loop {
        match file.write_at(bytes, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The kernel's flags. What it leaves open is refused: to empty a file that cannot be written.
fn flags(options: &FileOptions) -> Result<i32, Errno> {
    if options.truncate && !options.write {
        return Err(Errno::EINVAL);
    }
    let access = match (options.read, options.write) {
        (true, true) => libc::O_RDWR,
        (false, true) => libc::O_WRONLY,
        (_, false) => libc::O_RDONLY,
    };
    let further = [
        (options.truncate, libc::O_TRUNC),
        (options.create, libc::O_CREAT),
        (options.create_new, libc::O_CREAT | libc::O_EXCL),
        (options.directory, libc::O_DIRECTORY),
    ];
    Ok(further.into_iter().filter(|(asked, _)| *asked).fold(access, |flags, (_, flag)| flags | flag))
}
