use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


#[actor]
impl Room {
    #[message]
    fn said(&mut self, _said: &Said) {}

    #[call]
    fn find(&self, _name: Option<&str>) {}

    #[call]
    fn name(&self) -> &str {
        "lobby"
    }

    #[call]
    fn names(&self) -> impl Iterator<Item = String> {
        std::iter::empty()
    }
}

fn main() {}
