use odeon::prelude::*;

struct Room;

struct Said(u64);

#[actor]
impl Room {
    #[message]
    async fn said(&mut self, _said: Said) {}
}

struct Visitor(Addr<Room>);

#[actor]
impl Visitor {
    #[call]
    async fn say(&mut self, line: u64) -> bool {
        self.0.send(Said(line)).await.is_ok()
    }
}

fn main() {}
