//! Bounded memory: slabs, queues and pools.
//!
//! Knows: sizes, ids, who holds what. Must not know sockets, rings or actors.

mod aside;
mod assembly;
mod block_pool;
mod blocks;
mod buffer;
mod bytes;
mod fifo;
mod kept;
mod lend;
pub(crate) mod poison;
mod pool_id;
mod receive;
mod region;
mod returns;
mod send;
mod slab;

pub use self::bytes::Bytes;
pub use aside::aside;
pub use assembly::{AssemblyRoom, AssemblyShare, Promise};
pub use block_pool::{BlockPool, RegionBuf};
pub use blocks::{Blocks, BlocksOwner};
pub use buffer::Buffer;
pub use fifo::{ChunkPool, Fifo};
pub use lend::lend;
pub use receive::{Lease, ReceivePool};
pub use returns::Returns;
pub use send::{Chain, Keeper, SEND_CLASSES, SendPool};
pub use slab::{Key, MaybeKey, Slab};

/// There is no room. What did not fit was left with the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("no room left")
    }
}

impl std::error::Error for Full {}
