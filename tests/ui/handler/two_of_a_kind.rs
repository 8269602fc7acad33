use odeon::prelude::*;

struct Room;


#[actor(codec = Lines<80>)]
impl Room {
    #[frame]
    fn line(&mut self, _line: &str) {}

    #[frame]
    fn another_line(&mut self, _line: &str) {}

    #[started]
    fn started(&mut self) {}

    #[started]
    fn joined(&mut self) {}
}

fn main() {}
