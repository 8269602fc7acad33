use odeon::prelude::*;

struct Room;


#[actor]
impl Room {
    #[call(timeout = "1s")]
    fn count(&self) -> u64 {
        0
    }
}

fn main() {}
