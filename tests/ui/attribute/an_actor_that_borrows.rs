use odeon::prelude::*;

struct Room<'a>(&'a str);

#[actor]
impl<'a> Room<'a> {
    #[call]
    fn name(&self) -> String {
        self.0.to_owned()
    }
}

fn main() {}
