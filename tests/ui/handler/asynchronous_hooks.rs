use odeon::prelude::*;

struct Room;


#[actor(codec = Lines<80>)]
impl Room {
    #[started]
    async fn started(&mut self) {}

    #[frame]
    async fn line(&mut self, _line: &str) {}

    #[every("1s")]
    async fn tick(&mut self) {}
}

fn main() {}
