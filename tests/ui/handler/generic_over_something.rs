use odeon::prelude::*;

struct Room;


#[actor]
impl Room {
    #[call]
    fn show<T: ToString>(&self, what: T) -> String {
        what.to_string()
    }

    #[call]
    fn hide(&self, what: impl ToString) -> String {
        what.to_string()
    }
}

fn main() {}
