//! stub
use std::sync::atomic::{AtomicBool, Ordering, fence};
#[derive(Debug, Default)]
pub struct SleepFlag(AtomicBool);
impl SleepFlag {
    pub fn new() -> SleepFlag {
        SleepFlag::default()
    }
    pub fn announce(&self) {
        self.0.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }
    pub fn awake(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
    pub fn should_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::SeqCst)
    }
}
