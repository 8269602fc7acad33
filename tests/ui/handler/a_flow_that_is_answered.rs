use odeon::prelude::*;

struct Room;

#[actor]
impl Room {
    #[call]
    fn close(&mut self) -> Result<Flow, String> {
        Ok(Flow::Stop)
    }
}

fn main() {}
