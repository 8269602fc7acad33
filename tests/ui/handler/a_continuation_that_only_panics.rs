use odeon::prelude::*;

struct Room;

#[actor]
impl Room {
    #[call]
    fn count(&self) -> u64 {
        0
    }
}

struct Guest(Addr<Room>);

#[actor]
impl Guest {
    #[started]
    fn look(&mut self, cx: &mut Context<Self>) {
        self.0.count().then(cx, |_, count, _| {
            println!("{count:?}");
            panic!("enough")
        });
    }
}

fn main() {}
