//! Streams in the hands of other libraries.
//!
//! Knows: the traits of `futures-io`. Must not know what a stream is made of.

use std::io::{ErrorKind, Write};
use std::sync::mpsc::channel;
use std::time::Duration;

use futures_lite::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, copy, split};
use odeon::ShutdownReport;
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

pub(crate) fn other_libraries_do_not_take_what_a_shutdown_leaves_for_whole(on: BackendChoice) {
    let mut world = World::with(on, 1, |config| config.close_deadline = Duration::from_millis(300));
    let (tell, answers) = channel();
    let address = world.attend(|mut stream: Stream| async move {
        let mut line = String::new();
        AsyncBufReadExt::read_line(&mut stream, &mut line).await?;
        AsyncWriteExt::write_all(&mut stream, line.as_bytes()).await?;
        let read = match line.trim_end() {
            "line" => AsyncBufReadExt::read_until(&mut stream, b'\n', &mut Vec::new()).await,
            _ => AsyncReadExt::read_to_end(&mut stream, &mut Vec::new()).await,
        };
        tell.send(read.map_err(|error| error.kind())).expect("the test waits");
        Ok(())
    });
    let streams = [("line", false), ("end", false), ("line", true), ("end", true)].map(|(way, finishes)| {
        let mut stream = connect(address);
        request(&mut stream, way, &format!("{way}\n"));
        stream.write_all(b"half").expect("the server reads");
        if finishes {
            finish(&stream);
        }
        stream
    });
    assert_eq!(world.system.shutdown(), ShutdownReport::default());
    drop(streams);
    let mut told: Vec<_> = answers.try_iter().collect();
    told.sort();
    let cut = Err(ErrorKind::ConnectionAborted);
    assert_eq!(told, [Ok(4), Ok(4), cut, cut]);
}
