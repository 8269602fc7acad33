#[derive(odeon::Message)]
struct Line<'a>(&'a str);

fn main() {}
