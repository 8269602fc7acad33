use odeon::prelude::*;

struct Room {
    said: u64,
}

struct Said(u64);

#[actor]
impl Room {
    #[message]
    fn said(&mut self, Said(more): Said) {
        self.said += more;
    }

    #[call]
    fn count(&self) -> u64 {
        self.said
    }

    #[call]
    fn begin(&mut self, at: u64) {
        self.said = at;
    }

    #[call]
    async fn lines(&mut self, from: u64, to: u64) -> Vec<u64> {
        (from..to).collect()
    }
}

fn main() {}
