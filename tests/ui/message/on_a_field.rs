#[derive(odeon::Message)]
struct Ping {
    #[message(reply = u8)]
    count: u8,
}

fn main() {}
