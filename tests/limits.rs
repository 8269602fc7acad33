//! Are limits real? Allocations and system calls are counted, and pools are made so small that each is full at once.
//!
//! Counts do not drift: nothing here looks at times.
// A test is one crate that nobody else names.
#![allow(unreachable_pub)]

#[path = "limits/asks.rs"]
mod asks;
#[path = "../benches/messaging/heap.rs"]
mod heap;
#[path = "limits/lanes.rs"]
mod lanes;
#[path = "limits/messages.rs"]
mod messages;
#[path = "limits/owned.rs"]
mod owned;
#[path = "limits/pools.rs"]
mod pools;
#[path = "limits/requests.rs"]
mod requests;
#[path = "limits/runner.rs"]
mod runner;
#[path = "limits/topics.rs"]
mod topics;

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;
