use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);

#[derive(Message)]
struct Left;

#[actor]
impl Room {
    #[message]
    fn said(&mut self, _said: &Said) {}

    #[message]
    fn left(&mut self, _left: Left, _of: u64) {}

    #[message]
    fn note(&mut self, _text: &str) {}

    #[message]
    fn tick(&mut self) {}

    #[call]
    fn find(&self, _name: &str, _first: u32) -> Option<u64> {
        None
    }

    #[call]
    fn name(&self) -> &str {
        "lobby"
    }

    #[call]
    fn place(&self, (_x, _y): (u32, u32)) {}
}

fn others(room: Addr<Room>) -> Result<usize, AskError> {
    room.tell(Said(1)).or_dead_letter();
    room.said(Said(2)).wait()?;
    room.left(Left, 3).wait()?;
    room.note("left").wait()?;
    room.tick().wait()?;
    let name = "lobby".to_owned();
    let found: Option<u64> = room.find(&name, 1).wait()?;
    room.place((1, 2)).wait()?;
    Ok(room.name().wait()?.len() + found.is_some() as usize)
}

fn main() {}
