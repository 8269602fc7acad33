//! Regions of one core: how many there may be, and how one comes and goes.
//!
//! Knows: the bounds, what is asked of the driver. Must not know what blocks are for.
//!
//! A region counts until nobody has a block of it any more, also when its handles are gone: memory is bounded by what is held. It
//! is asked for and let go by requests as they are made of files, and what was begun goes on by itself when nobody waits for it.
//! Each is made once for a region, whoever asks, and of all regions of which anything is left there are no more than the backend has
//! places for: so these requests are bounded without the line that others wait in.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::{fmt, io};

use super::address::CoreId;
use super::core::Core;
use super::current;
use super::files::{Asked, Together};
use crate::driver::{FileWork, REGIONS_MAX};
use crate::mem::BlockPool;
use crate::sys::{Count, Errno, locked_memory_limit};

/// The kernel takes no more at a time.
const REGION_BYTES_MAX: usize = 1 << 30;

/// The regions of one core.
#[derive(Debug, Default)]
pub(super) struct OpenRegions {
    /// Some of them have gone.
    pools: RefCell<Vec<Weak<BlockPool>>>,
}

/// A region that is there, or is about to be. It is let go when this is dropped.
#[derive(Debug)]
pub struct OpenRegion {
    core: CoreId,
    pool: Arc<BlockPool>,
    registered: Cell<bool>,
    /// It has been asked to go.
    leaving: Cell<bool>,
    left: Rc<Together>,
}

/// Why there is no region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegionError {
    /// No blocks, more than 65,535 of them, blocks of no bytes, or more than 1 GiB together.
    Shape {
        /// Blocks that were asked for.
        blocks: usize,
        /// Bytes of each.
        block_len: usize,
    },
    /// The core has as many regions as it may: [`Config::regions_max`](crate::Config::regions_max).
    TooMany {
        /// The limit.
        regions_max: u16,
    },
    /// The regions of the core would have more bytes than they may: [`Config::region_bytes_max`](crate::Config::region_bytes_max).
    TooLarge {
        /// Bytes that were asked for.
        bytes: usize,
        /// Bytes that the others leave of the limit.
        left: usize,
        /// The limit.
        region_bytes_max: usize,
    },
    /// The machine has not so much memory.
    NoMemory {
        /// Bytes that were asked for.
        bytes: usize,
    },
    /// The kernel keeps no more memory resident for this user.
    Locked {
        /// Bytes that were asked for.
        bytes: usize,
    },
    /// The kernel has refused for another reason.
    Failed {
        /// The number of its error.
        errno: i32,
    },
    /// This thread runs no core: [`System::spawn_task`](crate::System::spawn_task) runs a future on one.
    NoCore,
}

impl fmt::Display for RegionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegionError::Shape { blocks, block_len } => write!(
                out,
                "a region of {} of {}: it has from 1 to 65,535 blocks, each of at least one byte, and at most 1 GiB: make several",
                Count::of(*blocks, "block"),
                Count::of(*block_len, "byte")
            ),
            RegionError::TooMany { regions_max: REGIONS_MAX } => write!(
                out,
                "the core has {REGIONS_MAX} regions, and no core can have more: drop the handles and the blocks of one, or make fewer \
                 and larger ones"
            ),
            RegionError::TooMany { regions_max } => write!(
                out,
                "the core has {}: raise Config::regions_max, or drop the handles and the blocks of one",
                Count::of((*regions_max).into(), "region")
            ),
            RegionError::TooLarge { bytes, left, region_bytes_max } => write!(
                out,
                "a region of {}, and the other regions of the core leave {left} of the {region_bytes_max} that \
                 Config::region_bytes_max allows: raise it",
                Count::of(*bytes, "byte")
            ),
            RegionError::NoMemory { bytes } => {
                write!(out, "the machine has no {} for a region", Count::of(*bytes, "byte"))
            }
            RegionError::Locked { bytes } => write!(
                out,
                "the kernel keeps no {} more resident: RLIMIT_MEMLOCK is {} KiB for all processes of this user: raise it \
                 (ulimit -l, LimitMEMLOCK= in systemd), or make the region smaller",
                Count::of(*bytes, "byte"),
                locked_memory_limit().now / 1024
            ),
            RegionError::Failed { errno } => {
                write!(out, "there is no region: {}", io::Error::from_raw_os_error(*errno))
            }
            RegionError::NoCore => {
                out.write_str("this thread runs no core: System::spawn_task runs a future on one")
            }
        }
    }
}

impl std::error::Error for RegionError {}

impl From<RegionError> for io::Error {
    fn from(error: RegionError) -> io::Error {
        let kind = match error {
            RegionError::Shape { .. } => io::ErrorKind::InvalidInput,
            RegionError::TooMany { .. } | RegionError::TooLarge { .. } => io::ErrorKind::QuotaExceeded,
            RegionError::NoMemory { .. } | RegionError::Locked { .. } => io::ErrorKind::OutOfMemory,
            RegionError::Failed { errno } => io::Error::from_raw_os_error(errno).kind(),
            RegionError::NoCore => io::ErrorKind::Unsupported,
        };
        io::Error::new(kind, error)
    }
}

impl Core {
    /// A pool for a region, if there may be one more of that size.
    fn new_region(&self, blocks: usize, block_len: usize) -> Result<Arc<BlockPool>, RegionError> {
        let shape = RegionError::Shape { blocks, block_len };
        let count = u16::try_from(blocks).ok().filter(|blocks| *blocks > 0 && block_len > 0).ok_or(shape)?;
        let bytes = BlockPool::bytes_of(count, block_len).filter(|bytes| *bytes <= REGION_BYTES_MAX);
        let bytes = bytes.ok_or(shape)?;
        let mut pools = self.regions.pools.borrow_mut();
        pools.retain(|pool| pool.strong_count() > 0);
        // Those that are gone have not all left yet.
        if pools.len() >= REGIONS_MAX.into() {
            return Err(RegionError::TooMany { regions_max: REGIONS_MAX });
        }
        let held =
            pools.iter().filter_map(Weak::upgrade).filter(|pool| !(pool.is_closed() && pool.is_whole()));
        let (there, held) = held.fold((0, 0), |(there, held), pool| (there + 1, held + pool.bytes()));
        let regions_max = self.config.regions_max;
        debug_assert!(regions_max <= REGIONS_MAX, "Config is looked at before");
        if there >= regions_max {
            return Err(RegionError::TooMany { regions_max });
        }
        let region_bytes_max = self.config.region_bytes_max;
        let left = region_bytes_max.saturating_sub(held);
        if bytes > left {
            return Err(RegionError::TooLarge { bytes, left, region_bytes_max });
        }
        let pool = BlockPool::new(count, block_len).ok_or(RegionError::NoMemory { bytes })?;
        pools.push(Arc::downgrade(&pool));
        Ok(pool)
    }

    /// Regions of which anything is left.
    #[must_use]
    pub fn regions(&self) -> usize {
        self.regions.pools.borrow().iter().filter(|pool| pool.strong_count() > 0).count()
    }
}

impl OpenRegion {
    /// Makes a region on the core that runs this.
    ///
    /// # Errors
    /// See [`RegionError`].
    pub async fn open(blocks: usize, block_len: usize) -> Result<OpenRegion, RegionError> {
        let region = current::with(|core| {
            let core = core.ok_or(RegionError::NoCore)?;
            let pool = core.new_region(blocks, block_len)?;
            let (registered, leaving, left) = Default::default();
            Ok(OpenRegion { core: core.id, pool, registered, leaving, left })
        })?;
        let enrol = FileWork::Enrol { pool: Arc::clone(&region.pool) };
        let (asked, request, _) = Asked::new(None, enrol).await;
        asked.map_err(|_| RegionError::NoCore)?;
        match request.outcome {
            Ok(known) => region.registered.set(known > 0),
            Err(Errno::ENOMEM) => return Err(RegionError::Locked { bytes: region.pool.bytes() }),
            // Those that are gone have not all left their places yet.
            Err(Errno::ENOSPC) => return Err(RegionError::TooMany { regions_max: REGIONS_MAX }),
            Err(error) => return Err(RegionError::Failed { errno: error.0 }),
        }
        Ok(region)
    }

    /// The blocks.
    #[must_use]
    pub fn pool(&self) -> &Arc<BlockPool> {
        &self.pool
    }

    /// True if the kernel knows the memory.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.registered.get()
    }

    /// Lets no more blocks be taken, and waits until all are back and the kernel has been asked to forget the memory. Elsewhere than
    /// on its core nothing is waited for.
    pub async fn remove(&self) {
        self.pool.close();
        let here =
            current::with(|core| core.filter(|core| core.id == self.core).map(|core| self.dismiss(core)));
        if here.is_some() {
            self.left.wait().await;
        }
    }

    fn dismiss(&self, core: &Core) {
        if !self.leaving.replace(true) {
            core.dismiss_region(Arc::clone(&self.pool), &self.left);
        }
    }
}

impl Drop for OpenRegion {
    fn drop(&mut self) {
        self.pool.close();
        current::at(self.core, |core| core.map(|core| self.dismiss(core)));
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::config::Config;
    use crate::driver::{FileRequest, Op, Token};
    use crate::executor::Links;
    use crate::sys::{Clock, Time};

    fn core() -> Core {
        let mut config = Config { receive_buffers: 1, receive_buffer_bytes: 64, ..Config::default() };
        (config.send_slots, config.regions_max, config.region_bytes_max) = ([1, 0, 0, 0, 0], 2, 1000);
        config.file_requests_max = 1;
        let clock = Clock::Virtual(Rc::new(Cell::new(Time::ZERO)));
        Core::new(CoreId(0), Rc::new(config), clock, Links::new(CoreId(0), []))
    }

    /// What has been asked of the backend, oldest first.
    fn asked(core: &Core) -> Vec<(Token, Box<FileRequest>)> {
        let mut asked = Vec::new();
        core.drain_outbox(|_, token, op| match op {
            Op::File { request } => asked.push((token, request)),
            other => panic!("not about a region: {other:?}"),
        });
        asked
    }

    fn answer(core: &Core, outcome: Result<u32, Errno>) {
        let (token, mut request) = asked(core).pop().expect("something was asked");
        request.outcome = outcome;
        current::scope(core, || core.file_answered(token, request));
    }

    /// Polls once, answers with this, and polls again.
    fn open(
        core: &Core,
        shape: (usize, usize),
        outcome: Result<u32, Errno>,
    ) -> Result<OpenRegion, RegionError> {
        let mut opening = pin!(OpenRegion::open(shape.0, shape.1));
        let mut poll =
            || current::scope(core, || opening.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        if let Poll::Ready(refused) = poll() {
            return refused;
        }
        answer(core, outcome);
        match poll() {
            Poll::Ready(opened) => opened,
            Poll::Pending => panic!("it was answered"),
        }
    }

    #[test]
    fn errors_name_a_cure_that_there_is_and_count_in_words() {
        let check = |error: RegionError, said: &str| assert_eq!(error.to_string(), said);
        let cure = "raise Config::regions_max, or drop the handles and the blocks of one";
        check(RegionError::TooMany { regions_max: 1 }, &format!("the core has 1 region: {cure}"));
        check(RegionError::TooMany { regions_max: 255 }, &format!("the core has 255 regions: {cure}"));
        check(
            RegionError::TooMany { regions_max: REGIONS_MAX },
            "the core has 256 regions, and no core can have more: drop the handles and the blocks of one, or make fewer and larger \
             ones",
        );
        check(RegionError::NoMemory { bytes: 1 }, "the machine has no 1 byte for a region");
    }

    #[test]
    fn a_region_is_bounded_in_number_and_in_bytes_until_nothing_is_left_of_it() {
        let core = core();
        let first = open(&core, (2, 100), Ok(1)).unwrap();
        assert!(first.is_registered());
        let large = RegionError::TooLarge { bytes: 768, left: 744, region_bytes_max: 1000 };
        assert_eq!(open(&core, (3, 200), Ok(1)).unwrap_err(), large);
        let second = open(&core, (1, 700), Ok(0)).unwrap();
        assert!(!second.is_registered());
        let many = RegionError::TooMany { regions_max: 2 };
        assert_eq!(open(&core, (1, 1), Ok(1)).unwrap_err(), many);
        assert_eq!(core.regions(), 2);
        let block = first.pool().take().unwrap();
        current::scope(&core, || drop(first));
        answer(&core, Ok(0));
        assert_eq!(open(&core, (1, 1), Ok(1)).unwrap_err(), many, "somebody has a block of it");
        drop(block);
        let third = open(&core, (1, 64), Ok(1)).unwrap();
        current::scope(&core, || drop((second, third)));
        assert_eq!(asked(&core).len(), 2);
        assert_eq!(core.regions(), 0);
    }

    #[test]
    fn what_cannot_be_a_region_is_refused_before_anything_is_asked() {
        let core = core();
        let refused = |shape| open(&core, shape, Ok(1)).unwrap_err();
        for (blocks, block_len) in [(0, 8), (8, 0), (65_536, 1), (usize::MAX, usize::MAX), (2, 1 << 30)] {
            assert_eq!(refused((blocks, block_len)), RegionError::Shape { blocks, block_len });
        }
        let mut without = pin!(OpenRegion::open(1, 1));
        let polled = without.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Err(RegionError::NoCore))));
        assert_eq!((core.outbox_len(), core.regions()), (0, 0));
    }

    #[test]
    fn a_refusal_of_the_kernel_says_what_can_be_done_and_leaves_nothing() {
        let core = core();
        let locked = open(&core, (1, 100), Err(Errno::ENOMEM)).unwrap_err();
        assert_eq!(locked, RegionError::Locked { bytes: 128 });
        // Miri knows no limits.
        assert!(cfg!(miri) || locked.to_string().contains("RLIMIT_MEMLOCK"));
        assert_eq!(io::Error::from(locked).kind(), io::ErrorKind::OutOfMemory);
        // Whether it has come or not, it goes.
        assert_eq!(asked(&core).len(), 1);
        let failed = open(&core, (1, 100), Err(Errno::EIO)).unwrap_err();
        assert_eq!(failed, RegionError::Failed { errno: Errno::EIO.0 });
        assert_eq!(asked(&core).len(), 1);
        assert_eq!(core.regions(), 0);
    }

    #[test]
    fn a_region_that_is_being_removed_gives_no_blocks_and_is_let_go_once() {
        let core = core();
        let region = open(&core, (2, 10), Ok(1)).unwrap();
        let block = region.pool().take().unwrap();
        {
            let mut removing = pin!(region.remove());
            let mut poll =
                || current::scope(&core, || removing.as_mut().poll(&mut Context::from_waker(Waker::noop())));
            assert!(poll().is_pending());
            assert!(region.pool().take().is_none());
            drop(block);
            answer(&core, Ok(0));
            assert!(poll().is_ready());
        }
        current::scope(&core, || drop(region));
        assert_eq!((asked(&core).len(), core.regions(), core.file_requests()), (0, 0, 0));
    }

    #[test]
    fn whoever_has_a_block_writes_it_while_any_number_wait_for_the_region_to_go() {
        let core = core();
        let region = open(&core, (2, 10), Ok(1)).unwrap();
        let block = region.pool().take().unwrap();
        let poll = |future: std::pin::Pin<&mut dyn Future<Output = ()>>| {
            current::scope(&core, || future.poll(&mut Context::from_waker(Waker::noop())))
        };
        for _ in 0..100 {
            assert!(poll(pin!(region.remove())).is_pending(), "it gives up");
        }
        let (mut first, mut second) = (Box::pin(region.remove()), Box::pin(region.remove()));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        let leaving = asked(&core);
        assert!(
            matches!(&leaving[..], [(_, one)] if matches!(one.work, FileWork::Dismiss { .. })),
            "{leaving:?}"
        );
        let work = FileWork::Open { path: c"a".into(), options: Default::default() };
        let mut writing = Box::pin(Asked::new(None, work));
        let polled = current::scope(&core, || writing.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        assert!(polled.is_pending() && core.outbox_len() == 1, "the only place is free");
        answer(&core, Err(Errno::ENOENT));
        current::scope(&core, || drop((block, writing)));
        for (token, request) in leaving {
            current::scope(&core, || core.file_answered(token, request));
        }
        assert!(poll(first.as_mut()).is_ready() && poll(second.as_mut()).is_ready());
        drop((first, second));
        assert!(poll(pin!(region.remove())).is_ready(), "it is gone");
        current::scope(&core, || drop(region));
        assert_eq!((asked(&core).len(), core.regions(), core.file_requests()), (0, 0, 0));
    }

    #[test]
    fn no_more_regions_come_and_go_at_a_time_than_the_backend_has_places_for() {
        let core = core();
        for _ in 0..REGIONS_MAX {
            let mut opening = Box::pin(OpenRegion::open(1, 64));
            let polled =
                current::scope(&core, || opening.as_mut().poll(&mut Context::from_waker(Waker::noop())));
            assert!(polled.is_pending());
            current::scope(&core, || drop(opening));
        }
        let many = RegionError::TooMany { regions_max: REGIONS_MAX };
        let polled = current::scope(&core, || {
            pin!(OpenRegion::open(1, 64)).poll(&mut Context::from_waker(Waker::noop()))
        });
        assert!(matches!(polled, Poll::Ready(Err(error)) if error == many), "their requests are under way");
        let asked = asked(&core);
        assert_eq!(asked.len(), 2 * usize::from(REGIONS_MAX));
        for (token, request) in asked {
            current::scope(&core, || core.file_answered(token, request));
        }
        drop(open(&core, (1, 64), Ok(1)).unwrap());
        assert_eq!(core.regions(), 0);
    }

    #[test]
    fn whoever_gives_up_waiting_for_a_region_leaves_none() {
        let core = core();
        for answered_before in [false, true] {
            let mut opening = Box::pin(OpenRegion::open(1, 10));
            let polled =
                current::scope(&core, || opening.as_mut().poll(&mut Context::from_waker(Waker::noop())));
            assert!(polled.is_pending());
            if answered_before {
                answer(&core, Ok(1));
            }
            current::scope(&core, || drop(opening));
            let asked = asked(&core);
            let letting_go = asked.last().expect("it is let go");
            assert!(matches!(&letting_go.1.work, FileWork::Dismiss { pool } if pool.is_closed()));
            for (token, request) in asked {
                current::scope(&core, || core.file_answered(token, request));
            }
            assert_eq!((core.regions(), core.file_requests()), (0, 0));
        }
    }
}
