//! What the benchmarks share: reference servers, load generators, measurement, reports.
//!
//! Knows: nothing of Odeon but the command lines of its examples `echo` and `proxy`. Servers and loads are child processes of the
//! benchmark itself, started with a role as first argument.

pub(crate) mod bare_epoll;
pub(crate) mod bare_publish;
pub(crate) mod bare_uring;
pub(crate) mod bare_writes;
pub(crate) mod child;
pub(crate) mod disturbance;
pub(crate) mod epoll;
pub(crate) mod idle;
pub(crate) mod latency;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod matrix;
pub(crate) mod memory;
pub(crate) mod open_loop;
pub(crate) mod options;
pub(crate) mod pairs;
pub(crate) mod program;
pub(crate) mod publish;
pub(crate) mod receive_pool;
pub(crate) mod relay;
pub(crate) mod report;
pub(crate) mod ring;
pub(crate) mod round_trip;
pub(crate) mod servers;
pub(crate) mod slow_peers;
pub(crate) mod slowly;
pub(crate) mod stats;
pub(crate) mod subscribers;
pub(crate) mod traffic;
pub(crate) mod verdict;
