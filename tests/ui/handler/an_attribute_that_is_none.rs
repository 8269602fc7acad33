use odeon::prelude::*;

struct Room;


#[actor]
impl Room {
    #[interval("30s")]
    fn tick(&mut self) {}

    #[start]
    fn begin(&mut self) {}

    #[handler]
    fn said(&mut self) {}

    #[mesage]
    fn heard(&mut self) {}

    #[calls]
    #[cold]
    fn count(&self) -> u64 {
        0
    }
}

fn main() {}
