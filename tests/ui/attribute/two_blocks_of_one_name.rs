use odeon::prelude::*;

struct Jar<T>(T);


#[actor]
impl Jar<u8> {
    #[call]
    fn one(&self) -> u8 {
        self.0
    }
}

#[actor]
impl Jar<u16> {
    #[call]
    fn one(&self) -> u16 {
        self.0
    }
}

fn main() {}
