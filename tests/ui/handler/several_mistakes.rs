use odeon::prelude::*;

struct Room;

#[derive(Message)]
struct Said(u64);


#[actor(mailbox(capacity = 0), colour = red)]
impl Room {
    #[message]
    fn said(self, _said: Said) {}

    #[every("soon")]
    async fn tick(&mut self, cx: &mut Context<Self>) {
        cx.me().tell(Said(1)).or_dead_letter();
    }

    #[call]
    fn count(&self) -> u64 {
        0
    }
}

fn others(room: Addr<Room>) {
    room.tell(Said(1)).or_dead_letter();
    let _ = room.count();
}

fn main() {}
