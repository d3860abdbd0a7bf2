//! The threads of a proxy: one that accepts, and two for each connection.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    flow::Direction,
    shared::{Shared, Step},
};

/// Accepts connections until the proxy says no more.
pub(super) fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.is_closed() {
            // To close it is not enough: a process that is just being started by another thread
            // has it too, until it runs its program.
            let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
            return;
        }
        match client {
            Ok(client) => {
                // A client that cannot be led on is hung up on.
                let _ = connect(client, shared);
            }
            // Out of file descriptors, perhaps: no reason to spin.
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn connect(client: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    let server = TcpStream::connect_timeout(&shared.target, CONNECT)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ends =
        [(client.try_clone()?, server.try_clone()?), (server.try_clone()?, client.try_clone()?)];
    let id = shared.open(client, server);
    let threads = [Direction::Requests, Direction::Replies].into_iter().zip(ends).map(
        |(direction, (from, to))| {
            let shared = Arc::clone(shared);
            thread::spawn(move || {
                pump(&shared, id, direction, from, to);
                shared.ended(id);
            })
        },
    );
    let threads: Vec<_> = threads.collect();
    shared.keep(threads);
    Ok(())
}

/// Carries bytes one way until the connection ends.
fn pump(shared: &Shared, id: u64, direction: Direction, mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut piece = &buffer[..count];
        let mut since = Instant::now();
        shared.arrived(direction, piece);
        while !piece.is_empty() {
            match shared.step(id, direction, piece.len(), since) {
                Step::Pass { bytes, cut } => {
                    if to.write_all(&piece[..bytes]).is_err() {
                        return;
                    }
                    shared.passed(direction, bytes);
                    if cut {
                        shared.cut_one(id);
                        return;
                    }
                    piece = &piece[bytes..];
                    since = Instant::now();
                }
                Step::Lost => piece = &[],
                Step::Cut => return,
            }
        }
    }
    // Told on, so that the other side hangs up too.
    let _ = to.shutdown(Shutdown::Write);
}

/// The server is on this machine.
const CONNECT: Duration = Duration::from_secs(5);
