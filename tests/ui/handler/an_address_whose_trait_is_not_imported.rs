mod room {
    use odeon::prelude::*;

    pub struct Room;

    #[actor(pub)]
    impl Room {
        #[call]
        fn title(&self) -> String {
            String::new()
        }
    }
}

use odeon::prelude::*;
use room::Room;

fn main() {}

fn title(room: Addr<Room>) {
    let _ = room.title();
}
