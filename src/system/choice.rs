//! Which backend a system uses.
//!
//! Knows: the names, the environment, when to fall back. Must not know how a backend works.

use std::env;
use std::str::FromStr;

use super::{Error, Result};

/// Which backend a system uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// io_uring where the kernel allows it, else mio. The environment variable `ODEON_BACKEND`, if it is set and not empty,
    /// overrides this choice and no other: `uring` and `mio` force one and fail where it cannot be used.
    #[default]
    Auto,
    /// io_uring, or an error.
    Uring,
    /// mio: epoll or kqueue.
    Mio,
}

impl FromStr for BackendChoice {
    type Err = Error;

    fn from_str(name: &str) -> Result<BackendChoice> {
        match name {
            "auto" => Ok(BackendChoice::Auto),
            "uring" => Ok(BackendChoice::Uring),
            "mio" => Ok(BackendChoice::Mio),
            other => Err(Error::UnknownBackend(other.to_owned())),
        }
    }
}

impl BackendChoice {
    /// The environment's word where the program leaves it open. An empty word is none.
    pub(super) fn resolve(self) -> Result<BackendChoice> {
        let word = env::var_os("ODEON_BACKEND").filter(|word| !word.is_empty());
        match (self, word) {
            (BackendChoice::Auto, Some(word)) => {
                let word = word.to_string_lossy();
                word.parse().map_err(|_| Error::BackendVariable(word.into_owned()))
            }
            (choice, _) => Ok(choice),
        }
    }
}
