//! What requests about files do on the simulated disk.
//!
//! Knows: the meaning of every such request. Must not know when it is reported.

use std::sync::Arc;

use super::{Canary, Handle, OpenFile, Outcome, Place, Sim};
use crate::driver::{FileId, FileOptions, FileWork, Pools, SocketId, Waker};
use crate::mem::{BlockPool, Key};
use crate::sys::Errno;

impl Sim {
    /// Carries a request about a file out.
    pub(super) fn file(&mut self, pools: &Pools, key: Key) -> Outcome {
        let id = self.operation(key).socket;
        let on = match self.table.socket(id).map(|file| file.handle.place) {
            Some(Place::File(file)) => Some(file),
            Some(_) => return Outcome::File(Err(Errno::EBADF), None),
            None => None,
        };
        match &self.table.file_request(key).work {
            FileWork::Close => return Outcome::File(Ok(0), None),
            FileWork::Enrol { pool } => {
                let pool = Arc::clone(pool);
                return Outcome::File(self.enrol(&pool), None);
            }
            FileWork::Dismiss { pool } => {
                let pool = Arc::clone(pool);
                self.table.regions.leave(key, pool, Waker::None);
                let left = self.table.regions.take_left();
                assert!(
                    left.is_some_and(|left| left.key == key),
                    "it was carried out when nobody had a block"
                );
                return Outcome::File(Ok(0), None);
            }
            _ => {}
        }
        let outcome = match self.fail(key) {
            Some(error) if self.faults.canary != Canary::HideFailure => Err(error),
            Some(_) => Ok(self.asked(key)),
            None => match (on, &self.table.file_request(key).work) {
                (beneath, FileWork::Open { options, .. }) => {
                    let options = *options;
                    return self.open(key, beneath, options);
                }
                (Some(file), _) => self.transfer(pools, key, file),
                (None, _) => unreachable!("only an open is asked for without a file"),
            },
        };
        Outcome::File(outcome, None)
    }

    /// Takes a region in. By accident, no more memory may be locked, or the kernel does without.
    fn enrol(&mut self, pool: &Arc<BlockPool>) -> Result<u32, Errno> {
        if self.random.chance(self.faults.failed_file) {
            return Err(Errno::ENOMEM);
        }
        self.table.regions.enter(pool)?;
        Ok(u32::from(!self.random.chance(self.faults.short_file)))
    }

    /// By accident, why the request fails.
    fn fail(&mut self, key: Key) -> Option<Errno> {
        let full = self.random.chance(self.faults.full_disk);
        let failed = self.random.chance(self.faults.failed_file);
        let writes = matches!(
            self.table.file_request(key).work,
            FileWork::Write { .. } | FileWork::Store { .. } | FileWork::WriteSynced { .. }
        );
        (full && writes).then_some(Errno::ENOSPC).or(failed.then_some(Errno::EIO))
    }

    /// How many bytes a write is about.
    fn asked(&mut self, key: Key) -> u32 {
        match &self.table.file_request(key).work {
            FileWork::Write { buffer, from, .. } => count(buffer.len() - from),
            FileWork::Store { chain, from, .. } => chain.bytes() - from,
            _ => 0,
        }
    }

    fn open(&mut self, key: Key, beneath: Option<OpenFile>, options: FileOptions) -> Outcome {
        if self.table.sockets() >= self.sockets_max {
            return Outcome::File(Err(Errno::ENFILE), None);
        }
        let FileWork::Open { path, .. } = &self.table.file_request(key).work else {
            unreachable!("it was an open when it was looked at");
        };
        match self.disk.open(beneath, path.to_bytes(), options, self.network.now()) {
            Ok(file) => {
                let handle = Handle { place: Place::File(file), cancelled: false, starving: false };
                let SocketId(key) = self.table.insert(handle).expect("there was room for a file");
                Outcome::File(Ok(0), Some(FileId(key)))
            }
            Err(error) => Outcome::File(Err(error), None),
        }
    }

    /// Carries out what is neither an open nor a close. Answers with bytes.
    fn transfer(&mut self, pools: &Pools, key: Key, file: OpenFile) -> Result<u32, Errno> {
        let whole = self.asked(key);
        let short = self.random.chance(self.faults.short_file);
        let random = &mut self.random;
        let mut part = |len: usize| {
            if short && len > 1 { 1 + random.index(len - 1) } else { len.min(u32::MAX as usize) }
        };
        let now = self.network.now();
        let written = match &mut self.table.file_request(key).work {
            FileWork::Stat { stat } => {
                *stat = self.disk.stat(file);
                return Ok(0);
            }
            FileWork::Read { offset, buffer } => {
                let start = buffer.len();
                let room = part(buffer.capacity() - start);
                assert!(room > 0, "there is room for at least one byte");
                buffer.resize(start + room);
                let result = self.disk.read(file, *offset, &mut buffer[start..]);
                buffer.resize(start + result.unwrap_or(0));
                return result.map(count);
            }
            FileWork::Write { offset, buffer, from } => {
                let bytes = &buffer[*from..];
                self.disk.write(file, *offset, std::iter::once(bytes), part(bytes.len()), now)?
            }
            FileWork::WriteSynced { offset, buffer, written } => {
                while *written < buffer.len() {
                    let (at, bytes) = (*offset + *written as u64, &buffer[*written..]);
                    *written += self.disk.write(file, at, std::iter::once(bytes), part(bytes.len()), now)?;
                }
                return Ok(0);
            }
            FileWork::Store { offset, chain, from } => {
                let limit = part((chain.bytes() - *from) as usize);
                self.disk.write(file, *offset, pools.send.segments(chain, *from), limit, now)?
            }
            FileWork::Load { offset, chain } => {
                let room = pools.send.space_address(chain).len();
                // Nobody writes there but the pool itself, below.
                pools.send.filled(chain, 0);
                let mut bytes = vec![0; part(room)];
                let read = self.disk.read(file, *offset, &mut bytes)?;
                pools.send.write(chain, &bytes[..read]).expect("there is room for it");
                return Ok(count(read));
            }
            FileWork::Sync { .. } => return Ok(0),
            FileWork::Open { .. } | FileWork::Close | FileWork::Enrol { .. } | FileWork::Dismiss { .. } => {
                unreachable!("told apart before")
            }
        };
        Ok(if self.faults.canary == Canary::WholeWrite { whole } else { count(written) })
    }
}

/// Bytes of one request, which are never more than this.
fn count(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("one request is about fewer bytes than that")
}
