use odeon::prelude::*;

struct Room;


#[actor(codec = Lines<80>)]
impl Room {
    #[frame]
    fn line(&mut self, _line: &str, _number: u64) {}

    #[started]
    fn started(&mut self, _number: u64) {}

    #[stopped]
    fn stopped(&mut self, _reason: String) {}

    #[malformed]
    fn malformed(&mut self, _reason: StopReason) {}
}

fn main() {}
