//! Streams in the hands of other libraries.
//!
//! Knows: the traits of `futures-io`. Must not know what a stream is made of.

use std::io::Write;

use futures_lite::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, copy, split};
use odeon::prelude::*;
use odeon::sys::Random;

use crate::client::{connect, exchange, finish, pattern, request, rest};
use crate::world::World;

pub(crate) fn other_libraries_read_and_write_streams(on: BackendChoice) {
    let mut world = World::new(on, 1);
    let address = world.attend(|mut stream: Stream| async move {
        let mut line = String::new();
        AsyncBufReadExt::read_line(&mut stream, &mut line).await?;
        AsyncWriteExt::write_all(&mut stream, line.to_uppercase().as_bytes()).await?;
        AsyncReadExt::read_exact(&mut stream, &mut [0; 3]).await?;
        let (reader, mut writer) = split(stream);
        copy(reader, &mut writer).await?;
        writer.close().await
    });
    let mut stream = connect(address);
    request(&mut stream, "hello", "HELLO\n");
    stream.write_all(b"abc").expect("the server reads");
    let mut random = Random::new(12);
    let bytes = pattern(12, 3 << 20);
    exchange(&stream, &mut random, &bytes);
    finish(&stream);
    assert_eq!(rest(&mut stream), b"");
    drop(stream);
    world.finish();
}
