//! Regions: memory of a core that the kernel is told of once.
//!
//! Knows: how a region is made and let go. Must not know what is done with its blocks.

use std::rc::Rc;

use crate::executor::{OpenRegion, RegionError};
use crate::mem::RegionBuf;

/// Memory of a core, in equal blocks, that the kernel is told of once instead of with each operation.
///
/// The [blocks](RegionBuf) are what files are read into and written from, by the same methods as vectors; and what is
/// [frozen](RegionBuf::freeze) and [written to a connection](crate::Context::write_bytes) goes out without a copy under the same
/// conditions as other counted bytes ([`Config::zero_copy_min`](crate::Config::zero_copy_min)).
///
/// On io_uring the kernel then need not look the memory up each time; nor, for a send, pin its pages, of which a block of 64 KiB has 16.
/// That is so on the core that has made the region, and for a send that is one piece of one block. Everywhere else (on another core, on
/// mio, where the kernel refuses) the same calls work as with other memory.
///
/// All handles and blocks can be dropped in any order. A region is gone when the last handle and the last block are, the blocks
/// that are under way included; [`Region::remove`] waits for that. Until then it counts against
/// [`Config::regions_max`](crate::Config::regions_max) and [`Config::region_bytes_max`](crate::Config::region_bytes_max).
///
/// **Costs** a system call to make and one to let go, on io_uring. Within the first the kernel makes every page of the memory present,
/// which it fills with zeroes, and pins it: on the thread of the core, which does nothing else meanwhile; for 256 MiB that takes tens of
/// milliseconds. So regions are best made before there is much to do. And the memory of all blocks, which is resident from the start and counts as locked; blocks are rounded up to 64 bytes. Where
/// `block_len` is a multiple of 4 KiB, each block begins at a page.
///
/// ```
/// use odeon::fs::{File, Region};
/// use odeon::prelude::*;
///
/// # let folder = std::env::temp_dir().join(format!("odeon-region-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("copy");
/// let system = System::builder().cores(Cores::Count(1)).build()?;
/// let copied = system.spawn_task(0, move || async move {
///     let region = Region::new(4, 64 << 10).await?;
///     let mut block = region.take().expect("nobody has one yet");
///     block.set_len(5);
///     block.copy_from_slice(b"bytes");
///
///     let file = File::create(&path).await?;
///     let (written, mut block) = file.write_all_at(block, 0).await;
///     written?;
///
///     block.set_len(0);
///     let (read, block) = File::open(&path).await?.read_at(block, 0).await;
///     assert_eq!((read?, &block[..]), (5, &b"bytes"[..]));
///
///     // Waits for what is under way, and until every block has been dropped.
///     drop(block);
///     region.remove().await;
///     std::io::Result::Ok(())
/// })?;
/// copied.wait().unwrap()?;
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Region {
    open: Rc<OpenRegion>,
}

impl Region {
    /// Makes a region of so many blocks, each of so many bytes, on the core that runs this, whose thread waits for the kernel to pin them.
    ///
    /// # Errors
    /// Says which limit was reached, and what can be done about it.
    pub async fn new(blocks: usize, block_len: usize) -> Result<Region, RegionError> {
        Ok(Region { open: Rc::new(OpenRegion::open(blocks, block_len).await?) })
    }

    /// Takes a block that nobody has, without bytes in it; `None` if there is none, or the region is being removed. It goes back when
    /// it is dropped.
    #[must_use]
    pub fn take(&self) -> Option<RegionBuf> {
        self.open.pool().take()
    }

    /// Blocks that nobody has.
    #[must_use]
    pub fn free(&self) -> usize {
        self.open.pool().free()
    }

    /// Blocks in all.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.open.pool().blocks()
    }

    /// Bytes that each block can hold.
    #[must_use]
    pub fn block_len(&self) -> usize {
        self.open.pool().block_len()
    }

    /// True if the kernel knows the memory: not on mio, nor where it has refused.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.open.is_registered()
    }

    /// Lets no more blocks be taken, by whichever handle, and waits until all are back and the kernel has been told to forget the memory.
    /// What is under way has its block, and so has what was frozen: this waits for all of it, however long that takes. Whoever does so
    /// has no share of [`Config::file_requests_max`](crate::Config::file_requests_max); and several may, each by a handle.
    ///
    /// What it promises is that nobody has a block, nor will: nothing that was asked of the region is under way, and it does not count
    /// against the limits of its core any more. It cannot fail. Should the kernel refuse to forget the memory, then that is
    /// kept until the process ends, and nothing is written to it; a core that ends does not wait for blocks, and ends the futures that wait
    /// here.
    ///
    /// Dropped, it goes on by itself, as after the drop of the last handle.
    pub async fn remove(self) {
        self.open.remove().await;
    }
}
