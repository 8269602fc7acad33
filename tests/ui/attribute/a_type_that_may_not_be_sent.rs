use odeon::prelude::*;

struct Jar<T>(Vec<T>);


#[actor]
impl<T> Jar<T> {
    #[call]
    fn put(&mut self, one: T) {
        self.0.push(one);
    }
}

fn main() {}
