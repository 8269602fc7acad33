#[derive(odeon::Message)]
#[message]
struct Ping;

fn main() {}
