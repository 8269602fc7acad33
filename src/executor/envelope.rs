//! stub
use super::address::RawAddress;
pub struct Envelope(Box<dyn FnOnce() + Send>);
impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Envelope")
    }
}
impl Envelope {
    pub fn new<M: Send + 'static>(target: RawAddress, deliver: fn(RawAddress, M), message: M) -> Envelope {
        Envelope(Box::new(move || deliver(target, message)))
    }
    pub fn deliver(self) {
        (self.0)()
    }
}
