//! A server whose clock is wrong, for those who ask it: [`WrongClock`].

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use redlock_testkit::server::Server;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Stands in front of a server, and tells of another time than its clock shows. What the server
/// itself goes by stays as it is.
pub(super) struct WrongClock {
    port: u16,
    ahead: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl WrongClock {
    /// Right, as yet.
    pub(super) async fn before(server: &Server) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (ahead, to) = (Arc::<AtomicU64>::default(), server.port());
        let seconds = Arc::clone(&ahead);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(relay(client, to, Arc::clone(&seconds)));
            }
        });
        Self { port, ahead, task }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// From now on the clock is so many seconds ahead of the right one.
    pub(super) fn set_ahead(&self, seconds: u64) {
        self.ahead.store(seconds, Ordering::SeqCst);
    }
}

impl Drop for WrongClock {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(mut client: TcpStream, to: u16, ahead: Arc<AtomicU64>) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", to)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut asks, mut hears) = client.split();
    let (answers, mut asked) = server.split();
    let asking = tokio::io::copy(&mut asks, &mut asked);
    let answering = async {
        let (mut answers, mut line) = (BufReader::new(answers), Vec::new());
        while answers.read_until(b'\n', &mut line).await? > 0 {
            hears.write_all(&told(&line, ahead.load(Ordering::SeqCst))).await?;
            line.clear();
        }
        Ok(())
    };
    tokio::select! {
        ended = asking => ended.map(drop),
        ended = answering => ended,
    }
}

/// A line of an answer as it is told: whatever has the shape of a time of these years is one, in
/// microseconds from a script, or in seconds from `TIME`. (A counter that began at the clock has it
/// too, and is as far ahead.)
fn told(line: &[u8], ahead: u64) -> Vec<u8> {
    let text = std::str::from_utf8(line).unwrap_or_default().trim_end();
    let (sign, digits) = text.split_at(usize::from(text.starts_with(':')));
    match (digits.len(), digits.parse::<u64>()) {
        (16, Ok(micros)) if sign == ":" => format!(":{}\r\n", micros + ahead * 1_000_000).into(),
        (10, Ok(seconds)) if sign.is_empty() => format!("{}\r\n", seconds + ahead).into(),
        _ => line.to_vec(),
    }
}
