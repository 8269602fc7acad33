use odeon::prelude::*;

struct Room;

fn main() {}

fn start(system: &System) -> odeon::Result<Addr<Room>> {
    system.spawn(Room)
}
