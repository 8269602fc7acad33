use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Known;

#[derive(Message)]
struct Unknown;

struct Plain;

#[actor]
impl Room {
    #[message]
    fn known(&mut self, _: Known) {}
}

async fn awaited(room: Addr<Room>) {
    let _ = room.ask(Unknown).await;
}

async fn no_message(room: Addr<Room>) {
    let _ = room.ask(Plain).await;
}

fn main() {}
